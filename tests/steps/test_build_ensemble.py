"""An ensemble is told as good as new rows find it, its weights make sense, and no clearly better kind is passed over."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets import metrics
from automl_assets.errors import LearningError
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.records import (
    TRAIN,
    VALID,
    Candidate,
    Ensemble,
    Features,
    Fitted,
    Problem,
    Split,
    Ties,
    Trial,
    Truth,
)
from automl_assets.steps.build_ensemble import build_ensemble, sample
from automl_assets.steps.combine import apply_stack, combine, stack_inputs
from automl_assets.steps.ensemble_selection import MAX_MEMBERS
from automl_assets.tabular.records import TableInputs

N_ROWS = 400
BINARY = Problem("classification", "log_loss", classes=("no", "yes"), positive=1)
MULTI = Problem("classification", "accuracy", classes=("a", "b", "c"))
VALUE = Problem("regression", "root_mean_squared_error", target_range=(-3.0, 3.0))
BOTH = EnsembleSetting()
VOTING, STACKING = EnsembleSetting(stacking=False), EnsembleSetting(voting=False)
NEITHER = EnsembleSetting(voting=False, stacking=False)


def _truth(problem: Problem) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, problem.n_classes, N_ROWS) if problem.classes else random.normal(size=N_ROWS)


def _guess(problem: Problem, y: np.ndarray, seed: int, noise: float) -> np.ndarray:
    """An answer to `y` with independent errors, float64 [n_rows, n_outputs]."""
    errors = np.random.default_rng(seed).normal(scale=noise, size=(len(y), problem.n_outputs))
    if not problem.classes:
        return y[:, None] + errors
    powers = np.exp(np.eye(problem.n_classes)[y] * 2 + errors)
    return powers / powers.sum(axis=1, keepdims=True)


def _features(problem: Problem, y: np.ndarray, weight: np.ndarray | None = None) -> Features:
    none = np.zeros((len(y), 0), np.float32)
    split = Split(np.zeros(len(y), bool), np.full((len(y), 1), VALID, np.int8), "all rows")
    return Features(Truth(y, weight, problem, split), TableInputs(none, none), None)


def _candidate(name: str, problem: Problem, y: np.ndarray, guesses: list[np.ndarray]) -> Candidate:
    def trial(number: int, guess: np.ndarray) -> Trial:
        known = ~np.isnan(guess).any(axis=1)
        value = metrics.score(problem.metric, y[known], guess[known], None, problem)
        return Trial(f"{name}_{number}", name, {}, "finished", score=value, predictions=guess, fitted=Fitted((name,)))

    return Candidate(name, tuple(trial(i, guess) for i, guess in enumerate(guesses, start=1)), 1.0)


def _candidates(problem: Problem, y: np.ndarray, noises: tuple[float, ...] = (1.0, 1.2, 1.5)) -> list[Candidate]:
    return [_candidate(f"c{i}", problem, y, [_guess(problem, y, i, n)]) for i, n in enumerate(noises)]


def _goodness(ensemble: Ensemble, y: np.ndarray) -> float:
    problem = ensemble.problem
    return metrics.oriented(problem.metric, metrics.score(problem.metric, y, ensemble.predictions, None, problem))


@pytest.mark.parametrize("problem", [BINARY, MULTI, VALUE], ids=["binary", "multi", "value"])
@pytest.mark.parametrize("settings", [BOTH, VOTING, STACKING], ids=["both", "voting", "stacking"])
def test_an_ensemble_beats_independent_members(problem: Problem, settings: EnsembleSetting) -> None:
    y = _truth(problem)
    single = build_ensemble(_candidates(problem, y), _features(problem, y), NEITHER, seed=0)
    found = build_ensemble(_candidates(problem, y), _features(problem, y), settings, seed=0)
    assert single.kind == "single"
    assert found.kind != "single"
    assert _goodness(found, y) > _goodness(single, y)
    assert found.score == found.scores_by_kind[found.kind] == pytest.approx(abs(_goodness(found, y)))


@pytest.mark.parametrize("settings", [NEITHER, VOTING, STACKING], ids=["single", "voting", "stacking"])
def test_the_score_is_what_new_rows_give(settings: EnsembleSetting) -> None:
    """Of many trials that are alike the best owes its place to chance: on the rows that chose it its error is .80."""
    told, true = [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        y, errors = random.normal(size=80), random.normal(size=(2, 60, 80, 1))
        trials = [_candidate(f"c{i % 6}_{i}", VALUE, y, [y[:, None] + error]) for i, error in enumerate(errors[0])]
        quick = settings.model_copy(update={"iterations": 15})
        found = build_ensemble(trials, _features(VALUE, y), quick, seed=seed)
        new = [y[:, None] + errors[1, int(member.algorithm.split("_")[1])] for member in found.members]
        answer = combine(new, [member.weight for member in found.members], found.stack, VALUE)
        told.append(found.score)
        true.append(float(np.sqrt(np.mean((answer[:, 0] - y) ** 2))))
    assert np.mean(told) == pytest.approx(np.mean(true), rel=0.12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("problem", [BINARY, MULTI, VALUE], ids=["binary", "multi", "value"])
def test_a_vote_is_hardly_worse_than_the_best_single(problem: Problem, seed: int) -> None:
    y = _truth(problem)
    noises = tuple(np.random.default_rng(seed).uniform(0.5, 4, 4))
    found = build_ensemble(_candidates(problem, y, noises), _features(problem, y), VOTING, seed=seed)
    kinds = {kind: metrics.oriented(problem.metric, score) for kind, score in found.scores_by_kind.items()}
    assert kinds["voting"] >= kinds["single"] - 0.02 * max(1.0, abs(kinds["single"]))


def test_groups_choose_whole() -> None:
    """Rows of one fold, which share their groups, judge what the other folds chose."""
    y = _truth(VALUE)
    fold = np.arange(N_ROWS) % 4
    first = np.where(fold == 0, 0.0, 1.0)[:, None]  # right on the rows of the first fold alone
    second = np.where(fold == 0, 1.5, 0.9)[:, None]
    pair = [_candidate("a", VALUE, y, [y[:, None] + first]), _candidate("b", VALUE, y, [y[:, None] + second])]
    features = _features(VALUE, y)
    assignment = np.where(fold[:, None] == np.arange(4), VALID, TRAIN).astype(np.int8)
    split = Split(np.zeros(N_ROWS, bool), assignment, "folds")
    features = replace(features, truth=replace(features.truth, split=split))
    found = build_ensemble(pair, features, NEITHER, seed=0)
    np.testing.assert_allclose(found.predictions[fold == 0, 0] - y[fold == 0], 1.5)


def test_votes_sum_to_one() -> None:
    y = _truth(BINARY)
    found = build_ensemble(_candidates(BINARY, y), _features(BINARY, y), VOTING, seed=0)
    weights = [member.weight for member in found.members]
    assert sum(weights) == pytest.approx(1)
    assert min(weights) > 0
    parts = [candidate.trials[0].predictions for candidate in _candidates(BINARY, y)]
    chosen = [parts[int(member.algorithm[1:])] for member in found.members]
    assert np.abs(found.predictions - np.tensordot(weights, chosen, axes=1)).mean() < 0.05  # by weights of other rows
    np.testing.assert_allclose(found.predictions.sum(axis=1), 1)


def test_the_best_vote_on_the_way_is_kept() -> None:
    """Two votes cancel their errors; a third brings one of them back."""
    y = _truth(VALUE)
    errors = np.random.default_rng(1).normal(size=(N_ROWS, 1))
    pair = [_candidate(f"c{sign}", VALUE, y, [y[:, None] + sign * errors]) for sign in (-1, 1)]
    found = build_ensemble(pair, _features(VALUE, y), EnsembleSetting(stacking=False, iterations=3), seed=0)
    assert [member.weight for member in found.members] == [0.5, 0.5]
    assert found.score == pytest.approx(0, abs=1e-12)


def test_one_vote_is_shared_with_those_that_rows_cannot_tell_apart() -> None:
    y = _truth(BINARY)
    once = EnsembleSetting(stacking=False, iterations=1)
    alike = build_ensemble(_candidates(BINARY, y, (1.0, 1.0)), _features(BINARY, y), once, seed=0)
    assert [member.weight for member in alike.members] == pytest.approx([0.9, 0.1])  # 400 rows
    clear = build_ensemble(_candidates(BINARY, y, (0.5, 9.0)), _features(BINARY, y), once, seed=0)
    assert [member.weight for member in clear.members] == [1.0]


def test_one_trial_answers_alone() -> None:
    y = _truth(VALUE)
    found = build_ensemble(_candidates(VALUE, y, (1.0,)), _features(VALUE, y), BOTH, seed=0)
    assert (found.kind, set(found.scores_by_kind), found.members[0].trial) == ("single", {"single"}, "c0_1")
    assert found.members[0].fitted.models == ("c0",)


def test_no_trial_is_an_error_that_gives_every_reason() -> None:
    failed = Candidate("c0", (Trial("c0_1", "c0", {}, "failed", "out of time: stopped after 3 s"),), 3.0)
    features = _features(VALUE, _truth(VALUE))
    with pytest.raises(
        LearningError, match=r"^no trial finished: c0_1: out of time: stopped after 3 s\. Give more time"
    ):
        build_ensemble([failed], features, BOTH, seed=0)
    with pytest.raises(LearningError, match=r"^no trial finished: nothing was tried\."):
        build_ensemble([], features, BOTH, seed=0)


def test_failed_trials_stay_out() -> None:
    y = _truth(VALUE)
    failed = Candidate("c9", (Trial("c9_1", "c9", {}, "failed", "crashed"),), 3.0)
    found = build_ensemble([failed, *_candidates(VALUE, y)], _features(VALUE, y), BOTH, seed=0)
    assert "c9" not in {member.algorithm for member in found.members}


def test_the_best_of_every_algorithm_is_considered() -> None:
    y = _truth(VALUE)
    many = _candidate("many", VALUE, y, [_guess(VALUE, y, seed, 1.0) for seed in range(MAX_MEMBERS + 5)])
    other = _candidate("other", VALUE, y, [_guess(VALUE, y, 99, 1.5)])
    found = build_ensemble([many, other], _features(VALUE, y), STACKING, seed=0)
    assert found.kind == "stacking"
    assert {member.algorithm for member in found.members} == {"many", "other"}


@pytest.mark.parametrize("n_rare", [1, 2])
@pytest.mark.parametrize("problem", [BINARY, MULTI], ids=["binary", "multi"])
def test_a_class_of_one_row_does_not_end_the_run(problem: Problem, n_rare: int) -> None:
    """When that row is held out, the stack learns from rows without the class."""
    problem = replace(problem, metric="log_loss")
    y = np.zeros(N_ROWS, np.int64)
    y[:n_rare] = 1
    found = build_ensemble(_candidates(problem, y), _features(problem, y), BOTH, seed=0)
    assert set(found.scores_by_kind) == {"single", "voting", "stacking"}
    assert np.isfinite(found.predictions).all()
    np.testing.assert_allclose(found.predictions.sum(axis=1), 1)


def test_a_sample_holds_every_class() -> None:
    """Of 25,000 rows 20,000 are looked at, and AUC has no value without the one row of its class."""
    problem = replace(BINARY, metric="AUC_binary")
    n_rows = 20_000
    y = np.zeros(n_rows + 5_000, np.int64)
    y[-1] = 1
    for seed in range(4):
        chosen = sample(y, n_rows, problem, np.random.default_rng(seed))
        assert (len(np.unique(chosen)), y[chosen].sum()) == (n_rows, 1)
    assert len(sample(y[:9], n_rows, problem, np.random.default_rng(0))) == 9
    found = build_ensemble(
        _candidates(problem, y), _features(problem, y), EnsembleSetting(stacking=False, iterations=2), seed=0
    )
    assert set(found.scores_by_kind) == {"single", "voting"}


def test_weights_of_rows_count() -> None:
    """Of two members, the one that is right where the weight lies answers."""
    y = _truth(VALUE)
    half = np.arange(N_ROWS) < N_ROWS // 2
    right_then_wrong = np.where(half, y, y + 5)[:, None]
    wrong_then_right = np.where(half, y + 4, y)[:, None]
    pair = [_candidate("first", VALUE, y, [right_then_wrong]), _candidate("second", VALUE, y, [wrong_then_right])]
    weight = np.where(half, 1.0, 1e-9)
    found = build_ensemble(pair, _features(VALUE, y, weight), VOTING, seed=0)
    assert max(found.members, key=lambda member: member.weight).algorithm == "first"


def test_only_rows_that_all_predicted_are_compared() -> None:
    y = _truth(VALUE)
    candidates = _candidates(VALUE, y)
    gaps = candidates[0].trials[0].predictions.copy()
    gaps[:100] = np.nan
    found = build_ensemble([_candidate("c0", VALUE, y, [gaps]), *candidates[1:]], _features(VALUE, y), BOTH, seed=0)
    assert np.isfinite(found.score)
    assert np.isfinite(found.predictions[100:]).all()


def test_a_stack_of_regressions_is_linear_and_shares_sum_to_one() -> None:
    y = _truth(VALUE)
    found = build_ensemble(_candidates(VALUE, y), _features(VALUE, y), STACKING, seed=0)
    assert found.stack is not None
    assert (found.stack.coefficients >= 0).all()
    assert sum(member.weight for member in found.members) == pytest.approx(1)
    parts = {c.algorithm: c.trials[0].predictions for c in _candidates(VALUE, y)}
    inputs = stack_inputs([parts[member.algorithm] for member in found.members], VALUE)
    np.testing.assert_allclose(apply_stack(inputs, found.stack, VALUE), found.predictions, atol=1e-3)


def test_inputs_of_a_stack() -> None:
    half = np.array([[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(stack_inputs([half], BINARY), [[0.0], [-np.log(1e-6)]])
    assert stack_inputs([np.full((2, 3), 1 / 3)] * 2, MULTI).shape == (2, 6)
    np.testing.assert_array_equal(combine([np.ones((1, 1)), np.zeros((1, 1))], [0.75, 0.25], None, VALUE), [[0.75]])


def test_a_guess_has_no_vote_beside_models(learned) -> None:
    """Under AUC a constant changes nothing about the ranks, so greedy selection would take it for harmless."""
    case = learned("texts")
    assert any(trial.algorithm == "baseline" for candidate in case.candidates for trial in candidate.trials)
    blended = build_ensemble(case.candidates, case.features, EnsembleSetting(), seed=0)
    assert all(member.algorithm != "baseline" for member in blended.members)
    alone = [candidate for candidate in case.candidates if candidate.algorithm == "baseline"]
    assert [member.algorithm for member in build_ensemble(alone, case.features, EnsembleSetting(), seed=0).members] == [
        "baseline"
    ]


def test_a_trial_of_one_fold_leaves_the_judging_held_out() -> None:
    """Where time was scarce a trial has one fold alone: rows that all predicted are those of one fold."""
    y, fold = _truth(VALUE), np.arange(N_ROWS) % 4
    whole = _candidates(VALUE, y)
    partial = _guess(VALUE, y, 9, 1.1)
    partial[fold > 0] = np.nan
    features = _features(VALUE, y)
    assignment = np.where(fold[:, None] == np.arange(4), VALID, TRAIN).astype(np.int8)
    split = Split(np.zeros(N_ROWS, bool), assignment, "folds")
    features = replace(features, truth=replace(features.truth, split=split))
    luckiest = _candidate("c9", VALUE, y, [partial])
    found = build_ensemble([*whole, luckiest], features, STACKING, seed=0)
    inputs = stack_inputs([m[0].predictions for m in (c.trials for c in [*whole, luckiest])], VALUE)
    assert found.stack is not None
    order = {f"c{i}": i for i in (0, 1, 2)} | {"c9": 3}
    own = apply_stack(inputs[:, [order[m.algorithm] for m in found.members]], found.stack, VALUE)
    known = fold == 0
    assert not np.allclose(found.predictions[known], own[known])


def test_trials_are_compared_on_the_same_rows() -> None:
    """One that validated on a fold alone may owe its score to an easy fold."""
    y, fold = _truth(VALUE), np.arange(N_ROWS) % 4
    good = np.where(fold == 0, 0.2, 2.0)[:, None] * np.random.default_rng(1).choice([-1, 1], (N_ROWS, 1))
    lucky = np.where(fold == 0, 0.4, np.nan)[:, None] * np.ones((N_ROWS, 1))
    pair = [_candidate("good", VALUE, y, [y[:, None] + good]), _candidate("lucky", VALUE, y, [y[:, None] + lucky])]
    assert pair[1].trials[0].score < pair[0].trials[0].score
    found = build_ensemble(pair, _features(VALUE, y), NEITHER, seed=0)
    assert [member.algorithm for member in found.members] == ["good"]


def test_clearly_better_is_so_by_whole_groups() -> None:
    """A group's rows share their error: forty of them are one piece of evidence."""
    random = np.random.default_rng(3)
    y, group = _truth(VALUE), np.arange(N_ROWS) // 40
    shared = [random.normal(size=10)[group][:, None] for _ in range(8)]
    trials = [_candidate(f"c{i}", VALUE, y, [y[:, None] + error]) for i, error in enumerate(shared)]
    features = _features(VALUE, y)
    tied = replace(features, truth=replace(features.truth, ties=Ties(groups=group)))
    alone, grouped = (build_ensemble(trials, one, VOTING, seed=0) for one in (features, tied))
    assert len(grouped.members) > len(alone.members)
