"""The Dagster component `Experiment` (settings become assets, checks and a job) and `ExperimentFolder`, which loads every
YAML of a folder. A broken file becomes an asset that shows its error; it takes nothing else down."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import dagster as dg
import yaml
from dagster.components.scaffold.scaffold import Scaffolder, ScaffoldRequest
from pydantic import BaseModel, ConfigDict

from automl_assets import experiment as settings
from automl_assets.assets.graph import graph
from automl_assets.errors import AutomlError
from automl_assets.resources.home import home

SHIPPED = Path(__file__).parent / "experiments"
FOLDERS = "AUTOML_EXPERIMENTS"  # environment variable: more folders, separated as in PATH
STRICT = "AUTOML_STRICT"  # environment variable: "1" makes a broken experiment an error
INVALID = "invalid_experiments"
SPARE_SECONDS = 300  # Dagster ends a run that is so far past twice its limit: something hangs


class Attributes(BaseModel):
    """What stands under `attributes:`; checked in our own words by `experiment.parse`."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra=lambda schema: schema.update(settings.Experiment.model_json_schema())
    )


class ExperimentScaffolder(Scaffolder):
    """Writes a complete example that runs as it is."""

    def scaffold(self, request: ScaffoldRequest) -> None:
        request.target_path.mkdir(parents=True, exist_ok=True)
        example = yaml.safe_load((SHIPPED / "breast_cancer.yaml").read_text("utf-8"))
        text = yaml.safe_dump({"type": request.type_name, "attributes": example}, sort_keys=False)
        (request.target_path / "defs.yaml").write_text(text, "utf-8")


@dg.scaffold_with(ExperimentScaffolder)
class Experiment(dg.Component):
    """One question asked of one source of data; grows into an asset graph from the rows to a tested ONNX model."""

    def __init__(self, experiment: settings.Experiment | None, name: str = "", error: AutomlError | None = None):
        self.experiment, self.name, self.error = experiment, name, error

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(description=cls.__doc__, tags=["automl"])

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        name = context.path.name
        return cls.of(lambda: settings.parse(attributes.model_dump() if attributes else {}, name), name)

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The experiment of a flat YAML file."""
        return cls.of(lambda: settings.load(file), file.stem)

    @classmethod
    def of(cls, read: Any, name: str) -> Self:
        """An experiment, or the error that kept it from being one (raised when strict)."""
        try:
            experiment = read()
        except AutomlError as error:
            if os.environ.get(STRICT) == "1":
                raise
            return cls(None, name, error)
        return cls(experiment, experiment.name)

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        if self.experiment is None:
            return dg.Definitions(assets=[_invalid(self.name, str(self.error))])
        return definitions_of(self.experiment)


class ExperimentFolder(dg.Component, dg.Model, dg.Resolvable):
    """Every experiment of the folders given, of those that AUTOML_EXPERIMENTS names, and of the home."""

    paths: list[str] = []

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        found: dict[str, dg.Definitions] = {}
        for file, loaded in experiments([Path(path) for path in self.paths]):
            unique = _taken(loaded.name, file) if loaded.name in found else loaded
            found[unique.name] = _with_reference(unique.build_defs(), file)
        return dg.Definitions.merge(*found.values())


def experiments(folders: list[Path]) -> Iterator[tuple[Path, Experiment]]:
    """Every YAML of the shipped folder, of `folders`, of AUTOML_EXPERIMENTS and of the home, loaded."""
    named = [Path(path) for path in os.environ.get(FOLDERS, "").split(os.pathsep) if path]
    seen: set[Path] = set()
    for folder in [SHIPPED, *folders, *named, home() / "experiments"]:
        for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield real, Experiment.from_file(real)


def definitions_of(experiment: settings.Experiment) -> dg.Definitions:
    """Assets, checks and the job that makes them all."""
    assets = graph(experiment)
    seconds = int(experiment.limits.timeout_minutes * 120 + SPARE_SECONDS)
    job = dg.define_asset_job(
        experiment.name,
        selection=dg.AssetSelection.assets(*[key for asset in assets for key in asset.keys]),
        description=f"Everything of the experiment {experiment.name}.",
        tags={"dagster/max_runtime": str(seconds), "automl/experiment": experiment.name},
    )
    return dg.Definitions(assets=assets, jobs=[job])


def _with_reference(definitions: dg.Definitions, file: Path) -> dg.Definitions:
    """Lets the UI open the YAML that an asset comes from."""
    place = dg.LocalFileCodeReference(file_path=str(file), line_number=1)
    reference = dg.CodeReferencesMetadataValue(code_references=[place])
    return definitions.map_asset_specs(
        func=lambda spec: spec.merge_attributes(metadata={"dagster/code_references": reference})
    )


def _taken(name: str, file: Path) -> Experiment:
    error = AutomlError(f"the name {name!r} of {file} is already taken by another experiment; rename the file")
    return Experiment(None, f"{name}_{abs(hash(str(file))) % 10_000}", error)


def _invalid(name: str, error: str) -> dg.AssetSpec:
    safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)
    return dg.AssetSpec(
        key=[INVALID, safe],
        group_name=INVALID,
        kinds={"yaml"},
        description=f"**{name} could not be loaded**\n\n```\n{error}\n```",
        tags={"automl/invalid": ""},
    )
