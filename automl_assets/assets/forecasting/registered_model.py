"""The asset `registered_model` of forecasting: all groups as one version in MLflow, champion when at least as good."""

import dagster as dg

from automl_assets.assets.forecasting.partitions import Records, gathered, keys_of
from automl_assets.assets.registered_model import registered
from automl_assets.assets.spec import described, input_of, step
from automl_assets.experiment import Experiment
from automl_assets.records import Registration
from automl_assets.resources.model_folders import forecast_model
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.series import ForecastSummary


def registered_model(experiment: Experiment) -> dg.AssetsDefinition:
    text = f"Versions of the MLflow model `{experiment.name}`, each with the models of all groups."

    @dg.asset(
        **described(experiment, "registered_model", Registration, {"mlflow"}, text),
        ins={"summary": input_of(experiment, "summary")},
        deps=gathered(experiment, ("onnx_model",)),
    )
    def asset(
        context: dg.AssetExecutionContext,
        tracker: Tracker,
        records: dg.ResourceParam[RecordStore],
        summary: ForecastSummary,
    ) -> dg.MaterializeResult:
        with step(context):
            shelf = records.shelves(experiment.name, context)("onnx_model")
            keys = [key for key in keys_of(context.instance, experiment) if shelf.has(key)]
            models = Records(keys, shelf.read).values()
            folder = forecast_model(models, experiment.forecasting.partition_by)
            return registered(context, experiment, tracker, folder, summary.metrics, " and ".join(summary.rows))

    return asset
