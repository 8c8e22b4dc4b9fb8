"""build_groups: from rows to groups of regular series, one per partition. A group that cannot be made stops no other."""

from collections.abc import Iterable, Iterator

import numpy as np

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.partition_keys import Values, shard_of, slugs
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.steps.aggregate_hierarchy import with_sums
from automl_assets.forecasting.steps.build_panel import SeriesRows, series_of
from automl_assets.forecasting.steps.define_problem import define_problem
from automl_assets.forecasting.steps.guardrails import guardrails
from automl_assets.forecasting.steps.plan import Plan, plan
from automl_assets.forecasting.steps.regularize import regularize
from automl_assets.records import Dataset

ALL = "all"  # the partition of an experiment that is not partitioned
SHARDS = 100  # that groups beyond `partition_limit` share


def group_keys(dataset: Dataset, experiment: Experiment) -> dict[str, Values]:
    """The values of `partition_by` of each partition by its key, sorted; a shard, and a partition of all, has none."""
    by = experiment.forecasting.partition_by
    groups = series_of(dataset, experiment).select(by).unique().iter_rows() if by else []
    return _keys(dict.fromkeys(groups), experiment)


def _keys(groups: Iterable[Values], experiment: Experiment) -> dict[str, Values]:
    named = _key_of(groups, experiment)
    is_shared = len(set(named.values())) < len(named) or named.get(()) == ALL
    return {key: () if is_shared else values for values, key in sorted(named.items(), key=lambda item: item[1])}


def _key_of(groups: Iterable[Values], experiment: Experiment) -> dict[Values, str]:
    """The partition of each group."""
    settings, every = experiment.forecasting, list(groups)
    if not settings.partition_by or settings.scope == "global":
        return dict.fromkeys(every or [()], ALL)
    if len(every) > settings.partition_limit:
        n_shards = min(SHARDS, settings.partition_limit)
        return {values: shard_of(values, n_shards) for values in every}
    return {values: key for key, values in slugs(every).items()}


def build_groups(
    dataset: Dataset, experiment: Experiment, keys: Iterable[str]
) -> Iterator[tuple[str, Group | DataError]]:
    """The group of each key, or why there is none. Raises DataError where no group can be made."""
    rows, shared = plan(dataset, experiment)
    named = _key_of(dict.fromkeys(rows.groups), experiment)
    places: dict[str, list[int]] = {}
    for number, values in enumerate(rows.groups):
        places.setdefault(named[values], []).append(number)
    for key in keys:
        yield key, _attempt(key, rows.of(np.array(places.get(key, []), np.int64)), shared, experiment)


def _attempt(key: str, rows: SeriesRows, shared: Plan, experiment: Experiment) -> Group | DataError:
    try:
        return _group(key, rows, shared, experiment)
    except DataError as error:
        return error


def _group(key: str, rows: SeriesRows, shared: Plan, experiment: Experiment) -> Group:
    if not rows.names:
        raise DataError(f"the source has no rows of the group {key!r}; it may have had some before")
    regular = regularize(rows, shared, experiment)
    problem = define_problem(regular.panel, regular.grid, shared, experiment)
    groups = set(regular.groups)
    group = Group(
        key=key,
        values=groups.pop() if len(groups) == 1 else (),
        panel=regular.panel,
        test=regular.test,
        problem=problem,
        guardrails=guardrails(regular, problem),
        groups=regular.groups,
    )
    return with_sums(group)
