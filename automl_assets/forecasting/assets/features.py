"""The asset `features`: the series of each group on a regular grid, with what the guardrails found in them."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.spec import input_of, table
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.changes import is_all_made
from automl_assets.forecasting.assets.partitions import REFUSED, GroupStep, group_step, partitioned
from automl_assets.forecasting.records import Group, Refusal
from automl_assets.forecasting.steps.build_groups import build_groups
from automl_assets.records import Dataset
from automl_assets.resources.record_versions import fingerprint
from automl_assets.resources.run_log import Progress
from automl_assets.resources.store import RecordStore


def features(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        **partitioned(experiment, "features", {"numpy"}, "The series of each group on a regular grid."),
        ins={"dataset": input_of(experiment, "dataset")},
        output_required=False,  # where no group changed nothing is made after it
    )
    def asset(
        context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], dataset: Dataset
    ) -> Iterator[Any]:
        with group_step(context, experiment, records) as step:
            keys, n_changed = step.wanted(), 0
            for event in _kept(step, keys, dataset, experiment):
                n_changed += 1
                yield event
            if step.only_changed:
                step.journal.write("groups_changed", n_changed=n_changed, n_groups=len(keys))
            has_work = n_changed or not step.only_changed or not is_all_made(step, experiment, records)
            yield from step.end(len(keys)) if has_work else [step.check(len(keys))]

    return asset


def _kept(step: GroupStep, keys: list[str], dataset: Dataset, experiment: Experiment) -> Iterator[Any]:
    """Groups, or why they cannot be forecast. Only here is it found out what changed; what follows goes by it."""
    pace = Progress(step.journal, step.asset, len(keys))
    for key, found in build_groups(dataset, experiment, keys):
        record = Refusal(key, str(found)) if isinstance(found, DataError) else found
        origin = fingerprint(record, step.version)
        if isinstance(record, Refusal):
            origin = REFUSED
            step.lose(key, record.reason)
        if not step.only_changed or step.shelf.origin(key) != origin:
            yield from step.keep_one(key, record, origin, _metadata(record))
        pace.tick()


def _metadata(record: Group | Refusal) -> dict[str, Any]:
    if isinstance(record, Refusal):
        return {"group": record.key, "status": "cannot be forecast", "reason": record.reason}
    problem = record.problem
    return {
        "group": ", ".join(record.values) or record.key,
        "status": "ready",
        "dagster/partition_row_count": len(record.panel.y) + (len(record.test.y) if record.test else 0),
        "n_series": record.panel.n_series,
        "n_test_stamps": len(record.test.y) // max(1, record.test.n_series) if record.test else 0,
        "horizon": problem.horizon,
        "frequency": problem.frequency,
        "seasons": ", ".join(map(str, problem.periods)) or "none",
        "filled_share": float(record.panel.is_filled.mean()) if len(record.panel.y) else 0.0,
        "guardrails": table(
            [{"guardrail": g.name, "status": g.status, "message": g.message} for g in record.guardrails]
        ),
    }
