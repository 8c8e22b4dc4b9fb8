"""aggregate_hierarchy: series that add up others, for every level of a hierarchy. They are forecast as any other series."""

from dataclasses import replace

import numpy as np

from automl_assets.data.series_names import series_name, series_values
from automl_assets.errors import DataError, listed
from automl_assets.forecasting.hierarchy import Hierarchy, hierarchy
from automl_assets.forecasting.records import Covariate, ForecastProblem, Group, Panel, stacked


def with_sums(group: Group) -> Group:
    """The group with a series for each node of the hierarchy above its own series, before them, from the top down.

    The same group where no reconciliation is asked. Raises DataError for series that do not end together.
    """
    problem = group.problem
    if problem.reconciliation == "none":
        return group
    _check_ends(group.panel)
    tree = tree_of(group.panel.names, problem)
    test = None if group.test is None else common(group.test)
    return replace(
        group,
        panel=_with_sums(group.panel, tree, problem),
        test=None if test is None else _with_sums(test, tree, problem),
        problem=replace(problem, n_sums=tree.n_aggregates),
        groups=(group.values,) * tree.n_aggregates + group.groups,
    )


def _check_ends(panel: Panel) -> None:
    ends = panel.stamps[panel.offsets[1:] - 1]
    early = [name for name, end in zip(panel.names, ends, strict=True) if end < ends.max()]
    if early:
        raise DataError(
            f"forecasting.hierarchy: series that add up end together; {listed(early, 3)} end before "
            f"{ends.max().item()}. Bring their last rows, or leave them out."
        )


def tree_of(names: tuple[str, ...], problem: ForecastProblem) -> Hierarchy:
    """Over series by the values of the hierarchy's columns."""
    places = [problem.series.index(column) for column in problem.hierarchy]
    values = [series_values(name) for name in names]
    return hierarchy([tuple(one[place] for place in places) for one in values])


def _name(path: tuple[str, ...], problem: ForecastProblem) -> str:
    """Of a sum: the values of its columns, nothing for those below."""
    known = dict(zip(problem.hierarchy, path, strict=False))
    return series_name(known.get(column) for column in problem.series)


def common(test: Panel) -> Panel:
    """The stamps of a test that every series has."""
    return test.until(test.lengths - test.lengths.min())


def _with_sums(panel: Panel, tree: Hierarchy, problem: ForecastProblem) -> Panel:
    holds = [np.flatnonzero(held) for held in tree.aggregation]
    sums = [_sum(_name(path, problem), panel.of(held), problem) for path, held in zip(tree.paths, holds, strict=True)]
    return stacked([*sums, panel])


def _sum(name: str, panel: Panel, problem: ForecastProblem) -> Panel:
    """All series of a panel that end together as one, as long as the longest; one that begins later adds nothing before.

    A value is made up where every one of them is. Covariates and statics are means, or what all categories are.
    """
    longest = int(panel.lengths.argmax())
    length = int(panel.lengths[longest])
    is_there = np.arange(length) >= length - panel.lengths[:, None]  # [n_series, length]
    rows = np.where(is_there, panel.offsets[1:, None] - length + np.arange(length), 0)
    covariates = np.where(is_there[:, :, None], panel.covariates[rows], np.nan)
    return Panel(
        names=(name,),
        offsets=np.array([0, length]),
        stamps=panel.of(np.array([longest])).stamps,
        y=np.where(is_there, panel.y[rows], 0.0).sum(axis=0),
        is_filled=np.logical_and.reduce(panel.is_filled[rows] | ~is_there, axis=0),
        covariates=_merged(covariates, problem.covariates),
        statics=_merged(panel.statics[:, None], problem.statics),
    )


def _merged(values: np.ndarray, columns: tuple[Covariate, ...]) -> np.ndarray:
    """Of several series one, float32 [n_rows, n_columns] of [n_series, n_rows, n_columns]; NaN where all are."""
    if not columns:
        return np.empty((values.shape[1], 0), np.float32)
    known = np.isfinite(values)
    low, high = np.where(known, values, np.inf).min(axis=0), np.where(known, values, -np.inf).max(axis=0)
    n_known = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(n_known, 1)
    categories = np.where(low == high, low, np.array([column.fill for column in columns]))
    is_category = np.array([bool(column.categories) for column in columns])
    return np.where(n_known > 0, np.where(is_category, categories, means), np.nan).astype(np.float32)
