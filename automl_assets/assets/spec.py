"""What all assets of an experiment have in common: key, group, owners, tags, version, and how they fail and report."""

import hashlib
import importlib.metadata
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import dagster as dg

from automl_assets.errors import AutomlError, holds_secret, told, trace
from automl_assets.execution.temporary import use_own_folder
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Unavailable
from automl_assets.records import Guardrail
from automl_assets.resources.asset_keys import asset_key, asset_name
from automl_assets.resources.executors import end_with_run
from automl_assets.resources.run_log import Journal, boot, journal_of

LAST = {"dagster/priority": "-1"}  # op tags of what may come after everything that people wait for
MADE = "made"  # the check of what a run can do without
MAX_TOLD_COLUMNS = 500  # of a table: every later step of a run reads again what is told of them
MAX_TABLE_ROWS = 100  # rows of a table that is shown in the UI
MAX_CHARACTERS = 1_000  # of a cell: a text has millions, and the tables of every run stay in the database


def described(
    experiment: Experiment, name: str, record: type | dg.DagsterType, kinds: set[str], description: str
) -> dict[str, Any]:
    """The arguments of `dg.asset` that follow from the experiment and the type of record that the asset holds."""
    key = asset_key(experiment.name, name)
    return {
        "dagster_type": record if isinstance(record, dg.DagsterType) else _type_of(record),
        "name": key.path[-1],
        "key_prefix": key.path[:-1],
        "group_name": experiment.name,
        "description": description,
        "kinds": kinds,
        "owners": list(experiment.owners) or None,
        "tags": {"automl/experiment": experiment.name, "automl/task": experiment.task, **experiment.tags},
        "code_version": code_version(experiment),
        "io_manager_key": "records",
    }


@cache
def _type_of(record: type) -> dg.DagsterType:
    """Dagster's type of a record; one for all assets, because the names of types are unique."""
    return dg.PythonObjectDagsterType(
        (record, Unavailable), name=f"{record.__name__}Record", description=record.__doc__
    )


def code_version(experiment: Experiment) -> str:
    """Changes with the experiment's settings and with this package, so that Dagster marks stale assets as unsynced.

    When to retrain says nothing about what is made.
    """
    text = experiment.model_dump_json(exclude={"retrain"}) + _package_version()
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _package_version() -> str:
    return importlib.metadata.version("automl-assets")


def input_of(experiment: Experiment, asset: str) -> dg.AssetIn:
    return dg.AssetIn(key=asset_key(experiment.name, asset))


@contextmanager
def step(context: dg.AssetExecutionContext) -> Iterator[Journal]:
    """Writes the beginning and the end of an asset into the run's journal; a person's mistake is told without a trace."""
    end_with_run()
    if multiprocessing.parent_process() is not None:  # one of Dagster's
        use_own_folder()
    journal, asset = journal_of(context.run), asset_name(context.asset_key)
    journal.write("asset_started", asset=asset, run=context.run.run_id, boot=boot())
    ticks, cpu = time.monotonic(), time.process_time()
    try:
        yield journal
    except AutomlError as error:
        journal.write("asset_failed", asset=asset, reason=str(error))
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except BaseException as error:
        is_cut_off = isinstance(error, KeyboardInterrupt | dg.DagsterExecutionInterruptedError)
        journal.write("asset_failed", asset=asset, reason="interrupted" if is_cut_off else told(error))
        if isinstance(error, Exception) and holds_secret(error):
            context.log.error(trace(error))
            raise dg.Failure(description=told(error)) from None
        raise
    seconds, cpu_seconds = time.monotonic() - ticks, time.process_time() - cpu
    journal.write("asset_finished", asset=asset, seconds=seconds, cpu_seconds=cpu_seconds)


def best_effort(
    context: dg.AssetExecutionContext,
    make: Callable[[], Any],
    metadata: Callable[[Any], dict[str, Any]],
    checks: Callable[[Any], list[dg.AssetCheckResult]] = lambda made: [],
) -> dg.MaterializeResult:
    """The record that `make` gives, with the check that it did. Where it fails every check does, and the reason is kept
    in its place: the page about the experiment waits for it, and Dagster would leave the page out."""
    try:
        with step(context):
            made = make()
            shown, found = metadata(made), checks(made)
    except Exception as error:
        reason = str(error.description if isinstance(error, dg.Failure) else told(error))
        context.log.error(f"could not be made: {reason}", exc_info=not isinstance(error, dg.Failure))
        names = [key.name for key in context.selected_asset_check_keys]
        return dg.MaterializeResult(value=Unavailable(reason), check_results=[_warning(name, reason) for name in names])
    is_made = dg.AssetCheckResult(check_name=MADE, passed=True)
    return dg.MaterializeResult(value=made, metadata=shown, check_results=[*found, is_made])


def without(context: dg.AssetExecutionContext, reason: str) -> dg.MaterializeResult:
    """In the place of a record that is not made for want of time, with the reason."""
    with step(context) as journal:
        journal.write("left_out", what=asset_name(context.asset_key), reason=reason)
    names = [key.name for key in context.selected_asset_check_keys]
    return dg.MaterializeResult(value=Unavailable(reason), check_results=[warning(name, reason) for name in names])


def _warning(name: str, reason: str) -> dg.AssetCheckResult:
    return warning(name, f"could not be made: {reason}")


def warning(name: str, told: str) -> dg.AssetCheckResult:
    """A check that did not pass, of what asks for a look and stops nothing."""
    return dg.AssetCheckResult(check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, description=told)


def made_check(experiment: Experiment, asset: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(MADE, asset=asset_key(experiment.name, asset), description="It could be made.")


def check(guardrail: Guardrail) -> dg.AssetCheckResult:
    """A guardrail as the result of an asset check."""
    return dg.AssetCheckResult(
        check_name=guardrail.name,
        passed=guardrail.status != "alerted",
        severity=dg.AssetCheckSeverity.ERROR if guardrail.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=guardrail.message,
        metadata={"status": guardrail.status, **guardrail.figures},
    )


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table in the UI; what is no text or finite number is shown as text."""
    shown = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows[:MAX_TABLE_ROWS]]
    if not shown:
        return dg.MetadataValue.table([], schema=dg.TableSchema([]))
    return dg.MetadataValue.table(shown)


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 6)
    text = "" if value is None else str(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"


def pictures(drawn: tuple[Any, ...]) -> dict[str, dg.MarkdownMetadataValue]:
    """Pictures as markdown with the image inside, which is how Dagster's UI shows them."""
    return {p.name: dg.MetadataValue.md(f"![{p.name}]({p.address})") for p in drawn}
