"""What assets with one partition per group have in common: which keys a step makes, how records are kept and told.

One run makes any number of keys, as does one run per key. A step logs each key by itself, once its record is written:
a run that is killed keeps what is there, and one that remakes changed groups alone leaves the others as they are.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg

from automl_assets.assets.spec import code_version, described, step
from automl_assets.errors import LearningError, listed, told
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Candidate
from automl_assets.resources.asset_keys import asset_key, asset_name
from automl_assets.resources.dagster_internals import (
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.partitions import CHANGED_TAG, CHOSEN_TAG, groups_of
from automl_assets.resources.run_log import Journal, Progress
from automl_assets.resources.store import RecordStore

REFUSED = "refused"  # origin of a group that cannot be forecast at all
MADE = "every_group_made"
DATA_VERSION = "dagster/data_version"
MOST_TOLD = 10  # groups named in one message
ONLY_LOGGED = {
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True
}  # the output itself materialises no key a second time
Metadata = Callable[[str, Any], dict[str, Any]]

warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)  # once for each asset, else


def partitioned(
    experiment: Experiment,
    name: str,
    kinds: set[str],
    description: str,
    upstream: Iterable[str] = (),
    checks: Iterable[dg.AssetCheckSpec] = (),
) -> dict[str, Any]:
    """The arguments of `dg.asset` for an asset with one record per group, made from those of `upstream`."""
    key = asset_key(experiment.name, name)
    made = dg.AssetCheckSpec(MADE, asset=key, description="No group was lost on the way; the others go on without it.")
    return {
        **described(experiment, name, dg.Nothing, kinds, description),
        "dagster_type": dg.Nothing,
        "deps": [asset_key(experiment.name, asset) for asset in upstream],
        "partitions_def": groups_of(experiment),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "check_specs": [made, *checks],
    }


def gathered(experiment: Experiment, upstream: Iterable[str]) -> list[dg.AssetDep]:
    """Dependencies of an asset without partitions on all groups of others."""
    mapping = dg.AllPartitionMapping()
    return [dg.AssetDep(asset_key(experiment.name, asset), partition_mapping=mapping) for asset in upstream]


@dataclass
class GroupStep:
    """One step over the groups that a run is to make."""

    context: dg.AssetExecutionContext
    journal: Journal
    version: str  # of settings and package
    shelf_of: Callable[[str], Shelf]
    lost: dict[str, str] = field(default_factory=dict)  # key -> why its record could not be made

    @property
    def asset(self) -> str:
        return asset_name(self.context.asset_key)

    @cached_property
    def shelf(self) -> Shelf:
        return self.shelf_of(self.asset)

    @cached_property
    def features(self) -> Shelf:
        return self.shelf_of("features")

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Tags that tell what the assets upstream were when the step began, as Dagster itself would write them for an
        output: without them the UI calls every group unsynced."""
        (spec,) = (spec for spec in self.context.assets_def.specs if spec.key == self.context.asset_key)
        return {
            name: text for dep in spec.deps for name, text in _provenance(self.context.instance, dep.asset_key).items()
        }

    @property
    def only_changed(self) -> bool:
        return self.context.run.tags.get(CHANGED_TAG) == "true"

    def wanted(self) -> list[str]:
        """Keys of the run that it has not made yet."""
        keys, chosen = self.context.partition_keys, self.context.run.tags.get(CHOSEN_TAG)
        asked = keys if chosen is None else [key for key in keys if key in json.loads(chosen)]
        return [key for key in asked if not self.shelf.is_done(key)]

    def keys(self, *upstream: str) -> list[str]:
        """Those of `wanted` that can be made: of groups that can be forecast, with a record of each asset `upstream`;
        where changes alone are asked for, those that changed."""
        origins = {key: self.features.origin(key) for key in self.wanted()}
        able = [key for key, origin in origins.items() if origin != REFUSED]
        asked = [key for key in able if not self.only_changed or self.shelf.origin(key) != origins[key]]
        for asset in upstream:
            for key in self.stale(asset, asked):
                self.lose(key, f"its {asset} is missing, or of other rows or settings; make that first")
        return [key for key in asked if key not in self.lost]

    def stale(self, asset: str, keys: Iterable[str]) -> list[str]:
        """The keys whose record of an asset is missing, or made from other features than those there are now."""
        shelf = self.shelf_of(asset)
        return [key for key in keys if not shelf.has(key) or shelf.origin(key) != self.features.origin(key)]

    def keep(self, made: Iterable[tuple[str, Any]], n_keys: int, metadata: Metadata) -> Iterator[Any]:
        """Writes each record and logs its key; then yields what Dagster waits for at the end of a step."""
        pace = Progress(self.journal, self.asset, n_keys)
        for key, record in made:
            if isinstance(record, Exception):
                self.lose(key, record)
            else:
                yield from self.keep_one(key, record, self.features.origin(key), metadata(key, record))
            pace.tick()
        yield from self.end(n_keys)

    def keep_one(self, key: str, record: Any, origin: str, metadata: dict[str, Any]) -> Iterator[Any]:
        with self.shelf.written(key, record, origin) as path:
            shown = {**metadata, "path": dg.MetadataValue.path(str(path))}
            tags = self.provenance | {DATA_VERSION: origin, "dagster/code_version": self.version}
            yield dg.AssetMaterialization(self.context.asset_key, partition=key, metadata=shown, tags=tags)

    def lose(self, key: str, reason: str | Exception) -> None:
        """Takes note of a group that the asset has no record of."""
        self.lost[key] = reason if isinstance(reason, str) else told(reason)
        self.journal.write("group_lost", asset=self.asset, group=key, reason=self.lost[key])

    def end(self, n_keys: int) -> Iterator[Any]:
        """Raises LearningError when every group was lost."""
        yield self.check(n_keys)
        yield dg.Output(None, metadata=ONLY_LOGGED)

    def check(self, n_keys: int) -> dg.AssetCheckResult:
        """Raises LearningError when every group was lost."""
        told = listed((f"{key}: {reason}" for key, reason in self.lost.items()), most=MOST_TOLD)
        if self.lost and len(self.lost) >= n_keys:
            raise LearningError(f"no group could be made: {told}")
        return dg.AssetCheckResult(
            check_name=MADE, passed=not self.lost, severity=dg.AssetCheckSeverity.WARN, description=told
        )


