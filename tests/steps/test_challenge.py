"""Champion and challenger: the same rows, fair to both, and no difference made of noise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Problem, Split
from automl_assets.steps.challenge import Ground, challenge, check_columns, check_question, ground, learnt_from
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.load import load
from automl_assets.steps.promote import promote
from automl_assets.steps.resample import GROUPS, Units
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe

BINARY = Problem("classification", "accuracy", ("no", "yes"), positive=1)
SQUARES = Problem("regression", "root_mean_squared_error", target_range=(0.0, 1.0))
VALUES = Problem("regression", "mean_absolute_error", target_range=(0.0, 1.0))


def right(truth: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Probabilities that decide rightly for about a share of the rows."""
    is_right = np.random.default_rng(seed).random(len(truth)) < share
    return np.eye(2)[np.where(is_right, truth, 1 - truth)] * 0.8 + 0.1


def test_equal_models_differ_by_nothing() -> None:
    truth = np.random.default_rng(0).integers(0, 2, 300)
    same = right(truth, 0.8, 1)
    found = challenge(Answers("test", truth, same), same, BINARY, BINARY, seed=0)
    assert (found.difference, found.interval, found.share) == (0.0, (0.0, 0.0), 0.0)


def test_models_that_are_equally_good_are_seldom_exchanged() -> None:
    """At 95 % about one in twenty of such pairs."""
    exchanged = 0
    for seed in range(25):
        truth = np.random.default_rng(seed).integers(0, 2, 200)
        ours = Answers("test", truth, right(truth, 0.8, 1000 + seed))
        found = challenge(ours, right(truth, 0.8, 2000 + seed), BINARY, BINARY, seed)
        exchanged += found.share >= 0.95
    assert exchanged <= 4


def promoted(
    tied: Callable[[np.ndarray], Units | None], gain: float = 0.0, n_units: int = 20, n_each: int = 50
) -> float:
    """Share of 40 comparisons in which a challenger is promoted whose errors are 30 % those of whole units, as are the
    champion's."""
    found = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        unit = np.repeat(np.arange(n_units), n_each)
        truth = np.zeros(len(unit))
        shared, own = random.normal(size=(2, n_units))[:, unit], random.normal(size=(2, len(unit)))
        errors = np.sqrt(0.3) * shared + np.sqrt(0.7) * own
        ours = Answers("test", truth, errors[0] * (1 - gain), tied=tied(unit))
        found.append(promote(SQUARES.metric, challenge(ours, errors[1], SQUARES, SQUARES, seed))[0])
    return float(np.mean(found))


@pytest.mark.parametrize("tied", [lambda unit: Units(unit, GROUPS), lambda unit: Units.of_time(np.arange(len(unit)))])
def test_models_whose_errors_are_shared_by_groups_or_times_are_seldom_exchanged(tied, monkeypatch) -> None:
    monkeypatch.setattr("automl_assets.steps.challenge.MOST_RESAMPLES", 100)
    assert promoted(tied) <= 0.1
    assert promoted(lambda unit: None) > 0.15  # as if every row were by itself
    assert promoted(tied, gain=0.3) > 0.9


def test_few_groups_prove_little(monkeypatch) -> None:
    monkeypatch.setattr("automl_assets.steps.challenge.MOST_RESAMPLES", 100)
    assert promoted(lambda unit: Units(unit, GROUPS), n_units=3) <= 0.1
    with pytest.raises(DataError, match=r"^the rows are a single one of the groups, which shows no spread$"):
        promoted(lambda unit: Units(unit, GROUPS), n_units=1)


def test_the_interval_is_that_of_paired_differences() -> None:
    random = np.random.default_rng(0)
    truth, common = random.normal(size=(2, 2000))
    ours, theirs = truth + common + random.normal(size=2000) / 5, truth + 1.1 * common
    found = challenge(Answers("test", truth, ours), theirs, VALUES, VALUES, seed=0)
    differences = np.abs(theirs - truth) - np.abs(ours - truth)
    assert found.difference == pytest.approx(differences.mean())
    half = 1.96 * differences.std() / np.sqrt(2000)
    assert found.interval == pytest.approx((found.difference - half, found.difference + half), abs=half / 5)


