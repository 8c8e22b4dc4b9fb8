"""Prophet: a bent trend, Fourier seasons and known covariates, fitted by Stan one series at a time.

Prophet learns; what is learnt are plain arrays, and forecasting is our own arithmetic over seconds since 1970. Rows that
come after the fit bend no trend: they only move the level, by the mean residual of the last `level_rows` rows.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from automl_assets.forecasting.features.regressors import (
    DAY,
    Moments,
    Regressors,
    Season,
    add_design,
    add_moments,
    fit_design,
    fit_moments,
    seconds_of,
)
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import LEVEL, TREND, of_column
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config
from automl_assets.stored import stored_as

LEAST_ROWS = 10  # below which a trend and its noise cannot be told apart
MOST_ROWS = 10_000  # of a longer history every so-manieth is learnt from: Stan's time grows with rows times terms
MOST_HARMONICS = 10
N_CHANGES = 25  # places where the trend may bend, over the first 80 % of a history


@stored_as("forecasting.prophet.Curve")
@dataclass(frozen=True)
class Curve:
    """What was learnt of one series. Terms are the columns of `Curves.moments`, then those of `Curves.regressors`."""

    start: float  # seconds since 1970, where time is 0
    span: float  # seconds from there to where time is 1
    scale: float  # of the target
    slope: float  # of the scaled target, before its first change
    offset: float
    changes: np.ndarray  # float64 [N_CHANGES], in time
    bends: np.ndarray  # float64 [N_CHANGES], change of the slope there
    weights: np.ndarray  # float64 [n_terms]


@stored_as("forecasting.prophet.Model")
@dataclass(frozen=True)
class Curves:
    """The model: one curve per series, NaN where none could be fitted, for the reason given."""

    names: tuple[str, ...]  # of the series
    moments: Moments
    regressors: Regressors
    curves: tuple[Curve, ...]
    reasons: tuple[str, ...]  # [n_series], empty where the fit succeeded
    is_multiplicative: bool
    level_rows: int


def _portfolio(problem: ForecastProblem, history: Panel) -> Sequence[Config]:
    """Prophet's defaults with a level that follows, as they are, multiplicative, and with a trend that bends easily."""
    if not history.n_series or history.lengths.max() < LEAST_ROWS:
        return []
    default: Config = {
        **{"mode": "additive", "changepoint_prior_scale": 0.05, "seasonality_prior_scale": 10.0},
        **{"regressors_prior_scale": 10.0, "level_rows": max(1, problem.season)},
    }
    multiplicative = [default | {"mode": "multiplicative"}] if history.y.min() > 0 else []
    return [default, *multiplicative, default | {"level_rows": 0}, default | {"changepoint_prior_scale": 0.5}]


def _space(trial: Any, problem: ForecastProblem) -> Config:
    return {
        "mode": trial.suggest_categorical("mode", ["additive", "multiplicative"]),
        "changepoint_prior_scale": trial.suggest_float("changepoint_prior_scale", 1e-3, 0.5, log=True),
        "seasonality_prior_scale": trial.suggest_float("seasonality_prior_scale", 1e-2, 10.0, log=True),
        "regressors_prior_scale": trial.suggest_float("regressors_prior_scale", 1e-2, 10.0, log=True),
        "level_rows": trial.suggest_categorical("level_rows", [0, 1, max(2, problem.season)]),
    }


# --- learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Curves:
    moments = fit_moments(context.problem, history, MOST_HARMONICS)
    regressors = fit_design(context.problem.covariates, history.covariates, "known")
    curves, reasons = [], []
    for number in range(history.n_series):
        share = (context.deadline - time.monotonic()) / (history.n_series - number)
        curve, reason = _tried(config, history.of(np.array([number])), (moments, regressors), share)
        curves.append(curve or _no_curve(len(moments.names) + len(regressors.names)))
        reasons.append(reason)
    is_multiplicative = config["mode"] == "multiplicative"
    answers = tuple(curves), tuple(reasons)
    return Curves(history.names, moments, regressors, *answers, is_multiplicative, config["level_rows"])


def _tried(
    config: Config, series: Panel, terms: tuple[Moments, Regressors], seconds: float
) -> tuple[Curve | None, str]:
    """The curve of one series, or the reason why there is none."""
    n_known = int((~series.is_filled).sum())
    if n_known < LEAST_ROWS:
        return None, f"{n_known} known values, and {LEAST_ROWS} are needed"
    if seconds <= 0:
        return None, "no time was left"
    try:
        return _fit_curve(config, _thinned(series), terms, seconds), ""
    except TimeoutError:
        return None, f"Stan found no answer within {seconds:.1f} s"
    except RuntimeError as error:
        return None, f"Stan failed: {error}"


