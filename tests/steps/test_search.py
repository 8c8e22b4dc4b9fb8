"""A candidate tries its portfolio on every fold until trials, time, patience or the wished score end it."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.execution.budget import PATIENCE, Budget, has_stalled
from automl_assets.execution.processes import Job
from automl_assets.metrics import score
from automl_assets.parts import Algorithm
from automl_assets.records import Candidate, Split, Trial
from automl_assets.registry import algorithms
from automl_assets.steps.search import search
from tests.learned import with_truth
from tests.machines import Machine

KNN = algorithms("tabular")["knn"]
EVERY = len(KNN.portfolio(None))


@pytest.fixture(autouse=True)
def _as_with_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows as here would allow but a part of the portfolio."""
    monkeypatch.setattr("automl_assets.steps.suggest.most_trials", lambda n_rows: 40)


def _search(case, algorithm: Algorithm = KNN, **budget) -> Candidate:
    return search(case.features, algorithm, Budget(**{"seconds": 600, "n_cores": 2} | budget), seed=0)


@pytest.fixture
def on_machine(monkeypatch: pytest.MonkeyPatch):
    """`on_machine(case, algorithm, seconds_of, …)`: the candidate, where `seconds_of` says how long each fit takes."""
    monkeypatch.setattr("automl_assets.steps.search.wait_until_warm", lambda *modules: None)

    def made(case, algorithm: Algorithm, seconds_of=lambda job: 1.0, **budget) -> Candidate:
        machine = Machine(seconds_of)
        monkeypatch.setattr("automl_assets.steps.search.time", machine)
        given = {"seconds": 1_000.0, "n_cores": 1} | budget
        return search(case.features, algorithm, Budget(**given), seed=0, run=machine.run)

    return made


def test_the_whole_portfolio_is_tried_in_order(learned) -> None:
    case, reported = learned("texts"), []
    budget = Budget(seconds=600, n_cores=2, max_trials=EVERY)
    candidate = search(case.features, KNN, budget, seed=0, report=reported.append)
    assert [trial.config for trial in candidate.trials] == list(KNN.portfolio(case.features.truth.problem))
    assert [trial.name for trial in candidate.trials] == [f"knn_{i + 1}" for i in range(len(candidate.trials))]
    assert sorted(trial.name for trial in reported) == sorted(trial.name for trial in candidate.trials)
    assert all(trial.is_finished for trial in candidate.trials)
    assert candidate.trials[0].fit_seconds > 0


def test_predictions_are_out_of_fold(learned) -> None:
    case = learned("texts")
    trial = _search(case, max_trials=1).trials[0]
    assert np.isfinite(trial.predictions[case.split.is_training]).all()
    assert np.isnan(trial.predictions[case.split.is_test]).all()
    known = case.split.is_training
    problem = case.features.truth.problem
    assert trial.score == score("accuracy", case.features.truth.y[known], trial.predictions[known], None, problem)
    assert trial.scores["accuracy"] == trial.score
    assert set(trial.scores) == {"accuracy", "AUC_weighted", "log_loss", "norm_macro_recall"}


def test_a_refitted_algorithm_answers_with_one_model(learned) -> None:
    """Other algorithms answer with the models of all folds."""
    case = learned("regression")
    assert KNN.is_refitted
    assert len(_search(case, max_trials=1).trials[0].fitted.models) == 1
    linear = _search(case, algorithms("tabular")["elastic_net"], max_trials=1)
    assert len(linear.trials[0].fitted.models) == case.split.n_folds


def test_max_trials(learned) -> None:
    assert len(_search(learned("texts"), max_trials=2).trials) == 2
    assert _search(learned("texts"), max_trials=0).trials == ()


def test_no_time_leaves_a_reason(learned) -> None:
    candidate = _search(learned("texts"), seconds=0.0)
    (trial,) = candidate.trials
    assert (trial.status, trial.score, trial.reason) == ("failed", None, "out of time: stopped after 0 s")


def test_no_time_for_one_trial_ends_the_candidate(learned) -> None:
    """When the default configuration fails, more of the same would too."""
    candidate = _search(learned("texts"), trial_seconds=0.0, n_cores=1)
    assert {trial.status for trial in candidate.trials} == {"failed"}
    assert len(candidate.trials) < EVERY


def test_the_wished_score_ends_the_search(learned, on_machine) -> None:
    case = learned("regression")
    assert case.features.truth.problem.metric == "normalized_root_mean_squared_error"
    assert len(on_machine(case, KNN, exit_score=10.0).trials) == 1
    assert len(on_machine(case, KNN, exit_score=1e-9).trials) >= EVERY


