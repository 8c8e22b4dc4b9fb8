"""Groups of a few synthetic months, and forecasters that misbehave."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from automl_assets.forecasting.records import ForecastProblem, Group, Panel
from automl_assets.records import Problem

HORIZON, MONTHS = 6, 12


def panel_of(targets: list[np.ndarray]) -> Panel:
    """Monthly series that end in the same month."""
    lengths = np.array([len(y) for y in targets])
    end = np.datetime64("2024-01", "M")
    return Panel(
        names=tuple(f"s{number}" for number in range(len(targets))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate([np.arange(end - length, end) for length in lengths]).astype("datetime64[us]"),
        y=np.concatenate(targets).astype(np.float64),
        is_filled=np.zeros(lengths.sum(), bool),
        covariates=np.zeros((lengths.sum(), 0), np.float32),
        statics=np.zeros((len(targets), 0), np.float32),
    )


def seasonal(length: int, seed: int) -> np.ndarray:
    """A trend, a year, and noise."""
    months = np.arange(length)
    noise = np.random.default_rng(seed).normal(scale=2.0, size=length)
    return 100 + 10 * (seed % 7) + 0.3 * months + 12 * np.sin(2 * np.pi * months / MONTHS) + noise


def group_of(targets: list[np.ndarray], key: str = "g", n_test: int = HORIZON, **settings) -> Group:
    problem = ForecastProblem(
        **{
            "problem": Problem("forecasting", "MASE"),
            "horizon": HORIZON,
            "frequency": "MS",
            "periods": (MONTHS,),
            "quantiles": (0.025, 0.1, 0.5, 0.9, 0.975),
            "step": HORIZON,
        }
        | settings
    )
    panel = panel_of(targets)
    return Group(key, (key,), panel.until(n_test), panel.last(n_test) if n_test else None, problem)


@pytest.fixture
def make_group() -> Callable[..., Group]:
    """A group of seasonal series: their number, length, and settings of the problem."""

    def make(n_series: int = 1, length: int = 66, key: str = "g", seed: int = 0, **settings) -> Group:
        return group_of([seasonal(length, seed + number) for number in range(n_series)], key, **settings)

    return make


@pytest.fixture
def make_panel() -> Callable[[list[np.ndarray]], Panel]:
    return panel_of


@pytest.fixture
def with_targets() -> Callable[..., Group]:
    """A group of given series."""
    return group_of


@pytest.fixture
def with_metric() -> Callable[[Group, str], Group]:
    def changed(group: Group, metric: str) -> Group:
        return replace(group, problem=replace(group.problem, problem=replace(group.problem.problem, metric=metric)))

    return changed