def _provenance(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
    """Data version and place in the event log of what an asset was last."""
    version, place = DEFAULT_DATA_VERSION.value, NULL_EVENT_POINTER
    for record in instance.fetch_materializations(key, limit=1).records:
        tags = record.asset_materialization.tags if record.asset_materialization else None
        version, place = (tags or {}).get(DATA_VERSION, version), str(record.storage_id)
    return {get_input_data_version_tag(key): version, get_input_event_pointer_tag(key): place}


class Records(Mapping[str, Any]):
    """Records of an asset by key, each read when it is asked for, so that no more than one need be in memory."""

    def __init__(self, keys: Iterable[str], read: Callable[[str], Any]):
        self.keys_in_order, self.read = dict.fromkeys(keys), read

    def __getitem__(self, key: str) -> Any:
        if key not in self.keys_in_order:
            raise KeyError(key)
        return self.read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)


def candidates_of(step: GroupStep, experiment: Experiment) -> Callable[[str], list[Candidate]]:
    """What reads the candidates of a group: those there are of its rows and settings today."""
    shelves = [step.shelf_of(f"candidate_{name}") for name in experiment.candidates]
    return lambda key: [shelf.read(key) for shelf in shelves if shelf.origin(key) == step.features.origin(key)]


@contextmanager
def group_step(context: dg.AssetExecutionContext, experiment: Experiment, store: RecordStore) -> Iterator[GroupStep]:
    """The step of a partitioned asset."""
    with step(context) as journal:
        yield GroupStep(context, journal, code_version(experiment), store.shelves(experiment.name, context))
