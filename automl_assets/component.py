"""The Dagster component `Experiment` (settings become assets, checks and a job) and `ExperimentFolder`, which loads every
YAML of a folder. A broken file becomes an asset that shows its error; it takes nothing else down."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

import dagster as dg
import yaml
from pydantic import BaseModel, ConfigDict

from automl_assets.errors import SettingError, told
from automl_assets.experiment import experiment as settings
from automl_assets.experiment.name import INVALID
from automl_assets.experiments import SHIPPED, attempt, files, is_strict
from automl_assets.sensors.automation import automated
from automl_assets.sensors.run_requests import most_seconds
from automl_assets.sensors.triggers import triggers

_only: ContextVar[str | None] = ContextVar("_only", default=None)  # the one experiment to be built


def _add_keys(schema: dict[str, Any]) -> None:
    """Tells editors and `dg check yaml` the keys there are; their many ways to be written are checked when loaded."""
    fields = {name: field for name, field in settings.Experiment.model_fields.items() if name != "name"}
    schema["properties"] = {name: {"title": name} for name in ("name", *fields)}
    schema["required"] = [name for name, field in fields.items() if field.is_required()]
    schema["additionalProperties"] = False


class Attributes(BaseModel):
    """What stands under `attributes:`; checked in our own words by `experiment.parse`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_add_keys)


class ExperimentScaffolder(dg.Scaffolder):
    """Writes a complete example that runs as it is."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        request.target_path.mkdir(parents=True, exist_ok=True)
        example = yaml.safe_load((SHIPPED / "breast_cancer.yaml").read_text("utf-8"))
        text = yaml.safe_dump({"type": request.type_name, "attributes": example}, sort_keys=False)
        (request.target_path / "defs.yaml").write_text(text, "utf-8")


@dg.scaffold_with(ExperimentScaffolder)
class Experiment(dg.Component):
    """One question asked of one source of data; grows into an asset graph from the rows to a tested ONNX model."""

    def __init__(self, experiment: settings.Experiment | None, name: str, error: Exception | None = None):
        self.experiment, self.name, self.error = experiment, name, error

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(description=cls.__doc__, tags=["automl"])

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """The experiment of a `defs.yaml`. Relative paths are taken relative to its folder, as in a flat YAML file."""
        file = context.path / f"{context.path.name}.yaml"
        text = yaml.safe_dump(attributes.model_dump() if attributes else {})
        loaded = cls.of(lambda: settings.load(file, text), file.stem)
        is_free = all(other.stem != loaded.name for other in files([]))
        return loaded if is_free else loaded.second(context.path)

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The experiment of a flat YAML file."""
        return cls.of(lambda: settings.load(file), file.stem)

    @classmethod
    def of(cls, read: Callable[[], settings.Experiment], name: str) -> Self:
        """An experiment, or the error that kept it from being one (raised when strict)."""
        made = attempt(read)
        return cls(None, name, made) if isinstance(made, Exception) else cls(made, made.name)

    def second(self, place: Path) -> Self:
        """Itself as a broken experiment under a name of its own, because its name is taken (an error when strict)."""
        text = f"the name {self.name!r} of {place} is already taken by another experiment; rename it"
        error = self.error or SettingError(text)
        if is_strict():
            raise error
        return type(self)(None, f"{self.name}_{hashlib.sha256(str(place).encode()).hexdigest()[:6]}", error)

    @property
    def place(self) -> str:
        """Where its assets stand; taken by one experiment only."""
        return self.name if self.experiment else f"{INVALID}/{_plain(self.name)}"

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        if _only.get() not in (None, self.name):
            return dg.Definitions()
        if self.experiment is None:
            return dg.Definitions(assets=[_invalid(self.name, self.error)])
        try:
            return definitions_of(self.experiment)
        except SettingError as error:
            if is_strict():
                raise
            return dg.Definitions(assets=[_invalid(self.name, error)])


class ExperimentFolder(dg.Component, dg.Model, dg.Resolvable):
    """Every experiment of the folders given, of those that AUTOML_EXPERIMENTS names, and of the home.

    Relative folders are taken relative to the project.
    """

    paths: list[str] = []

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        root = context.project_root if context else Path()
        found: dict[str, dg.Definitions] = {}
        for file, loaded in experiments([root / path for path in self.paths]):
            unique = loaded.second(file) if loaded.place in found else loaded
            found[unique.place] = _with_reference(unique.build_defs(), file)
        return dg.Definitions.merge(*found.values())


@contextmanager
def only(name: str) -> Iterator[None]:
    """While the body runs, all experiments are read, so that names are what they always are, but one alone is built."""
    token = _only.set(name)
    try:
        yield
    finally:
        _only.reset(token)


def experiments(folders: list[Path]) -> Iterator[tuple[Path, Experiment]]:
    """Every experiment of `files`, loaded."""
    return ((file, Experiment.from_file(file)) for file in files(folders))


def definitions_of(experiment: settings.Experiment) -> dg.Definitions:
    """Assets, checks, the job that makes them all, and sensors. Raises SettingError for a tag or an owner that Dagster
    refuses."""
    try:
        return _definitions_of(experiment)
    except dg.DagsterInvalidDefinitionError as error:
        raise SettingError(f"{experiment.name}: {error}") from error


def _definitions_of(experiment: settings.Experiment) -> dg.Definitions:
    assets = automated(experiment, experiment.family.graph(experiment))
    job = dg.define_asset_job(
        experiment.name,
        selection=dg.AssetSelection.assets(*[key for asset in assets for key in asset.keys]),
        description=f"Everything of the experiment {experiment.name}.",
        tags={
            dg.MAX_RUNTIME_SECONDS_TAG: str(most_seconds(experiment.limits.timeout_minutes)),
            "automl/experiment": experiment.name,
        },
    )
    return dg.Definitions.merge(dg.Definitions(assets=assets, jobs=[job]), triggers(experiment))


def _with_reference(definitions: dg.Definitions, file: Path) -> dg.Definitions:
    """Lets the UI open the YAML that an asset comes from."""
    place = dg.LocalFileCodeReference(file_path=str(file), line_number=1)
    reference = dg.CodeReferencesMetadataValue(code_references=[place])
    return definitions.map_asset_specs(
        func=lambda spec: spec.merge_attributes(metadata={"dagster/code_references": reference})
    )


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)


def _invalid(name: str, error: Exception | None) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=[INVALID, _plain(name)],
        group_name=INVALID,
        kinds={"yaml"},
        description=f"**{name} could not be loaded**\n\n```\n{told(error)}\n```",
        tags={"automl/invalid": ""},
    )
