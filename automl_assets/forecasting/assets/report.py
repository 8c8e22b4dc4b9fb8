"""The asset `report` of forecasting: one HTML page about all groups, to be mailed, printed and kept."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg

from automl_assets.assets.report import page_told
from automl_assets.assets.spec import described, input_of, step
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import gathered
from automl_assets.forecasting.steps.evaluate import evaluate
from automl_assets.forecasting.steps.report import headline, judged, portraits, reconciled, strengths
from automl_assets.forecasting.steps.report import report as write_report
from automl_assets.model_records import Picture, Report
from automl_assets.resources.clock import Clock
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.steps.page import Material

WHOLE = ("profile", "summary", "registered_model")  # assets without partitions that the page may tell of
BY_GROUP = ("features", "ensemble", "evaluation", "reconciliation", "explanation")
GATHERED: dict[str, Callable[[Any], Any]] = {
    "reconciliation": reconciled,
    "explanation": strengths,
}  # of all groups, what the page tells of each


def report(experiment: Experiment, made: list[str]) -> dg.AssetsDefinition:
    """`made` names the experiment's assets."""
    text = "Every group and what became of it, on one page."
    by_group = [name for name in BY_GROUP if name in made]

    @dg.asset(
        **described(experiment, "report", Report, {"html"}, text),
        ins={name: input_of(experiment, name) for name in WHOLE if name in made},
        deps=gathered(experiment, by_group),
    )
    def asset(
        context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], clock: Clock, **whole: Any
    ) -> dg.MaterializeResult:
        with step(context) as journal:
            shelves = {name: records.shelves(experiment.name, context)(name) for name in by_group}
            keys = [key for key in keys_of(context.instance, experiment) if _is_whole(key, shelves)]
            found = whole | _of_groups(shelves, keys)
            material = Material(experiment, found, journal.seconds_per_asset(), clock.timeout_minutes)
            page = write_report(material)
        return dg.MaterializeResult(value=page, metadata=page_told(page, headline(material)))

    return asset


def _is_whole(key: str, shelves: dict[str, Shelf]) -> bool:
    """Whether all of a group is there, and of the same rows."""
    origins = {shelf.origin(key) for shelf in shelves.values()}
    return len(origins) == 1 and origins != {""}


def _of_groups(shelves: dict[str, Shelf], keys: list[str]) -> dict[str, Any]:
    """What the page tells of groups; each record is read once, and no more than one need be in memory."""

    def every(asset: str) -> Iterator[Any]:
        return map(shelves[asset].read, keys)

    found = judged(zip(keys, every("evaluation"), strict=True))
    told = {name: gather(every(name)) for name, gather in GATHERED.items() if name in shelves}
    return {"judged": found, "portraits": portraits(found, partial(_pictures, shelves)), **told}


def _pictures(shelves: dict[str, Shelf], key: str) -> tuple[Picture, ...]:
    """Those of the evaluation, drawn now where the groups were too many."""
    features, ensembles, evaluations = (shelves[name] for name in BY_GROUP[:3])
    return evaluations.read(key).pictures or evaluate(features.read(key), ensembles.read(key)).pictures
