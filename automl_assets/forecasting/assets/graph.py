"""The whole graph of a forecasting experiment, in the order in which it is made."""

import dagster as dg

from automl_assets.assets.dataset import dataset
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.candidate import candidate
from automl_assets.forecasting.assets.ensemble import ensemble
from automl_assets.forecasting.assets.evaluation import evaluation
from automl_assets.forecasting.assets.explanation import explanation
from automl_assets.forecasting.assets.features import features
from automl_assets.forecasting.assets.forecast import forecast
from automl_assets.forecasting.assets.leaderboard import leaderboard
from automl_assets.forecasting.assets.onnx_model import onnx_model
from automl_assets.forecasting.assets.profile import profile
from automl_assets.forecasting.assets.reconciliation import is_asked, reconciliation
from automl_assets.forecasting.assets.registered_model import registered_model
from automl_assets.forecasting.assets.report import report
from automl_assets.forecasting.assets.summary import summary
from automl_assets.forecasting.assets.training_code import training_code
from automl_assets.resources.asset_keys import asset_name


def graph(experiment: Experiment) -> list[dg.AssetsDefinition]:
    """Every asset of a forecasting experiment; most have a partition for each group."""
    assets = [make(experiment) for make in (dataset, features, profile)]
    candidates = list(experiment.candidates.values())
    assets += [candidate(experiment, part, len(candidates) - i) for i, part in enumerate(candidates)]
    assets += [make(experiment) for make in (leaderboard, ensemble, evaluation)]
    if is_asked(experiment):
        assets.append(reconciliation(experiment))
    assets += [forecast(experiment), summary(experiment)]
    if experiment.training_code:
        assets.append(training_code(experiment))
    if experiment.explain:
        assets.append(explanation(experiment))
    if experiment.onnx:
        assets += [onnx_model(experiment), registered_model(experiment)]
    if experiment.report:
        assets.append(report(experiment, [asset_name(asset.key) for asset in assets]))
    return assets
