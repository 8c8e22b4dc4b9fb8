"""One forecaster tries its portfolio on many groups: a bad series, fit or process costs only itself."""

import os
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.forecasting.steps import backtest
from automl_assets.forecasting.steps.search import CHUNK, search
from automl_assets.registry import algorithms
from automl_assets.steps.suggest import most_trials
from tests.clocks import Ticking

NAIVE = algorithms("forecasting")["naive"]
MARK = -12345.0  # a series that holds it is one that a fake forecaster cannot stand


def _is_marked(panel) -> bool:
    return bool((panel.y == MARK).any())


def _crash(config, history, context):
    if _is_marked(history):
        os._exit(7)
    return config


def _hang(config, history, context):
    while _is_marked(history):
        time.sleep(0.05)
    return config


def _raise(config, history, context):
    if _is_marked(history):
        raise ValueError("this series again")
    return config


def _naive_but_nan(model, history, future):
    answer = NAIVE.forecast(model, history, future)
    answer[[bool((y == MARK).any()) for y in history.series()]] = np.nan
    return answer


def _explode(model, history, future):
    answer = NAIVE.forecast(model, history, future)
    return np.where(np.arange(answer.shape[1])[:, None] % 2, 1e300 * answer, np.inf)


def _wrong_shape(model, history, future):
    return NAIVE.forecast(model, history, future)[:, :-1]


def _one(problem, history):
    return [{"block": 12, "n_blocks": 1}]


def _two(problem, history):
    return [{"block": 12, "n_blocks": 1}, {"block": 1, "n_blocks": 1}]


def _space(trial, problem):
    return {"block": 12, "n_blocks": trial.suggest_int("n_blocks", 1, 4)}


def _slow(config, history, context):
    """Needs seventy seconds for each of three windows."""
    if context.deadline - time.monotonic() < 70:
        raise TimeoutError("seventy seconds are needed")
    return config


def _eight(problem, history):
    return [{"block": 12, "n_blocks": 1 + i} for i in range(8)]


def _broken_portfolio(problem, history):
    raise KeyError("no such period")


def _fake(**changes):
    return replace(NAIVE, **{"name": "fake", "portfolio": _one} | changes)


def _search(groups, forecaster=NAIVE, **budget):
    return dict(search(groups, forecaster, Budget(**{"seconds": 300, "n_cores": 2} | budget), seed=0))


@pytest.fixture
def groups(make_group):
    """Twelve groups of one series, of which the fifth is marked."""
    made = {f"g{i}": make_group(key=f"g{i}", seed=i) for i in range(12)}
    made["g4"].panel.y[3] = MARK
    return made


def test_every_group_tries_the_whole_portfolio(groups) -> None:
    reported = []
    found = dict(search(groups, NAIVE, Budget(300, 2), 0, lambda key, trial: reported.append((key, trial.name))))
    assert set(found) == set(groups)
    for key, candidate in found.items():
        portfolio = NAIVE.portfolio(groups[key].problem, groups[key].panel)
        assert [trial.config for trial in candidate.trials] == portfolio
        assert all(trial.is_finished and np.isfinite(trial.score) for trial in candidate.trials)
        assert [name for other, name in reported if other == key] == [trial.name for trial in candidate.trials]


def test_scores_are_those_of_the_backtest(make_group) -> None:
    group = make_group(n_series=3)
    trial = _search({"g": group}, _fake())["g"].trials[0]
    y = backtest.truth(group.panel, group.problem).y
    history = [series[: -6 * (3 - w)] for w in range(3) for series in group.panel.series()]
    expected = np.array([one[-12:-6] for one in history]).reshape(3, 3, 6)
    np.testing.assert_array_equal(trial.predictions[..., 0], expected)
    scales = [np.abs(series[12:] - series[:-12]).mean() for series in group.panel.series()]
    assert trial.score == pytest.approx((np.abs(expected - y).mean(axis=(0, 2)) / scales).mean())
    assert trial.scores["answered"] == 1.0


