"""The asset `explanation`: which raw columns the ensemble leans on."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table
from automl_assets.experiment import Experiment
from automl_assets.records import Dataset, Ensemble, Explanation, Features
from automl_assets.resources.clock import Clock
from automl_assets.steps.explain import explain

TIME_SHARE = 0.15  # of what is left of the run


def explanation(experiment: Experiment) -> dg.AssetsDefinition:
    names = ("dataset", "features", "ensemble")

    @dg.asset(
        **described(
            experiment,
            "explanation",
            Explanation,
            {"matplotlib"},
            "How much the metric suffers when a column is shuffled.",
        ),
        ins={name: input_of(experiment, name) for name in names},
    )
    def asset(
        context: dg.AssetExecutionContext,
        clock: Clock,
        dataset: Dataset,
        features: Features,
        ensemble: Ensemble,
    ) -> dg.MaterializeResult:
        with step(context):
            seconds = TIME_SHARE * clock.seconds_left(context, experiment)
            rows = features.split.is_shown
            made = explain(ensemble, dataset.table.filter(rows), features.y[rows], experiment.seed, seconds)
        return dg.MaterializeResult(value=made, metadata=_metadata(made))

    return asset


def _metadata(made: Explanation) -> dict[str, Any]:
    rows = [{"column": i.column, "loss of " + made.metric: i.mean, "std": i.std} for i in made.importances]
    return {"importances": table(rows), **pictures(made.pictures)}
