"""The assets `candidate_<algorithm>`: all trials of one algorithm. One that fails says so and stops nobody."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table
from automl_assets.execution.processes import warm_up
from automl_assets.experiment.experiment import Experiment
from automl_assets.learning.configurations import configured
from automl_assets.metrics import oriented
from automl_assets.parts import Algorithm
from automl_assets.records import Candidate, Features, Trial
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.clock import Clock
from automl_assets.resources.fit_workers import FitWorkers
from automl_assets.steps.search import search, whole_seconds

FINISHED = "any_trial_finished"  # name of the check
PRIORITY = "dagster/priority"
NONE_LEFT = "no trial was left"


def candidate(experiment: Experiment, algorithm: Algorithm, priority: int) -> dg.AssetsDefinition:
    name = f"candidate_{algorithm.name}"
    algorithm = configured(algorithm, experiment.algorithms.settings.get(algorithm.name, {}))
    key = asset_key(experiment.name, name)

    @dg.asset(
        **described(experiment, name, Candidate, set(algorithm.kinds), f"{algorithm.title}. {algorithm.reference}"),
        ins={"features": input_of(experiment, "features")},
        check_specs=[dg.AssetCheckSpec(FINISHED, asset=key, description="At least one trial finished.")],
        op_tags={PRIORITY: str(priority)},
    )
    def asset(
        context: dg.AssetExecutionContext, clock: Clock, fit_workers: FitWorkers, features: Features
    ) -> dg.MaterializeResult:
        with step(context) as journal:
            n_rows = int(features.truth.split.is_training.sum())
            budget = clock.budget(context, experiment, algorithm, n_rows=n_rows)
            seconds = max(budget.seconds, budget.first_seconds)
            journal.write("candidate_started", candidate=algorithm.name, seconds=seconds)
            if budget.left_out:
                journal.write("left_out", what=algorithm.name, reason=budget.left_out)

            def report(trial: Trial) -> None:
                told = {"score": trial.score, "seconds": trial.fit_seconds, "reason": trial.reason}
                journal.write("trial", trial=trial.name, **told, whole_seconds=whole_seconds(trial, features.truth))

            warm_up(*experiment.preload)
            with fit_workers.hired(budget, algorithm.preload) as (hired, run):
                made = search(features, algorithm, hired, experiment.seed, report, run)
        checked = _finished(made, budget.left_out)
        return dg.MaterializeResult(value=made, metadata=_metadata(made, experiment), check_results=[checked])

    return asset


def _metadata(made: Candidate, experiment: Experiment) -> dict[str, Any]:
    from automl_assets.pictures import trials_picture

    is_curve = sum(trial.is_finished for trial in made.trials) > 1
    drawn = pictures((trials_picture(made.trials, experiment.metric),)) if is_curve else {}
    return trials_told(made, experiment.metric) | drawn


def trials_told(made: Candidate, metric: str) -> dict[str, Any]:
    """The trials as the UI shows them."""
    scores = [trial.score for trial in made.trials if trial.score is not None]
    told: dict[str, Any] = {
        "trials": table([_row(trial) for trial in made.trials]),
        "n_trials": len(made.trials),
        "fit_seconds": made.seconds,
    }
    return told | ({"best_score": max(scores, key=lambda score: oriented(metric, score))} if scores else {})


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.name,
        "status": trial.status,
        "score": trial.score,
        "seconds": trial.fit_seconds,
        "configuration": ", ".join(f"{key}={value}" for key, value in trial.config.items()),
        "reason": trial.reason,
    }


def _finished(made: Candidate, left_out: str) -> dg.AssetCheckResult:
    reasons = "; ".join(f"{trial.name}: {trial.reason}" for trial in made.trials if not trial.is_finished)
    n_finished = sum(trial.is_finished for trial in made.trials)
    told = (
        f"{n_finished} of {len(made.trials)} trials finished" if made.trials else f"not tried: {left_out or NONE_LEFT}"
    )
    return dg.AssetCheckResult(
        check_name=FINISHED,
        passed=n_finished > 0 or not made.trials,
        severity=dg.AssetCheckSeverity.WARN,
        description=reasons or told,
    )
