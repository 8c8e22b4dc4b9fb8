"""The asset `leaderboard`: every trial, best first; each is an MLflow run as well."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Candidate, Leaderboard
from automl_assets.resources.tracker import Tracker
from automl_assets.steps.rank import rank


def leaderboard(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        **described(
            experiment,
            "leaderboard",
            Leaderboard,
            {"mlflow"},
            f"Every trial by out-of-fold {experiment.metric}, best first.",
        ),
        ins={f"candidate_{name}": input_of(experiment, f"candidate_{name}") for name in experiment.candidates},
    )
    def asset(context: dg.AssetExecutionContext, tracker: Tracker, **candidates: Candidate) -> dg.MaterializeResult:
        with step(context):
            ranked = rank(candidates.values(), experiment.metric, experiment.task)
            tracker.log_trials(experiment.name, context.run.root_run_id or context.run.run_id, ranked)
        return dg.MaterializeResult(value=ranked, metadata=standings_told(ranked))

    return asset


def standings_told(ranked: Leaderboard) -> dict[str, Any]:
    """A leaderboard as the UI shows it."""
    metadata: dict[str, Any] = {
        "leaderboard": table(
            [
                {
                    "rank": standing.rank,
                    "trial": standing.trial,
                    ranked.metric: standing.score,
                    "seconds": standing.fit_seconds,
                    "configuration": ", ".join(f"{key}={value}" for key, value in standing.config.items()),
                    "reason": standing.reason,
                }
                for standing in ranked.standings
            ]
        ),
        "n_trials": len(ranked.standings),
        "n_failed": len(ranked.standings) - len(ranked.finished),
    }
    if ranked.finished:
        metadata |= {"best_trial": ranked.finished[0].trial, "best_score": ranked.finished[0].score}
    return metadata
