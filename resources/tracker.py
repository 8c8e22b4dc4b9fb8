"""MLflow: every trial a run, every model a version; what becomes of versions stands in `model_registry`.

Written by explicit run ids and by one asset at a time, so that parallel steps cannot get into each other's way.
"""

import contextlib
import os
import platform
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from automl_assets.errors import ArtifactError
from automl_assets.masking import without_secrets
from automl_assets.model_records import Figures, TrainingData
from automl_assets.records import Leaderboard, LeaderboardRow
from automl_assets.resources.home import alone, command, database, home, place
from automl_assets.resources.model_registry import CHAMPION, RUN_TAG, Champions
from automl_assets.resources.moved_home import ARTIFACTS, follow_moved_home
from automl_assets.resources.postgres_connections import PATIENT, SteadyClient, resumable
from automl_assets.resources.run_launcher import is_alive

TRACKING = "AUTOML_TRACKING"  # environment variable: an MLflow server or database
FILE = "mlflow.db"
LOCK = "mlflow"  # MLflow makes tables, experiments and models as if nobody else did meanwhile
SERVED = "served"  # folder of the home: what servers that run answer with, each by the number of its process
SCHEMA = "mlflow"  # in the database that Dagster uses: both have tables called `runs` and `jobs`
MOST_TRIALS = 100  # of all groups of a forecast together; each takes MLflow some hundredths of a second


class Tracker(dg.ConfigurableResource):
    """An MLflow tracking server or database: that of AUTOML_TRACKING, else beside Dagster's tables in the database, else an
    SQLite file in the home."""

    uri: str = ""

    def tracking_uri(self) -> str:
        return self.uri or os.environ.get(TRACKING) or _in_schema(database()) or f"sqlite:///{home() / FILE}"

    def shown_uri(self) -> str:
        """The address without user, password and query."""
        return without_secrets(self.tracking_uri())

    @resumable
    def log_trials(self, experiment: str, dagster_run: str, leaderboard: Leaderboard) -> str:
        """One MLflow run for the Dagster run, one nested in it for each trial. Returns the parent's id."""
        client = self._client()
        parent = self._parent_run(client, experiment, dagster_run)
        experiment_id = client.get_run(parent).info.experiment_id
        logged = _logged_trials(client, experiment_id, parent)
        for standing in leaderboard.standings:
            if standing.trial not in logged:
                _log_trial(client, experiment_id, parent, standing)
        return parent

    def log_groups(self, experiment: str, dagster_run: str, boards: Mapping[str, Leaderboard]) -> None:
        """The trials of all groups, each under the name of its group, as long as they are few enough to be looked at."""
        standings = [
            replace(standing, trial=f"{key}/{standing.trial}")
            for key, board in boards.items()
            for standing in board.standings
        ]
        if 0 < len(standings) <= MOST_TRIALS:
            board = next(iter(boards.values()))
            self.log_trials(experiment, dagster_run, replace(board, standings=tuple(standings)))

    def register(
        self,
        experiment: str,
        dagster_run: str,
        model: AbstractContextManager[Path],
        learnt: TrainingData,
        figures: Figures,
    ) -> str:
        """Logs the figures, and makes the model (of `model_folders`) a new version."""
        client, metric = self._client(), learnt.problem.metric
        run = self._parent_run(client, experiment, dagster_run)
        client.log_batch(run, metrics=_metrics(figures.metrics, figures.rows.replace(" ", "_")))
        tags = {"metric": metric, "score": repr(figures.score), "score_rows": figures.score_rows, RUN_TAG: dagster_run}
        with model as folder, alone(LOCK):
            version = Champions(client, experiment).register(run, folder, learnt, tags)
        client.set_terminated(run)
        return version

    def champions(self, model: str) -> Champions:
        """The versions of a model."""
        return Champions(self._client(), model)

    def champion_address(self, model: str) -> tuple[str, dict[str, str]]:
        """Where MLflow finds the champion, and the environment variables that tell it where to look.

        Raises ArtifactError when there is none, or when its files are not as they were registered.
        """
        champions, uri = self.champions(model), self.tracking_uri()
        now = champions.champion()
        try:
            champions.check(now)
        except ArtifactError as error:
            back = command(f"automl rollback {model}")
            advice = f". `{back}` lets an older one answer" if len(champions.versions()) > 1 else ""
            raise ArtifactError(f"{error}{advice}") from None
        return f"models:/{model}@{CHAMPION}", {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}

    def served_copy(self, model: str) -> tuple[Path, dict[str, str]]:
        """A copy of the champion's files for the server that this process becomes, checked as a copy, and environment
        variables that keep bytecode away from it.

        What lies in the registry can be changed once it has been checked, and Python believes bytecode beside a source
        unasked. Raises ArtifactError as `champion_address` does.
        """
        _, surroundings = self.champion_address(model)
        champions, kept = self.champions(model), home() / SERVED
        kept.mkdir(mode=0o700, exist_ok=True)
        for left in kept.glob(f"*@{platform.node()}-*"):  # of this machine; others may share the home
            if not is_alive(int(left.name.rpartition("-")[2]), left.stat().st_mtime):
                shutil.rmtree(left, ignore_errors=True)
        folder = kept / f"{model}@{platform.node()}-{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        with champions.opened(champions.champion()) as opened:
            shutil.copytree(opened.folder, folder)
        return folder, surroundings | {"PYTHONDONTWRITEBYTECODE": "1"}

    def _client(self) -> Any:
        _be_quiet()
        from mlflow.tracking import MlflowClient

        uri = self.tracking_uri()
        if uri == _in_schema(database()):
            with alone(LOCK):
                _make_schema(database())
                patient = f"{uri}&plugin={PATIENT}"
                return SteadyClient(MlflowClient(patient, patient))
        with alone(LOCK):
            client = MlflowClient(uri, uri)
        if uri == f"sqlite:///{home() / FILE}":
            _write_ahead(home() / FILE)
            follow_moved_home(home() / FILE, place(ARTIFACTS))
        return client

    @resumable
    def _parent_run(self, client: Any, experiment: str, dagster_run: str) -> str:
        experiment_id = _experiment_id(client, experiment)
        found = client.search_runs([experiment_id], f"tags.{RUN_TAG} = '{dagster_run}'", max_results=1)
        if found:
            return found[0].info.run_id
        return client.create_run(
            experiment_id, tags={RUN_TAG: dagster_run}, run_name=f"run {dagster_run[:8]}"
        ).info.run_id


