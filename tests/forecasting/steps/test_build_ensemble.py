"""The ensemble of a group: no worse than its members where that can be known, and an answer whatever fails."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.forecasting.metrics import score
from automl_assets.forecasting.records import ForecastEnsemble
from automl_assets.forecasting.steps import backtest, conformalize
from automl_assets.forecasting.steps.build_ensemble import _Contest, blend, blend_all, chosen
from automl_assets.forecasting.steps.evaluate import backtest_quantiles
from automl_assets.records import Candidate, Trial
from automl_assets.registry import algorithms

BOTH, ALONE = EnsembleSetting(), EnsembleSetting(voting=False)
SEASONAL = {"block": 12, "n_blocks": 1}
STATISTICAL = [
    name for name, part in algorithms("forecasting").items() if part.scope == "series" and not part.is_fallback
]


def _trial(group, name: str, point: np.ndarray, algorithm: str = "naive", config: dict | None = None) -> Trial:
    truth = backtest.truth(group.panel, group.problem)
    value = score(group.problem.problem.metric, truth, np.where(np.isfinite(point), point, truth.seasonal_naive))
    return Trial(name, algorithm, config or SEASONAL, "finished", score=value, predictions=point[..., None])


def _noisy(group, seed: int, size: float) -> np.ndarray:
    """The truth with errors of its own."""
    truth = backtest.truth(group.panel, group.problem)
    return truth.y + size * truth.scales[:, None] * np.random.default_rng(seed).normal(size=truth.y.shape)


def _candidates(group, sizes=(0.5, 0.55, 0.6), seed: int = 0) -> list[Candidate]:
    trials = [_trial(group, f"naive_{i}", _noisy(group, seed + i, size)) for i, size in enumerate(sizes, start=1)]
    return [Candidate("naive", tuple(trials), 1.0)]


def _chosen(group, candidates, settings=BOTH):
    return chosen(group, candidates, settings, 0, float("inf"))


def _blend(group, candidates, settings=BOTH, **budget):
    return blend(group, candidates, settings, Budget(**{"seconds": 300, "n_cores": 2} | budget), seed=0)


def test_independent_members_vote(make_group) -> None:
    group = make_group(n_series=8)
    made = _blend(group, _candidates(group))
    assert made.kind == "voting" and len(made.members) == 3
    assert sum(member.weight for member in made.members) == pytest.approx(1)
    assert made.scores_by_kind["voting"] < 0.8 * made.scores_by_kind["single"]
    expected = sum(
        member.weight * _noisy(group, int(member.trial[-1]), {1: 0.5, 2: 0.55, 3: 0.6}[int(member.trial[-1])])
        for member in made.members
    )
    np.testing.assert_allclose(made.predictions, expected)
    assert not made.is_fallback and made.names == group.panel.names
    assert made.score == made.scores_by_kind["voting"]
    assert all(member.fitted.models == (SEASONAL,) for member in made.members)


def _network(group, told: np.ndarray) -> Trial:
    """A trial with quantiles of its own, whose errors are as large as told."""
    truth = backtest.truth(group.panel, group.problem)
    point = truth.y + told * np.random.default_rng(5).normal(size=truth.y.shape)
    plain = _trial(group, "tcn_1", point, "tcn")
    return replace(plain, predictions=point[..., None] + 0.5 * told[..., None] * np.array([-2.0, -1.3, 0.0, 1.3, 2.0]))


def test_quantiles_that_members_bring_shape_the_intervals(make_group) -> None:
    """Errors that are ten times as large at some stamps, which one member sees: coverage stays, the loss falls."""
    group = make_group(n_series=8, length=90, n_windows=5, n_test=0)
    truth = backtest.truth(group.panel, group.problem)
    told = np.where(np.random.default_rng(7).random(truth.y.shape) < 0.3, 10.0, 1.0)
    (naive,) = _candidates(group, (3.0,))
    choice = _chosen(group, [Candidate("tcn", (_network(group, told),), 1.0), naive])
    assert choice.shape is not None and choice.shape.corrections.shape == (6, 5)
    assert choice.coverage["coverage_80"] == pytest.approx(0.8, abs=0.04)
    made = _ensemble_of(group, choice)
    plain = conformalize.held_out(truth, choice.predictions)
    shaped = backtest_quantiles(made, truth)
    losses = [score("pinball_loss", truth, choice.predictions, one) for one in (shaped, plain)]
    assert losses[0] < 0.85 * losses[1]
    alone = replace(choice.shape, own=0 * choice.shape.own, weight=0 * choice.shape.weight)
    np.testing.assert_allclose(backtest_quantiles(replace(made, shape=alone), truth), plain)


def test_quantiles_that_say_nothing_shape_nothing(make_group) -> None:
    """They are as wide everywhere as errors are: margins answer, to the last digit as without them."""
    group = make_group(n_series=8, length=90, n_windows=5, n_test=0)
    network = _network(group, np.full(backtest.truth(group.panel, group.problem).y.shape, 2.0))
    bare = replace(network, predictions=network.known_predictions[..., 2:3])
    found, expected = (_chosen(group, [Candidate("tcn", (one,), 1.0)]) for one in (network, bare))
    assert found.shape is None and found.coverage == expected.coverage
    np.testing.assert_array_equal(found.margins, expected.margins)


def _ensemble_of(group, choice) -> ForecastEnsemble:
    """One that is asked for its backtest alone."""
    kept = (choice.predictions, choice.margins, choice.scales)
    return ForecastEnsemble(choice.kind, (), 0.0, {}, *kept, group.panel.names, group.problem, shape=choice.shape)


def test_what_cannot_be_fitted_in_time_is_not_chosen(make_group) -> None:
    """Its backtest took so long that one fit more would take all the time there is; the cheapest is never left out."""
    group = make_group(n_series=8)
    (candidate,) = _candidates(group, (0.1, 5.0))
    slow, quick = candidate.trials
    slow = replace(slow, fit_seconds=1e6)
    made = _blend(group, [replace(candidate, trials=(slow, quick))])
    assert [member.trial for member in made.members] == [quick.name]
    made = _blend(group, [replace(candidate, trials=(slow, replace(quick, fit_seconds=2e6)))])
    assert [member.trial for member in made.members] == [slow.name]


def test_overtime_is_for_what_is_clearly_better(make_group) -> None:
    """A last fit that takes all the time there usually is: it is worth more than that, or it is not."""
    group = make_group(n_series=8)
    n_windows, budget = group.problem.n_windows, {"seconds": 10.0, "overtime": 100.0}
    for error, expected in ((0.1, "slow"), (0.49, "quick")):
        slow = replace(_trial(group, "slow", _noisy(group, 0, error)), fit_seconds=20.0 * n_windows)
        quick = replace(_trial(group, "quick", _noisy(group, 0, 0.5)), fit_seconds=1.0)
        made = _blend(group, [Candidate("naive", (slow, quick), 1.0)], ALONE, **budget)
        assert [member.trial for member in made.members] == [expected]
    made = _blend(group, [Candidate("naive", (replace(slow, score=0.0), quick), 1.0)], ALONE, seconds=10.0)
    assert [member.trial for member in made.members] == ["quick"]


def test_the_best_answers_alone_where_others_add_nothing(make_group) -> None:
    group = make_group(n_series=8)
    assert _chosen(group, _candidates(group, (0.1, 5.0, 6.0))).kind == "single"
    same = [_trial(group, f"naive_{i}", _noisy(group, 0, 0.5)) for i in range(3)]
    assert _chosen(group, [Candidate("naive", tuple(same), 1.0)]).kind == "single"
    assert set(_chosen(group, _candidates(group), ALONE).scores_by_kind) == {"single"}


def test_luck_on_one_window_does_not_choose(make_group) -> None:
    """A kind is judged by windows that had no say in it: the score is not that of the windows that chose."""
    group = make_group(n_series=1)
    truth = backtest.truth(group.panel, group.problem)
    lucky = [_noisy(group, seed, 2.0) for seed in range(20)]
    found = _chosen(
        group, [Candidate("naive", tuple(_trial(group, f"naive_{i}", p) for i, p in enumerate(lucky)), 1.0)]
    )
    best_seen = min(score("MASE", truth, point) for point in lucky)
    assert found.scores_by_kind["single"] > 1.05 * best_seen


def test_weights_of_few_windows_are_drawn_towards_equal_ones(make_group) -> None:
    """Of two members one deserves four fifths of the vote (the inverse of its variance)."""

    def heaviest(n_series: int) -> float:
        group = make_group(n_series=n_series)
        cases = [_candidates(group, (0.4, 0.8), seed) for seed in range(10)]
        votes = [_Contest.of(group, candidates, BOTH, 0).vote("voting") for candidates in cases]
        return np.mean([max(vote.values()) for vote in votes if len(vote) > 1])

    assert 0.5 < heaviest(1) < 0.72
    assert 0.72 < heaviest(40) < 0.85


@pytest.mark.skipif(len(STATISTICAL) < 3, reason="fewer than three statistical forecasters are installed")
def test_the_median_of_the_statistical_may_answer(make_group) -> None:
    """One of them is far off on one window each: the median does not follow."""
    group = make_group(n_series=6)
    points = [_noisy(group, i, 0.5) for i in range(3)]
    for window, point in enumerate(points):
        point[window] += 60
    candidates = [
        Candidate(name, (_trial(group, f"{name}_1", p, name),), 1.0)
        for name, p in zip(STATISTICAL, points, strict=False)
    ]
    found = _chosen(group, candidates)
    assert found.kind == "median"
    np.testing.assert_allclose(found.predictions, np.median([p for p in points], axis=0))


def test_gaps_of_a_member_are_naive(make_group) -> None:
    group = make_group(n_series=2)
    truth = backtest.truth(group.panel, group.problem)
    point = _noisy(group, 0, 0.1)
    point[:, 1] = np.nan
    found = _chosen(group, [Candidate("naive", (_trial(group, "naive_1", point),), 1.0)])
    np.testing.assert_array_equal(found.predictions[:, 1], truth.seasonal_naive[:, 1])


def test_a_member_that_cannot_be_fitted_is_left_out(make_group) -> None:
    group = make_group(n_series=8)
    trials = list(_candidates(group)[0].trials)
    trials[0] = replace(trials[0], algorithm="no_such")
    made = _blend(group, [Candidate("naive", tuple(trials), 1.0)])
    assert {member.trial for member in made.members} == {"naive_2", "naive_3"}
    assert sum(member.weight for member in made.members) == pytest.approx(1)
    assert made.reason == "left out naive_1: error: KeyError: 'no_such'" and not made.is_fallback
    expected = sum(
        m.weight * _noisy(group, int(m.trial[-1]), {2: 0.55, 3: 0.6}[int(m.trial[-1])]) for m in made.members
    )
    np.testing.assert_allclose(made.predictions, expected)


@pytest.mark.parametrize("case", ["unfitted", "failed", "untried"])
def test_whatever_fails_a_naive_model_answers(make_group, case: str) -> None:
    group = make_group(n_series=2)
    lost = replace(_candidates(group)[0].trials[0], algorithm="no_such")
    failed = Trial("ets_1", "ets", {}, "failed", "out of time: stopped after 3 s")
    candidates = {
        "unfitted": [Candidate("x", (lost,), 1.0)],
        "failed": [Candidate("ets", (failed,), 3.0)],
        "untried": [],
    }
    reason = {
        "unfitted": "no member could be fitted (naive_1: error: KeyError: 'no_such')",
        "failed": "no trial finished (ets_1: out of time: stopped after 3 s)",
        "untried": "nothing was tried",
    }
    made = _blend(group, candidates[case])
    truth = backtest.truth(group.panel, group.problem)
    assert (made.is_fallback, made.reason, made.kind) == (True, reason[case], "single")
    np.testing.assert_array_equal(made.predictions, truth.seasonal_naive)
    assert made.score == pytest.approx(score("MASE", truth, truth.seasonal_naive))


def test_one_value_is_enough_to_fall_back(with_targets) -> None:
    made = _blend(with_targets([np.array([3.0])], n_test=0), [])
    assert made.is_fallback and np.isnan(made.predictions).all()
    assert np.isfinite(made.margins).all() and made.margins[0, -1] > 0


def test_without_time_the_fallback_still_answers(make_group) -> None:
    group = make_group(n_series=2)
    made = _blend(group, _candidates(group), seconds=0.0)
    assert made.is_fallback and "not started: 0 s left" in made.reason


def test_every_group_gets_its_own(make_group) -> None:
    groups = {f"g{i}": make_group(n_series=3, key=f"g{i}", seed=i) for i in range(6)}
    candidates = {key: _candidates(group) for key, group in groups.items()}
    candidates["g3"] = []
    made = dict(blend_all(groups, candidates, BOTH, Budget(300, 2), 0))
    assert {key for key, one in made.items() if one.is_fallback} == {"g3"}
    assert set(made) == set(groups)
    alone = _blend(groups["g1"], candidates["g1"])
    np.testing.assert_array_equal(made["g1"].predictions, alone.predictions)


@pytest.mark.parametrize("metric", ["r2_score", "normalized_root_mean_squared_error", "WQL", "spearman_correlation"])
def test_any_metric_chooses(make_group, with_metric, metric: str) -> None:
    group = with_metric(make_group(n_series=6), metric)
    found = _chosen(group, _candidates(group, (0.2, 0.9, 2.0)))
    assert "naive_1" in {trial.name for trial in found.trials}
    assert max(zip(found.weights, (trial.name for trial in found.trials), strict=True))[1] == "naive_1"
