"""Probabilities become honest where held-out rows say so, and the rows of two classes keep their order."""

import numpy as np
import pytest

from automl_assets import metrics
from automl_assets.parts import link_scores
from automl_assets.records import Calibration, Problem
from automl_assets.steps.calibrate import FLOOR, MIN_ROWS, Judged, calibrate, calibrated, judged

BINARY = Problem("classification", "log_loss", classes=("no", "yes"), positive=1)
MULTI = Problem("classification", "accuracy", classes=("a", "b", "c"))


def _answers(n_classes: int, scale: float, bias: float = 0.0, n_rows: int = 2_000, seed: int = 0):
    """Truth drawn from honest probabilities, and answers whose log-odds are `scale` times too large, and shifted."""
    random = np.random.default_rng(seed)
    raw = random.normal(scale=1.5, size=(n_rows, 1 if n_classes == 2 else n_classes))
    honest = link_scores(raw, "logit")
    y = (random.random((n_rows, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    return y, link_scores(raw * scale + bias, "logit"), honest


def _log_loss(problem: Problem, y: np.ndarray, predictions: np.ndarray) -> float:
    return metrics.score("log_loss", y, predictions, None, problem)


@pytest.mark.parametrize("problem", [BINARY, MULTI], ids=["two", "three"])
@pytest.mark.parametrize("scale", [0.4, 2.5], ids=["unsure", "too sure"])
def test_the_wrong_temperature_is_found(answered, problem: Problem, scale: float) -> None:
    y, predictions, _ = _answers(problem.n_classes, scale)
    made = calibrate(*answered(problem, y, predictions), seed=0)
    assert made.calibration.scale == pytest.approx(1 / scale, rel=0.15)
    fresh_y, fresh, fresh_honest = _answers(problem.n_classes, scale, seed=1)
    before, after = (_log_loss(problem, fresh_y, p) for p in (fresh, calibrated(fresh, made.calibration)))
    assert after < before
    assert after == pytest.approx(_log_loss(problem, fresh_y, fresh_honest), abs=0.01)
    np.testing.assert_allclose(made.predictions, calibrated(predictions, made.calibration))


def test_a_shift_takes_a_bias(answered) -> None:
    y, predictions, _ = _answers(2, scale=1.0, bias=1.5)
    made = calibrate(*answered(BINARY, y, predictions), seed=0)
    assert made.calibration.bias == pytest.approx(-1.5, abs=0.25)
    assert made.score == pytest.approx(_log_loss(BINARY, y, made.predictions))


def test_honest_answers_stay_as_they_are(answered) -> None:
    kept = [calibrate(*answered(BINARY, *_answers(2, 1.0, seed=seed)[:2]), seed=0).calibration for seed in range(8)]
    assert sum(calibration is None for calibration in kept) >= 6
    assert all(0.8 < calibration.scale < 1.25 for calibration in kept if calibration)


def test_few_rows_are_left_alone(answered) -> None:
    for n_rows, is_calibrated in ((MIN_ROWS - 1, False), (MIN_ROWS, True)):
        y, predictions, _ = _answers(2, scale=3.0, n_rows=n_rows)
        unknown = np.full((50, 2), np.nan)  # rows that no fold validated do not count
        given = answered(BINARY, np.append(y, [0] * 50), np.vstack([predictions, unknown]))
        assert (calibrate(*given, seed=0).calibration is not None) == is_calibrated


@pytest.mark.parametrize("metric", ["AUC_weighted", "AUC_binary", "average_precision_score_macro"])
@pytest.mark.parametrize(("scale", "bias"), [(0.3, 0.0), (3.0, 1.0)])
def test_two_classes_keep_their_ranks(answered, metric: str, scale: float, bias: float) -> None:
    problem = Problem("classification", metric, classes=("no", "yes"), positive=1)
    y, predictions, _ = _answers(2, scale, bias)
    made = calibrate(*answered(problem, y, predictions), seed=0)
    assert made.calibration is not None
    assert (np.argsort(made.predictions[:, 1]) == np.argsort(predictions[:, 1])).all()
    assert metrics.score(metric, y, made.predictions, None, problem) == made.score
    assert made.score == metrics.score(metric, y, predictions, None, problem)


def test_ranks_that_rounding_would_merge_are_kept(answered) -> None:
    """Too unsure by far, but some answers so sure that twice their log-odds are one and the same number."""
    y, predictions, _ = _answers(2, 0.3)
    sure = 1 - np.arange(1, 41) * 1e-14
    y, predictions = np.append(y, [1] * 40), np.vstack([predictions, np.column_stack([1 - sure, sure])])
    assert calibrate(*answered(BINARY, y, predictions), seed=0).calibration is None


def test_the_metric_gets_no_worse(answered) -> None:
    """A bias would mend the log loss, but here moves the answers of a metric that looks at labels the wrong way."""
    y, predictions, _ = _answers(2, 1.0, bias=1.5)
    problem = Problem("classification", "recall_score_binary", classes=("no", "yes"), positive=1)
    made = calibrate(*answered(problem, y, predictions), seed=0)
    assert made.calibration is None or made.calibration.bias == 0
    assert made.score == metrics.score("recall_score_binary", y, predictions, None, problem) > 0.9


def test_rows_without_weight_have_no_say(answered) -> None:
    (y, good, _), (bad_y, bad, _) = _answers(2, 1.0), _answers(2, 3.0, seed=1)
    given = np.append(y, bad_y), np.vstack([good, bad])
    assert calibrate(*answered(BINARY, *given), seed=0).calibration.scale < 0.8
    weight = np.repeat([1.0, 0.0], len(y))
    made = calibrate(*answered(BINARY, *given, weight), seed=0).calibration
    assert made is None or made.scale == pytest.approx(1.0, abs=0.1)


def test_groups_judge_whole() -> None:
    """Answers that are wrong in the same way for all rows of a group say less than so many rows seem to."""
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 50)
    y, half = random.integers(0, 2, 1_000), np.full((1_000, 2), 0.5)
    rows = Judged(y, half, None, BINARY, group)
    for learn, judge in rows.folds(seed=0):
        assert not set(group[learn]) & set(group[judge]) and len(judge) == 200
    gains = random.normal(scale=0.3, size=20)[group] + random.normal(0.05, 0.1, 1_000)
    assert Judged(y, half, None, BINARY).is_clear(gains) and not rows.is_clear(gains - gains.mean() + 0.05)


def test_values_are_no_probabilities(answered) -> None:
    problem = Problem("regression", "r2_score", target_range=(0.0, 1.0))
    y = np.random.default_rng(0).random(1_000)
    given = answered(problem, y, y[:, None] / 2)
    assert calibrate(*given, seed=0) is given[0]


def test_certain_answers_stay_finite() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0], [FLOOR / 10, 1.0]])
    found = calibrated(certain, Calibration(scale=0.2, bias=0.5))
    assert np.isfinite(found).all() and (found[1] == found[2]).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_sample_of_the_rows_holds_every_class(answered) -> None:
    y = np.array([0] * 900 + [1, 2])
    rows = judged(*answered(MULTI, y, np.full((902, 3), 1 / 3)), most_rows=10)
    assert rows.n_rows == 10 and set(rows.y) == {0, 1, 2}
