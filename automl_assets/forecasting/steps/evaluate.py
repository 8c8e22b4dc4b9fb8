"""evaluate: how well a group's model forecasts the rows kept for the test, beside the seasonal naive forecast.

From rolling origins and without learning again; on the backtest where there is no test.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.forecasting import pictures
from automl_assets.forecasting.metrics import OF_SERIES, ForecastTruth, all_scores, by_series, coverage, problem_truth
from automl_assets.forecasting.pooling import pooled_scores
from automl_assets.forecasting.records import ForecastEnsemble, ForecastEvaluation, ForecastSummary, Group, Panel
from automl_assets.forecasting.steps import backtest, conformalize, conformalize_quantiles
from automl_assets.forecasting.steps.conformalize_quantiles import Spread
from automl_assets.forecasting.steps.forecast import Rolled, rolling
from automl_assets.model_records import Figures, Picture

MOST_SHOWN = 6  # series of a picture
BEFORE, MOST_BEFORE = 3, 100  # horizons, and stamps at most, that are shown before the first origin


def evaluate(
    group: Group, ensemble: ForecastEnsemble, step: int | None = None, is_drawn: bool = True
) -> ForecastEvaluation:
    """Metrics of the ensemble and of the baseline; `step` stamps lie between origins, a horizon unless told."""
    if group.test is None or not len(group.test.y):
        truth, point = backtest.truth(group.panel, group.problem), ensemble.predictions
        return _evaluation("backtest", truth, point, backtest_quantiles(ensemble, truth), is_drawn)
    truth, rolled = tested(ensemble, group.panel, group.test, step)
    return _evaluation("test", truth, rolled.point, rolled.quantiles, is_drawn)


def tested(
    ensemble: ForecastEnsemble, panel: Panel, test: Panel, step: int | None = None
) -> tuple[ForecastTruth, Rolled]:
    """What came at the stamps kept for the test, and what is forecast of them."""
    rolled = rolling(ensemble, panel, test, step)
    return problem_truth(panel.then(test), rolled.ends, ensemble.problem, learnt=panel), rolled


def backtest_quantiles(ensemble: ForecastEnsemble, truth: ForecastTruth) -> np.ndarray:
    """Of each window by what the others say, or of one alone by its own margins."""
    if ensemble.shape:
        spread = Spread(ensemble.shape.own, ensemble.shape.weight)
        return conformalize_quantiles.held_out(truth, ensemble.predictions, spread)
    if len(truth.ends) > 1:
        return conformalize.held_out(truth, ensemble.predictions)
    return conformalize.quantiles(ensemble.predictions, ensemble.margins, ensemble.scales, truth.floor)


def _evaluation(
    rows: Literal["test", "backtest"], truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray, is_drawn: bool
) -> ForecastEvaluation:
    return ForecastEvaluation(
        rows=rows,
        n_rows=int(truth.counts.sum()),
        metrics=all_scores(truth, point, quantiles),
        baseline=all_scores(truth, truth.seasonal_naive),
        by_horizon=error_by_horizon(truth, point),
        coverage=coverage(truth, quantiles),
        by_series=by_series(truth, point, quantiles),
        baseline_by_series=by_series(truth, truth.seasonal_naive),
        pictures=_pictures(truth, point, quantiles) if is_drawn and truth.is_known.any() else (),
    )


def error_by_horizon(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """Mean absolute error of each step ahead [horizon]; NaN where nothing is known."""
    errors = np.where(truth.is_known, np.abs(point - truth.y), 0.0).sum(axis=(0, 1))
    counts = truth.is_known.sum(axis=(0, 1))
    return np.where(counts > 0, errors / np.maximum(counts, 1), np.nan)


def _pictures(truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray) -> tuple[Picture, ...]:
    shown = np.flatnonzero(truth.counts > 0)[:MOST_SHOWN]
    fans = tuple(_fan(truth, point, quantiles, int(number)) for number in shown)
    lines = {
        "forecast": error_by_horizon(truth, point),
        "seasonal naive": error_by_horizon(truth, truth.seasonal_naive),
    }
    return (
        pictures.forecasts_picture(fans, truth.levels, n_all=truth.learnt.n_series),
        pictures.horizon_picture(lines, n_rows=int(truth.counts.sum())),
    )


def _fan(truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray, number: int) -> pictures.Fan:
    """The forecasts of one series from origins that do not overlap, among what was known before and after."""
    whole, first = truth.whole, int(truth.whole.offsets[number])
    origins = _apart(truth.ends[:, number], truth.horizon)
    begin = max(0, int(truth.ends[origins[0], number]) - min(MOST_BEFORE, BEFORE * truth.horizon))
    rows = slice(first + begin, int(whole.offsets[number + 1]))
    y = np.where(whole.is_filled[rows], np.nan, whole.y[rows])
    places = truth.ends[origins, number][:, None] - begin + np.arange(truth.horizon)
    return pictures.Fan(
        whole.names[number], whole.stamps[rows], y, places, point[origins, number], quantiles[origins, number]
    )


def _apart(ends: np.ndarray, horizon: int) -> list[int]:
    """Windows of a series from the first on, each a horizon or more after the one before."""
    chosen: list[int] = []
    for window in np.flatnonzero(ends > 0).tolist():
        if not chosen or ends[window] - ends[chosen[-1]] >= horizon:
            chosen.append(window)
    return chosen


# All groups


def summarise(
    metric: str, results: Iterable[tuple[str, ForecastEnsemble | None, ForecastEvaluation | None]]
) -> ForecastSummary:
    """All groups together; one without an ensemble or an evaluation has failed."""
    results = tuple(results)
    judged = [evaluation for _, ensemble, evaluation in results if ensemble is not None and evaluation is not None]
    every = _every_series(judged)
    n_rows = np.array([evaluation.n_rows for evaluation in judged])
    return ForecastSummary(
        metric=metric,
        groups=pl.DataFrame([_row(metric, *one) for one in results], infer_schema_length=None),
        metrics=metrics_of_all(judged),
        baseline=baseline_of_all(judged),
        coverage=_averaged([evaluation.coverage for evaluation in judged], n_rows),
        macro=_macro(every),
        micro=_micro(every),
        rows=tuple(sorted({evaluation.rows for evaluation in judged})),
    )


def metrics_of_all(judged: Sequence[ForecastEvaluation]) -> dict[str, float]:
    """Of the series of all groups together, as of one group's; what medians and ranks say is a mean over groups by their
    stamps, for it takes every stamp to say more."""
    return _of_all(
        [evaluation.metrics for evaluation in judged], [evaluation.by_series for evaluation in judged], judged
    )


def baseline_of_all(judged: Sequence[ForecastEvaluation]) -> dict[str, float]:
    """The same of the seasonal naive forecast."""
    series = [evaluation.baseline_by_series for evaluation in judged]
    return _of_all([evaluation.baseline for evaluation in judged], series, judged)


def _of_all(
    metrics: Sequence[Mapping[str, float]], series: Sequence[pl.DataFrame], judged: Sequence[ForecastEvaluation]
) -> dict[str, float]:
    n_rows = np.array([evaluation.n_rows for evaluation in judged])
    is_told = all(one.height or not evaluation.n_rows for one, evaluation in zip(series, judged, strict=True))
    return _averaged(metrics, n_rows) | (pooled_scores(_together(series)) if is_told else {})


def _together(series: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Of groups that earlier versions judged less is known."""
    return pl.concat(series, how="diagonal") if series else pl.DataFrame()


