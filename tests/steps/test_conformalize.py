"""Intervals and sets hold the truth of new rows as often as they say, and are no larger than that takes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from automl_assets.metrics.classes import decided
from automl_assets.records import Conformal, Problem, Spread
from automl_assets.steps.conformalize import (
    MIN_CLASS_ROWS,
    _bounds,
    class_sets,
    conformalize,
    coverage,
    coverage_by_class,
    intervals,
)

LEVELS = (0.8, 0.95)
VALUE = Problem("regression", "r2_score", target_range=(0.0, 10.0))


def _values(grows: bool, n_rows: int = 3_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions with errors of one size, or with errors that grow with the prediction."""
    random = np.random.default_rng(seed)
    predictions = random.uniform(0, 10, n_rows)
    return predictions + random.normal(size=n_rows) * (0.1 + predictions if grows else 1.0), predictions[:, None]


def _classes(n_classes: int, n_rows: int = 3_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, n_classes, n_rows)
    odds = np.exp(random.normal(size=(n_rows, n_classes)) + 1.2 * (y[:, None] == np.arange(n_classes)))
    return y, odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("grows", [False, True])
def test_intervals_hold_as_many_values_as_they_say(answered, grows: bool) -> None:
    found = []
    for seed in range(10):
        made = conformalize(*answered(VALUE, *_values(grows, seed=seed)), LEVELS, seed=0)
        assert (made.conformal.spread is not None) == grows
        y, predictions = _values(grows, seed=100 + seed)
        found.append(coverage(made.conformal, y, predictions, VALUE))
    for level in LEVELS:
        assert np.mean([one[f"coverage_{level:.0%}"[:-1]] for one in found]) == pytest.approx(level, abs=0.01)


def test_a_spread_makes_intervals_fair_and_narrower(answered) -> None:
    made = conformalize(*answered(VALUE, *_values(grows=True)), LEVELS, seed=0).conformal
    y, predictions = _values(grows=True, seed=1)
    plain = Conformal(LEVELS, _bounds(np.abs(y - predictions[:, 0]), LEVELS))
    for third in np.array_split(np.argsort(predictions[:, 0]), 3):
        assert coverage(made, y[third], predictions[third], VALUE)["coverage_80"] == pytest.approx(0.8, abs=0.06)
    assert coverage(plain, y[third], predictions[third], VALUE)["coverage_80"] < 0.7
    assert coverage(made, y, predictions, VALUE)["width_80"] < coverage(plain, y, predictions, VALUE)["width_80"]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_sets_hold_as_many_classes_as_they_say(answered, n_classes: int) -> None:
    problem = Problem("classification", "accuracy", classes=tuple("abcd"[:n_classes]), threshold=0.3)
    found = []
    for seed in range(10):
        made = conformalize(*answered(problem, *_classes(n_classes, seed=seed)), LEVELS, seed=0)
        found.append(coverage(made.conformal, *_classes(n_classes, seed=100 + seed), problem))
    mean = {name: np.mean([one[name] for one in found]) for name in found[0]}
    assert mean["coverage_95"] == pytest.approx(0.95, abs=0.01)
    assert mean["coverage_80"] == pytest.approx(0.8, abs=0.01) or mean["set_size_80"] < 1.2
    assert 1 <= mean["set_size_80"] < mean["set_size_95"] < n_classes


