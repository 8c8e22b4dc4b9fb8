"""Which words speak for which class: over many texts, and in single ones, where they add up to the answer."""

import time
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.data.schema import NO_SCHEMA
from automl_assets.errors import DataError, TimeUpWarning
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.parts import FitContext, Rows
from automl_assets.pictures.words import text_picture
from automl_assets.records import Dataset, Ensemble, Features, Fitted, Member, Problem, Roles, Split, Truth
from automl_assets.steps.explained_outputs import log_odds
from automl_assets.text.features.text_featurizer import encode_texts, fit_text_featurizer
from automl_assets.text.steps import paced_model
from automl_assets.text.steps.explain import explain, explain_rows, term_pushes
from automl_assets.text.steps.paced_model import PacedModel
from automl_assets.text.steps.predict import answer

WORDS = {"sport": ["goal", "team"], "food": ["soup", "salt"]}
PROBLEM = Problem("text_classification", "accuracy", classes=("food", "sport"), positive=1)
ODD = ["", "🍲 goal 🍲!", "مرق goal salt", "word " * 3000 + "goal"]


def _table(n_rows: int) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, n_rows)
    own = [WORDS["food"], WORDS["sport"]]
    texts = [f"The {random.choice(own[code])}, here and {random.choice(['now', 'then', 'there'])}." for code in y]
    return pl.DataFrame({"text": texts, "stars": random.normal(size=n_rows) + y}), y


@cache
def _made(columns: tuple[str, ...] = ("text", "stars")) -> tuple[Ensemble, Dataset, Features]:
    table, y = _table(120)
    table = table.select(columns)
    kinds: dict[str, Any] = {name: "text" if name == "text" else "numeric" for name in columns}
    featurizer = fit_text_featurizer(table, kinds, 1, Wishes())
    inputs = encode_texts(featurizer, table)
    part = registry.algorithms("text")["logistic_regression"]
    model = part.fit(part.portfolio(PROBLEM)[0], Rows(inputs.view("terms"), y), None, FitContext(PROBLEM))
    split = Split(np.arange(120) >= 80, np.where(np.arange(120) < 80, 1, 0).astype(np.int8)[:, None], "")
    member = Member("one", "logistic_regression", 1.0, Fitted((model,)))
    ensemble = Ensemble(
        *("single", (member,), None, 1.0, {"single": 1.0}, np.full((120, 2), 0.5), featurizer, PROBLEM),
        background=table[:8],
    )
    dataset = Dataset(table, np.zeros(120, np.int8), Roles("y", columns), "", NO_SCHEMA)
    return ensemble, dataset, Features(Truth(y, None, PROBLEM, split), inputs, featurizer)


def test_contributions_add_up_to_the_answer_of_texts_of_any_script_and_length() -> None:
    ensemble, dataset, features = _made()
    table = pl.DataFrame({"text": ODD, "stars": [0.0, 1.0, -1.0, 2.0]})
    found = explain_rows(ensemble, dataset, features, table, 1.0)
    total = found.group_by("row", maintain_order=True).agg(pl.col("contribution").sum() + pl.col("base").first())
    assert total["row"].to_list() == [0, 1, 2, 3]
    assert total["contribution"].to_numpy() == pytest.approx(log_odds(answer(ensemble, table), PROBLEM)[:, 0], abs=1e-9)


def test_texts_alone_are_explained_as_well() -> None:
    ensemble, dataset, features = _made(("text",))
    found = explain(ensemble, dataset, features, 0, 1.0)
    assert {"goal", "soup"} <= {*found.terms["term"]}
    assert found.contributions.table.height > 0


def test_offsets_give_the_words_as_they_stand_in_the_text() -> None:
    ensemble, dataset, features = _made()
    table = pl.DataFrame({"text": ODD, "stars": [0.0] * 4})
    found = explain_rows(ensemble, dataset, features, table, 60.0).filter(pl.col("column") == "text")
    assert found.height == 4 + 3 + 40  # a sign counts, too; of the last text runs of words
    for row, value, start, stop in found.select("row", "value", "start", "stop").iter_rows():
        assert ODD[row][start:stop] == value


def test_the_word_that_tells_the_classes_apart_says_most() -> None:
    ensemble, dataset, features = _made()
    table = pl.DataFrame({"text": ["The soup, here and goal then."], "stars": [0.0]})
    found = explain_rows(ensemble, dataset, features, table, 10.0)
    says = dict(found.select("value", "contribution").iter_rows())
    assert says["soup"] < -0.2 and says["goal"] > 0.2
    assert max(abs(says["here"]), abs(says["The"])) < min(-says["soup"], says["goal"])
    assert found["standard_error"].is_finite().all()


