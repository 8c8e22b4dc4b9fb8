"""The versions of one registered model: kept and read back, asked as they would be served, crowned and taken back.

Here belongs what MLflow's registry holds. Not here: runs and trials (`tracker`), what is in a model's folder
(`model_folders`), who deserves to answer (`steps.promote`).
"""

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_assets.data.row_ids import share_seen
from automl_assets.errors import ArtifactError, DataError, SettingError, listed
from automl_assets.model_records import Registration, TrainingData
from automl_assets.resources.home import installation_key
from automl_assets.resources.postgres_connections import resumable
from automl_assets.resources.record_codec import read_record, write_record

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

CHAMPION = "champion"  # the alias of the version that answers
LEARNT = "learnt"  # folder, beside a version's model, of the record of that name
DIGEST = "sha256"  # tag of a version: of all its files
LEFT_BEHIND = "registered_model_meta", "__pycache__"  # by MLflow and by Python where a model was loaded
JUDGED_ON = "judged_on"  # tag of a version: a sample of the rows on which it was compared with the champion
MOST = 0.5  # of the rows: those that have judged before
RUN_TAG = "dagster_run"  # tag of a version, and of MLflow's runs
REIGN = "reign "  # beginning of the tags of a model that tell each move of the alias


@dataclass(frozen=True)
class Promotion:
    """One move of the alias."""

    since: str  # ISO 8601, UTC
    version: str
    before: str | None  # the version that answered until then
    reason: str


@dataclass(frozen=True)
class Opened:
    """A version whose files lie here, checked."""

    version: str
    folder: Path

    @cached_property
    def learnt(self) -> TrainingData:
        """Raises ArtifactError for a version that was registered before versions kept it."""
        place = self.folder / LEARNT
        if not place.is_dir():
            raise ArtifactError("it does not tell what it learnt from")
        return read_record(lambda name: (place / name).read_bytes(), installation_key())

    @cached_property
    def model(self) -> Any:
        """What MLflow's server would load. Raises ArtifactError when it cannot be."""
        import mlflow.pyfunc

        with self._explained(ArtifactError, "it cannot be loaded"):
            return mlflow.pyfunc.load_model(str(self.folder))

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that rows must have."""
        return tuple(self.model.metadata.get_input_schema().required_input_names())

    def answer(self, rows: "pl.DataFrame") -> "pd.DataFrame":
        """What a client would get for these rows. Raises DataError for rows that are refused."""
        frame = _as_sent(rows, self.model.metadata.get_input_schema())
        with self._explained(DataError, "it refuses them"):
            return self.model.predict(frame)

    @contextmanager
    def _explained(self, kind: type[Exception], what: str) -> Iterator[None]:
        """Whatever a foreign model raises, told in one line; MLflow, its code and ONNX Runtime each have errors of
        their own."""
        try:
            yield
        except Exception as error:
            raise kind(f"{what}: {' '.join(str(error).split())[:500] or type(error).__name__}") from error


@dataclass(frozen=True)
class Champions:
    """All versions of a model, one of which may be the champion."""

    client: Any  # mlflow's
    model: str

    def register(self, run: str, folder: Path, learnt: TrainingData, tags: Mapping[str, str]) -> str:
        """Keeps the files and makes them a version, once they were read back as they were written.

        Every version has a folder of its own: a run that is made again would write over the files of the one before.
        """
        _write_learnt(folder, learnt)
        place = f"model_{secrets.token_hex(4)}"
        digest = _digest(folder)
        self.client.log_artifacts(run, str(folder), place)
        with self._copied(run, place) as copy:
            if _digest(copy) != digest:
                raise ArtifactError(f"the model of {self.model} was not kept as it was written; is the disk full?")
        self._ensure()
        source = f"{self.client.get_run(run).info.artifact_uri}/{place}"
        return self._version_of(source, run, {**tags, DIGEST: digest})

    def current(self) -> str | None:
        """The version that answers."""
        found = self._existing(lambda: self.client.get_model_version_by_alias(self.model, CHAMPION))
        return None if found is None else str(found.version)

    def versions(self) -> list[Any]:
        """What MLflow knows of every version, the newest first."""
        found = self.client.search_model_versions(f"name='{self.model}'")
        return sorted(found, key=lambda one: -int(one.version))

    def n_judged(self, sample: tuple[int, ...]) -> int:
        """How many versions were compared with a champion on rows of which most are those of this sample."""
        judged = [json.loads(one.tags[JUDGED_ON]) for one in self.versions() if JUDGED_ON in one.tags]
        return sum(share_seen(sample, tuple(before)) >= MOST for before in judged)

    def made_by(self, version: str) -> str:
        """The Dagster run that made a version; of a re-execution, the first run."""
        return str(self.client.get_model_version(self.model, version).tags.get(RUN_TAG, ""))

    def check(self, version: str) -> None:
        """Raises ArtifactError where the files of a version are gone or were changed."""
        with self.opened(version):
            return

    @contextmanager
    def opened(self, version: str) -> Iterator[Opened]:
        """A version's files, here and checked. Raises ArtifactError for files that are gone or were changed."""
        known = self.client.get_model_version(self.model, version)
        with self._copied(known.run_id, known.source.rpartition("/")[2]) as folder:
            if not (folder / "MLmodel").exists():
                raise ArtifactError(f"the files of version {version} of {self.model} are gone")
            if known.tags.get(DIGEST, digest := _digest(folder)) != digest:
                raise ArtifactError(
                    f"the files of version {version} of {self.model} are not those that were registered"
                )
            yield Opened(version, folder)

    def decide(self, registration: Registration) -> None:
        """Writes down why, and moves the alias when the version is the champion."""
        for name, value in _told(registration).items():
            self.client.set_model_version_tag(self.model, registration.version, name, value)
        if registration.is_champion:
            self.crown(registration.version, registration.reason)

    def crown(self, version: str, reason: str) -> None:
        """Moves the alias, once the version's files were read. Raises ArtifactError otherwise."""
        self.check(version)
        now = datetime.now(UTC)
        reign = Promotion(now.isoformat(timespec="seconds"), version, self.current(), reason)
        name = f"{REIGN}{now:%Y%m%dT%H%M%S.%f}"
        self.client.set_registered_model_tag(self.model, name, json.dumps(asdict(reign)))
        self.client.set_registered_model_alias(self.model, CHAMPION, version)

    def reigns(self) -> list[Promotion]:
        """Every move of the alias, the oldest first. One that was noted, but cut off before the alias moved, is none."""
        known = self._existing(lambda: self.client.get_registered_model(self.model))
        tags = sorted((known.tags if known else {}).items())
        noted = [Promotion(**json.loads(value)) for name, value in tags if name.startswith(REIGN)]
        answering = [*(reign.before for reign in noted[1:]), self.current()]
        return [reign for reign, after in zip(noted, answering, strict=False) if reign.version == after]

    def rollback(self, to: str | None = None) -> Promotion:
        """Lets `to` answer again, by default the version whose place the champion has taken.

        Raises SettingError where there is none such, and ArtifactError when its files are gone or changed.
        """
        now = self.champion()
        target = to or self._taken_by(now)
        versions = [str(one.version) for one in self.versions()]
        if target not in versions:
            raise SettingError(f"--to: {self.model} has no version {target}; it has {listed(versions)}")
        if target == now:
            raise SettingError(f"version {now} of {self.model} is the champion already")
        self.crown(target, f"rolled back from version {now}")
        return self.reigns()[-1]

    def champion(self) -> str:
        """The version that answers; raises ArtifactError when there is none."""
        now = self.current()
        if now is None:
            raise ArtifactError(f"{self.model} has no champion yet; run it first, with `onnx: true` in its YAML")
        return now

    def _taken_by(self, version: str) -> str:
        """The version whose place this one took when it first became champion."""
        before = next((reign.before for reign in self.reigns() if reign.version == version), None)
        if before is None:
            others = [str(one.version) for one in self.versions() if str(one.version) != version]
            advice = f"choose one with --to: {listed(others)}" if others else "there is no other version"
            raise SettingError(f"version {version} of {self.model} has taken no other's place; {advice}")
        return before

    @contextmanager
    def _copied(self, run: str, place: str) -> Iterator[Path]:
        """A folder of a run's artifacts, fetched. Raises ArtifactError when it is gone: MLflow, file systems and object
        stores each have errors of their own."""
        with tempfile.TemporaryDirectory(prefix="automl_") as folder:
            try:
                copy = Path(self.client.download_artifacts(run, place, folder))
            except Exception as error:
                raise ArtifactError(f"files of {self.model} cannot be read: {error}") from None
            _clear(copy)
            yield copy

    @resumable
    def _version_of(self, source: str, run: str, tags: Mapping[str, str]) -> str:
        made = next((version for version in self.versions() if version.source == source), None)
        made = made or self.client.create_model_version(self.model, source, run, tags=tags, await_creation_for=None)
        return str(made.version)

    @resumable
    def _ensure(self) -> None:
        if self._existing(lambda: self.client.get_registered_model(self.model)) is None:
            told = "Made by automl_assets from the experiment of the same name."
            self.client.create_registered_model(self.model, description=told)

    def _existing(self, ask: Any) -> Any:
        """What MLflow answers; None where it has no such thing. Whatever else goes wrong is raised: a registry that is
        out of reach is not one without a champion."""
        from mlflow.exceptions import MlflowException

        try:
            return ask()
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter for an alias
                return None
            raise