def _unequal(share: float, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities of two classes, of which the second is rare and hard to tell."""
    random = np.random.default_rng(seed)
    y = (random.random(n_rows) < share).astype(np.int64)
    evidence = 1.5 * (random.normal(size=n_rows) + 1.5 * y) - 1.5**2 / 2
    rare = 1 / (1 + np.exp(np.log((1 - share) / share) - evidence))
    return y, np.column_stack([1 - rare, rare])


def test_a_rare_class_is_held_as_often_as_promised(answered) -> None:
    """By the bound of all rows the sets that promise 80 % would hold it in a fifth to a third of cases."""
    problem, found = Problem("classification", "accuracy", classes=("often", "rare")), []
    for seed in range(10):
        made = conformalize(*answered(problem, *_unequal(0.1, 2_000, seed)), LEVELS, seed=0).conformal
        new = _unequal(0.1, 3_000, 100 + seed)
        found.append(coverage_by_class(made, *new, problem))
        assert coverage(made, *new, problem)["coverage_80"] > 0.78
    mean = pl.concat(found).drop("bound").group_by("class").mean()
    assert mean["coverage_80"].min() > 0.77
    assert mean["coverage_95"].min() > 0.935
    pooled = coverage_by_class(replace(made, class_bounds=()), *new, problem)
    assert pooled["coverage_80"][1] < 0.4 and pooled["bound"].to_list() == ["shared", "shared"]


def test_a_class_of_few_rows_shares_the_bound_of_all(answered) -> None:
    problem = Problem("classification", "accuracy", classes=("a", "b", "c"))
    y, predictions = _classes(3, n_rows=600)
    kept = np.sort(np.concatenate([np.flatnonzero(y < 2), np.flatnonzero(y == 2)[: MIN_CLASS_ROWS - 1]]))
    made = conformalize(*answered(problem, y[kept], predictions[kept]), LEVELS, seed=0).conformal
    assert made.pooled == (2,)
    for level, shared in enumerate(made.bounds):
        assert made.class_bounds[level][2] == shared != made.class_bounds[level][0]
    assert coverage_by_class(made, y, predictions, problem)["bound"].to_list() == ["own", "own", "shared"]


def test_what_earlier_versions_stored_answers_as_it_did() -> None:
    """Without bounds of classes the bound of all rows counts."""
    _, predictions = _classes(3)
    (inside,) = class_sets(
        Conformal((0.8,), (0.3,)), predictions, Problem("classification", "accuracy", tuple("abc"))
    ).values()
    assert np.array_equal(inside, (predictions >= 0.3) | np.eye(3, dtype=bool)[predictions.argmax(axis=1)])


def test_the_answer_is_in_every_set() -> None:
    _, predictions = _classes(2)
    strict = Conformal((0.5,), (0.99,))
    (inside,) = class_sets(
        strict, predictions, Problem("classification", "accuracy", ("no", "yes"), threshold=0.3)
    ).values()
    assert inside[np.arange(len(inside)), decided(predictions, 0.3)].all()
    assert (inside.sum(axis=1) == 1).mean() > 0.9


def test_the_bound_counts_the_row_to_come() -> None:
    """Of 19 scores the largest bounds 95 % of new ones, of 9 that of 90 %."""
    assert _bounds(np.arange(1.0, 20.0), (0.95, 0.5)) == (19.0, 10.0)
    assert _bounds(np.arange(1.0, 10.0), (0.9,)) == (9.0,)


def test_a_level_needs_rows_enough(answered) -> None:
    y, predictions = _values(grows=False, n_rows=18)
    assert conformalize(*answered(VALUE, y, predictions), LEVELS, seed=0).conformal.levels == (0.8,)
    y, predictions = _values(grows=False, n_rows=19)
    assert conformalize(*answered(VALUE, y, predictions), LEVELS, seed=0).conformal.levels == LEVELS
    assert conformalize(*answered(VALUE, y, predictions), (), seed=0).conformal is None


def test_names_say_the_level() -> None:
    ends = intervals(
        Conformal((0.8, 0.995), (1.0, 2.0), Spread(np.array([0.0, 1.0]), np.array([1.0, 3.0]))), np.array([0.5])
    )
    assert {name: value.tolist() for name, value in ends.items()} == {
        "prediction_80_low": [-1.5],
        "prediction_80_high": [2.5],
        "prediction_99_5_low": [-3.5],
        "prediction_99_5_high": [4.5],
    }


def test_predictions_that_hardly_differ_have_no_spread(answered) -> None:
    y, _ = _values(grows=False)
    made = conformalize(*answered(VALUE, y, np.full((len(y), 1), 5.0)), LEVELS, seed=0)
    assert made.conformal.spread is None


def test_rows_count_as_much_as_they_weigh(answered) -> None:
    """Where the rows with large errors weigh nine times as much, intervals are as wide as these need."""
    found = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        is_wild = random.random(6_000) < 0.5
        y, weight = random.normal(size=6_000) * np.where(is_wild, 10.0, 1.0), np.where(is_wild, 9.0, 1.0)
        learnt, new = np.split(np.arange(6_000), 2)
        made = conformalize(*answered(VALUE, y[learnt], np.zeros((3_000, 1)), weight[learnt]), LEVELS, seed=0)
        found.append(coverage(made.conformal, y[new], np.zeros((3_000, 1)), VALUE, weight[new]))
    for level in LEVELS:
        assert np.mean([one[f"coverage_{level:.0%}"[:-1]] for one in found]) == pytest.approx(level, abs=0.01)


def test_equal_weights_change_no_bound() -> None:
    scores = np.random.default_rng(0).random(1_003)
    assert _bounds(scores, LEVELS, np.full(1_003, 0.3)) == _bounds(scores, LEVELS)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_interval_goes_below_nothing_where_no_row_does(answered, sign: float) -> None:
    random = np.random.default_rng(0)
    y = sign * random.exponential(size=3_000)
    made = conformalize(*answered(VALUE, y, np.full((3_000, 1), sign)), LEVELS, seed=0).conformal
    ends = intervals(made, np.array([sign, -sign]))
    assert all((sign * end >= 0).all() for end in ends.values())
    assert ends["prediction_95_low" if sign > 0 else "prediction_95_high"][0] == 0
    inside = coverage(made, y, np.full(3_000, sign), VALUE)
    assert inside["coverage_95"] == pytest.approx(0.95, abs=0.01)
    mixed = conformalize(*answered(VALUE, y - sign, np.full((3_000, 1), 0.0)), LEVELS, seed=0).conformal
    assert (mixed.least, mixed.most) == (None, None)
