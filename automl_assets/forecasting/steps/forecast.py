"""forecast: what comes after a history, by the model of a group: members together, naive where none has an answer.

New rows update states and lags, nothing is learnt again. Not here: how models were chosen and fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from automl_assets.errors import DataError, listed
from automl_assets.forecasting import metrics
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.metrics import median_head
from automl_assets.forecasting.records import (
    Forecast,
    ForecastEnsemble,
    ForecastMember,
    ForecastProblem,
    Panel,
    QuantileShape,
)
from automl_assets.forecasting.steps import conformalize
from automl_assets.forecasting.steps.build_ensemble import combined
from automl_assets.forecasting.steps.conformalize_quantiles import Spread
from automl_assets.forecasting.steps.safe_forecast import answers, fallback, floors, n_heads, part_of


def forecast(ensemble: ForecastEnsemble, history: Panel, future: Panel) -> Forecast:
    """Point and quantiles for the stamps of `future`, as many for each series; `history` ends right before them.

    The history may be longer than what was learnt from. Stamps beyond the horizon are forecast in turns, each taking
    what the one before said for known. Series that were not learnt from are answered by members that can, else by
    naive forecasts of their own past, and without a past as the mean of the others. Raises DataError when stamps are
    missing.
    """
    lengths = future.lengths
    if history.names != future.names or len(set(lengths.tolist())) != 1 or not lengths[0]:
        raise DataError(
            f"a forecast needs the same series in history and future, and equally many stamps of each; got "
            f"{history.n_series} and {future.n_series} series, and {listed(sorted(set(lengths.tolist())))} stamps. "
            "Bring one row for each series and stamp to be forecast."
        )
    has_past = history.lengths > 0
    if not has_past.any():
        raise DataError(f"series {listed(history.names, 5)}: none has any row of history to forecast from. Bring some.")
    point = np.empty((history.n_series, int(lengths[0])))
    point[has_past], spread = _in_turns(ensemble, history.of(has_past), future.of(has_past))
    point[~has_past] = point[has_past].mean(axis=0)
    scales = _scales(ensemble, history)[:, None, None]
    distances = ensemble.margins[: point.shape[1]] * scales
    if ensemble.shape and spread:
        distances[has_past] = _shaped(ensemble, ensemble.shape, spread, distances[has_past], scales[has_past])
    return Forecast(
        names=history.names,
        stamps=future.stamps.reshape(point.shape),
        point=point,
        quantiles=conformalize.around(point, distances, floors(history, ensemble.problem)),
        levels=ensemble.problem.quantiles,
    )


def _shaped(
    ensemble: ForecastEnsemble, shape: QuantileShape, spread: Spread, margins: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """By how much quantiles lie beside the point [n_series, n_stamps, n_quantiles], where margins do not speak alone."""
    corrections = shape.corrections[: margins.shape[1]] * scales
    spread = spread.alone() if shape.is_alone else spread
    return spread.corrected(margins, corrections, ensemble.problem.quantiles)


def _scales(ensemble: ForecastEnsemble, history: Panel) -> np.ndarray:
    """How large errors are in each series; of one not learnt from as its own past says, float64 [n_series]."""
    learnt = dict(zip(ensemble.names, ensemble.scales, strict=True))
    own = metrics.error_scales(history, ensemble.problem.season)
    own[history.lengths == 0] = ensemble.scales.mean()
    return np.array([learnt.get(name, scale) for name, scale in zip(history.names, own, strict=True)])


def _in_turns(ensemble: ForecastEnsemble, history: Panel, future: Panel) -> tuple[np.ndarray, Spread | None]:
    """Points of any number of stamps, a horizon after the other, [n_series, n_stamps], and the spread of the first horizon."""
    horizon, n_stamps = ensemble.problem.horizon, int(future.lengths[0])
    turns: list[np.ndarray] = []
    first: Spread | None = None
    for start in range(0, n_stamps, horizon):
        ahead = future.between(start, start + horizon)
        point, spread = _together(ensemble, history, ahead)
        first = first or spread
        turns.append(point)
        if start + horizon < n_stamps:
            history = history.then(_as_if_known(history, ahead, turns[-1], ensemble.problem))
    return np.concatenate(turns, axis=1), first


def _as_if_known(history: Panel, ahead: Panel, point: np.ndarray, problem: ForecastProblem) -> Panel:
    """Rows to come with their forecast for a target; past covariates stay what they were last."""
    is_past = np.array([covariate.role == "past" for covariate in problem.covariates], bool)
    covariates, last = ahead.covariates.copy(), history.covariates[history.offsets[1:] - 1]
    covariates[:, is_past] = np.repeat(last, ahead.lengths, axis=0)[:, is_past]
    return replace(ahead, y=point.ravel(), covariates=covariates, is_filled=np.ones(len(ahead.y), bool))


def _together(ensemble: ForecastEnsemble, history: Panel, ahead: Panel) -> tuple[np.ndarray, Spread | None]:
    """What the members say together about at most a horizon of stamps: points [n_series, n_stamps], and their spread where
    that is asked for."""
    said = [_said(ensemble, member, history, ahead) for member in ensemble.members]
    points = np.stack([median_head(heads, ensemble.problem.quantiles) for heads in said])
    weights = [member.weight for member in ensemble.members]
    together = combined(ensemble.kind, points, weights)
    if not np.isfinite(together).all():
        together = np.where(np.isfinite(together), together, _naive(ensemble.problem, history, ahead))
    return together, _spread(said, points, weights, len(ensemble.problem.quantiles)) if ensemble.shape else None


def _spread(said: list[np.ndarray], points: np.ndarray, weights: list[float], n_quantiles: int) -> Spread:
    distances = np.full((*points.shape, n_quantiles), np.nan)
    for number, heads in enumerate(said):
        if heads.shape[-1] == n_quantiles > 1:
            distances[number] = heads - points[number][..., None]
    return Spread.of(distances, np.isfinite(points), np.array(weights))


def _said(ensemble: ForecastEnsemble, member: ForecastMember, history: Panel, ahead: Panel) -> np.ndarray:
    """Point or quantiles of one member, NaN for series it cannot know, [n_series, n_stamps, n_heads]."""
    part, (model,) = part_of(member.algorithm), member.fitted.models
    learnt = set(ensemble.names)
    asked = np.array([part.has_cold_start or name in learnt for name in history.names])
    found = np.full((history.n_series, int(ahead.lengths[0]), n_heads(part, ensemble.problem)), np.nan)
    if asked.any():
        found[asked] = answers(part, model, history.of(asked), ahead.of(asked), ensemble.problem)
    return found


def _naive(problem: ForecastProblem, history: Panel, ahead: Panel) -> np.ndarray:
    part = fallback()
    model = part.fit(next(iter(part.portfolio(problem, history))), history, ForecastContext(problem))
    return median_head(answers(part, model, history, ahead, problem), problem.quantiles)


@dataclass(frozen=True)
class Rolled:
    """Forecasts from several origins; NaN beyond the rows that were there to be forecast."""

    ends: np.ndarray  # int64 [n_windows, n_series], rows known at each origin; -1 where a series has no more
    point: np.ndarray  # float64 [n_windows, n_series, horizon]
    quantiles: np.ndarray  # float64 [n_windows, n_series, horizon, n_quantiles]


def rolling(ensemble: ForecastEnsemble, panel: Panel, test: Panel, step: int | None = None) -> Rolled:
    """Forecasts of the test rows from origins `step` (or a horizon) apart, with all rows before each, learning nothing."""
    horizon = ensemble.problem.horizon
    starts = range(0, int(test.lengths.max(initial=0)), step or horizon)
    ends = np.array([np.where(test.lengths > start, panel.lengths + start, -1) for start in starts])
    point = np.full((len(starts), panel.n_series, horizon), np.nan)
    quantiles = np.full((*point.shape, len(ensemble.problem.quantiles)), np.nan)
    for window, start in enumerate(starts):
        history = panel.then(test.between(0, start))
        for chosen, n_stamps in _alike(np.clip(test.lengths - start, 0, horizon)):
            ahead = test.of(chosen).between(start, start + n_stamps)
            made = forecast(ensemble, history.of(chosen), ahead)
            point[window, chosen, :n_stamps] = made.point
            quantiles[window, chosen, :n_stamps] = made.quantiles
    return Rolled(ends, point, quantiles)


def _alike(counts: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Numbers of the series with equally many stamps, and how many; those with none are left out."""
    for count in np.unique(counts[counts > 0]).tolist():
        yield np.flatnonzero(counts == count), count
