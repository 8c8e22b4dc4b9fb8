"""The asset `explanation` of forecasting: what each group's forecasts are made of, and which covariates matter."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.explanation import TIME_SHARE
from automl_assets.assets.spec import pictures, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import group_step, partitioned
from automl_assets.forecasting.records import ForecastEnsemble, ForecastExplanation, Group
from automl_assets.forecasting.steps.explain import explain
from automl_assets.forecasting.steps.map_groups import draw_groups
from automl_assets.resources.clock import Clock
from automl_assets.resources.store import RecordStore


def explanation(experiment: Experiment) -> dg.AssetsDefinition:
    text = "Components that add up to each forecast; how much the metric suffers when a covariate is shuffled."

    @dg.asset(**partitioned(experiment, "explanation", {"matplotlib"}, text, ("features", "ensemble")))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], clock: Clock) -> Iterator[Any]:
        with group_step(context, experiment, records) as step:
            keys, ensembles = step.keys("features", "ensemble"), step.shelf_of("ensemble")
            seconds = TIME_SHARE * clock.seconds_left(context, experiment) / max(1, len(keys))

            def given(key: str) -> tuple[Group, ForecastEnsemble, int, float]:
                return step.features.read(key), ensembles.read(key), experiment.seed, seconds

            made = draw_groups(keys, explain, given, experiment.limits.n_cores)
            yield from step.keep(made, len(keys), lambda key, one: _metadata(one))

    return asset


def _metadata(made: ForecastExplanation) -> dict[str, Any]:
    lost = f"loss of {made.metric}"
    return {
        "components": table(made.strengths.to_dicts()),
        "importances": table([{"column": i.column, lost: i.mean, "std": i.std} for i in made.importances]),
        **pictures(made.pictures),
    }
