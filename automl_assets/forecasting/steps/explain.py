"""explain: what forecasts are made of, and how much they suffer when a covariate is shuffled."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets import metrics, registry
from automl_assets.forecasting.metrics import ForecastTruth, median_head, problem_truth, score
from automl_assets.forecasting.models.components import CORRECTION
from automl_assets.forecasting.pictures import components_picture
from automl_assets.forecasting.records import (
    Forecast,
    ForecastEnsemble,
    ForecastExplanation,
    ForecastMember,
    Group,
    Panel,
)
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.future_index import ahead, whole
from automl_assets.forecasting.steps.safe_forecast import answers, fallback
from automl_assets.model_records import Importance, Picture
from automl_assets.pictures import importance_picture

MOST_SERIES = 50  # that are explained, at equal distances
REPEATS = 5  # of a shuffle
TINY = 1e-9  # of the size of a forecast: a correction below is none

Components = dict[str, np.ndarray]  # float64 [n_series, horizon] by name


def explain(
    group: Group, ensemble: ForecastEnsemble, seed: int, seconds: float, is_drawn: bool = True
) -> ForecastExplanation:
    """Components of the forecasts right after the training, and importances of covariates as far as `seconds` allow."""
    n_series, metric = group.panel.n_series, group.problem.problem.metric
    chosen = np.unique(np.linspace(0, n_series - 1, min(MOST_SERIES, n_series)).astype(np.int64))
    history, future = group.panel.of(chosen), _coming(group).of(chosen)
    answered = forecast(ensemble, history, future)
    parts = components(ensemble, history, future, answered)
    found = _importances(ensemble, history, future, np.random.default_rng(seed), time.monotonic() + seconds)
    importances = tuple(sorted(found, key=lambda one: -one.mean))
    made = ForecastExplanation(metric, _table(answered, parts), importances, ())
    return replace(made, pictures=tuple(_pictures(made))) if is_drawn else made


def _coming(group: Group) -> Panel:
    """The `horizon` rows after what was learnt from: those of the test, and as far as it does not reach what may come."""
    known = whole(group)
    longer = known.then(ahead(known, group.problem))
    n_coming = longer.lengths - group.panel.lengths
    return longer.last(n_coming).until(n_coming - group.problem.horizon)


def components(ensemble: ForecastEnsemble, history: Panel, future: Panel, answered: Forecast) -> Components:
    """Named parts that add up to the point of a forecast. A member that cannot tell its parts is one itself."""
    points = np.stack([_point(member, history, future, ensemble) for member in ensemble.members])
    shares = _shares(ensemble, points)
    found: Components = {}
    for member, point, share in zip(ensemble.members, points, shares, strict=True):
        for name, part in _parts(member, history, future, point).items():
            found[name] = found.get(name, np.zeros(1)) + np.where(share > 0, share * part, 0.0)
    is_lost = shares.sum(axis=0) == 0
    if is_lost.any():
        title = fallback().title
        found[title] = found.get(title, np.zeros(1)) + np.where(is_lost, answered.point, 0.0)
    rest = answered.point - sum(found.values())
    if np.abs(rest).max() > TINY * np.abs(answered.point).max():
        found[CORRECTION] = rest
    return found


def _point(member: ForecastMember, history: Panel, future: Panel, ensemble: ForecastEnsemble) -> np.ndarray:
    part = registry.algorithms("forecasting")[member.algorithm]
    heads = answers(part, member.fitted.models[0], history, future, ensemble.problem)
    return median_head(heads, ensemble.problem.quantiles)


def _parts(member: ForecastMember, history: Panel, future: Panel, point: np.ndarray) -> Components:
    part = registry.algorithms("forecasting")[member.algorithm]
    if part.explain is None:
        return {part.title: point}
    return part.explain(member.fitted.models[0], history, future)


def _shares(ensemble: ForecastEnsemble, points: np.ndarray) -> np.ndarray:
    """Of each member in each forecast, [n_members, n_series, horizon], zero where it has no answer.

    In a median those in the middle have all.
    """
    is_known = np.isfinite(points)
    if ensemble.kind == "median":
        ranks = np.where(is_known, points, np.inf).argsort(axis=0, kind="stable").argsort(axis=0)
        n_known = is_known.sum(axis=0)
        weights = is_known & ((ranks == (n_known - 1) // 2) | (ranks == n_known // 2))
    else:
        weights = is_known * np.array([member.weight for member in ensemble.members])[:, None, None]
    total = weights.sum(axis=0)
    return np.divide(weights, total, out=np.zeros(points.shape), where=total > 0)


def _table(answered: Forecast, parts: Components) -> pl.DataFrame:
    """Series, stamp, component, contribution; one series after the other."""
    n_series, horizon = answered.point.shape
    values = np.stack([np.broadcast_to(part, answered.point.shape) for part in parts.values()], axis=2)
    return pl.DataFrame(
        {
            "series": np.repeat(np.array(answered.names, object), horizon * len(parts)),
            "stamp": np.repeat(answered.stamps.ravel(), len(parts)),
            "component": [*parts] * (n_series * horizon),
            "contribution": values.ravel(),
        },
        schema_overrides={"series": pl.String, "component": pl.String},
    )


# Covariates


def _importances(
    ensemble: ForecastEnsemble, history: Panel, future: Panel, random: np.random.Generator, deadline: float
) -> Iterator[Importance]:
    """What the metric loses when a covariate is shuffled within each series, or a static between them.

    Judged by the known values to come; where there is none, by the forecast as it is, so that the loss is how far it moves.
    """
    problem = ensemble.problem
    truth = _truth(ensemble, history, future)
    whole = _score(ensemble, history, future, truth)
    for place, column in enumerate((*problem.covariates, *problem.statics)):
        losses: list[float] = []
        while len(losses) < REPEATS and time.monotonic() < deadline:
            shuffled = _shuffled(history, future, place, random)
            losses.append(whole - _score(ensemble, *shuffled, truth))
        if losses:
            yield Importance(column.name, float(np.mean(losses)), float(np.std(losses)))


def _truth(ensemble: ForecastEnsemble, history: Panel, future: Panel) -> ForecastTruth:
    """What came next; the ensemble's own forecast where nothing has yet."""
    if not np.isfinite(future.y[~future.is_filled]).any():
        point = forecast(ensemble, history, future).point
        future = replace(future, y=point.ravel(), is_filled=np.zeros(len(future.y), bool))
    return problem_truth(history.then(future), history.lengths[None], ensemble.problem, learnt=history)


