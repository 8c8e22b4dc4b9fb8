import io
import warnings

import numpy as np
import polars as pl
import pytest
from PIL import Image

from automl_assets import pictures
from automl_assets.explanation.partial_dependence import Dependence
from automl_assets.model_records import Cohort, Contributions, GroupComparison, Importance, Picture
from automl_assets.pictures import classification, search
from automl_assets.records import Problem, Trial

ODD = ("a$b_{", "<b>x</b>", "x" * 60, "\N{GRINNING FACE}", "中文", "_under", "$x^2$ \\frac{", "", "\x00\n", "100 %")


@pytest.fixture(autouse=True)
def _no_warnings():
    """matplotlib warns where it cannot draw what it was given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def assert_is_drawn(picture: Picture) -> None:
    image = Image.open(io.BytesIO(picture.image))
    image.load()
    assert image.format == "PNG" and image.width >= 600
    assert len(picture.image) < 100_000
    assert len(image.convert("RGB").getcolors(1_000_000)) > 3


def class_rows(n_rows: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = random.integers(0, n_classes, n_rows)
    odds = np.exp(random.normal(size=(n_rows, n_classes)) + 2 * (truth[:, None] == np.arange(n_classes)))
    return truth, odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [ODD[:2], ODD[:8], ODD * 4], ids=["2", "8", "40"])
def test_class_names_from_data_are_text_and_nothing_else(classes):
    truth, prediction = class_rows(400, len(classes))
    weight = None if len(classes) == 2 else (truth != 1).astype(float)
    problem = Problem("classification", "accuracy", classes, 1 if len(classes) == 2 else None)
    drawn = pictures.classification_pictures(truth, prediction, weight, problem)
    assert len({picture.name for picture in drawn}) == 6
    for picture in drawn:
        assert_is_drawn(picture)


def test_one_class_only_still_gives_pictures():
    truth, prediction = np.zeros(20, dtype=int), np.tile([0.9, 0.1], (20, 1))
    for picture in pictures.classification_pictures(truth, prediction, None, Problem("classification", "x", (0, 1), 1)):
        assert_is_drawn(picture)


REGRESSIONS = {
    "ordinary": lambda random: (random.normal(size=2000), random.normal(size=2000)),
    "one_row": lambda random: (np.array([1.0]), np.array([2.0])),
    "constant": lambda random: (np.full(50, 3.0), np.full(50, 3.0)),
    "heavy_tails": lambda random: (np.exp(4 * random.normal(size=3000)), np.exp(4 * random.normal(size=3000))),
}


@pytest.mark.parametrize("kind", REGRESSIONS)
def test_regression_pictures(kind):
    drawn = pictures.regression_pictures(*REGRESSIONS[kind](np.random.default_rng(0)))
    assert [picture.name for picture in drawn] == ["predicted_true", "residual_histogram", "residuals"]
    for picture in drawn:
        assert_is_drawn(picture)


def test_the_legend_names_classes_that_start_with_an_underscore():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    truth, prediction = class_rows(100, 3)
    contests = classification.contests_of(
        truth, prediction, None, Problem("classification", "accuracy", ("_a", "_b", "c"))
    )
    classification._paint_gains(axes, contests)
    shown = [text.get_text().strip() for text in axes.get_legend().get_texts()]
    assert shown == ["_a", "_b", "c", "all classes, pooled", "mean over classes"]


def test_areas_in_the_legend_are_the_metrics():
    from matplotlib.figure import Figure

    from automl_assets.metrics import score

    truth, prediction = class_rows(400, 2)
    problem = Problem("classification", "accuracy", ("no", "yes"), positive=0)
    for paint, name in (
        (classification._paint_roc, "AUC_binary"),
        (classification._paint_precision_recall, "average_precision_score_binary"),
    ):
        axes = Figure().subplots()
        paint(axes, classification.contests_of(truth, prediction, None, problem))
        (text,) = [text.get_text().split() for text in axes.get_legend().get_texts()]
        assert text == ["no", f"{score(name, truth, prediction, None, problem):.3f}"]


def test_rare_classes_are_put_together_without_losing_a_row():
    counts = np.random.default_rng(0).integers(0, 9, (50, 50)).astype(float)
    shown, names = classification._most_frequent(counts, [str(code) for code in range(50)])
    assert shown.shape == (30, 30) and names[-1] == "21 others"
    assert shown.sum() == counts.sum()
    assert shown[0, 0] == counts[int(names[0]), int(names[0])]


def test_calibration_of_honest_probabilities_lies_on_the_diagonal():
    random = np.random.default_rng(0)
    probability = random.random(50_000)
    truth = (random.random(50_000) < probability).astype(int)
    problem = Problem("classification", "accuracy", (0, 1), 1)
    (contest,) = classification.contests_of(truth, np.column_stack([1 - probability, probability]), None, problem)
    predicted, observed, size = classification._calibration(contest)
    assert len(size) == 10 and size.sum() == 50_000
    assert np.abs(predicted - observed).max() < 0.02


@pytest.mark.parametrize("n_columns", [0, 1, 60])
def test_importance_picture(n_columns):
    found = tuple(Importance(f"{ODD[index % 10]}{index}", 0.3 - 0.01 * index, 0.02) for index in range(n_columns))
    assert_is_drawn(pictures.importance_picture(found, "AUC_weighted"))


def contributions(n_columns: int, outputs: tuple[str, ...]) -> Contributions:
    """Of 60 rows: numbers, dates, texts and gaps in turn."""
    random = np.random.default_rng(0)
    values = [lambda i: f"{i % 7}.5", lambda i: f"2024-01-{1 + i % 28:02d}", lambda i: ODD[i % 10], lambda i: None]
    lines = [
        (row, output, f"{ODD[column % 10]}{column}", values[column % 4](row), random.standard_cauchy())
        for row in range(60)
        for output in outputs
        for column in range(n_columns)
    ]
    names = ["row", "output", "column", "value", "contribution"]
    return Contributions(outputs, (0.0,) * len(outputs), pl.DataFrame(lines, schema=names, orient="row"), 1, 1)


@pytest.mark.parametrize("n_columns", [1, 4, 40])
@pytest.mark.parametrize("outputs", [("value",), ODD[:1], ODD[:3], ODD * 2], ids=["value", "1", "3", "20"])
def test_contributions_picture(n_columns, outputs):
    outputs = tuple(f"{name}{i}" for i, name in enumerate(outputs)) if len(outputs) > 3 else outputs
    assert_is_drawn(pictures.contributions_picture(contributions(n_columns, outputs)))


@pytest.mark.parametrize("n_outputs", [1, 3, 12])
@pytest.mark.parametrize("n_curves", [1, 2, 5])
def test_dependence_picture(n_curves, n_outputs):
    random = np.random.default_rng(0)
    grids = [("number", (1.0, 2.0, 3e6)), ("moment", (0.0, 1e9, 1.7e9)), ("text", ODD[:9])]
    curves = [
        Dependence(f"{ODD[i]} {i}", *grids[i % 3], random.random((50, len(grids[i % 3][1]), n_outputs)))
        for i in range(n_curves)
    ]
    for is_share in (True, False):
        assert_is_drawn(pictures.dependence_picture(curves, (ODD * 2)[:n_outputs], is_share))


@pytest.mark.parametrize("n_cohorts", [1, 5])
def test_cohorts_picture(n_cohorts):
    words = [tuple(f"{name} is {'x' * 30}" for name in ODD[i : i + 3]) for i in range(n_cohorts)]
    cohorts = [Cohort(conditions, 12_345, 0.1, 2.0, 0.0, None, None) for conditions in words]
    assert_is_drawn(pictures.cohorts_picture(cohorts, 0.5, "log loss"))


@pytest.mark.parametrize("losses", [[0.0], [0.1, None, 0.3, 0.4], [1e6 * i for i in range(80)]], ids=["1", "4", "80"])
def test_heat_picture(losses):
    down = {1: [""], 4: ["a", "b"], 80: list(ODD[:8])}[len(losses)]
    across = [f"{ODD[i]}{i}" for i in range(len(losses) // len(down))]
    heat = pl.DataFrame(
        {
            "first": [name for name in across for _ in down],
            "second": down * len(across),
            "n_rows": [0 if loss is None else 1 for loss in losses],
            "loss": losses,
        }
    )
    assert_is_drawn(pictures.heat_picture(("a$b_{", "_c")[: 1 + (len(down) > 1)], heat, "absolute error"))


@pytest.mark.parametrize("n_groups", [1, 2, 12])
@pytest.mark.parametrize("n_metrics", [1, 3, 6])
def test_fairness_picture(n_groups, n_metrics):
    metrics = [f"long_metric_name_{i}" for i in range(n_metrics)]
    values = [0.5, float("nan"), None, -1.0] * 3
    table = pl.DataFrame(
        {
            "group": (ODD * 2)[:n_groups],
            "n_rows": [100] * n_groups,
            "is_compared": [i % 2 == 0 for i in range(n_groups)],
            **{name: values[:n_groups] for name in metrics},
        }
    )
    comparison = GroupComparison(ODD[2], table, dict.fromkeys(metrics, 0.4), {}, ())
    assert_is_drawn(pictures.fairness_picture(comparison))


@pytest.mark.parametrize("names", [["only"], list(ODD), [f"trial {index}" for index in range(40)]])
def test_weights_picture(names):
    assert_is_drawn(pictures.weights_picture(names, [1 / len(names)] * len(names)))


def trial(index: int, score: float | None, algorithm: str = "_odd$") -> Trial:
    return Trial(f"{algorithm} {index}", algorithm, {}, "failed" if score is None else "finished", score=score)


@pytest.mark.parametrize(
    "trials",
    [
        (),
        (trial(0, None),),
        (trial(0, 0.5),),
        tuple(trial(index, None if index % 5 == 0 else 0.5 + index / 50, f"kind {index % 12}") for index in range(24)),
    ],
    ids=["none", "failed", "one", "many"],
)
def test_trials_picture(trials):
    assert_is_drawn(pictures.trials_picture(trials, "log_loss"))


def test_the_best_trial_is_always_in_the_frame():
    low, high = search._score_limits(np.array([1e6, 0.9, 0.8, 0.7, 0.1]), greater_is_better=False)
    assert low < 0.1 and 0.9 < high < 1e6


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("short", 10, "short"), ("0123456789", 7, "012…789"), ("", 9, "(empty)"), ("中 b", 9, "□ b"), ("a\tb", 9, "a b")],
)
def test_readable(text, most, expected):
    assert pictures.readable(text, most) == expected
