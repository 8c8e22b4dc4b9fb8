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
from automl_assets.forecasting.records import Forecast, ForecastEnsemble, ForecastMember, ForecastProblem, Panel
from automl_assets.forecasting.steps import conformalize
from automl_assets.forecasting.steps.build_ensemble import combined
from automl_assets.forecasting.steps.safe_forecast import answers, fallback, floors, part_of


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
    point[has_past] = _in_turns(ensemble, history.of(has_past), future.of(has_past))
    point[~has_past] = point[has_past].mean(axis=0)
    own_floors = floors(history, ensemble.problem)
    return Forecast(
        names=history.names,
        stamps=future.stamps.reshape(point.shape),
        point=point,
        quantiles=conformalize.quantiles(point, ensemble.margins, _scales(ensemble, history), own_floors),
        levels=ensemble.problem.quantiles,
    )


def _scales(ensemble: ForecastEnsemble, history: Panel) -> np.ndarray:
    """How large errors are in each series; of one not learnt from as its own past says, float64 [n_series]."""
    learnt = dict(zip(ensemble.names, ensemble.scales, strict=True))
    own = metrics.error_scales(history, ensemble.problem.season)
    own[history.lengths == 0] = ensemble.scales.mean()
    return np.array([learnt.get(name, scale) for name, scale in zip(history.names, own, strict=True)])


def _in_turns(ensemble: ForecastEnsemble, history: Panel, future: Panel) -> np.ndarray:
    """Points of any number of stamps, a horizon after the other, [n_series, n_stamps]."""
    horizon, n_stamps = ensemble.problem.horizon, int(future.lengths[0])
    turns: list[np.ndarray] = []
    for start in range(0, n_stamps, horizon):
        ahead = future.between(start, start + horizon)
        turns.append(_point(ensemble, history, ahead))
        if start + horizon < n_stamps:
            history = history.then(_as_if_known(history, ahead, turns[-1], ensemble.problem))
    return np.concatenate(turns, axis=1)


def _as_if_known(history: Panel, ahead: Panel, point: np.ndarray, problem: ForecastProblem) -> Panel:
    """Rows to come with their forecast for a target; past covariates stay what they were last."""
    is_past = np.array([covariate.role == "past" for covariate in problem.covariates], bool)
    covariates, last = ahead.covariates.copy(), history.covariates[history.offsets[1:] - 1]
    covariates[:, is_past] = np.repeat(last, ahead.lengths, axis=0)[:, is_past]
    return replace(ahead, y=point.ravel(), covariates=covariates, is_filled=np.ones(len(ahead.y), bool))


def _point(ensemble: ForecastEnsemble, history: Panel, ahead: Panel) -> np.ndarray:
    """What the members say together about at most a horizon of stamps, [n_series, n_stamps]."""
    said = np.stack([_said(ensemble, member, history, ahead) for member in ensemble.members])
    together = combined(ensemble.kind, said, [member.weight for member in ensemble.members])
    if np.isfinite(together).all():
        return together
    return np.where(np.isfinite(together), together, _naive(ensemble.problem, history, ahead))


def _said(ensemble: ForecastEnsemble, member: ForecastMember, history: Panel, ahead: Panel) -> np.ndarray:
    """The points of one member, NaN for series it cannot know, [n_series, n_stamps]."""
    part, (model,) = part_of(member.algorithm), member.fitted.models
    learnt = set(ensemble.names)
    asked = np.array([part.has_cold_start or name in learnt for name in history.names])
    found = np.full((history.n_series, int(ahead.lengths[0])), np.nan)
    if asked.any():
        heads = answers(part, model, history.of(asked), ahead.of(asked), ensemble.problem)
        found[asked] = median_head(heads, ensemble.problem.quantiles)
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
