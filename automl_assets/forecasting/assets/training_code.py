"""The asset `training_code` of forecasting: a script and a notebook that train the models of all groups again."""

import dagster as dg

from automl_assets.assets.spec import described, input_of, step, table
from automl_assets.assets.training_code import code_told
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import gathered
from automl_assets.forecasting.assets.summary import loss
from automl_assets.forecasting.steps.write_training_code import write_training_code
from automl_assets.model_records import TrainingCode
from automl_assets.records import Dataset
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore

UPSTREAM = ("features", "ensemble")


def training_code(experiment: Experiment) -> dg.AssetsDefinition:
    text = "A script and a notebook that train the models of all groups again from public packages alone, and forecast."

    @dg.asset(
        **described(experiment, "training_code", TrainingCode, {"python"}, text),
        ins={"dataset": input_of(experiment, "dataset")},
        deps=gathered(experiment, UPSTREAM),
    )
    def asset(
        context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], dataset: Dataset
    ) -> dg.MaterializeResult:
        with step(context):
            features, ensembles = map(records.shelves(experiment.name, context), UPSTREAM)
            keys = [key for key in keys_of(context.instance, experiment) if features.has(key)]
            lost = {key: why for key in keys if (why := loss(key, features, ensembles))}
            made = write_training_code(
                experiment, dataset, ((key, ensembles.read(key)) for key in keys if key not in lost)
            )
        left_out = table([{"group": key, "reason": why} for key, why in lost.items()])
        shown = {**code_told(made), "n_groups": len(keys) - len(lost), "n_left_out": len(lost), "left_out": left_out}
        return dg.MaterializeResult(value=made, metadata=shown)

    return asset