def _be_quiet() -> None:
    """MLflow reports each database migration and file it copies; none of it belongs in a run."""
    import logging

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("alembic", "mlflow.pyfunc", "mlflow.tracking._model_registry.client"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it raises what it logs


def _in_schema(url: str) -> str:
    """The address of MLflow's own schema in a PostgreSQL database; empty where there is none.

    >>> _in_schema("postgresql://ann@host/automl?sslmode=require")
    'postgresql://ann@host/automl?sslmode=require&options=-csearch_path%3Dmlflow'
    """
    return url and f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{SCHEMA}"


@resumable
def _make_schema(url: str) -> None:
    from sqlalchemy import NullPool, create_engine, text

    with create_engine(url, poolclass=NullPool, plugins=[PATIENT]).begin() as connection:
        connection.execute(text(f"create schema if not exists {SCHEMA}"))


def _write_ahead(file: Path) -> None:
    """SQLite's write-ahead log: a trial takes half the time to be written down. The file remembers it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


@resumable
def _experiment_id(client: Any, name: str) -> str:
    with alone(LOCK):
        found = client.get_experiment_by_name(name)
        if found:
            return found.experiment_id
        return client.create_experiment(name, artifact_location=(place(ARTIFACTS) / name).as_uri())


def _logged_trials(client: Any, experiment_id: str, parent: str) -> set[str]:
    """Names of the trials that an attempt before has logged to the end; what it was cut off in is logged anew."""
    wanted, found = f"tags.mlflow.parentRunId = '{parent}'", []
    page = client.search_runs([experiment_id], wanted)
    while page:
        found += page
        page = client.search_runs([experiment_id], wanted, page_token=page.token) if page.token else []
    for run in found:
        if run.info.status == "RUNNING":
            client.delete_run(run.info.run_id)
    return {run.info.run_name for run in found if run.info.status != "RUNNING"}


def _log_trial(client: Any, experiment_id: str, parent: str, standing: LeaderboardRow) -> None:
    from mlflow.entities import Param

    tags = {"mlflow.parentRunId": parent, "algorithm": standing.algorithm}
    tags |= {"reason": standing.reason[:5000]} if standing.reason else {}
    run = client.create_run(experiment_id, tags=tags, run_name=standing.trial).info.run_id
    figures = standing.scores | {"fit_seconds": standing.fit_seconds}
    params = [Param(key, str(value)[:500]) for key, value in standing.config.items()]
    client.log_batch(run, metrics=_metrics(figures), params=params)
    client.set_terminated(run, "FINISHED" if standing.rank else "FAILED")


def _metrics(figures: dict[str, float], prefix: str = "") -> list[Any]:
    import time

    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(f"{prefix}_{name}".lstrip("_"), float(value), now, 0) for name, value in figures.items()]