def test_a_sample_of_very_many_rows_is_as_sure_as_all() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=80_000)
    ours, theirs = truth + random.normal(size=(2, 80_000))
    found = challenge(Answers("test", truth, ours), theirs, VALUES, VALUES, seed=0)
    spread = (np.abs(theirs - truth) - np.abs(ours - truth)).std() / np.sqrt(80_000)
    assert found.n_rows == 80_000
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * spread, rel=0.2)


def test_weights_count() -> None:
    truth = np.repeat([0, 1], 100)
    ours, theirs = np.tile([0.9, 0.1], (200, 1)), np.tile([0.1, 0.9], (200, 1))
    weight = np.where(truth == 0, 3.0, 1.0)
    found = challenge(Answers("test", truth, ours, weight), theirs, BINARY, BINARY, seed=0)
    assert (found.challenger_score, found.champion_score) == (0.75, 0.25)
    assert challenge(Answers("test", truth, ours), theirs, BINARY, BINARY, seed=0).difference == 0


def test_each_decides_by_its_own_threshold() -> None:
    truth = np.repeat([0, 1], 50)
    answers = np.where(truth[:, None] == 1, [0.7, 0.3], [0.9, 0.1])
    found = challenge(Answers("test", truth, answers), answers, BINARY, replace(BINARY, threshold=0.2), seed=0)
    assert (found.challenger_score, found.champion_score) == (0.5, 1.0)


def test_less_is_better_where_the_metric_says_so() -> None:
    truth = np.arange(50.0)
    found = challenge(Answers("test", truth, truth + 1), truth + 2, VALUES, VALUES, seed=0)
    assert found.difference == 1.0 and found.share == 1.0


def test_classes_are_found_by_name() -> None:
    truth = np.array([0, 1, 2] * 30)
    problem = Problem("classification", "accuracy", ("a", "b", "c"))
    turned = np.eye(3)[truth][:, [2, 0, 1]]
    found = challenge(
        Answers("test", truth, np.eye(3)[truth]), turned, problem, replace(problem, classes=("c", "a", "b")), 0
    )
    assert found.champion_score == 1.0 and found.unknown == ()


def test_a_class_that_the_champion_has_never_met_is_wrong_and_told() -> None:
    truth = np.array([0, 1, 2] * 30)
    problem = Problem("classification", "accuracy", ("a", "b", "new"))
    known = np.where(truth[:, None] == 0, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    found = challenge(
        Answers("test", truth, np.eye(3)[truth]),
        known[:, :2],
        problem,
        Problem("classification", "accuracy", ("a", "b")),
        0,
    )
    assert found.champion_score == pytest.approx(2 / 3) and found.unknown == ("new",)


def test_a_class_that_is_no_more_takes_its_probability_along() -> None:
    truth = np.array([0, 1] * 30)
    gone = replace(BINARY, classes=("no", "perhaps", "yes"))
    theirs = np.where(truth[:, None] == 1, [0.1, 0.5, 0.4], [0.8, 0.1, 0.1])
    found = challenge(Answers("test", truth, right(truth, 1.0, 0)), theirs, replace(BINARY, metric="log_loss"), gone, 0)
    assert found.champion_score == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)


def test_other_parts_of_rows_cannot_be_compared() -> None:
    problem = Problem("text_ner", "entity_f1_micro", ("O", "B-a", "I-a"))
    truth = np.array([0, 1, 2, 0])
    answers = Answers("test", truth, np.eye(3)[truth])
    with pytest.raises(DataError, match="parts texts into other tokens"):
        challenge(answers, np.eye(3)[truth[:3]], problem, problem, seed=0)


