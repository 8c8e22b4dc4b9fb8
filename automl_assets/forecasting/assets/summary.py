"""The asset `summary`: all groups on one page: what became of each, and how well they are forecast together."""

from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl

from automl_assets.assets.spec import described, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import REFUSED, gathered
from automl_assets.forecasting.records import ForecastSummary
from automl_assets.forecasting.steps.evaluate import summarise
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore

UPSTREAM = ("features", "ensemble", "evaluation")


def summary(experiment: Experiment) -> dg.AssetsDefinition:
    text = "Every group: what became of it, its best algorithms, its metrics; and the metrics of all of them."

    @dg.asset(
        **described(experiment, "summary", ForecastSummary, {"polars"}, text), deps=gathered(experiment, UPSTREAM)
    )
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> dg.MaterializeResult:
        with step(context):
            shelf_of = records.shelves(experiment.name, context)
            features, ensembles, evaluations = map(shelf_of, UPSTREAM)
            keys = [key for key in keys_of(context.instance, experiment) if features.has(key)]
            lost = {key: why for key in keys if (why := loss(key, features, ensembles, evaluations))}
            found = (
                (key, None, None) if key in lost else (key, ensembles.read(key), evaluations.read(key)) for key in keys
            )
            made = _with_reasons(summarise(experiment.metric, found), lost)
        return dg.MaterializeResult(value=made, metadata=_metadata(made))

    return asset


def loss(key: str, features: Shelf, *later: Shelf) -> str:
    """Why there is nothing to say of a group; empty where there is."""
    if features.origin(key) == REFUSED:
        return features.read(key).reason
    missing = [shelf.name for shelf in later if shelf.origin(key) != features.origin(key)]
    return f"no {missing[0]} of its newest rows; the run that should have made it says why" if missing else ""


def _with_reasons(made: ForecastSummary, lost: dict[str, str]) -> ForecastSummary:
    told = pl.col("group").replace_strict(lost, default=pl.col("reason"), return_dtype=pl.String)
    return replace(made, groups=made.groups.with_columns(told.alias("reason"))) if lost else made


def _metadata(made: ForecastSummary) -> dict[str, Any]:
    counts = dict(made.groups["status"].value_counts().iter_rows())
    metrics = [
        {"metric": name, "value": value, "seasonal naive": made.baseline.get(name),
         "mean over series": made.macro.get(name), "mean over stamps": made.micro.get(name)}
        for name, value in made.metrics.items()
    ]  # fmt: skip
    return {
        "groups": table(made.groups.to_dicts()),
        "metrics": table(metrics),
        "n_groups": made.groups.height,
        **{f"n_{status}": count for status, count in counts.items()},
        **made.metrics,
        **made.coverage,
    }
