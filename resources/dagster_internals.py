"""All that is used of Dagster's private parts: names of tags, and what our storages and the run launcher are built on.

Not here: what `import dagster` itself offers, and anything of our own. Every name is private to Dagster 1.13, which may
move or drop it with any version: whoever raises the version looks here first. Should one go, use in its place

    tags, DEFAULT_DATA_VERSION, NULL_…       their texts as they are: runs that are stored bear them
    get_input_…_tag                          "dagster/input_data_version/KEY" and "dagster/input_event_pointer/KEY"
    SYSTEM_METADATA_KEY_SOURCE_ASSET_…       one output for each partition, as that keeps an output from being logged
    CheckRunHealthResult, WorkerStatus       Dagster's own launcher and the time limits of run monitoring
    ConfigurableClassData                    `Any`: it is only handed on
    DefinitionsLoadContext, …LoadType        nothing: every process builds all experiments then, and code servers twice
    watch_orphans                            nothing: Ctrl-C then shows a stack trace of each of its processes
    SqliteEventLogStorage, …Table            Dagster's own storage, slower and without patience
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.data_version import (
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    RESUME_RETRY_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)
from dagster._serdes import ConfigurableClassData

if TYPE_CHECKING:
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.event_log.schema import (
        AssetCheckExecutionsTable,
        AssetEventTagsTable,
        SqlEventLogStorageTable,
    )
    from dagster._core.storage.runs.schema import RunTagsTable

# Loaded when first used: they bring the database libraries along, a second that only who opens a storage should pay.
_STORAGE = {
    "SqliteEventLogStorage": "dagster._core.storage.event_log",
    "AssetCheckExecutionsTable": "dagster._core.storage.event_log.schema",
    "AssetEventTagsTable": "dagster._core.storage.event_log.schema",
    "SqlEventLogStorageTable": "dagster._core.storage.event_log.schema",
    "RunTagsTable": "dagster._core.storage.runs.schema",
}

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "DEFAULT_DATA_VERSION",
    "NULL_EVENT_POINTER",
    "RESUME_RETRY_TAG",
    "RUN_FAILURE_REASON_TAG",
    "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION",
    "WILL_RETRY_TAG",
    "AssetCheckExecutionsTable",
    "AssetEventTagsTable",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DefinitionsLoadContext",
    "DefinitionsLoadType",
    "RunTagsTable",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "WorkerStatus",
    "get_input_data_version_tag",
    "get_input_event_pointer_tag",
    "watch_logs_quietly",
]


def watch_logs_quietly() -> None:
    """Puts our own watcher in the place of the script that Dagster starts beside the log of each step."""
    watcher = import_module("dagster._core.execution.scripts.watch_orphans")
    watcher.__file__ = str(Path(__file__).with_name("quiet_watcher.py"))


def __getattr__(name: str) -> Any:
    if name not in _STORAGE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_STORAGE[name]), name)
