"""The whole graph of a forecasting experiment, in the order in which it is made."""

import dagster as dg

from automl_assets.assets.dataset import dataset
from automl_assets.assets.forecasting.candidate import candidate
from automl_assets.assets.forecasting.ensemble import ensemble
from automl_assets.assets.forecasting.evaluation import evaluation
from automl_assets.assets.forecasting.explanation import explanation
from automl_assets.assets.forecasting.features import features
from automl_assets.assets.forecasting.forecast import forecast
from automl_assets.assets.forecasting.leaderboard import leaderboard
from automl_assets.assets.forecasting.onnx_model import onnx_model
from automl_assets.assets.forecasting.profile import profile
from automl_assets.assets.forecasting.reconciliation import is_asked, reconciliation
from automl_assets.assets.forecasting.registered_model import registered_model
from automl_assets.assets.forecasting.report import report
from automl_assets.assets.forecasting.summary import summary
from automl_assets.assets.forecasting.training_code import training_code
from automl_assets.experiment import Experiment


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
        assets.append(report(experiment, [asset.key.path[-1] for asset in assets]))
    return assets
