"""The asset `predictions`: scores for the unlabelled rows of `predict_source`."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step, table
from automl_assets.experiment import Experiment, SourceSetting
from automl_assets.records import Ensemble, Predictions
from automl_assets.steps.load import read
from automl_assets.steps.predict import predict

PREVIEW_ROWS = 10


def predictions(experiment: Experiment, source: SourceSetting) -> dg.AssetsDefinition:
    where = source.part.describe(source.options)

    @dg.asset(
        **described(
            experiment, "predictions", Predictions, {"polars", source.kind}, f"Predictions for the rows of {where}."
        ),
        ins={"ensemble": input_of(experiment, "ensemble")},
        deps=[[experiment.name, "evaluation"]],
    )
    def asset(context: dg.AssetExecutionContext, ensemble: Ensemble) -> dg.MaterializeResult:
        with step(context):
            made = predict(ensemble, read(source))
        shown = made.table.columns[made.table.columns.index("prediction") :]
        metadata: dict[str, Any] = {
            "dagster/row_count": made.table.height,
            "preview": table(made.table.select(shown).head(PREVIEW_ROWS).to_dicts()),
        }
        return dg.MaterializeResult(value=made, metadata=metadata)

    return asset
