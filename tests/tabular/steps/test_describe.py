"""Every column gets the kind it deserves, and every guardrail tells each of its states."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError, SettingError
from automl_assets.records import Guardrail, Profile
from automl_assets.steps.load import load
from automl_assets.tabular.steps.describe import describe

N_ROWS = 100
NAMES = [f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(N_ROWS)]
REVIEWS = [f"{a} food with {b} {i}" for i, (a, b) in enumerate([("good", "cheese"), ("bad", "bread")] * 50)]
CLASSES = ["a", "b"] * (N_ROWS // 2)
NUMBERS = np.random.default_rng(0).normal(size=N_ROWS)


def _profile(ask, task: str = "classification", settings: dict | None = None, **columns: object) -> Profile:
    experiment = ask(pl.DataFrame({"x": NUMBERS, "y": CLASSES} | columns), task, **(settings or {}))
    return describe(load(experiment), experiment)


def _guardrail(profile: Profile, name: str) -> Guardrail:
    (found,) = [guardrail for guardrail in profile.guardrails if guardrail.name == name]
    return found


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        ([1, 2] * 50, "numeric", "holds numbers"),
        ([True, False] * 50, "numeric", "holds numbers"),
        ([*range(N_ROWS)], "numeric", "holds numbers"),  # a number is never taken for an identifier
        (["u", "v"] * 50, "categorical", "holds 2 different texts"),
        ([date(2020, 1, 1), date(2021, 1, 1)] * 50, "datetime", "holds dates"),
        ([f"id{i}" for i in range(N_ROWS)], "ignored", "is an identifier: 100 different texts in 100 rows"),
        ([f"id{i % 90}" for i in range(N_ROWS)], "categorical", "holds 90 different texts"),
        ([f"SN-{i:04} rev" for i in range(N_ROWS)], "ignored", "is an identifier: 100 different texts in 100 rows"),
        (
            [f"{NAMES[i]} {NAMES[-i]}" for i in range(N_ROWS)],
            "ignored",
            "is an identifier: 100 different texts in 100 rows",
        ),
        (REVIEWS, "text", "holds 100 different texts of 4.0 words"),
        ([*REVIEWS[:80], *REVIEWS[:20]], "categorical", "holds 80 different texts"),  # few enough for a code each
        ([3] * N_ROWS, "ignored", "has the same value in every row"),
        ([None] * N_ROWS, "ignored", "has no value"),
        ([3, None] * 50, "numeric", "holds numbers"),  # that it is missing may tell something
        ([f"rare{i}" for i in range(30)] + [None] * 70, "categorical", "holds 30 different texts"),
    ],
)
def test_kinds(ask, values: list, kind: str, reason: str) -> None:
    column = _profile(ask, c=values).columns[1]
    assert (column.name, column.kind, column.reason) == ("c", kind, reason)


def test_the_experiment_has_the_last_word(ask) -> None:
    wishes = {"featurization": {"column_types": {"code": "categorical", "x": "ignored"}}}
    profile = _profile(ask, settings=wishes, code=[*range(50)] * 2)
    assert profile.of_kind("categorical") == ("code",)
    assert profile.of_kind("ignored") == ("x",)


def test_classes_that_the_source_lacks_are_told(ask, tmp_path: Path) -> None:
    pl.DataFrame({"x": NUMBERS[:8], "y": ["a", "b", "c", "d", "c", None, "a", "b"]}).write_parquet(
        tmp_path / "t.parquet"
    )
    found = _guardrail(_profile(ask, settings={"test": str(tmp_path / "t.parquet")}), "unseen_classes")
    assert (found.status, found.figures) == ("alerted", {"rows": 3, "classes": "c, d"})
    assert found.message.startswith(
        "3 of 7 rows of the validation and test files have a class that the source lacks (c, d)"
    )
    assert _guardrail(_profile(ask), "unseen_classes").status == "passed"


@pytest.mark.parametrize(("positive", "threshold"), [("b", 0.2), ("a", 0.8)])
def test_a_threshold_is_that_of_the_positive_class(ask, positive: str, threshold: float) -> None:
    profile = _profile(ask, settings={"threshold": 0.2, "positive_label": positive})
    assert profile.problem.threshold == pytest.approx(threshold)


def test_more_than_two_classes_have_no_threshold(ask) -> None:
    with pytest.raises(SettingError, match=r"^threshold: only two classes have one; the target has 4\. Remove it$"):
        _profile(ask, settings={"threshold": 0.2}, y=["a", "b", "c", "d"] * 25)


@pytest.mark.parametrize("kind", ["datetime", "numeric"])
def test_an_impossible_wish_is_refused(ask, kind: str) -> None:
    wishes = {"featurization": {"column_types": {"c": kind}}}
    with pytest.raises(
        DataError, match=rf'^featurization\.column_types: "c" cannot be {kind}; it holds String, such as'
    ):
        _profile(ask, settings=wishes, c=["u", "v"] * 50)


def test_many_different_texts_of_words_that_recur_are_text(ask) -> None:
    """A text need not be unique: above 100 different ones a code each tells less than their words."""
    titles = [f"{a} {b} officer" for a in NAMES[:11] for b in NAMES[:10]] * 2
    columns = {"x": np.arange(220.0), "y": ["a", "b"] * 110, "c": titles}
    column = _profile(ask, **columns).columns[1]
    assert (column.kind, column.reason) == ("text", "holds 110 different texts of 3.0 words")


@pytest.mark.parametrize(
    ("column", "imputer", "answer"),
    [
        ("c", "mean", '"c" is categorical and takes most_frequent or constant; got mean with'),
        (
            "x",
            {"strategy": "constant", "fill_value": "?"},
            '"x" is numeric and takes a fill_value that is a number; got',
        ),
        ("d", "most_frequent", '"d" is datetime and takes no imputer; got most_frequent'),
    ],
)
def test_an_impossible_imputer_is_refused(ask, column: str, imputer, answer: str) -> None:
    wishes = {"featurization": {"imputers": {column: imputer}}}
    with pytest.raises(DataError, match=rf"^featurization\.imputers: {answer}"):
        _profile(ask, settings=wishes, c=["u", "v"] * 50, d=[date(2020, 1, 1), date(2021, 1, 1)] * 50)


def test_featurization_off_keeps_numbers_alone(ask) -> None:
    profile = _profile(ask, settings={"featurization": "off"}, c=["u", "v"] * 50)
    assert profile.of_kind("numeric") == ("x",)
    assert profile.columns[1].reason == "is not numeric, and featurization is off"


def test_statistics(ask) -> None:
    profile = _profile(ask, n=[0.0, 1.0, 4.0, None] * 25, c=["u", "u", "v", None] * 25)
    n, c = profile.columns[1:]
    assert (n.n_missing, n.n_unique, n.minimum, n.maximum) == (25, 3, 0.0, 4.0)
    assert n.mean == pytest.approx(5 / 3)
    assert (sum(n.histogram), n.histogram[0], n.histogram[-1]) == (75, 25, 25)
    assert c.top == (("u", 50), ("v", 25))


def test_only_rows_of_the_source_are_looked_at(ask, tmp_path) -> None:
    pl.DataFrame({"x": [1e9] * 5, "y": ["a"] * 5}).write_parquet(tmp_path / "t.parquet")
    profile = _profile(ask, settings={"test": str(tmp_path / "t.parquet")})
    assert profile.n_rows == N_ROWS
    assert profile.columns[0].maximum == NUMBERS.max()


def test_nothing_left_to_learn_from_is_refused(ask) -> None:
    with pytest.raises(
        DataError, match=r"^no column is left to learn from: x has the same value in every row\. Name th"
    ):
        _profile(ask, x=[1] * N_ROWS)


def test_a_problem_without_a_question_is_refused(ask) -> None:
    with pytest.raises(DataError, match=r'^target "y": a classification needs two classes or more; got 1 \(a\)\.'):
        _profile(ask, y=["a"] * N_ROWS)
    with pytest.raises(DataError, match=r'^target "y": a regression needs numbers that differ; got 3\.'):
        _profile(ask, "regression", y=[3] * N_ROWS)
    with pytest.raises(DataError, match=r'^target "y": a regression needs numbers that differ; got .* read as text\?$'):
        _profile(ask, "regression", y=CLASSES)
    with pytest.raises(
        DataError, match=r"600 different values are too many classes \(at most 500\)\. Is this a regress"
    ):
        _profile(ask, x=np.arange(600), y=np.arange(600))


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (["no", "yes"], ("no", "yes")),
        ([0.0, 1.0], (0, 1)),
        ([2, 1], (1, 2)),
        ([True, False], (False, True)),
        ([0.5, 1.5], (0.5, 1.5)),
        ([date(2021, 1, 1), date(2020, 1, 1)], ("2020-01-01", "2021-01-01")),
    ],
)
def test_classes_are_plain_values_in_order(ask, target: list, classes: tuple) -> None:
    problem = _profile(ask, y=target * 50).problem
    assert problem.classes == classes
    assert [type(label) for label in problem.classes] == [type(label) for label in classes]
    assert problem.positive == 1


@pytest.mark.parametrize(("label", "code"), [("a", 0), ("b", 1), (None, 1)])
def test_the_positive_class(ask, label: str | None, code: int) -> None:
    assert _profile(ask, settings={"positive_label": label}).problem.positive == code


def test_an_unknown_positive_label_is_refused(ask) -> None:
    with pytest.raises(DataError, match=r"^positive_label: got 'bb'; possible: a, b\. Did you mean \"b\"\?$"):
        _profile(ask, settings={"positive_label": "bb"})
    with pytest.raises(DataError, match=r"^positive_label: only two classes have a positive one; got 4 classes$"):
        _profile(ask, settings={"positive_label": "a"}, y=["a", "b", "c", "d"] * 25)


COPIES = {"x": [*NUMBERS[:98], NUMBERS[1], NUMBERS[0]], "y": [*CLASSES[:98], "b", "a"]}
SIGN = [1.0 if label == "b" else -1.0 for label in CLASSES]

GUARDRAILS = [
    ("missing_values", "passed", {}, "No feature has missing values."),
    ("missing_values", "done", {"c": [1, None, 2, 3] * 25}, r"1 columns have missing values, most of all c \(25%\)"),
    ("missing_target", "passed", {}, "Every row has a target."),
    ("missing_target", "done", {"y": [None, *CLASSES[1:]]}, "1 of 100 rows have no target and take no part."),
    ("high_cardinality", "passed", {"c": [f"c{i % 50}" for i in range(100)]}, "No categorical column"),
    ("ignored_columns", "passed", {}, "Every column is used."),
    ("ignored_columns", "done", {"c": [1] * 100}, r"Not used: c \(has the same value in every row\)\."),
    ("class_balance", "passed", {}, "The rarest class is 100% of the most frequent."),
    ("class_balance", "passed", {"y": ["a"] * 83 + ["b"] * 17}, "The rarest class is 20%"),
    ("class_balance", "alerted", {"y": ["a"] * 90 + ["b"] * 10}, r"The rarest class has 10 rows, 11\.1% of"),
    ("target_leakage", "passed", {}, "No column gives the target away."),
    ("target_leakage", "alerted", {"c": SIGN}, "c: says the target almost exactly."),
    ("duplicate_rows", "passed", {}, "No row occurs twice."),
    ("duplicate_rows", "alerted", COPIES, r"2 rows \(2\.0%\) repeat an earlier one"),
]


@pytest.mark.parametrize(("name", "status", "columns", "message"), GUARDRAILS)
def test_guardrails(ask, name: str, status: str, columns: dict, message: str) -> None:
    guardrail = _guardrail(_profile(ask, **columns), name)
    assert guardrail.status == status
    assert pl.Series([guardrail.message]).str.contains(message).item()


def test_high_cardinality_is_handled(ask) -> None:
    columns = {"x": np.arange(300.0), "y": ["a", "b"] * 150, "c": [f"c{i % 150}" for i in range(300)]}
    assert _guardrail(_profile(ask, **columns), "high_cardinality").status == "done"


def test_few_duplicates_are_only_told(ask) -> None:
    numbers = np.arange(400.0)
    numbers[-2:] = numbers[:2]
    guardrail = _guardrail(_profile(ask, x=numbers, y=["a", "b"] * 200), "duplicate_rows")
    assert (guardrail.status, guardrail.figures) == ("done", {"rows": 2})


def test_a_regression_has_no_class_balance(ask) -> None:
    assert _guardrail(_profile(ask, "regression", y=NUMBERS**2), "class_balance").message == (
        "A regression has no classes."
    )


def test_a_leak_is_found_in_a_regression(ask) -> None:
    profile = _profile(ask, "regression", y=NUMBERS**2, c=3 - 2 * NUMBERS**2)
    assert _guardrail(profile, "target_leakage").status == "alerted"


def test_a_target_called_count(ask) -> None:
    """polars names a column of its own so."""
    profile = _profile(ask, settings={"target": "count"}, count=CLASSES)
    assert _guardrail(profile, "class_balance").status == "passed"
