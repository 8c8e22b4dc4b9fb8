"""reconcile: makes forecasts of series and of their sums add up, and tells what that does to the errors."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.errors import ArtifactError
from automl_assets.forecasting.hierarchy import Hierarchy, coherent, projection
from automl_assets.forecasting.records import Forecast, ForecastEnsemble, ForecastProblem, Group, Panel, Reconciliation
from automl_assets.forecasting.steps import backtest
from automl_assets.forecasting.steps.aggregate_hierarchy import common, tree_of
from automl_assets.forecasting.steps.forecast import forecast

TOTAL, LEAVES = "total", "series"  # names of levels that are no column


def reconcile(group: Group, ensemble: ForecastEnsemble) -> Reconciliation:
    """How forecasts of a group of `with_sums` are made to add up, learnt from its backtest; errors with and without."""
    problem, panel = group.problem, group.panel
    leaves = panel.of(np.arange(problem.n_sums, panel.n_series))
    tree, is_positive = tree_of(leaves.names, problem), bool((leaves.y >= 0).all())
    truth, base = _backtested(group, ensemble)
    found = projection(tree, problem.reconciliation, _aligned(leaves), truth - base)  # type: ignore[arg-type]
    made = coherent(tree.aggregation, found, base, is_positive)
    widths = _ratios(_sizes(truth - made), _sizes(truth - base))
    way = Reconciliation(
        problem.reconciliation, panel.names, tree.aggregation, found, widths, is_positive, errors=pl.DataFrame()
    )
    return replace(way, errors=_errors(group, ensemble, way, tree))


def add_up(base: Forecast, way: Reconciliation) -> Forecast:
    """The forecasts of all nodes, which now add up; intervals are as much wider or narrower as errors of the backtest."""
    if base.names != way.names:
        raise ArtifactError("these are forecasts of other series than were reconciled; make the reconciliation again")
    point = coherent(way.aggregation, way.projection, base.point, way.is_positive)
    quantiles = point[:, :, None] + (base.quantiles - base.point[:, :, None]) * way.widths[:, None, None]
    return replace(base, point=point, quantiles=np.maximum(quantiles, 0.0) if way.is_positive else quantiles)


def _of_nodes(values: np.ndarray) -> np.ndarray:
    """[n_nodes, n_windows * horizon] of [n_windows, n_nodes, horizon]."""
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)


def _aligned(leaves: Panel) -> np.ndarray:
    """Histories that end together, [n_leaves, n_stamps]; zero before they begin."""
    found = np.zeros((leaves.n_series, int(leaves.lengths.max())))
    for row, y in zip(found, leaves.series(), strict=True):
        row[len(row) - len(y) :] = y
    return found


def _sizes(errors: np.ndarray) -> np.ndarray:
    """Root mean square of the errors of each node that are known, zero without any [n_nodes]."""
    return np.sqrt(np.nansum(errors**2, axis=1) / np.maximum(np.isfinite(errors).sum(axis=1), 1))


def _ratios(made: np.ndarray, base: np.ndarray) -> np.ndarray:
    return np.divide(made, base, out=np.ones_like(made), where=base > 0)


def _errors(group: Group, ensemble: ForecastEnsemble, way: Reconciliation, tree: Hierarchy) -> pl.DataFrame:
    """Mean absolute error of every level with and without; on the test where there is one."""
    test = None if group.test is None else common(group.test)
    if test is None or not len(test.y):
        rows, (truth, base) = "backtest", _backtested(group, ensemble)
    else:
        test = test.until(max(0, int(test.lengths[0]) - group.problem.horizon))
        rows, base = "test", forecast(ensemble, group.panel, test).point
        truth = np.where(test.is_filled, np.nan, test.y).reshape(base.shape)
    errors = {
        "base": truth - base,
        "reconciled": truth - coherent(way.aggregation, way.projection, base, way.is_positive),
    }
    table = [
        {"rows": rows, "level": name, "n_series": int(of.sum())}
        | {f"{kind}_mean_absolute_error": float(np.nanmean(np.abs(made[of]))) for kind, made in errors.items()}
        | {
            f"{kind}_root_mean_squared_error": float(np.sqrt(np.nanmean(made[of] ** 2)))
            for kind, made in errors.items()
        }
        for name, of in _levels(tree, group.problem)
    ]
    return pl.DataFrame(table)


def _backtested(group: Group, ensemble: ForecastEnsemble) -> tuple[np.ndarray, np.ndarray]:
    """Truth and base forecasts of the backtest, each [n_nodes, n_windows * horizon]."""
    return _of_nodes(backtest.truth(group.panel, group.problem).y), _of_nodes(ensemble.predictions)


def _levels(tree: Hierarchy, problem: ForecastProblem) -> Iterator[tuple[str, np.ndarray]]:
    """Name of each level from the top down, and its nodes, bool [n_nodes]."""
    for level in np.unique(tree.levels):
        of = tree.levels == level
        first = int(np.flatnonzero(of)[0])
        depth = len(tree.paths[first]) if first < tree.n_aggregates else None
        yield LEAVES if depth is None else (TOTAL, *problem.hierarchy)[depth], of
