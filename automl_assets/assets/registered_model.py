"""The asset `registered_model`: a version in MLflow, promoted to champion when it is at least as good."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step
from automl_assets.experiment import Experiment
from automl_assets.records import Evaluation, OnnxModel, Registration
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.tracker import Tracker
from automl_assets.steps.promote import promote


def registered_model(experiment: Experiment) -> dg.AssetsDefinition:
    names = ("onnx_model", "evaluation")

    @dg.asset(
        **described(
            experiment,
            "registered_model",
            Registration,
            {"mlflow"},
            f"Versions of the MLflow model `{experiment.name}`.",
        ),
        ins={name: input_of(experiment, name) for name in names},
    )
    def asset(
        context: dg.AssetExecutionContext,
        tracker: Tracker,
        onnx_model: OnnxModel,
        evaluation: Evaluation,
    ) -> dg.MaterializeResult:
        with step(context):
            figures = evaluation.metrics | evaluation.coverage
            return registered(context, experiment, tracker, table_model(onnx_model), figures, evaluation.rows)

    return asset


def registered(
    context: dg.AssetExecutionContext,
    experiment: Experiment,
    tracker: Tracker,
    model: AbstractContextManager[Path],
    figures: dict[str, float],
    rows: str,
) -> dg.MaterializeResult:
    """Makes the model a version, and the champion where its figures on `rows` are at least as good."""
    metric = experiment.metric
    champion = tracker.champion_score(experiment.name, metric)
    is_champion, reason = promote(metric, figures[metric], champion, rows)
    run = context.run.root_run_id or context.run.run_id
    version, address = tracker.register(experiment.name, run, model, metric, figures, rows)
    registration = Registration(experiment.name, version, is_champion, reason)
    tracker.decide(registration)
    metadata: dict[str, Any] = {
        "version": int(version),
        "is_champion": is_champion,
        "reason": reason,
        "address": address,
        "tracking_uri": tracker.shown_uri(),
    }
    return dg.MaterializeResult(value=registration, metadata=metadata)
