"""A first trial that may be too large for its time learns from a sample, then from as much as ends in time."""

from typing import Any

import numpy as np
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.learning.preparation import SAMPLED_ROWS
from automl_assets.records import Candidate
from automl_assets.registry import algorithms
from automl_assets.steps import climb, search
from automl_assets.steps.climb import Climb, Rung
from tests.machines import Machine

LARGE = Climb(n_rows=80_000, n_folds=8, n_cells_a_row=10, n_classes=2, n_cores=2, is_refitted=False)
TREES, LINEAR = algorithms("tabular")["extra_trees"], algorithms("tabular")["logistic_regression"]


def test_only_what_may_take_too_long_is_climbed() -> None:
    assert LARGE.is_short(10.0) and not LARGE.is_short(100.0)


def test_the_first_rung_has_rows_of_every_class() -> None:
    many = Climb(n_rows=17_000, n_folds=8, n_cells_a_row=2_400, n_classes=200, n_cores=2, is_refitted=False)
    assert (LARGE.first(), many.first()) == (Rung(500, 1), Rung(1_000, 1))
    few = Climb(n_rows=350, n_folds=8, n_cells_a_row=3_000, n_classes=2, n_cores=2, is_refitted=False)
    assert few.first() == Rung(350, 1), "rows that are few already are all learnt from"


def test_a_rung_that_tells_hardly_more_is_left_out() -> None:
    assert LARGE.next(Rung(500, 1), core_seconds=1.0, seconds_left=1.0) is None


def test_the_top_is_all_rows_and_folds() -> None:
    assert LARGE.next(Rung(80_000, 1), core_seconds=1.0, seconds_left=60.0) == Rung(80_000, 8, is_top=True)


@pytest.fixture
def searched(learned, monkeypatch: pytest.MonkeyPatch):
    """The candidate of an algorithm, and the machine it was searched on: a table of 100 rows and 2 folds counts as large."""
    monkeypatch.setattr(climb, "CELLS_A_SECOND", 0.0)
    monkeypatch.setattr(climb, "LEAST_ROWS", 20)
    monkeypatch.setattr(climb, "ROWS_A_CLASS", 1)
    monkeypatch.setattr(search, "wait_until_warm", lambda *modules: None)

    def made(algorithm: Any, rows_a_second: float, seconds: float, **more: Any) -> tuple[Candidate, Machine]:
        case = learned("texts")
        machine = Machine(lambda job: job.arguments[3].get(SAMPLED_ROWS, 100) / rows_a_second)
        monkeypatch.setattr(search, "time", machine)
        budget = Budget(1.0, first_seconds=seconds, n_cores=2, max_trials=1, **more)
        return search.search(case.features, algorithm, budget, 0, run=machine.run), machine

    return made


def test_with_time_a_climb_ends_as_any_other_trial(searched, learned) -> None:
    found, _ = searched(LINEAR, rows_a_second=100.0, seconds=1_000.0)
    usual = next(one for one in learned("texts").candidates if one.algorithm == LINEAR.name).trials[0]
    (trial,) = found.trials
    assert (trial.name, trial.config) == (usual.name, usual.config)
    np.testing.assert_allclose(trial.predictions, usual.predictions)
    truth = learned("texts").features.truth
    assert search.is_whole(trial, truth)
    assert search.whole_seconds(trial, truth) == trial.fit_seconds


def test_with_little_time_a_sample_is_learnt_from(searched, learned) -> None:
    found, machine = searched(LINEAR, rows_a_second=10.0, seconds=10.0)
    (trial,) = found.trials
    assert trial.is_finished and 20 < trial.config[SAMPLED_ROWS] < 100
    assert machine.now - 1_000.0 <= 10.0
    truth = learned("texts").features.truth
    assert not search.is_whole(trial, truth)
    n_rows, n_folds = (truth.split.assignment == 1).sum(axis=0).max(), truth.split.n_folds
    expected = trial.fit_seconds * n_rows / trial.config[SAMPLED_ROWS] * n_folds
    assert search.whole_seconds(trial, truth) == pytest.approx(expected, rel=0.1)
    assert [job.key[1] for job in machine.jobs] == [0, 0], "one fold each"


def test_what_is_refitted_has_its_model_of_all_rows(searched) -> None:
    found, _ = searched(TREES, rows_a_second=10.0, seconds=10.0)
    assert len(found.trials[0].fitted.models) == 1


def test_the_rung_before_counts_where_the_next_is_cut_off(searched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(climb, "SAFETY", 50.0)  # hopes for far too much
    found, machine = searched(LINEAR, rows_a_second=10.0, seconds=6.0)
    assert found.trials[0].is_finished and found.trials[0].config[SAMPLED_ROWS] == 20
    assert len(machine.jobs) == 2


def test_the_very_first_fit_has_grace(searched) -> None:
    hard, kind = (searched(LINEAR, rows_a_second=10.0, seconds=1.0, grace_seconds=grace)[0] for grace in (0.0, 5.0))
    assert (hard.trials[0].status, kind.trials[0].status) == ("failed", "finished")
