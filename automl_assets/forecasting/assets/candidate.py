"""The assets `candidate_<forecaster>` of forecasting: all trials of one forecaster, for each group."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.candidate import PRIORITY, trials_told
from automl_assets.execution.processes import warm_up
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import GroupStep, group_step, partitioned
from automl_assets.forecasting.forecaster import Forecaster
from automl_assets.forecasting.steps.search import search
from automl_assets.records import Candidate, Trial
from automl_assets.resources.clock import Clock
from automl_assets.resources.store import RecordStore


def candidate(experiment: Experiment, forecaster: Forecaster, priority: int) -> dg.AssetsDefinition:
    name, text = f"candidate_{forecaster.name}", f"{forecaster.title}. {forecaster.reference}"

    @dg.asset(
        **partitioned(experiment, name, set(forecaster.kinds), text, ("features",)),
        op_tags={PRIORITY: str(priority)},
    )
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], clock: Clock) -> Iterator[Any]:
        with group_step(context, experiment, records) as step:
            warm_up(*experiment.preload)
            groups = {key: step.features.read(key) for key in step.keys("features")}
            budget = clock.budget(context, experiment, forecaster, len(groups))
            step.journal.write("candidate_started", candidate=forecaster.name, seconds=budget.seconds)
            made = search(groups, forecaster, budget, experiment.seed, _report(step, len(groups)))
            yield from step.keep(made, len(groups), lambda key, found: _metadata(found, experiment.metric))

    return asset


def _metadata(found: Candidate, metric: str) -> dict[str, Any]:
    """Trials as lines: tables of all forecasters would be most of what a group leaves in the event log."""
    lines = "\n".join(map(_line, found.trials)).replace("```", "'''")
    return trials_told(found, metric) | {"trials": dg.MetadataValue.md(f"```\n{lines}\n```")}


def _line(trial: Trial) -> str:
    config = ", ".join(f"{key}={value}" for key, value in trial.config.items())
    told = f"{trial.score:.6g}" if trial.score is not None else trial.reason
    return f"{trial.name}: {told} ({trial.fit_seconds:.1f} s; {config})"


def _report(step: GroupStep, n_groups: int) -> Callable[[str, Trial], None]:
    """Tells of each trial where there is one group; of many groups, how many are done is enough."""

    def tell(key: str, trial: Trial) -> None:
        told = {"trial": trial.name, "score": trial.score, "seconds": trial.fit_seconds, "reason": trial.reason}
        step.journal.write("trial", **told)

    return tell if n_groups == 1 else lambda key, trial: None
