"""A small group and an ensemble of naive members, made by hand, for tests of what comes after the search."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from automl_assets import registry
from automl_assets.data.series_names import series_name
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import (
    Covariate,
    ForecastEnsemble,
    ForecastMember,
    ForecastProblem,
    Group,
    Panel,
    QuantileShape,
)
from automl_assets.forecasting.steps.backtest import windows
from automl_assets.records import Fitted, Problem

HORIZON, MONTHS = 6, 12
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="MS",
    periods=(MONTHS,),
    quantiles=(0.1, 0.5, 0.9),
    covariates=(Covariate("price", "known", fill=2.0), Covariate("weather", "past", ("dry", "wet"), fill=-1.0)),
    statics=(Covariate("size", "known"),),
    time="month",
    target="sold",
    series=("region", "shop"),
)
CONFIGS = ({"block": 12, "n_blocks": 2}, {"block": 1, "n_blocks": 1}, {"block": 3, "n_blocks": 2})


def panel(lengths: tuple[int, ...], region: str = "north", end: str = "2024-01") -> Panel:
    """Monthly series of the shops 0, 1, 2, … of a region, all of which end before `end`."""
    random, n_rows = np.random.default_rng(7), sum(lengths)
    last = np.datetime64(end, "M")
    return Panel(
        names=tuple(series_name([region, number]) for number in range(len(lengths))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate([np.arange(last - length, last) for length in lengths]).astype("datetime64[us]"),
        y=random.normal(100, 10, n_rows),
        is_filled=np.zeros(n_rows, bool),
        covariates=np.column_stack([random.normal(size=n_rows), np.arange(n_rows) % 2]).astype(np.float32),
        statics=np.arange(len(lengths), dtype=np.float32)[:, None],
    )


def panel_of(y: Sequence[float]) -> Panel:
    """One series of these values."""
    return replace(panel((len(y),)), y=np.array(y, np.float64))


def group(lengths: tuple[int, ...] = (40, 30, 5), region: str = "north") -> Group:
    """Series of so many rows to learn from, and `HORIZON` more for the test."""
    whole = panel(tuple(length + HORIZON for length in lengths), region)
    return Group(region, (region,), whole.until(HORIZON), whole.last(HORIZON), PROBLEM)


SHOPS = tuple(map(series_name, [("CA", "1"), ("CA", "2"), ("WA", "1"), ("WA", "3")]))


def family(method: str = "min_trace", lengths: tuple[int, ...] = (40, 40, 40, 25)) -> Group:
    """Two regions of two shops each, whose sums are to be forecast too; the last shop is young."""
    problem = replace(PROBLEM, hierarchy=("region", "shop"), reconciliation=method, n_windows=3, step=2, statics=())
    plain = group(lengths)
    panel, test = (replace(one, names=SHOPS, statics=one.statics[:, :0]) for one in (plain.panel, plain.test))
    return replace(plain, problem=problem, panel=panel, test=test)


def ensemble(of: Group, kind: str = "voting", configs: tuple[dict, ...] = CONFIGS) -> ForecastEnsemble:
    """Naive members with weights 1, 2, 3, … sixths; some margins of quantiles are in no order."""
    part, context = registry.algorithms("forecasting")["naive"], ForecastContext(of.problem)
    models = [part.fit(config, of.panel, context) for config in configs]
    members = [
        ForecastMember(f"naive {n}", "naive", (n + 1) / 6, config, Fitted((model,)))
        for n, (config, model) in enumerate(zip(configs, models, strict=True))
    ]
    return ForecastEnsemble(
        kind=kind,
        members=tuple(members),
        score=1.0,
        scores_by_kind={},
        predictions=np.empty((0, of.panel.n_series, HORIZON)),
        margins=np.array([[-1.0, 0.1, 2.0], [-1.0, 2.5, 2.0], *[[-2.0, 0.0, 2.0]] * (HORIZON - 2)]),
        scales=np.arange(1.0, of.panel.n_series + 1),
        names=of.panel.names,
        problem=of.problem,
    )


NETWORK = {
    **{"epochs": 2, "blocks": 1, "cells": 2, "channels": 8},
    **{"dropout": 0.0, "learning_rate": 0.01, "log": False},
}


def shaped(of: Group, is_alone: bool, seed: int = 0) -> ForecastEnsemble:
    """A network that brings quantiles of its own beside a naive member, with corrections in no order."""
    plain = ensemble(of, "voting", CONFIGS[:1])
    part = registry.algorithms("forecasting")["tcn"]
    model = part.fit(NETWORK, of.panel, ForecastContext(of.problem, seed=seed))
    network = ForecastMember("tcn_1", "tcn", 0.7, NETWORK, Fitted((model,)))
    naive = replace(plain.members[0], weight=0.3)
    horizon, n_levels = of.problem.horizon, len(of.problem.quantiles)
    margins, corrections = np.random.default_rng(3).normal(size=(2, horizon, n_levels))
    none = np.empty((0, of.panel.n_series, horizon))
    shape = QuantileShape(corrections, is_alone, np.empty((*none.shape, n_levels)), none)
    return replace(plain, members=(network, naive), margins=np.sort(margins, axis=1), shape=shape, predictions=none)


def backtest_truth(of: Group) -> np.ndarray:
    """What came next in each window, float64 [n_windows, n_series, horizon]."""
    return np.stack([window.future.as_matrix() for window in windows(of.panel, of.problem)])


# The smallest forecast of several groups, a shop each, and what a run makes of every one
SHOPS_SETTINGS = {
    "task": "forecasting",
    "target": "sold",
    "time_column": "month",
    "algorithms": ["theta"],
    "forecasting": {"series_id_columns": "shop", "partition_by": "shop", "horizon": 3},
    "limits": {"timeout_minutes": 1},
}
SHOPS_MADE = ("features", "candidate_naive", "leaderboard", "ensemble", "evaluation", "forecast")
