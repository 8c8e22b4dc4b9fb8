"""What is known of a stamp as numbers for a model that adds up: covariates on their own scale, seasons as waves.

The same in ONNX beside each. Not here: lags, and calendar parts as trees take them (`calendar_features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.series import Covariate, ForecastProblem, Panel

DAY = 86_400.0  # seconds
CALENDAR = (("daily", DAY), ("weekly", 7 * DAY), ("yearly", 365.25 * DAY))
LEAST_CYCLES = 2  # of a season that a history must hold to teach it


@dataclass(frozen=True)
class Design:
    """Covariates as columns: a number on its own scale, or whether it is one of its categories."""

    names: tuple[str, ...]  # of the covariate that each column comes from
    sources: np.ndarray  # int64 [n_columns], number of that covariate
    codes: np.ndarray  # float64 [n_columns], the category; NaN for a number
    centre: np.ndarray  # float64 [n_columns]
    spread: np.ndarray  # float64 [n_columns]

    def of(self, covariates: np.ndarray) -> np.ndarray:
        """float64 [n_rows, n_columns]; what is missing is 0, which is the mean of a number and no category."""
        values = covariates[:, self.sources].astype(np.float64)
        raw = np.where(np.isnan(self.codes), values, values == self.codes)
        return np.nan_to_num((raw - self.centre) / self.spread)


def fit_design(covariates: Sequence[Covariate], values: np.ndarray, role: str | None = None) -> Design:
    """Columns for the covariates of a role, or of all; `values` [n_rows, n_covariates] tell scales and categories."""
    names, sources, codes = [], [], []
    for source, covariate in enumerate(covariates):
        if role in (None, covariate.role):
            met = np.unique(values[:, source][~np.isnan(values[:, source])])
            own = list(met) if covariate.categories else [np.nan]
            names += [covariate.name] * len(own)
            sources += [source] * len(own)
            codes += own
    scales = [_scale(values[:, source], bool(np.isnan(code))) for source, code in zip(sources, codes, strict=True)]
    centre, spread = np.array(scales, np.float64).reshape(-1, 2).T
    return Design(tuple(names), np.array(sources, np.int64), np.array(codes, np.float64), centre, spread)


def _scale(values: np.ndarray, is_number: bool) -> tuple[float, float]:
    """Mean and spread of a number; a category stays 0 and 1, and so does what never varies or was never known."""
    known = values[~np.isnan(values)].astype(np.float64)
    return (float(known.mean()), float(known.std()) or 1.0) if is_number and len(known) else (0.0, 1.0)


def add_design(graph: Any, design: Design, covariates: str) -> list[str]:
    """The same as `Design.of`: one tensor float64 [n_rows, n_columns], or none where there are no columns."""
    from onnx import TensorProto

    if not design.names:
        return []
    values = graph.node("Gather", covariates, graph.constant(design.sources), axis=1)
    is_category = graph.node("Equal", values, graph.constant(design.codes))
    raw = graph.node(
        "Where", graph.constant(np.isnan(design.codes)), values, graph.node("Cast", is_category, to=TensorProto.DOUBLE)
    )
    shifted = graph.node("Sub", raw, graph.constant(design.centre))
    scaled = graph.node("Div", shifted, graph.constant(design.spread))
    return [graph.node("Where", graph.node("IsNaN", scaled), graph.constant(np.float64(0)), scaled)]


@dataclass(frozen=True)
class Season:
    """A pattern that comes back."""

    name: str
    seconds: float
    n_harmonics: int

    @property
    def frequencies(self) -> np.ndarray:
        """Radians per second, float64 [n_harmonics]."""
        return 2 * np.pi * np.arange(1, self.n_harmonics + 1) / self.seconds

    def is_taught(self, seconds: np.ndarray) -> bool:
        """Whether rows from the first to the last of these moments show it often enough."""
        return bool(seconds[-1] - seconds[0] >= LEAST_CYCLES * self.seconds)


def seasons_of(problem: ForecastProblem, history: Panel, most_harmonics: int) -> tuple[Season, ...]:
    """Those of the problem, and days, weeks and years, as far as the longest series holds enough of them.

    A period within a few percent of one of the calendar is that one: twelve months are a year.
    """
    seconds = seconds_of(history.of(np.array([int(history.lengths.argmax())])).stamps)
    step = (seconds[-1] - seconds[0]) / max(1, len(seconds) - 1)
    known = [length for _, length in CALENDAR]
    own = [period * step for period in problem.periods if not np.isclose(period * step, known, rtol=0.03).any()]
    named = [*CALENDAR, *((f"season_{round(length / step)}", length) for length in own)]
    counted = [Season(name, length, min(most_harmonics, int(length / step + 0.1) // 2)) for name, length in named]
    return tuple(season for season in counted if season.n_harmonics and season.is_taught(seconds))


def seconds_of(stamps: np.ndarray) -> np.ndarray:
    """Since 1970, float64."""
    return stamps.astype("datetime64[s]").astype(np.float64)


def frequencies_of(seasons: Sequence[Season]) -> np.ndarray:
    """Of all waves, radians per second, float64 [n_waves]."""
    return np.concatenate([np.zeros(0), *(season.frequencies for season in seasons)])


def waves(frequencies: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """All sines, then all cosines, float64 [n_rows, 2 n_waves]."""
    angles = seconds[:, None] * frequencies
    return np.hstack([np.sin(angles), np.cos(angles)])


def add_waves(graph: Any, frequencies: np.ndarray, seconds: str) -> list[str]:
    """The same as `waves`, of int64 [n_rows]: the sines and the cosines, or none where there is no wave."""
    from onnx import TensorProto

    if not len(frequencies):
        return []
    moments = graph.node("Cast", seconds, to=TensorProto.DOUBLE)
    column = graph.node("Unsqueeze", moments, graph.constant(np.array([1])))
    angles = graph.node("Mul", column, graph.constant(frequencies[None, :]))
    return [graph.node("Sin", angles), graph.node("Cos", angles)]
