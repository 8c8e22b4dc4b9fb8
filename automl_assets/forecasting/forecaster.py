"""What a forecaster must say about itself to become part of the system."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config, lacks_nothing, no_seconds


@dataclass(frozen=True)
class ForecastContext:
    """All a fit of a forecaster may know besides its series."""

    problem: ForecastProblem
    n_threads: int = 1
    seed: int = 0
    deadline: float = float("inf")  # time.monotonic() by which the fit must have returned


@dataclass(frozen=True)
class SeriesTensors:
    """Names of the tensors that a forecaster's ONNX nodes may use: one series, and the stamps to be forecast.

    Numbers are float64. The history holds no NaN in `y`; it may be longer than what the model learnt from, and a model
    with a state takes the last `n_new` rows into it, without learning again.
    """

    series: str  # int64 [1], number of the series among those learnt from; -1 for another, see `has_cold_start`
    y: str  # [n_history]
    n_new: str  # int64 [1]
    history_seconds: str  # int64 [n_history], seconds since 1970
    future_seconds: str  # int64 [horizon]
    history_covariates: str  # [n_history, n_covariates]
    future_covariates: str  # [horizon, n_covariates]
    statics: str  # [1, n_statics]


@dataclass(frozen=True)
class Forecaster:
    """A way to forecast series.

    `fit(config, history, context)` learns from all series of a panel and returns a picklable model.
    `forecast(model, history, future)` returns float64 [n_series, horizon, n_heads] for the same series in the same
    order, or for some of them, told by `Panel.names`; the history may by now be longer than when the model was fitted,
    and is never shorter; the future holds at most `horizon` stamps of each series. `n_heads` is 1 (the point), or for
    `heads="quantiles"` one per quantile of the problem. A series that a model cannot forecast is NaN.
    `to_onnx(model, graph, tensors)` adds nodes that forecast one series and returns the tensor [horizon, n_heads].
    `portfolio(problem, history)` names configurations in the order of expected gain; none where it does not suit.
    `explain(model, history, future)` names what a forecast is made of, in the words of `models.components`: float64 [n_series,
    horizon] by component; the components add up to the point (in the model's own scale where it is no sum).
    `has_cold_start` says that a model forecasts series it has not learnt from too, which it knows by `Panel.names`, and
    in ONNX by the number -1; all other models are not asked for them.
    """

    name: str
    title: str
    reference: str
    kinds: frozenset[str]  # Dagster's icons
    scope: Literal["series", "group"]  # what one model learns from: series one by one (then work is shared out), or all
    portfolio: Callable[[ForecastProblem, Panel], Sequence[Config]]
    fit: Callable[[Config, Panel, ForecastContext], Any]
    forecast: Callable[[Any, Panel, Panel], np.ndarray]
    to_onnx: Callable[[Any, Graph, SeriesTensors], str]
    explain: Callable[[Any, Panel, Panel], dict[str, np.ndarray]] | None = None
    heads: Literal["point", "quantiles"] = "point"
    space: Callable[[Any, ForecastProblem], Config] | None = None  # (optuna.Trial, problem) -> a configuration
    tasks: frozenset[str] = frozenset({"forecasting"})
    is_fallback: bool = False  # always tried, and answers where nothing else does
    is_essential: bool = False  # one of the few that are tried first, and alone where time is scarce
    has_cold_start: bool = False
    time_share: float = 1.0
    requires: str = "numpy"  # the package it needs
    preload: tuple[str, ...] = ()  # modules that its fits import, beside those of all forecasts
    max_rows: int | None = None  # all are learnt from
    trial_seconds: Callable[[int], float] = no_seconds
    lacks: Callable[[Any], str] = lacks_nothing  # experiment -> what is not here that it needs beside its package
