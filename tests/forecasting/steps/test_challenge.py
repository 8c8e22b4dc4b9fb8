"""Forecast champions and challengers: asked as they are served, on stamps that neither learnt from, series by series."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.forecasting.metrics import problem_truth, score
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.serving.model_folder import forecast_rows
from automl_assets.forecasting.steps.challenge import Heads, Match, challenge, has_met, learnt_from, match
from automl_assets.forecasting.steps.export import export
from automl_assets.model_records import OnnxModel
from tests import forecasts
from tests.forecasts import HORIZON

METRIC = "mean_absolute_error"
GROUP = forecasts.group((40, 30, 35))


@pytest.fixture(scope="module")
def served() -> OnnxModel:
    return export(GROUP, forecasts.ensemble(GROUP))


def asked(model: OnnxModel):
    return lambda rows: forecast_rows([model], ("region",), rows.to_pandas())


def test_the_champion_is_asked_with_the_history_of_each_origin(served: OnnxModel) -> None:
    """The same model twice: its answers as a served one are those of Python, from every origin."""
    test = forecasts.panel((46 + 9, 36 + 9, 41 + 9)).last(HORIZON + 9)
    longer = replace(GROUP, panel=forecasts.panel((55, 45, 50)).until(HORIZON + 9), test=test)
    found = match(longer, forecasts.ensemble(longer), learnt_from([GROUP]), asked(served), seed=0)
    assert found.ours.point.shape == (3, 3, HORIZON)
    known = found.truth.is_known
    assert found.theirs.point[known] == pytest.approx(found.ours.point[known], rel=1e-4)
    assert found.theirs.quantiles[known] == pytest.approx(found.ours.quantiles[known], rel=1e-4)


def test_stamps_that_the_champion_learnt_from_are_left_out(served: OnnxModel) -> None:
    learnt = learnt_from([replace(GROUP, panel=GROUP.panel.then(GROUP.test.between(0, 2)))])
    found = match(GROUP, forecasts.ensemble(GROUP), learnt, asked(served), seed=0)
    assert found.is_fresh[0].tolist() == [[False] * 2 + [True] * 4] * 3
    told = challenge(METRIC, [found], seed=0)
    assert told.rows == "series (12 stamps, from which neither learnt)"
    every = challenge(METRIC, [replace(found, is_fresh=np.zeros_like(found.is_fresh))], seed=0)
    assert every.rows == "series (18 stamps, of which the champion learnt from 18, which flatters it)"


def test_a_group_is_known_by_any_of_its_stamps() -> None:
    champion, longer = learnt_from([GROUP]), replace(GROUP, panel=GROUP.panel.then(GROUP.test))
    assert has_met(champion, longer)
    assert not has_met(champion, forecasts.group((40, 30, 35), region="south"))


def against(group: Group, better_by: np.ndarray) -> Match:
    """The model itself against one whose errors are larger, by so much for each window, series and stamp."""
    answer = export(group, forecasts.ensemble(group))
    found = match(group, forecasts.ensemble(group), learnt_from([group]), asked(answer), seed=0)
    away = np.where(found.ours.point > found.truth.y, 1, -1) * better_by
    return replace(found, theirs=replace(found.theirs, point=found.ours.point + away))


def test_series_are_drawn() -> None:
    steadily = challenge(METRIC, [against(GROUP, np.full((1, 3, HORIZON), 2.0))], seed=0)
    assert steadily.n_rows == 3 and steadily.difference == pytest.approx(2.0) and steadily.share == 1.0
    by_one = np.array([30.0, -1.0, -1.0])[:, None] * np.ones((1, 3, HORIZON))
    unsure = challenge(METRIC, [against(GROUP, by_one)], seed=0)
    assert unsure.difference > 5 and unsure.share < 0.95, "one series of three decides"


def test_origins_are_drawn_where_there_is_one_series() -> None:
    one = forecasts.group((40,))
    longer = forecasts.panel((40 + 3 * HORIZON,))
    rolled = replace(one, panel=longer.until(3 * HORIZON), test=longer.last(3 * HORIZON))
    found = challenge(METRIC, [against(rolled, np.full((3, 1, HORIZON), 2.0))], seed=0)
    assert (found.n_rows, found.rows.split(" (")[0]) == (3, "origins")
    assert found.difference == pytest.approx(2.0)


def test_stretches_of_stamps_are_drawn_where_there_is_one_origin() -> None:
    found = challenge(METRIC, [against(forecasts.group((40,)), np.full((1, 1, HORIZON), 2.0))], seed=0)
    assert (found.n_rows, found.rows) == (2, "blocks of 3 stamps ahead (6 stamps, from which neither learnt)")
    assert found.difference == pytest.approx(2.0)


def test_origins_that_overlap_are_drawn_together() -> None:
    one = forecasts.group((40,))
    longer = forecasts.panel((40 + 3 * HORIZON,))
    rolled = replace(one, panel=longer.until(3 * HORIZON), test=longer.last(3 * HORIZON))
    found = against(rolled, np.full((3, 1, HORIZON), 2.0))
    ends = found.truth.ends[0, 0] + np.arange(0, 12, 2)[:, None]
    six = found.at(np.zeros(6, np.int64))
    told = challenge(METRIC, [replace(six, truth=replace(found.truth, ends=ends))], seed=0)
    assert (told.n_rows, told.rows.split(" (")[0]) == (2, "blocks of 3 origins")


def drawn_match(sizes: np.ndarray, seed: int, ours: np.ndarray, theirs: np.ndarray) -> Match:
    """Errors of both models [n_series], in units of each series, with random signs; one origin."""
    random, n = np.random.default_rng(seed), len(sizes)
    whole = forecasts.panel((30 + HORIZON,) * n)
    whole = replace(whole, y=np.repeat(sizes, 30 + HORIZON) * (10 + random.normal(size=len(whole.y))))
    truth = problem_truth(whole, np.full((1, n), 30), forecasts.PROBLEM, learnt=whole.until(HORIZON))
    heads = []
    for size in (ours, theirs):
        point = truth.y + (sizes * size)[:, None] * random.choice([-1, 1], truth.y.shape)
        spread = sizes[:, None, None] * np.array([-1.0, 0.0, 1.0])
        heads.append(Heads(point, point[..., None] + spread))
    return Match(truth, truth.is_known, heads[0], heads[1], is_test=True)


@pytest.mark.parametrize("metric", ["WAPE", "WQL", "root_mean_squared_error", "r2_score", "OWA", "MASE", "sMAPE"])
def test_the_metric_of_the_evaluation_decides(metric: str) -> None:
    """One large series outweighs thirty small ones where sums are compared, and counts as one where means are."""
    is_large = np.arange(31) == 30
    found = drawn_match(
        np.where(is_large, 1000.0, 1.0), 0, ours=np.where(is_large, 1.1, 0.6), theirs=np.where(is_large, 0.85, 1.0)
    )
    told = challenge(metric, [found], seed=0)
    scores = [score(metric, found.truth, one.point, one.quantiles) for one in (found.ours, found.theirs)]
    assert (told.challenger_score, told.champion_score) == pytest.approx(tuple(scores))
    is_mean_of_series = metric in ("OWA", "MASE", "sMAPE")
    assert (told.share > 0.95) == (told.difference > 0) == is_mean_of_series


def test_ranks_and_medians_are_recomputed() -> None:
    for metric in ("median_absolute_error", "spearman_correlation"):
        found = drawn_match(np.ones(12), 0, ours=np.full(12, 0.2), theirs=np.full(12, 2.0))
        told = challenge(metric, [found, found], seed=0)
        assert told.challenger_score == pytest.approx(score(metric, found.truth, found.ours.point))
        assert told.n_rows == 24 and told.share > 0.95


def test_of_equal_models_few_are_exchanged() -> None:
    """Three series are few: without Student's factor one in five would be."""
    found = []
    for seed in range(80):
        sizes = np.random.default_rng(1000 + seed).lognormal(0, 0.3, (2, 3))
        found.append(challenge("WAPE", [drawn_match(np.ones(3), seed, *sizes)], seed).share >= 0.95)
    assert np.mean(found) < 0.1