def _thinned(series: Panel) -> Panel:
    """Known values alone, and of a long history every so-manieth of them.

    The stride shares no factor with the hours of a day or the days of a week, so that each of them is still seen.
    """
    known = np.flatnonzero(~series.is_filled)
    stride = -(-len(known) // MOST_ROWS)
    while math.gcd(stride, 2 * 3 * 7) > 1:
        stride += 1
    rows = known[(len(known) - 1) % stride :: stride]
    return Panel(
        series.names,
        np.array([0, len(rows)]),
        series.stamps[rows],
        series.y[rows],
        series.is_filled[rows],
        series.covariates[rows],
        series.statics,
    )


def _fit_curve(config: Config, series: Panel, terms: tuple[Moments, Regressors], seconds: float) -> Curve:
    """Prophet's maximum a posteriori. A season that this series is too short for weighs nothing."""
    import pandas as pd

    moments, regressors = terms
    taught = [season for season in moments.seasons if season.is_taught(seconds_of(series.stamps))]
    holidays = moments.of(series.stamps)[:, 2 * len(moments.frequencies) :]
    columns = np.hstack([holidays, regressors.of(series.covariates)])
    values = {f"regressor_{number}": column for number, column in enumerate(columns.T)}
    rows = pd.DataFrame({"ds": series.stamps.astype("datetime64[ns]"), "y": series.y, **values})
    limit = {"timeout": max(0.1, seconds)} if math.isfinite(seconds) else {}
    with _silence(), TemporaryDirectory() as folder:  # Stan's files would stay as long as the process
        learner = _learner(config, taught, list(values))
        learner.fit(rows, output_dir=folder, **limit)
    return _curve_of(learner, moments.seasons, taught)


def _learner(config: Config, seasons: Sequence[Season], regressors: Sequence[str]) -> Any:
    from prophet import Prophet

    learner = Prophet(
        n_changepoints=N_CHANGES,
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        seasonality_mode=config["mode"],
        changepoint_prior_scale=config["changepoint_prior_scale"],
        seasonality_prior_scale=config["seasonality_prior_scale"],
        uncertainty_samples=0,
    )
    for season in seasons:
        learner.add_seasonality(season.name, season.seconds / DAY, season.n_harmonics)
    for name in regressors:
        learner.add_regressor(name, prior_scale=config["regressors_prior_scale"], standardize=False)
    return learner


def _curve_of(learner: Any, seasons: Sequence[Season], taught: Sequence[Season]) -> Curve:
    """Takes what was learnt out of Prophet's object. Its terms are sine and cosine in turn, season by season."""
    parameters = {name: np.ravel(values) for name, values in learner.params.items()}
    n_changes = len(learner.changepoints)
    learnt = iter(parameters["beta"])
    learnt_waves = {season.name: np.array([next(learnt) for _ in range(2 * season.n_harmonics)]) for season in taught}
    learnt_waves |= {season.name: np.zeros(2 * season.n_harmonics) for season in seasons if season not in taught}
    in_turn = np.concatenate([np.zeros(0), *(learnt_waves[season.name] for season in seasons)])
    regressors = np.array([next(learnt) for _ in learner.extra_regressors])
    return Curve(
        start=learner.start.timestamp(),
        span=learner.t_scale.total_seconds(),
        scale=float(learner.y_scale),
        slope=float(parameters["k"][0]),
        offset=float(parameters["m"][0]),
        changes=_padded(learner.changepoints_t[:n_changes]),
        bends=_padded(parameters["delta"][:n_changes]),
        weights=np.concatenate([in_turn[::2], in_turn[1::2], regressors]),
    )


def _padded(values: np.ndarray) -> np.ndarray:
    return np.pad(values.astype(np.float64), (0, N_CHANGES - len(values)))


def _no_curve(n_terms: int) -> Curve:
    changes = np.zeros(N_CHANGES)
    return Curve(0.0, 1.0, 1.0, math.nan, math.nan, changes, changes, np.zeros(n_terms))


@contextmanager
def _silence() -> Iterator[None]:
    """Both packages tell every fit at length."""
    loggers = [logging.getLogger(name) for name in ("prophet", "prophet.models", "cmdstanpy")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


# --- forecasting


def _forecast(model: Curves, history: Panel, future: Panel) -> np.ndarray:
    return sum(_explain(model, history, future).values())[:, :, None]  # type: ignore[index,return-value]


def _explain(model: Curves, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """Trend, seasons, holidays, every covariate, and the level of the last rows. A product is told by what it adds."""
    answers = [
        _parts(model, model.names.index(name), history.of(np.array([place])), future.of(np.array([place])))
        for place, name in enumerate(history.names)
    ]
    return {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}


def _parts(model: Curves, number: int, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    parts = _curve_parts(model, number, future)
    if not model.level_rows:
        return parts
    last = history.last(model.level_rows)
    residuals = last.y - sum(_curve_parts(model, number, last).values())
    return parts | {LEVEL: np.full(len(future.y), residuals.mean())}


def _curve_parts(model: Curves, number: int, rows: Panel) -> dict[str, np.ndarray]:
    """The curve of one series at any stamps, [n_rows] by component."""
    curve, seconds = model.curves[number], seconds_of(rows.stamps)
    moments = (seconds - curve.start) / curve.span
    bent = np.maximum(moments[:, None] - curve.changes, 0) @ curve.bends
    trend = (curve.slope * moments + curve.offset + bent) * curve.scale
    terms = np.hstack([model.moments.of(rows.stamps), model.regressors.of(rows.covariates)])
    effects = terms * curve.weights
    unit = trend if model.is_multiplicative else np.full(len(trend), curve.scale)
    names = model.moments.names + tuple(map(of_column, model.regressors.names))
    return {TREND: trend} | {
        name: unit * effects[:, np.array(names) == name].sum(axis=1) for name in dict.fromkeys(names)
    }


# --- ONNX


def _to_onnx(model: Curves, graph: Graph, tensors: SeriesTensors) -> str:
    """The same steps as `_forecast`."""
    future = _add_curve(model, graph, tensors.series, (tensors.future_seconds, tensors.future_covariates))
    if not model.level_rows:
        return future
    first, end = graph.constant(np.array([-model.level_rows])), graph.constant(np.array([2**62]))
    seconds, covariates, y = (
        graph.node("Slice", tensor, first, end)
        for tensor in (tensors.history_seconds, tensors.history_covariates, tensors.y)
    )
    past = _add_curve(model, graph, tensors.series, (seconds, covariates))
    residuals = graph.node("Sub", y, graph.node("Squeeze", past, graph.constant(np.array([1]))))
    return graph.node("Add", future, graph.node("ReduceMean", residuals, keepdims=1))


def _add_curve(model: Curves, graph: Graph, series: str, rows: tuple[str, str]) -> str:
    """The curve at the seconds and covariates of `rows`, [n_rows, 1]."""
    from onnx import TensorProto

    def own(field: str) -> str:
        """What was learnt of the one series, [1, n]."""
        stacked = np.stack([np.atleast_1d(getattr(curve, field)) for curve in model.curves])
        return graph.node("Gather", graph.constant(stacked.astype(np.float64)), series, axis=0)

    seconds = graph.node("Unsqueeze", graph.node("Cast", rows[0], to=TensorProto.DOUBLE), graph.constant(np.array([1])))
    moments = graph.node("Div", graph.node("Sub", seconds, own("start")), own("span"))
    late = graph.node("Max", graph.node("Sub", moments, own("changes")), graph.constant(np.float64(0)))
    bent = graph.node("MatMul", late, graph.node("Transpose", own("bends")))
    line = graph.node("Add", graph.node("Mul", moments, own("slope")), own("offset"))
    trend = graph.node("Mul", graph.node("Add", line, bent), own("scale"))
    terms = [*add_moments(graph, model.moments, rows[0]), *add_design(graph, model.regressors, rows[1])]
    if not terms:
        return trend
    effect = graph.node("MatMul", graph.node("Concat", *terms, axis=1), graph.node("Transpose", own("weights")))
    return graph.node("Add", trend, graph.node("Mul", effect, trend if model.is_multiplicative else own("scale")))


PART = Forecaster(
    name="prophet",
    title="Prophet",
    reference="Taylor and Letham 2018, Forecasting at Scale; prophet 1.5",
    kinds=frozenset({"meta", "stan"}),
    scope="series",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    time_share=1.0,
    requires="prophet",
    preload=("prophet",),
)
