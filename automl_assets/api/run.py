"""Runs one experiment through Dagster from Python or the command line, and gathers what came of it."""

import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy.exc import DBAPIError

from automl_assets.api.result import Alert, RunResult
from automl_assets.component import SHIPPED, definitions_of, experiments
from automl_assets.definitions import shared
from automl_assets.errors import (
    ArtifactError,
    AutomlError,
    LearningError,
    ServiceError,
    SettingError,
    listed,
    nearest,
)
from automl_assets.execution.processes import warm_up
from automl_assets.experiment import experiment as settings
from automl_assets.experiment.name import name_of_file
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.clock import STARTED_TAG, Moment
from automl_assets.resources.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    RESUME_RETRY_TAG,
    watch_logs_quietly,
)
from automl_assets.resources.home import command, database, open_instance, prepare
from automl_assets.resources.partitions import CHANGED_TAG, CHOSEN_TAG, add_groups, has_groups, keys_of, range_tags
from automl_assets.resources.run_launcher import HOST_TAG, is_alive
from automl_assets.resources.run_log import TAG, Journal, journal_of
from automl_assets.sensors.failure import step_failure
from automl_assets.sensors.run_requests import most_seconds

INHERITED_TAGS = ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG, CHANGED_TAG, CHOSEN_TAG
# What nothing else is made of: a run that loses one of these still has its answer.
BY_PRODUCTS = {"explanation", "error_analysis", "fairness", "training_code", "report"}
INTERRUPTED = "DagsterExecutionInterruptedError", "KeyboardInterrupt"  # what a step ends with at Ctrl-C
LEAST_BYTES = 1 << 20  # a disk with fewer is full


def run(
    experiment: str | Path,
    timeout_minutes: float | None = None,
    home: str | Path | None = None,
    resume: bool = False,
    changed: bool = False,
    journal: str | None = None,
) -> RunResult:
    """Answers one experiment: a YAML file, or the name of a known one.

    `resume` goes on with the last run if that was cut off: only what is missing is made again. `changed` makes a
    forecast again for those groups alone whose rows, or whose settings, are others than when they were made last.
    Raises AutomlError with the reason when an asset cannot be made, and KeyboardInterrupt at Ctrl-C.
    """
    began = Moment.now()
    folder = prepare(home)
    file = find(experiment)
    text = settings.text_of(file)
    settings_of_run = settings.load(file, text)
    watch_logs_quietly()
    warm_up(*settings_of_run.preload)  # after `prepare`: processes inherit where the home is
    _check_changed(settings_of_run, changed)
    _keep(file, folder)
    journal_of_run = Journal(journal or secrets.token_hex(8))
    tags = {TAG: journal_of_run.path.stem, STARTED_TAG: began.tag, HOST_TAG: platform.node()}
    with _told_when_full(folder, settings_of_run.name), _streams_given_back(), open_instance() as instance:
        last = _cut_off(instance, settings_of_run.name) if resume else None
        tags |= _tags_of(last) if last else _group_tags(instance, settings_of_run, changed)
        tags |= {dg.MAX_RUNTIME_SECONDS_TAG: str(most_seconds(timeout_minutes))} if timeout_minutes else {}
        with _ended_when_cut_off(instance, tags[TAG], settings_of_run.name):
            outcome = dg.execute_job(
                dg.build_reconstructable_job(
                    __name__, "job_of", (str(file),), {"text_in": str(journal_of_run.keep(text))}
                ),
                instance,
                run_config=_config(timeout_minutes),
                tags=tags,
                reexecution_options=dg.ReexecutionOptions.from_failure(last.run_id, instance) if last else None,
            )
            alerts = _alerts(instance, outcome.run_id)
            first = next(_lineage(instance, outcome.run_id))
    if _is_interrupted(outcome):
        raise KeyboardInterrupt
    failures = _failures(journal_of_run, outcome)
    lost = {asset: reason for asset, reason in failures.items() if asset in BY_PRODUCTS}
    if not outcome.success and (not failures or failures != lost):
        raise LearningError(_told(failures) or "the run failed; its log in the UI says why")
    seconds, is_unchanged = time.monotonic() - began.ticks, _is_skipped(outcome)
    taken, told = journal_of_run.seconds_per_asset(), tuple(one for one in alerts if one.asset not in lost)
    return settings_of_run.family.result()(settings_of_run, folder, seconds, taken, lost, told, first, is_unchanged)


def _config(timeout_minutes: float | None) -> dict[str, Any]:
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # the UI has the log
    if timeout_minutes:
        config["resources"] = {"clock": {"config": {"timeout_minutes": timeout_minutes}}}
    return config


