"""The whole graph of one experiment, in the order in which it is made."""

import dagster as dg

from automl_assets.assets.candidate import candidate
from automl_assets.assets.dataset import dataset
from automl_assets.assets.ensemble import ensemble
from automl_assets.assets.error_analysis import error_analysis
from automl_assets.assets.evaluation import evaluation
from automl_assets.assets.explanation import explanation
from automl_assets.assets.fairness import fairness
from automl_assets.assets.features import features
from automl_assets.assets.leaderboard import leaderboard
from automl_assets.assets.onnx_model import onnx_model
from automl_assets.assets.predictions import predictions
from automl_assets.assets.profile import profile
from automl_assets.assets.registered_model import registered_model
from automl_assets.assets.report import report
from automl_assets.assets.split import split
from automl_assets.assets.training_code import training_code
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.asset_keys import asset_name
from automl_assets.steps.report import TOLD


def graph(experiment: Experiment) -> list[dg.AssetsDefinition]:
    """Every asset of an experiment that is made as a whole."""
    assets = [make(experiment) for make in (dataset, profile, split, features)]
    candidates = list(experiment.candidates.values())
    assets += [candidate(experiment, part, len(candidates) - i) for i, part in enumerate(candidates)]
    assets += [make(experiment) for make in (leaderboard, ensemble, evaluation)]
    steps = experiment.family.steps
    if experiment.training_code and steps.write_training_code:
        assets.append(training_code(experiment, steps.write_training_code))
    if experiment.explain and steps.explain:
        assets.append(explanation(experiment, steps.explain))
    if experiment.explain and steps.analyse_errors:
        assets.append(error_analysis(experiment, steps.analyse_errors))
    if experiment.sensitive_columns and steps.assess_fairness:
        assets.append(fairness(experiment, steps.assess_fairness))
    if experiment.onnx:
        assets += [onnx_model(experiment), registered_model(experiment)]
    if experiment.predict_source:
        assets.append(predictions(experiment, experiment.predict_source))
    if experiment.report:
        made = [asset_name(asset.key) for asset in assets]
        assets.append(report(experiment, [name for name in TOLD if name in made]))
    return assets