def _repeating(algorithm: Algorithm, *configs: dict) -> Algorithm:
    """The algorithm with nothing to try but these configurations."""
    return replace(algorithm, portfolio=lambda problem: list(configs), space=None)


def test_the_search_ends_early_when_nothing_gets_better(learned, on_machine) -> None:
    case = learned("texts")
    same = _repeating(KNN, *[KNN.portfolio(case.features.truth.problem)[0]] * (PATIENCE + 3))
    n_tried = {early: len(on_machine(case, same, early_stopping=early).trials) for early in (True, False)}
    assert n_tried[True] == PATIENCE + 1
    assert n_tried[False] >= PATIENCE + 3


def test_a_trial_has_its_own_time(learned, on_machine) -> None:
    """One without end is stopped in time for the next; alone it would take all that the candidate has."""
    case = learned("texts")
    three = _repeating(KNN, *KNN.portfolio(case.features.truth.problem)[:3])

    def seconds_of(job: Job) -> float:
        return 1e6 if job.key[0] == "knn_2" else 1.0

    candidate = on_machine(case, three, seconds_of, trial_seconds=10.0, max_trials=3)
    small, stopped, next_one = candidate.trials
    assert [trial.name for trial in candidate.trials] == ["knn_1", "knn_2", "knn_3"]
    assert small.is_finished and next_one.is_finished
    assert (stopped.status, stopped.reason) == ("failed", "out of time: stopped after 10 s")
    n_fits = case.split.n_folds + 1  # the last on all rows
    assert candidate.seconds == 10.0 + 2 * n_fits * 1.0


def test_what_does_not_end_by_itself_is_ended(learned) -> None:
    """A real forest in a real process: it stops before its time is over, or is stopped."""
    case, trees = learned("regression"), algorithms("tabular")["extra_trees"]
    endless = {**trees.portfolio(case.features.truth.problem)[0], "n_estimators": 200_000}
    trial = _search(case, _repeating(trees, endless), trial_seconds=3.0, n_cores=1).trials[0]
    if trial.is_finished:
        assert _n_trees(trial) < 200_000
    else:
        assert trial.reason.startswith("out of time")


def _n_trees(trial: Trial) -> int:
    assert trial.fitted is not None
    return max(len(model.estimator.estimators_) for model in trial.fitted.models)


def test_the_time_of_a_candidate_ends_its_search(learned, on_machine) -> None:
    case = learned("texts")
    n_fits = case.split.n_folds + 1
    endless = _repeating(KNN, *[KNN.portfolio(case.features.truth.problem)[0]] * 2_000)
    candidate = on_machine(case, endless, seconds=n_fits * 5.5, early_stopping=False)
    assert [trial.is_finished for trial in candidate.trials] == [True] * 5, "a sixth would not end in time"
    assert candidate.seconds == n_fits * 5.0


def test_too_little_memory_is_told(learned) -> None:
    candidate = _search(learned("texts"), memory_bytes=2**20)
    assert {trial.status for trial in candidate.trials} == {"failed"}
    assert any(word in candidate.trials[0].reason for word in ("out of memory", "crashed", "Error"))


def test_patience_counts_trials_without_a_better_score() -> None:
    def trials(scores: list[float]) -> list[Trial]:
        return [Trial("t", "knn", {}, "finished", score=value) for value in scores]

    assert not has_stalled(trials([0.5] * PATIENCE), "accuracy")
    assert has_stalled(trials([0.5] * (PATIENCE + 1)), "accuracy")
    assert not has_stalled(trials([0.5] * PATIENCE + [0.6]), "accuracy")
    assert has_stalled(trials([0.6] + [0.5] * PATIENCE), "accuracy")
    assert not has_stalled(trials([0.6] + [0.5] * PATIENCE), "log_loss")


def test_the_number_of_cores_changes_no_score(learned) -> None:
    case = learned("three_texts")
    expected = next(candidate for candidate in case.candidates if candidate.algorithm == "knn").trials[0]
    found = _search(case, max_trials=1, n_cores=1).trials[0]
    np.testing.assert_allclose(found.predictions, expected.predictions, atol=1e-12)


def test_rows_validated_several_times_are_averaged(learned) -> None:
    case = learned("texts")
    doubled = Split(case.split.is_test, case.split.assignment[:, [0, 0]], "fold 1 twice")
    once, twice = (_search_on(case, split) for split in (case.split, doubled))
    both = (doubled.assignment == 2).any(axis=1)
    np.testing.assert_allclose(twice.predictions[both], once.predictions[both], atol=1e-12)
    assert np.isnan(twice.predictions[~both]).all()


def _search_on(case, split: Split) -> Trial:
    return search(
        with_truth(case.features, split=split), KNN, Budget(seconds=600, n_cores=2, max_trials=1), seed=0
    ).trials[0]