def _told(registration: Registration) -> dict[str, str]:
    """The decision as tags of the version."""
    found = registration.comparison
    tags = {"reason": registration.reason, "is_promoted": str(registration.is_champion).lower()}
    if found is None:
        return tags
    figures = {name: getattr(found, name) for name in ("champion_score", "challenger_score", "difference", "share")}
    figures |= {"difference_low": found.interval[0], "difference_high": found.interval[1]}
    figures |= {"confidence": found.sureness, "judgement": found.judgement}
    sample = {JUDGED_ON: json.dumps(found.sample)} if found.sample else {}
    return tags | {"compared_with": found.champion} | {name: repr(value) for name, value in figures.items()} | sample


def _write_learnt(folder: Path, learnt: TrainingData) -> None:
    place = folder / LEARNT
    place.mkdir()
    write_record(learnt, lambda name, content: (place / name).write_bytes(content), installation_key())


def _clear(copy: Path) -> None:
    """Removes what says nothing about whether a model is as it was registered."""
    for left in [copy / name for name in LEFT_BEHIND]:
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def _digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            inner = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()


def _as_sent(rows: "pl.DataFrame", schema: Any) -> "pd.DataFrame":
    """Rows as a client sends them who read the signature: whole numbers are fractions where those are asked, and
    moments have no time zone."""
    import polars as pl

    asked = {column.name: str(column.type) for column in schema}
    return rows.select(
        column.cast(pl.Float64) if column.dtype.is_numeric() and "double" in asked[column.name]
        else column.dt.replace_time_zone(None) if isinstance(column.dtype, pl.Datetime)
        else column
        for column in rows
        if column.name in asked
    ).to_pandas()  # fmt: skip
