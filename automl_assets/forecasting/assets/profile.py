"""The asset `profile` of forecasting: what the guardrails found in all groups, as asset checks, and figures per group."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import check, described, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import REFUSED, gathered
from automl_assets.forecasting.records import ForecastProfile
from automl_assets.forecasting.steps.describe import describe
from automl_assets.forecasting.steps.guardrails import NAMES, PASSED
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore


def profile(experiment: Experiment) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "profile"])

    @dg.asset(
        **described(
            experiment, "profile", ForecastProfile, {"polars"}, "What is in each group, and what to know first."
        ),
        deps=gathered(experiment, ("features",)),
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=PASSED.get(name)) for name in NAMES],
    )
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> dg.MaterializeResult:
        with step(context):
            features = records.shelves(experiment.name, context)("features")
            keys = [key for key in keys_of(context.instance, experiment) if features.origin(key) not in ("", REFUSED)]
            made = describe(map(features.read, keys))
        return dg.MaterializeResult(
            value=made, metadata=_metadata(made), check_results=[check(guardrail) for guardrail in made.guardrails]
        )

    return asset


def _metadata(made: ForecastProfile) -> dict[str, Any]:
    return {
        "groups": table(made.groups.to_dicts()),
        "n_groups": made.groups.height,
        "n_series": int(made.groups["n_series"].sum()),
        "n_rows": int(made.groups["n_rows"].sum()),
    }