def test_chunks_of_a_group_are_put_together_again(make_group) -> None:
    group = make_group(n_series=2 * CHUNK + 1, length=40)
    by_series = _search({"g": group}, _fake())["g"].trials[0]
    at_once = _search({"g": group}, _fake(scope="group"))["g"].trials[0]
    np.testing.assert_array_equal(by_series.predictions, at_once.predictions)
    assert by_series.score == at_once.score


@pytest.mark.parametrize(
    ("fit", "reason"),
    [(_crash, "crashed: the process ended with exit code 7"), (_raise, "ValueError: this series again")],
    ids=["crash", "raise"],
)
def test_a_bad_group_costs_only_itself(groups, fit, reason) -> None:
    found = _search(groups, _fake(fit=fit))
    assert {key for key, candidate in found.items() if not candidate.trials[0].is_finished} == {"g4"}
    trial = found["g4"].trials[0]
    assert (trial.status, trial.reason, trial.score, trial.predictions) == ("failed", reason, None, None)


def test_a_fit_without_end_is_stopped_and_the_others_are_not(groups) -> None:
    found = _search(groups, _fake(fit=_hang), trial_seconds=1.0)
    assert {key for key, candidate in found.items() if not candidate.trials[0].is_finished} == {"g4"}
    stopped = re.fullmatch(r"out of time: stopped after (\d+) s", found["g4"].trials[0].reason)
    assert stopped and int(stopped[1]) < 60  # of 300


def test_the_deadline_is_kept_and_everybody_gets_an_answer(groups) -> None:
    for group in groups.values():
        group.panel.y[3] = MARK
    found = _search(groups, _fake(fit=_hang), seconds=4.0)  # would never end else
    assert set(found) == set(groups)
    assert {candidate.trials[0].status for candidate in found.values()} == {"failed"}
    assert all(candidate.trials[0].reason.startswith("out of time") for candidate in found.values())


def test_the_first_configuration_gets_the_time_it_needs_however_many_follow(make_group) -> None:
    candidate = _search({"g": make_group()}, _fake(fit=_slow, portfolio=_eight), seconds=600, n_cores=1)["g"]
    assert candidate.trials[0].scores["answered"] == 1.0


def test_a_trial_without_some_series_is_scored_as_it_would_answer(make_group) -> None:
    group = make_group(n_series=4)
    group.panel.y[1] = MARK
    whole = _search({"g": group}, _fake())["g"].trials[0]
    part = _search({"g": group}, _fake(forecast=_naive_but_nan))["g"].trials[0]
    assert np.isnan(part.predictions[:, 0]).all() and np.isfinite(part.predictions[:, 1:]).all()
    assert part.score == pytest.approx(whole.score)
    assert part.scores["answered"] == 0.75


def test_a_lost_chunk_is_a_gap_with_its_reason(make_group) -> None:
    group = make_group(n_series=CHUNK + 2, length=40)
    group.panel.y[-30] = MARK
    trial = _search({"g": group}, _fake(fit=_crash))["g"].trials[0]
    assert trial.is_finished
    assert np.isnan(trial.predictions[:, CHUNK:]).all() and np.isfinite(trial.predictions[:, :CHUNK]).all()
    assert trial.reason == "crashed: the process ended with exit code 7"


def test_explosions_are_cut_and_infinity_is_a_gap(make_group) -> None:
    group = make_group()
    trial = _search({"g": group}, _fake(forecast=_explode))["g"].trials[0]
    assert np.isnan(trial.predictions[:, :, ::2]).all()
    assert np.nanmax(trial.predictions) < 10 * group.panel.y.max()


def test_an_answer_of_another_shape_is_refused(make_group) -> None:
    trial = _search({"g": make_group()}, _fake(forecast=_wrong_shape))["g"].trials[0]
    assert trial.reason == "LearningError: fake forecast an array of shape (1, 5, 1) where (1, 6, 1) was asked"


def test_series_too_short_for_the_backtest_leave_a_reason(with_targets) -> None:
    found = _search({"g": with_targets([np.arange(9.0)])})["g"]
    assert {trial.status for trial in found.trials} == {"failed"}
    assert "none is long enough for the backtest" in found.trials[0].reason


