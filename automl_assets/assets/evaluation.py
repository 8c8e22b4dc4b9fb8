"""The asset `evaluation`: the ensemble on rows nobody has seen, with the check that it beats a guess."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Evaluation
from automl_assets.records import Ensemble, Features
from automl_assets.resources.clock import Clock
from automl_assets.steps.evaluate import beats_baseline, evaluate, figures, intervals_told, without_value
from automl_assets.steps.holdout_predictions import holdout_predictions_in

BEATS = "beats_baseline"
TIME_SHARE = 0.3  # of what is left of the run, without what it cannot do without, for the answers


def evaluation(experiment: Experiment) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "evaluation"])
    names = ("features", "ensemble")

    @dg.asset(
        **described(
            experiment,
            "evaluation",
            Evaluation,
            {"matplotlib"},
            "Metrics, intervals and pictures on rows nobody has seen.",
        ),
        ins={name: input_of(experiment, name) for name in names},
        check_specs=[dg.AssetCheckSpec(BEATS, asset=key, description="Better than a guess that ignores the features.")],
    )
    def asset(
        context: dg.AssetExecutionContext, clock: Clock, features: Features, ensemble: Ensemble
    ) -> dg.MaterializeResult:
        with step(context):
            seconds = TIME_SHARE * clock.spare_seconds(context, experiment)
            answers = holdout_predictions_in(features, ensemble, seconds, experiment.seed)
            truth = features.truth.y[features.truth.split.is_training]
            no_pictures = clock.left_out(context, experiment, "pictures")
            found = evaluate(
                answers, ensemble.problem, truth, experiment.seed, ensemble.conformal, has_pictures=not no_pictures
            )
        check = _beats(found, experiment.metric, experiment.task, ensemble.score)
        metadata = _metadata(found, experiment.metric, ensemble.score)
        metadata |= {"pictures": no_pictures} if no_pictures else {}
        return dg.MaterializeResult(value=found, metadata=metadata, check_results=[check])

    return asset


def _metadata(found: Evaluation, metric: str, validation_score: float) -> dict[str, Any]:
    registered = figures(found, metric, validation_score)
    rows = [
        {
            "metric": name,
            "value": value,
            "from": found.intervals.get(name, (None, None))[0],
            "to": found.intervals.get(name, (None, None))[1],
            "baseline": found.baseline.get(name),
        }
        for name, value in found.metrics.items()
    ]
    return {
        "rows": found.rows,
        "n_rows": found.n_rows,
        "score": registered.score,
        "score_rows": registered.score_rows,
        "metrics": table(rows),
        "intervals": intervals_told(found.resampling),
        **{f"{found.rows}_{name}": value for name, value in found.metrics.items()},
        **found.coverage,
        **({} if found.coverage_by_class is None else {"coverage_by_class": table(found.coverage_by_class.to_dicts())}),
        **({} if found.by_label is None else {"labels": table(found.by_label.to_dicts())}),
        **({} if found.by_threshold is None else {"thresholds": table(found.by_threshold.to_dicts())}),
        **pictures(found.pictures),
    }


def _beats(found: Evaluation, metric: str, task: str, validation_score: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=BEATS,
        passed=beats_baseline(found, metric),
        severity=dg.AssetCheckSeverity.WARN,
        description=_comparison(found, metric, task, validation_score),
    )


def _comparison(found: Evaluation, metric: str, task: str, validation_score: float) -> str:
    """The model beside a guess, or why they cannot be compared and what counts then."""
    if why := without_value(found, metric, task):
        counted = f"The model counts with what validation found: {validation_score:.6g} on out-of-fold rows."
        return f"{why}. Nothing shows that it is better than a guess. {counted}"
    guess = found.baseline.get(metric)
    return f"{metric} {found.metrics[metric]:.6g}, a guess has {'no value' if guess is None else f'{guess:.6g}'}"