def test_in_no_time_the_first_rows_are_explained_and_the_others_told() -> None:
    ensemble, dataset, features = _made()
    table = pl.DataFrame({"text": [ODD[-1]] * 30, "stars": [0.0] * 30})
    with pytest.warns(
        TimeUpWarning, match="4 of 30 rows were explained in 0 seconds; give more seconds, or fewer rows"
    ):
        found = explain_rows(ensemble, dataset, features, table, 0.0)
    assert found["row"].unique(maintain_order=True).to_list() == [0, 1, 2, 3]
    assert found.height == 4 * 9, "eight runs of words, and a column"


def test_a_column_that_is_missing_is_told() -> None:
    ensemble, dataset, features = _made()
    with pytest.raises(DataError, match="stars"):
        explain_rows(ensemble, dataset, features, pl.DataFrame({"text": ["a"]}), 1.0)


def test_terms_of_each_class_are_found_in_the_same_way_each_time() -> None:
    ensemble, dataset, _ = _made()
    model, answers = PacedModel(ensemble), answer(ensemble, dataset.table)
    found = term_pushes(model, dataset.table, answers, float("inf"))
    leading = found.head(4)
    assert dict(leading.select("term", pl.col("push") > 0).iter_rows()) == {
        **dict.fromkeys(WORDS["sport"], True),
        **dict.fromkeys(WORDS["food"], False),
    }
    assert found.equals(term_pushes(model, dataset.table, answers, float("inf")))


def test_without_time_there_is_an_explanation_all_the_same() -> None:
    ensemble, dataset, features = _made()
    found = explain(ensemble, dataset, features, seed=0, seconds=0.0)
    assert found.importances[0].column == "text"
    assert found.terms is not None and found.terms.height > 0
    assert found.contributions.table["row"].n_unique() == 1
    assert {one.name for one in found.pictures} >= {"importance", "terms", "text_1"}
    assert max(len(one.image) for one in found.pictures) < 100_000


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A model that takes 75 ms a row, and seconds to load, on a clock that nothing else moves."""
    hand = {"seconds": 0.0, "rows": 0, "loading": 3.0}

    def asked(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
        hand["seconds"] += hand.pop("loading", 0.0) + 0.075 * table.height
        hand["rows"] += table.height
        return answer(ensemble, table)

    monkeypatch.setattr(paced_model, "answer", asked)
    monkeypatch.setattr(time, "monotonic", lambda: hand["seconds"])
    return hand


@pytest.mark.parametrize(("columns", "seconds"), [(("text",), 12.0), (("text", "stars"), 40.0)])
def test_the_explanation_of_a_slow_model_ends_in_its_time(slow, columns, seconds: float) -> None:
    ensemble, dataset, features = _made(columns)
    found = explain(ensemble, dataset, features, seed=0, seconds=seconds)
    assert 0.6 * seconds < slow["seconds"] < 1.05 * seconds + 2.0
    assert found.terms.height > 0 and found.contributions.table.height > 0
    assert {one.column for one in found.importances} == {*columns}


def test_without_time_a_slow_model_is_asked_about_few_rows(slow) -> None:
    ensemble, dataset, features = _made()
    explain(ensemble, dataset, features, seed=0, seconds=0.0)
    assert slow["rows"] < 110


def test_the_same_row_is_asked_about_once(slow) -> None:
    ensemble, dataset, _ = _made()
    table = dataset.table[[5, 7, 5, 5]]
    answers = PacedModel(ensemble).answers(table)
    np.testing.assert_array_equal(answers, answer(ensemble, table))
    assert slow["rows"] == 1 + 2


def test_words_from_data_are_no_markup_in_the_picture_of_a_text() -> None:
    drawn = text_picture(
        "text", "<script>", [("</svg><script>", 1.0), ('"&\x00\x01', -0.5), ("مرحبا", 0.0), ("🍲", 0.2)]
    )
    root = ElementTree.fromstring(drawn.image)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "style", "rect", "text"}
    assert "</svg><script>" in [element.text for element in root.iter()]


def test_a_text_of_a_thousand_words_is_drawn_on_few_lines_and_one_from_the_right_begins_there() -> None:
    long = ElementTree.fromstring(text_picture("text", "title", [("word", 1.0)] * 1000).image)
    assert float(long.get("height", "")) < 400
    left, right = (
        float(ElementTree.fromstring(text_picture("text", "title", [(word, 1.0)]).image)[2].get("x", ""))
        for word in ("hello", "مرحبا")
    )
    assert right > 500 > left