def figures(summary: ForecastSummary) -> Figures:
    """What a model is registered with. Where the stamps kept for the test give the metric no value, its score is the mean
    of the groups' backtests by their stamps; NaN where these have none either."""
    rows = " and ".join(summary.rows)
    if summary.metric in summary.metrics:
        return Figures(summary.metrics, rows, summary.metrics[summary.metric], rows)
    made = summary.groups.filter(pl.col("status") != "failed")
    known = made.filter(pl.col("backtest_score").is_finite()) if made.height else made
    score = np.average(known["backtest_score"], weights=known["n_rows"]) if known.height else np.nan
    return Figures(summary.metrics, rows, float(score), "backtest")


def _every_series(judged: Sequence[ForecastEvaluation]) -> pl.DataFrame:
    return _together([evaluation.by_series for evaluation in judged])


def _row(
    metric: str, key: str, ensemble: ForecastEnsemble | None, evaluation: ForecastEvaluation | None
) -> dict[str, Any]:
    if ensemble is None or evaluation is None:
        return {"group": key, "status": "failed", "reason": "", "kind": None, "algorithms": None, "n_series": None}
    heaviest_first = sorted(ensemble.members, key=lambda member: -member.weight)
    return {
        "group": key,
        "status": "fallback" if ensemble.is_fallback else "learnt",
        "reason": ensemble.reason,
        "kind": ensemble.kind,
        "algorithms": ", ".join(dict.fromkeys(member.algorithm for member in heaviest_first)),
        "n_series": len(ensemble.names),
        "n_rows": evaluation.n_rows,
        "rows": evaluation.rows,
        "backtest_score": ensemble.score,
        "score": evaluation.metrics.get(metric),
        "baseline": evaluation.baseline.get(metric),
    }


def _macro(every: pl.DataFrame) -> dict[str, float]:
    """Means over series, of those that have a value."""
    columns = {name: every[name].to_numpy() for name in every.columns if name in OF_SERIES}
    known = {name: values[np.isfinite(values)] for name, values in columns.items()}
    return {name: float(values.mean()) for name, values in known.items() if len(values)}


def _micro(every: pl.DataFrame) -> dict[str, float]:
    """Means over stamps."""
    if not len(every):
        return {}
    n_rows = every["n_rows"].to_numpy()
    absolute, squared, size = (
        float(np.average(every[name].to_numpy(), weights=n_rows))
        for name in ("mean_absolute_error", "mean_squared_error", "mean_size")
    )
    columns = {name: every[name].fill_nan(None) for name in every.columns if name in OF_SERIES}
    found = {
        name: float(np.average(column.drop_nulls().to_numpy(), weights=n_rows[column.is_not_null().to_numpy()]))
        for name, column in columns.items()
        if column.null_count() < len(column)
    }
    found |= {"mean_absolute_error": absolute, "root_mean_squared_error": float(np.sqrt(squared))}
    return {**found, "WAPE": absolute / size} if size > 0 else found


def _averaged(found: Sequence[Mapping[str, float]], n_rows: np.ndarray) -> dict[str, float]:
    """Means over groups by their stamps, each of the groups that have a value."""
    names = dict.fromkeys(name for one in found for name in one)
    has = {name: np.array([name in one for one in found]) for name in names}
    return {
        name: float(np.average([one[name] for one in found if name in one], weights=n_rows[has[name]]))
        for name in names
    }
