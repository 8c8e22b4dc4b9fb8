"""Features of a regression over lags: values a person can check, no look into the future, the same in ONNX."""

from dataclasses import fields, replace

import numpy as np
import onnxruntime
import pytest
from statsmodels.tsa.seasonal import STL

from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.forecasting.features import lag_features, lag_features_onnx
from automl_assets.forecasting.features.lag_features import LagFeatures, Places
from automl_assets.forecasting.features.lag_selection import fit_plan, ways_to_look
from automl_assets.forecasting.forecaster import SeriesTensors
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.records import Problem

HORIZON, N_ROWS = 30, 24 * 20
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="h",
    periods=(24, 168),
    quantiles=(0.5,),
    covariates=(Covariate("warmth", "known"), Covariate("visits", "past")),
    statics=(Covariate("size", "known"),),
    timezone="Europe/Berlin",
    lags=LagSettings(feature_lags=(1, 24), holidays="DE"),
)
LOOKS = ways_to_look(PROBLEM, Panel((), np.zeros(1, np.int64), *[np.empty(0)] * 3, np.empty((0, 2)), np.empty((0, 1))))


def _panel(seed: int = 0) -> Panel:
    """Two hourly series across a change of the clock and a holiday."""
    random = np.random.default_rng(seed)
    hours = np.arange(np.datetime64("2024-03-15T00", "h"), np.datetime64("2024-03-15T00", "h") + N_ROWS)
    return Panel(
        names=("a", "b"),
        offsets=np.array([0, N_ROWS, 2 * N_ROWS]),
        stamps=np.tile(hours, 2).astype("datetime64[us]"),
        y=random.uniform(1, 9, 2 * N_ROWS),
        is_filled=np.zeros(2 * N_ROWS, bool),
        covariates=random.normal(size=(2 * N_ROWS, 2)).astype(np.float32),
        statics=np.array([[1.0], [2.0]], np.float32),
    )


def _table(plan: LagFeatures, panel: Panel, places: Places):
    return lag_features.table(plan, panel, panel.y, places, lag_features.scales_of(panel, panel.y), np.arange(2.0))


def _plan(look: dict) -> LagFeatures:
    return fit_plan(look, PROBLEM, _panel())


def _taken_apart(look: dict) -> LagFeatures:
    problem = replace(PROBLEM, periods=(24,), lags=replace(PROBLEM.lags, use_stl="season_trend"))
    return fit_plan(look, problem, _panel())


EVERY = [*(_plan(look) for look in LOOKS), _taken_apart(LOOKS[1]), _taken_apart(LOOKS[3])]
PLANS = pytest.mark.parametrize(
    "plan", EVERY, ids=lambda plan: f"{plan.anchor}-{plan.local}{'-stl' if plan.stl else ''}"
)


def test_lags_windows_and_seasons_are_what_they_say():
    plan, panel = replace(_plan(LOOKS[0]), lags=(1, 3), windows=(4,), half_lives=(), periods=(24,)), _panel()
    origin, step = N_ROWS + 300, 26  # of the second series
    x, unit = _table(plan, panel, Places(np.array([1]), np.array([origin]), np.array([step])))
    tail, target = panel.y[origin - 3 : origin + 1], origin + step
    same = [panel.y[target - 24 * ago] for ago in (2, 3, 4, 5)]
    expected = [panel.y[origin], panel.y[origin - 2], tail.mean(), tail.min(), tail.max()]
    back = np.array([*expected, unit.level[0] + tail.std(), same[0], same[1], np.mean(same)])
    np.testing.assert_allclose(x[0, :9], (back - unit.level) / unit.scale, rtol=1e-5)