@contextmanager
def _told_when_full(folder: Path, name: str) -> Iterator[None]:
    """Whatever fails while the disk is full fails because of that: databases each have their own words for it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, AutomlError) or shutil.disk_usage(folder).free > LEAST_BYTES:
            raise
        raise ArtifactError(
            f"the disk of {folder} is full; make room, then go on by `{_resuming(name)}`: what is made is kept"
        ) from error


def _resuming(name: str) -> str:
    return command(f"automl run {name} --resume")


@contextmanager
def _ended_when_cut_off(instance: dg.DagsterInstance, journal: str, name: str) -> Iterator[None]:
    """A run whose database went away could not note that it failed: that is done now, or else when it is resumed."""
    try:
        yield
    except Exception as error:
        if not (database() and any(isinstance(one, ServiceError | DBAPIError) for one in _causes(error))):
            raise
        with suppress(ServiceError, DBAPIError):
            for run in instance.get_runs(dg.RunsFilter(tags={TAG: journal})):
                if not run.is_finished:
                    instance.report_run_failed(run, "its database went away")
        raise ServiceError(
            f"the run lost its database: {error}. Once that answers, go on by `{_resuming(name)}`: what is made is kept"
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def _streams_given_back() -> Iterator[None]:
    """Dagster lets the output of a step go to a file of its log, and to nothing else ever after where that has no room."""
    copies = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        yield
    finally:
        for descriptor, copy in copies.items():
            os.dup2(copy, descriptor)
            os.close(copy)


def _check_changed(experiment: settings.Experiment, changed: bool) -> None:
    if changed and not has_groups(experiment):
        raise SettingError(f"changed: {experiment.name} is a {experiment.task}, which has no groups; run it as a whole")


def _group_tags(instance: dg.DagsterInstance, experiment: settings.Experiment, changed: bool) -> dict[str, str]:
    """What makes one run of all groups there are: those in the data get a partition first."""
    add_groups(instance, experiment)
    return range_tags(keys_of(instance, experiment), changed)


def _tags_of(last: dg.DagsterRun) -> dict[str, str]:
    """What a run that goes on with another takes over from it."""
    return {name: last.tags[name] for name in INHERITED_TAGS if name in last.tags} | {RESUME_RETRY_TAG: "true"}


def find(experiment: str | Path) -> Path:
    """The YAML file of an experiment given by path or by name. Raises SettingError with the names there are."""
    path = Path(experiment)
    if path.suffix in (".yaml", ".yml"):
        if not path.exists():
            raise SettingError(f"no such file: {path.absolute()}")
        return path.resolve()
    known = {loaded.name: file for file, loaded in experiments([])}
    found = known.get(str(experiment)) or known.get("" if path.suffix else name_of_file(path))
    if found is None:
        raise SettingError(
            f"no experiment is called {str(experiment)!r}; there are {listed(known)}.{nearest(str(experiment), known)} "
            "A path to a YAML file works as well."
        )
    return found


def job_of(file: str, text_in: str = "") -> dg.JobDefinition:
    """The job of an experiment's file with the text that it had when the run began, which lies in another file; Dagster
    calls it in every process that takes part, and keeps what it made of the same arguments."""
    experiment = settings.load(file, settings.text_of(Path(text_in or file)))
    return dg.Definitions.merge(definitions_of(experiment), shared()).resolve_job_def(experiment.name)


def _keep(file: Path, folder: Path) -> None:
    """Lets the UI know an experiment that lies outside the folders it looks at."""
    if any(file == known for known, _ in experiments([])) or file.parent == SHIPPED:
        return
    kept = folder / "experiments"
    kept.mkdir(exist_ok=True)
    (kept / file.name).unlink(missing_ok=True)
    try:
        (kept / file.name).symlink_to(file)
    except OSError:  # a system without links
        shutil.copyfile(file, kept / file.name)


def _cut_off(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun:
    """The last run of a job, to go on with; raises SettingError when it ended well, or has not ended."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
    if not runs:
        raise SettingError(f"nothing to resume: {job} has never run here")
    last = runs[0]
    if last.status == dg.DagsterRunStatus.SUCCESS:
        raise SettingError(f"nothing to resume: the last run of {job} ended well")
    if not last.is_finished:
        if any(is_alive(event["process"], event["time"]) for event in journal_of(last).events()):
            raise SettingError(f"the last run of {job} is still under way")
        instance.report_run_failed(last, "its process is gone")
    return last


def _failures(journal: Journal, outcome: dg.JobExecutionResult) -> dict[str, str]:
    """Asset -> why it could not be made."""
    told = {event["asset"]: event["reason"] for event in journal.events() if event["event"] == "asset_failed"}
    return dict(map(step_failure, outcome.filter_events(lambda event: event.is_step_failure))) | told


def _is_interrupted(outcome: dg.JobExecutionResult) -> bool:
    failed = outcome.filter_events(lambda event: event.is_step_failure)
    errors = [event.step_failure_data.error for event in failed]
    return any(error is not None and error.cls_name in INTERRUPTED for error in errors)


def _is_skipped(outcome: dg.JobExecutionResult) -> bool:
    """Whether the run found that nothing has changed, and made nothing."""
    return bool(outcome.filter_events(lambda event: event.is_step_skipped)) and outcome.success


def _alerts(instance: dg.DagsterInstance, run_id: str) -> list[Alert]:
    """The checks that did not pass when they were made last, in a run or in those that it goes on with; errors first."""
    found: dict[tuple[str, str], dg.AssetCheckEvaluation] = {}
    for run in _lineage(instance, run_id):
        for entry in instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            made = entry.get_dagster_event().asset_check_evaluation_data
            found[made.check_name, asset_name(made.asset_key)] = made
    alerted = [(key, made) for key, made in found.items() if not made.passed]
    alerted.sort(key=lambda one: one[1].severity != dg.AssetCheckSeverity.ERROR)
    return [Alert(*key, _severity(made), made.description or "") for key, made in alerted]


def _lineage(instance: dg.DagsterInstance, run_id: str | None) -> Iterator[str]:
    """The first of the runs that go on with each other, and so on up to this one."""
    run = instance.get_run_by_id(run_id) if run_id else None
    if run:
        yield from _lineage(instance, run.parent_run_id)
        yield run.run_id


def _severity(made: dg.AssetCheckEvaluation) -> str:
    return "error" if made.severity == dg.AssetCheckSeverity.ERROR else "warning"


def _told(failures: dict[str, str]) -> str:
    return "\n".join(f"{asset}: {reason}" for asset, reason in failures.items())


__all__ = ["AutomlError", "RunResult", "find", "run"]
