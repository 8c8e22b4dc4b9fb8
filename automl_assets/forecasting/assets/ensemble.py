"""The asset `ensemble` of forecasting: the model that answers for each group; a naive one where nothing else can."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.spec import table
from automl_assets.errors import listed
from automl_assets.execution.processes import warm_up
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import MOST_TOLD, Records, candidates_of, group_step, partitioned
from automl_assets.forecasting.records import ForecastEnsemble
from automl_assets.forecasting.steps.build_ensemble import blend_all
from automl_assets.resources.clock import Clock
from automl_assets.resources.store import RecordStore

FALLBACK = "no_fallback"


def ensemble(experiment: Experiment) -> dg.AssetsDefinition:
    text = "A weighted mean or the median of trials, whichever backtests best, with quantiles calibrated there."
    key = dg.AssetKey([experiment.name, "ensemble"])
    fallback = dg.AssetCheckSpec(FALLBACK, asset=key, description="Every group has something better than a fallback.")

    @dg.asset(**partitioned(experiment, "ensemble", {"numpy"}, text, ("features", "leaderboard"), (fallback,)))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], clock: Clock) -> Iterator[Any]:
        fallen: dict[str, str] = {}

        def told(key: str, made: ForecastEnsemble) -> dict[str, Any]:
            if made.is_fallback:
                fallen[key] = made.reason
            return _metadata(made)

        with group_step(context, experiment, records) as step:
            warm_up(*experiment.preload)
            keys = step.keys("features")
            groups, candidates = Records(keys, step.features.read), Records(keys, candidates_of(step, experiment))
            budget = clock.blending(context, experiment)
            made = blend_all(groups, candidates, experiment.ensemble, budget, experiment.seed)
            yield from step.keep(made, len(keys), told)
            yield _no_fallback(fallen)

    return asset


def _metadata(made: ForecastEnsemble) -> dict[str, Any]:
    best = max(made.members, key=lambda member: member.weight, default=None)
    return {
        "status": f"fallback: {made.reason}" if made.is_fallback else "ready",
        "kind": made.kind,
        "score": made.score,
        "n_members": len(made.members),
        "best_algorithm": best.algorithm if best else "",
        "kinds": table([{"kind": kind, "score": score} for kind, score in made.scores_by_kind.items()]),
        "members": table([{"trial": m.trial, "algorithm": m.algorithm, "weight": m.weight} for m in made.members]),
    }


def _no_fallback(fallen: dict[str, str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=FALLBACK,
        passed=not fallen,
        severity=dg.AssetCheckSeverity.WARN,
        description=listed((f"{key}: {reason}" for key, reason in fallen.items()), most=MOST_TOLD),
        metadata={"n_fallbacks": len(fallen)},
    )
