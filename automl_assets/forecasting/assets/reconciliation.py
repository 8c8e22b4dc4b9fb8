"""The asset `reconciliation`: how the forecasts of a hierarchy are made to add up, and the errors of each level."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.spec import table
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import group_step, partitioned
from automl_assets.forecasting.records import Reconciliation
from automl_assets.forecasting.steps.map_groups import map_groups
from automl_assets.forecasting.steps.reconcile import reconcile
from automl_assets.resources.store import RecordStore


def is_asked(experiment: Experiment) -> bool:
    return experiment.forecasting.reconciliation != "none"


def reconciliation(experiment: Experiment) -> dg.AssetsDefinition:
    text = "Makes the forecasts of all levels add up; errors of each level with and without."

    @dg.asset(**partitioned(experiment, "reconciliation", {"numpy"}, text, ("features", "ensemble")))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> Iterator[Any]:
        with group_step(context, experiment, records) as step:
            keys, ensembles = step.keys("features", "ensemble"), step.shelf_of("ensemble")
            made = map_groups(keys, lambda key: reconcile(step.features.read(key), ensembles.read(key)))
            yield from step.keep(made, len(keys), lambda key, found: _metadata(found))

    return asset


def _metadata(made: Reconciliation) -> dict[str, Any]:
    return {
        "method": made.method,
        "n_sums": len(made.aggregation),
        "n_series": len(made.projection),
        "is_positive": made.is_positive,
        "errors": table(made.errors.to_dicts()),
    }