def test_season_and_trend_are_those_of_stl_at_the_origin():
    problem = replace(PROBLEM, periods=(24,), lags=LagSettings(use_stl="season_trend"))
    daily = np.tile(np.sin(np.arange(24)), N_ROWS // 24)
    panel = replace(_panel(), y=np.tile(daily + np.arange(N_ROWS) / 24, 2))
    origin, step = N_ROWS + 300, 26  # of the second series
    plan = fit_plan(LOOKS[0], problem, panel)
    x, unit = _table(plan, panel, Places(np.array([1]), np.array([origin]), np.array([step])))
    groups = lag_features.column_groups(plan, ["warmth", "visits"])
    first = len(groups) - 1 - groups[::-1].index("seasons")
    season, trend, rise = x[0, first : first + 3] * unit.scale[0]
    expected = STL(panel.y[origin - 95 : origin + 1], 24, trend_jump=3, low_pass_jump=3).fit()
    assert season == pytest.approx(daily[(300 + step) % 24], abs=0.05)
    assert season == pytest.approx(expected.seasonal[-24 + (step - 1) % 24], abs=1e-4)
    assert trend + unit.level[0] == pytest.approx(expected.trend[-1], abs=1e-4)
    assert rise == pytest.approx(1, abs=0.05)


@PLANS
def test_nothing_after_the_origin_is_looked_at(plan):
    panel = _panel()
    places = Places(np.array([0, 1]), np.array([400, N_ROWS + 440]), np.array([1, 7]))
    scales = lag_features.scales_of(panel, panel.y)
    y, covariates = panel.y.copy(), panel.covariates.copy()
    for series, origin in enumerate(places.origins):
        later = slice(origin + 1, panel.offsets[series + 1])
        y[later], covariates[later, 1] = np.nan, np.nan
    other = replace(panel, covariates=covariates)
    before, _ = lag_features.table(plan, panel, panel.y, places, scales, np.arange(2.0))
    after, _ = lag_features.table(plan, other, y, places, scales, np.arange(2.0))
    np.testing.assert_array_equal(before, after)


def test_series_do_not_look_at_each_other():
    plan, panel = _plan(LOOKS[0]), _panel()
    x, _ = _table(plan, panel, Places(np.array([1]), np.array([N_ROWS]), np.array([1])))
    groups = np.array(lag_features.column_groups(plan, ["warmth", "visits"]))
    assert np.isnan(x[0, groups == "lags"][1:]).all()
    assert np.isnan(x[0, groups == "visits"]).sum() == 2


@PLANS
def test_every_column_is_named(plan):
    panel = _panel()
    x, _ = _table(plan, panel, Places(np.array([0]), np.array([300]), np.array([1])))
    assert len(lag_features.column_groups(plan, ["warmth", "visits"])) == x.shape[1]


def test_pairs_to_learn_from_stay_inside_their_series():
    panel = replace(_panel(), is_filled=np.arange(2 * N_ROWS) == 50)
    places = lag_features.learnable(panel, HORIZON, 10**9, np.random.default_rng(0))
    assert len(places) == 2 * sum(min(place, HORIZON) for place in range(N_ROWS)) - HORIZON
    assert (places.origins >= panel.offsets[places.series]).all()
    assert 50 not in places.targets
    assert len(lag_features.learnable(panel, HORIZON, 500, np.random.default_rng(0))) <= 500


@PLANS
@pytest.mark.parametrize("series", [1, -1], ids=["learnt", "new"])
def test_onnx_looks_at_the_same(plan, series):
    plan, panel = replace(plan, is_log=False), _panel()
    one = panel.of(np.array([1]))
    scales = (
        lag_features.scales_of(panel, panel.y)
        if series >= 0
        else lag_features.scales_of(one.until(HORIZON), one.until(HORIZON).y)
    )
    number = np.array([1.0 if series >= 0 else np.nan])
    known = scales.of(np.array([1])) if series >= 0 else scales
    hidden = replace(one, covariates=np.where(_is_hidden(), np.nan, one.covariates).astype(np.float32))
    horizon = HORIZON if plan.has_steps else 1
    last = hidden.until(HORIZON - horizon)
    places = next(lag_features.ahead(last, horizon, plan.has_steps))
    expected, unit = lag_features.table(plan, last, last.y, places, known, number)
    feed = _feed(last.until(horizon), last.last(horizon), series)
    graph, tensors = _inputs()
    values = lag_features_onnx.add_values(graph, plan, tensors.y)
    own = lag_features_onnx.add_scales(graph, lag_features.scales_of(panel, panel.y), tensors.series, values)
    steps = lag_features_onnx.add_steps(graph, graph.node("Shape", tensors.future_seconds))
    past = lag_features_onnx.add_recent(graph, plan, values)
    back, units = lag_features_onnx.add_look_back(graph, plan, past, steps, own)
    rows = lag_features_onnx.add_rows(graph, back, lag_features_onnx.add_look_ahead(graph, plan, tensors))
    graph.output("rows", rows, np.float32, [None, None])
    graph.output("anchor", units.anchor, np.float64, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    wanted = {given.name for given in session.get_inputs()}
    found, anchor = session.run(None, {name: feed[name] for name in wanted})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.broadcast_to(anchor[:, 0], horizon), unit.anchor, rtol=1e-9)


def _is_hidden() -> np.ndarray:
    """Past covariates of the last stamps."""
    is_hidden = np.zeros((N_ROWS, 2), bool)
    is_hidden[-HORIZON:, 1] = True
    return is_hidden


def _inputs() -> tuple[Graph, SeriesTensors]:
    graph = Graph()
    shapes = {
        "series": (np.int64, [1]),
        "y": (np.float64, [None]),
        "n_new": (np.int64, [1]),
        "history_seconds": (np.int64, [None]),
        "future_seconds": (np.int64, [None]),
        "history_covariates": (np.float64, [None, 2]),
        "future_covariates": (np.float64, [None, 2]),
        "statics": (np.float64, [1, 1]),
    }
    return graph, SeriesTensors(**{f.name: graph.input(f.name, *shapes[f.name]) for f in fields(SeriesTensors)})


def _feed(history: Panel, future: Panel, series: int) -> dict[str, np.ndarray]:
    return {
        "series": np.array([series]),
        "y": history.y,
        "n_new": np.array([0]),
        "history_seconds": history.stamps.astype("datetime64[s]").astype(np.int64),
        "future_seconds": future.stamps.astype("datetime64[s]").astype(np.int64),
        "history_covariates": history.covariates.astype(np.float64),
        "future_covariates": future.covariates.astype(np.float64),
        "statics": history.statics.astype(np.float64),
    }
