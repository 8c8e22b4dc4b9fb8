"""The asset `registered_model` of forecasting: all groups as one version in MLflow, champion when better beyond noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import dagster as dg

from automl_assets.assets.registered_model import Entry, registered
from automl_assets.assets.spec import described, input_of, step
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import Records, gathered
from automl_assets.forecasting.records import ForecastEnsemble, ForecastSummary, Group
from automl_assets.forecasting.serving.model_folder import forecast_model
from automl_assets.forecasting.steps.challenge import Match, challenge, has_met, learnt_from, match
from automl_assets.forecasting.steps.evaluate import figures
from automl_assets.model_records import Comparison, Registration
from automl_assets.resources.model_registry import Opened
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.steps.challenge import check_question


def registered_model(experiment: Experiment) -> dg.AssetsDefinition:
    text = f"Versions of the MLflow model `{experiment.name}`, each with the models of all groups."

    @dg.asset(
        **described(experiment, "registered_model", Registration, {"mlflow"}, text),
        ins={"summary": input_of(experiment, "summary")},
        deps=gathered(experiment, ("onnx_model", "features", "ensemble")),
    )
    def asset(
        context: dg.AssetExecutionContext,
        tracker: Tracker,
        records: dg.ResourceParam[RecordStore],
        summary: ForecastSummary,
    ) -> dg.MaterializeResult:
        with step(context):
            shelf_of = records.shelves(experiment.name, context)
            made, *shelves = map(shelf_of, ("onnx_model", "features", "ensemble"))
            keys = [key for key in keys_of(context.instance, experiment) if made.has(key)]
            features, ensembles = (Records(keys, shelf.read) for shelf in shelves)
            by, schema = experiment.forecasting.partition_by, records.load(experiment.name, "dataset").schema
            folder = forecast_model(Records(keys, made.read).values(), by, schema, experiment.strict)
            entry = Entry(folder, learnt_from(features.values()), figures(summary))
            match = ForecastMatch(experiment, features, ensembles, is_test=not entry.figures.is_of_validation)
            return registered(context, tracker, entry, match.with_champion)

    return asset


@dataclass(frozen=True)
class ForecastMatch:
    """New models of all groups against the champion's."""

    experiment: Experiment
    features: Mapping[str, Group]  # by partition
    ensembles: Mapping[str, ForecastEnsemble]
    is_test: bool  # on the stamps kept for the test, where there are any; else on the backtest

    def with_champion(self, champion: Opened) -> Callable[[Opened], Comparison]:
        """Raises DataError or ArtifactError when the champion cannot answer for the series of today. Groups that are new
        to it are left out: they tell nothing of the others."""
        check_question(champion.learnt, self.experiment.task, self.experiment.target)
        seed, matches, unknown = self.experiment.seed, list[Match](), list[str]()
        for key, group in self.features.items():
            if has_met(champion.learnt, group):
                judged = group if self.is_test else replace(group, test=None)
                matches.append(match(judged, self.ensembles[key], champion.learnt, champion.answer, seed))
            else:
                unknown.append(key)
        if not matches:
            raise DataError("it has never met any of the groups there are")
        return lambda challenger: replace(challenge(self.experiment.metric, matches, seed), unknown=tuple(unknown))