def _score(ensemble: ForecastEnsemble, history: Panel, future: Panel, truth: ForecastTruth) -> float:
    """The metric, the greater the better."""
    metric, answered = ensemble.problem.problem.metric, forecast(ensemble, history, future)
    return metrics.oriented(metric, score(metric, truth, answered.point[None], answered.quantiles[None]))


def _shuffled(history: Panel, future: Panel, place: int, random: np.random.Generator) -> tuple[Panel, Panel]:
    """One column in another order: a covariate's rows within each series, a static's values between series."""
    n_covariates, horizon = history.covariates.shape[1], int(future.lengths[0])
    if place >= n_covariates:
        statics = history.statics.copy()
        statics[:, place - n_covariates] = random.permutation(statics[:, place - n_covariates])
        return replace(history, statics=statics), replace(future, statics=statics)
    whole = history.then(future)
    covariates = whole.covariates.copy()
    for start, end in zip(whole.offsets[:-1], whole.offsets[1:], strict=True):
        covariates[start:end, place] = random.permutation(covariates[start:end, place])
    whole = replace(whole, covariates=covariates)
    return whole.until(horizon), whole.last(horizon)


def _pictures(made: ForecastExplanation) -> Iterator[Picture]:
    """What forecasts are made of at each step ahead, and which covariates matter."""
    rows = made.contributions.with_columns(step=pl.int_range(pl.len()).over("series", "component"))
    means = rows.group_by("component", "step", maintain_order=True).agg(pl.mean("contribution")).sort("step")
    parts = means.partition_by("component", as_dict=True, maintain_order=True)
    yield components_picture({str(name): part["contribution"].to_numpy() for (name,), part in parts.items()})
    if made.importances:
        yield importance_picture(made.importances, made.metric, title="Importance of covariates")