def test_rows_that_give_no_value_are_told() -> None:
    truth = np.zeros(40, int)
    with pytest.raises(DataError, match=r"^AUC_weighted has no value on these 40 rows"):
        challenge(
            Answers("test", truth, right(truth, 0.8, 0)),
            right(truth, 0.8, 1),
            replace(BINARY, metric="AUC_weighted"),
            BINARY,
            0,
        )


# Which rows are fair


def table(n_rows: int, seed: int) -> pl.DataFrame:
    x = np.random.default_rng(seed).normal(size=n_rows)
    return pl.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")})


def divided(experiment: Experiment) -> tuple[Dataset, Split, Problem]:
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    return dataset, split_rows(dataset, profile, experiment), profile.problem


def grown(ask, **settings) -> tuple[Ground, np.ndarray]:
    """The ground on which a model of 300 rows meets one of 200 of them, and the rows it is judged on."""
    small = ask(table(200, 0), **settings)
    champion = learnt_from(*divided(small))
    large = ask(pl.concat([table(100, 1), table(200, 0)]), **settings)
    dataset, split, _ = divided(large)
    judged = split.is_test if split.is_test.any() else split.is_training
    return ground(judged, dataset, split, champion, large), judged


def test_test_rows_stay_test_rows_as_rows_are_added(ask) -> None:
    found, judged = grown(ask)
    assert judged.sum() == 60 and len(found.rows) >= 57
    assert found.words.startswith("test (by hash of their features) rows, from which neither learnt")


def test_rows_that_the_champion_learnt_from_are_left_out(ask) -> None:
    found, judged = grown(ask, test="none")
    new = np.arange(300) < 100
    assert judged.all() and set(found.rows.tolist()) == set(np.flatnonzero(new).tolist())
    assert found.words == "out-of-fold rows, from which neither learnt; 200 more are left out because the champion did"


def test_another_seed_does_not_make_learnt_rows_fair(ask) -> None:
    """Of its test rows four in five were among those that the champion learnt from."""
    champion = learnt_from(*divided(ask(table(400, 0))))
    other = ask(table(400, 0), seed=5)
    dataset, split, _ = divided(other)
    found = ground(split.is_test, dataset, split, champion, other)
    assert not np.isin(found.rows, np.flatnonzero(divided(ask(table(400, 0)))[1].is_training)).any()
    assert 20 <= len(found.rows) < 0.5 * split.is_test.sum() or "flatters" in found.words


def test_too_few_fair_rows_are_told(ask) -> None:
    same = ask(table(200, 0), test="none")
    dataset, split, problem = divided(same)
    found = ground(split.is_training, dataset, split, learnt_from(dataset, split, problem), same)
    assert len(found.rows) == 200
    assert found.words == "out-of-fold rows; the champion learnt from 200 of them, which flatters it"


def test_a_new_column_does_not_hide_what_the_champion_learnt(ask) -> None:
    champion = learnt_from(*divided(ask(table(200, 0), test="none")))
    wider = ask(table(200, 0).with_columns(more=pl.lit(1)), test="none")
    dataset, split, _ = divided(wider)
    assert "learnt from 200 of them" in ground(split.is_training, dataset, split, champion, wider).words
    gone = ask(table(200, 0).rename({"x": "z"}), test="none")
    dataset, split, _ = divided(gone)
    assert "may have learnt" in ground(split.is_training, dataset, split, champion, gone).words


def test_a_champion_that_was_asked_something_else_is_told(ask) -> None:
    dataset, split, problem = divided(ask(table(60, 0)))
    champion = learnt_from(dataset, split, problem)
    check_question(champion, "classification", "y")
    check_columns(("x",), dataset)
    with pytest.raises(DataError, match=r"^it answers a classification, and a regression is asked$"):
        check_question(champion, "regression", "y")
    with pytest.raises(DataError, match=r'^it predicts "y", and "z" is asked$'):
        check_question(champion, "classification", "z")
    with pytest.raises(DataError, match=r'^its column "age" is gone\.$'):
        check_columns(("age",), dataset)