def test_series_of_all_groups_are_drawn_together() -> None:
    south = forecasts.group((25, 20), region="south")
    both = [against(GROUP, np.ones((1, 3, HORIZON))), against(south, np.ones((1, 2, HORIZON)))]
    assert challenge(METRIC, both, seed=0).n_rows == 5


def test_a_metric_of_quantiles_compares_those(served: OnnxModel) -> None:
    found = match(GROUP, forecasts.ensemble(GROUP), learnt_from([GROUP]), asked(served), seed=0)
    assert challenge("WQL", [found], seed=0).difference == pytest.approx(0.0, abs=1e-6)
    other = replace(found, theirs=replace(found.theirs, quantiles=found.theirs.quantiles * np.nan))
    with pytest.raises(DataError, match=r"^WQL has a value for 0 stamps, which is too few to compare$"):
        challenge("WQL", [other], seed=0)


def test_a_backtest_compares_where_there_is_no_test(make_group) -> None:
    from automl_assets.forecasting.steps.backtest import truth

    group = make_group(3, n_test=0)
    came = truth(group.panel, group.problem)
    model = replace(forecasts.ensemble(group), predictions=came.y + 1.0)

    def ask(rows: pl.DataFrame) -> pd.DataFrame:
        ahead = rows.filter(pl.col("target").is_null()).to_pandas()
        return pd.DataFrame({"time": ahead["time"], "forecast": 0.0})

    found = match(group, model, learnt_from([group]), ask, seed=0)
    assert not found.is_test and not found.is_fresh.any() and (found.theirs.point[found.truth.is_known] == 0).all()
    told = challenge(METRIC, [found], seed=0)
    assert told.challenger_score == pytest.approx(1.0) and told.share == 1.0
