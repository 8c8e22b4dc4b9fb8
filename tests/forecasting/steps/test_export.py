"""One file per group answers raw columns of a series as Python does, and whatever else is asked of it."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.metrics import error_scales
from automl_assets.forecasting.records import Covariate, ForecastEnsemble, ForecastMember, Group
from automl_assets.forecasting.serving.model_folder import forecast_rows
from automl_assets.forecasting.steps import backtest, conformalize
from automl_assets.forecasting.steps.export import export, feed_of, onnx_bytes
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.future_index import ahead, whole
from automl_assets.forecasting.steps.outputs_onnx import add_together
from automl_assets.forecasting.steps.raw_columns_onnx import add_series, seconds
from automl_assets.onnx.graph import Graph
from automl_assets.records import Fitted
from tests import forecasts
from tests.forecasts import CONFIGS, HORIZON, MONTHS, PROBLEM


@pytest.mark.parametrize("kind", ["voting", "median", "single"])
def test_answers_are_those_of_python(kind):
    group = forecasts.group()
    ensemble = forecasts.ensemble(group, kind, CONFIGS[:1] if kind == "single" else CONFIGS)
    made = export(group, ensemble)
    assert made.n_checked == 2 * group.panel.n_series
    assert made.max_difference <= 1e-9
    assert made.inputs == {
        "series": "string",
        "time": "int64",
        "sold": "double",
        "price": "float",
        "weather": "string",
        "size": "float",
    }


@pytest.mark.parametrize("is_alone", [False, True])
def test_quantiles_that_members_bring_are_those_of_python(is_alone: bool) -> None:
    """They are not those of margins, lie in order, and differ in shape from stamp to stamp."""
    group = forecasts.group()
    ensemble = forecasts.shaped(group, is_alone)
    assert export(group, ensemble).max_difference <= 1e-5  # the network computes in single precision
    found = forecast(ensemble, group.panel, group.test)
    plain = forecast(replace(ensemble, shape=None), group.panel, group.test)
    np.testing.assert_array_equal(found.point, plain.point)
    np.testing.assert_array_equal(found.quantiles[..., 1], found.point)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    assert not np.isclose(found.quantiles[..., [0, 2]], plain.quantiles[..., [0, 2]]).any()


def test_what_was_never_negative_stays_so_with_quantiles_that_members_bring() -> None:
    plain = forecasts.group((40, 30))
    panel = replace(plain.panel, y=np.abs(plain.panel.y - 100))
    problem = replace(PROBLEM, problem=replace(PROBLEM.problem, target_range=(0.0, 50.0)))
    group = replace(plain, panel=panel, problem=problem, test=None)
    ensemble = forecasts.shaped(group, is_alone=False)
    corrections = np.array([[-50.0, 0.0, 0.0]] * HORIZON)
    ensemble = replace(ensemble, shape=replace(ensemble.shape, corrections=corrections))
    assert export(group, ensemble).max_difference <= 1e-5
    assert forecast(ensemble, panel, ahead(panel, problem)).quantiles[..., 0].max() == 0


def _falling(lowest: float = 0.0) -> tuple[Group, ForecastEnsemble]:
    """Sales of two shops that fall to almost nothing, which Theta would let go on below."""
    plain = forecasts.group((40, 30))
    rows = np.concatenate([np.arange(length)[::-1] for length in plain.panel.lengths])
    panel = replace(plain.panel, y=np.maximum(lowest, rows / 4.0 + lowest))
    limits = (float(panel.y.min()), float(panel.y.max()))
    problem = replace(PROBLEM, problem=replace(PROBLEM.problem, target_range=limits))
    group = replace(plain, panel=panel, problem=problem, test=None)
    made = forecasts.ensemble(group, "single", CONFIGS[:1])
    part = registry.algorithms("forecasting")["theta"]
    config = next(iter(part.portfolio(problem, panel)))
    fitted = Fitted((part.fit(config, panel, ForecastContext(problem)),))
    return group, replace(made, members=(ForecastMember("theta_1", "theta", 1.0, config, fitted),))


def test_what_was_never_negative_stays_so_wherever_it_is_forecast() -> None:
    """In Python, in ONNX, as it is served beyond the horizon, and in the backtest."""
    group, ensemble = _falling()
    made = export(group, ensemble)
    assert made.max_difference <= 1e-9
    future = whole(group).then(ahead(whole(group), group.problem)).last(HORIZON)
    found = forecast(ensemble, group.panel, future)
    assert (found.point >= 0).all() and found.point.min() == 0 and (found.quantiles >= 0).all()
    one = {name: values for name, values in feed_of(group.panel, future, 0, group.problem).items() if len(values) > 1}
    shop = dict(zip(("region", "shop"), ("north", "0"), strict=True))
    months = np.arange(np.datetime64("2023-07"), np.datetime64("2023-07") + 3 * HORIZON).astype("datetime64[s]")
    rows = pd.DataFrame({"month": months, "sold": np.nan, "price": 2.0, "weather": "dry", "size": 0.0, **shop})
    sent = pd.DataFrame({"month": one["time"][:-HORIZON].astype("datetime64[s]"), "sold": one["sold"], "price": 2.0,
                         "weather": "dry", "size": 0.0, **shop})  # fmt: skip
    served = forecast_rows([made], (), pd.concat([sent, rows]))
    assert len(served) == 3 * HORIZON and (served.filter(like="quantile").to_numpy() >= 0).all()
    truth = backtest.truth(group.panel, group.problem)
    wide = truth.y + np.array([5.0, -5.0, 5.0])[:, None, None]
    assert conformalize.held_out(truth, wide).min() == 0


def test_what_has_been_negative_may_be_so_again() -> None:
    group, ensemble = _falling(lowest=-3.0)
    made = export(group, ensemble)
    future = ahead(whole(group), group.problem)
    assert made.max_difference <= 1e-9 and forecast(ensemble, group.panel, future).point.min() < -3


def _session(group: Group, ensemble: ForecastEnsemble) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(onnx_bytes(group, ensemble))


@pytest.fixture(scope="module")
def asked():
    """A session of a model, and what it takes of the second series."""
    group = forecasts.group()
    return _session(group, forecasts.ensemble(group)), feed_of(group.panel, group.test, 1, PROBLEM)


def test_gaps_repeat_the_value_before_and_leading_ones_are_no_history(asked):
    session, feed = asked
    y = feed["sold"].copy()
    y[[20, 21, -1]] = y[[19, 19, -2]]
    with_gaps = y.copy()
    with_gaps[[20, 21, -1]] = np.nan
    later = {name: np.concatenate([values[:3], values]) for name, values in feed.items() if len(values) > 1}
    expected = session.run(None, feed | {"sold": y})
    found = session.run(None, feed | later | {"sold": np.concatenate([[np.nan] * 3, with_gaps])})
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("n_history", [1, 2, 30])
def test_a_history_without_any_value_is_forecast_too(asked, n_history):
    session, feed = asked
    cut = {name: values[-HORIZON - n_history :] for name, values in feed.items() if len(values) > 1}
    point, quantiles = session.run(None, feed | cut | {"sold": np.full(n_history, np.nan)})
    assert point.tolist() == [0.0] * HORIZON
    assert np.isfinite(quantiles).all()


def test_quantiles_rise_and_grow_with_the_scale(asked):
    session, feed = asked
    point, quantiles = session.run(None, feed)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert quantiles[1] - point[1] == pytest.approx([-2.0, 4.0, 5.0])  # scale 2 of the second series, margins sorted


def test_a_series_nobody_knows_is_forecast_from_its_history(asked):
    session, feed = asked
    point, quantiles = session.run(None, feed | {"series": np.array(["nobody's"], object)})
    known = session.run(None, feed)[0]
    np.testing.assert_allclose(point, known)  # these members look at nothing but the history
    y = feed["sold"]
    assert quantiles[0, 2] - point[0] == pytest.approx(2 * np.abs(y[MONTHS:] - y[:-MONTHS]).mean())


@pytest.mark.parametrize(
    ("y", "scale"),
    [
        ([500.0] * 100, 5.0),
        ([5.0] * 20, 0.25),
        ([0.0] * 20, 0.05),
        ([3.0], 3.0),
        ([3.0, 5.0], 2.0),
        ([*range(12)] * 2, 5.5 / 13),  # every difference to the season before is zero
    ],
)
def test_the_scale_of_a_series_nobody_knows_is_never_zero(asked, y, scale):
    assert error_scales(forecasts.panel_of(y), MONTHS) == pytest.approx([scale])
    session, feed = asked
    long = {name: np.resize(values, HORIZON + len(y)) for name, values in feed.items() if len(values) > 1}
    stamps = feed["time"][-1] + (np.arange(HORIZON + len(y)) * 31 * 24 * 3600)
    unknown = {"series": np.array(["nobody's"], object), "sold": np.array(y, np.float64), "time": stamps}
    point, quantiles = session.run(None, feed | long | unknown)
    assert quantiles[0, 2] - point[0] == pytest.approx(2 * scale)


def test_unknown_categories_and_missing_numbers_do_no_harm(asked):
    session, feed = asked
    odd = feed | {
        "weather": np.full(len(feed["weather"]), "snow", object),
        "price": np.full_like(feed["price"], np.nan),
    }
    np.testing.assert_array_equal(session.run(None, odd)[0], session.run(None, feed)[0])


def test_columns_may_be_called_like_inputs_and_outputs():
    problem = replace(PROBLEM, target="forecast", covariates=(Covariate("time", "known"), Covariate("series", "known")))
    group = replace(forecasts.group(), problem=problem)
    made = export(group, replace(forecasts.ensemble(group), problem=problem))
    assert list(made.inputs) == ["series_", "time_", "forecast", "time", "series", "size"]
    assert [one.name for one in onnxruntime.InferenceSession(made.onnx).get_outputs()] == ["forecast_", "quantiles"]


@pytest.mark.parametrize("kind", ["voting", "median"])
@pytest.mark.parametrize("n_members", [1, 2, 3, 4])
def test_members_without_an_answer_are_left_out(kind, n_members):
    random = np.random.default_rng(n_members)
    points = np.where(random.random((n_members, 50)) < 0.5, np.nan, random.normal(size=(n_members, 50)))
    weights = random.random(n_members)
    members = tuple(ForecastMember("", "", weight, {}, Fitted()) for weight in weights)
    graph = Graph()
    given = graph.input("points", np.float64, [n_members, None])
    ensemble = replace(forecasts.ensemble(forecasts.group()), kind=kind, members=members)
    graph.output("together", add_together(graph, given, ensemble), np.float64, [None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    together = session.run(None, {"points": points})[0]
    for found, values in zip(together, points.T, strict=True):
        there = ~np.isnan(values)
        if not there.any():
            assert np.isnan(found)
        elif kind == "median":
            assert found == np.median(values[there])
        else:
            assert found == pytest.approx(np.average(values[there], weights=weights[there]))


def test_rows_after_the_training_are_counted():
    group = forecasts.group()
    graph = Graph()
    ends = seconds(group.panel.stamps[group.panel.offsets[1:] - 1])
    raw = add_series(graph, group.panel.names, ends, PROBLEM)
    graph.output("n_new", raw.tensors.n_new, np.int64, [1])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    longer = group.panel.then(group.test)
    assert session.run(None, feed_of(group.panel, group.test, 2, PROBLEM))[0].tolist() == [0]
    assert session.run(None, feed_of(longer, group.test, 2, PROBLEM))[0].tolist() == [HORIZON]
    unknown = feed_of(longer, group.test, 2, PROBLEM) | {"series": np.array(["nobody's"], object)}
    assert session.run(None, unknown)[0].tolist() == [0]


def test_size_and_time_of_thousands_of_series_are_linear():
    few, many = (forecasts.group((4,) * n_series) for n_series in (1_000, 4_000))
    sizes = [len(onnx_bytes(group, forecasts.ensemble(group))) for group in (few, many)]
    assert sizes[1] < 4.5 * sizes[0]
    assert export(many, forecasts.ensemble(many)).latency_milliseconds < 5


def _member(part, config, group: Group) -> ForecastMember:
    small = config | {key: 10 for key in ("rounds", "n_estimators") if key in config}
    fitted = Fitted((part.fit(small, group.panel, ForecastContext(group.problem)),))
    return ForecastMember(part.name, part.name, 1.0, small, fitted)


def test_a_horizon_longer_than_the_season_is_answered_alike():
    """Where a model that looks a season back gets ahead of what is known."""
    group = forecasts.group((80, 70))
    group = replace(group, problem=replace(PROBLEM, periods=(4,), horizon=HORIZON))
    part = next(part for part in registry.algorithms("forecasting").values() if part.scope == "group")
    configs = [one for one in part.portfolio(group.problem, group.panel) if "strategy" in one]
    assert {one["strategy"] for one in configs} == {"direct", "recursive"}
    assert any(one["anchor"] for one in configs if one["strategy"] == "recursive")
    for config in configs:
        ensemble = replace(forecasts.ensemble(group, "single"), members=(_member(part, config, group),))
        assert export(group, ensemble).max_difference <= 1e-4, config