def test_a_metric_without_a_value_fails_the_trial(with_targets, with_metric) -> None:
    group = with_metric(with_targets([np.full(60, 3.0)]), "r2_score")
    trial = _search({"g": group})["g"].trials[0]
    assert trial.reason == "r2_score has no value for what the backtest holds; another metric may have one"


def test_a_broken_portfolio_is_a_failed_trial(make_group) -> None:
    (trial,) = _search({"g": make_group()}, _fake(portfolio=_broken_portfolio))["g"].trials
    assert (trial.status, trial.reason) == ("failed", "KeyError: 'no such period'")


def test_what_does_not_suit_is_not_tried(make_group) -> None:
    assert _search({"g": make_group()}, _fake(portfolio=lambda problem, history: []))["g"].trials == ()
    assert len(_search({"g": make_group()}, _fake(portfolio=_two), max_trials=1)["g"].trials) == 1


def test_the_space_is_searched_after_the_portfolio(make_group) -> None:
    group = make_group(n_series=30, length=50)
    found = _search({"g": group}, _fake(portfolio=_two, space=_space))["g"]
    n_values = int(backtest.truth(group.panel, group.problem).counts.sum())
    assert [trial.name for trial in found.trials] == [f"fake_{i + 1}" for i in range(most_trials(n_values))]
    assert [trial.config for trial in found.trials[:2]] == _two(None, None)
    assert len({trial.config["n_blocks"] for trial in found.trials[2:]}) > 1
    easy = _search({"g": make_group()}, _fake(portfolio=_two, space=_space), exit_score=1e9)["g"]
    assert len(easy.trials) == 2


def _far_off(model, history, future):
    return 100 * NAIVE.forecast(model, history, future)


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which whatever is tried takes a sixth of the time there is."""
    monkeypatch.setattr("automl_assets.forecasting.steps.search.time", Ticking(seconds_a_look=100))


@pytest.mark.usefixtures("slow_clock")
@pytest.mark.parametrize(("forecast", "scope"), [(_far_off, "series"), (_far_off, "group"), (NAIVE.forecast, "group")])
def test_what_stays_far_behind_is_given_up(make_group, forecast, scope: str) -> None:
    """Three parts of the series, and eight configurations: after a while what is known tells enough."""
    group = make_group(n_series=2 * CHUNK + 3)
    fake = _fake(portfolio=_eight, space=_space, forecast=forecast, scope=scope)
    (naive,) = _search({"g": group}, _fake(portfolio=_one))["g"].trials
    found = _search({"g": group}, fake, seconds=600, n_cores=1, best_score=naive.score)["g"].trials
    reasons = [trial.reason for trial in found]
    if forecast is _far_off:
        assert reasons[-1] == "given up: what was tried is far behind the best so far"
        assert len(found) == 8 and found[-1].status == "failed"
    else:
        assert not any("given up" in reason for reason in reasons)
    assert [trial.status for trial in found[:1]] == ["finished"]


def _silent(model, history, future):
    return np.full_like(NAIVE.forecast(model, history, future), np.nan)


@pytest.mark.usefixtures("slow_clock")
def test_what_says_nothing_is_not_far_behind(make_group) -> None:
    """It may have wanted for time: naive forecasts in the gaps are not its own."""
    fake = _fake(portfolio=_eight, forecast=_silent, scope="group")
    found = _search({"g": make_group()}, fake, seconds=600, n_cores=1, best_score=1e-3)["g"].trials
    assert not any("given up" in trial.reason for trial in found)


def test_nothing_is_given_up_where_the_best_is_not_known(make_group) -> None:
    fake = _fake(portfolio=_two, space=_space, forecast=_far_off)
    assert len(_search({"g": make_group(n_series=30)}, fake)["g"].trials) > 2
    # The portfolio is quick, and tried as a whole; nothing is looked for beyond it.
    again = _search({"g": make_group(n_series=30)}, fake, best_score=1e-3)["g"].trials
    assert [trial.status for trial in again] == ["finished"] * 2


def test_no_time_at_all(groups) -> None:
    found = _search(groups, _fake(), seconds=0.0)
    assert {candidate.trials[0].reason for candidate in found.values()} == {"out of time: not started: 0 s left"}
