"""What an experiment's YAML may say: a frozen value that refuses unknown keys and impossible combinations.

Every refusal names the key, what was got, what is possible and the nearest right name. Reads no data.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    WrapValidator,
    field_validator,
    model_validator,
)

from automl_assets import metrics, registry
from automl_assets.errors import SettingError, listed, nearest
from automl_assets.experiment.base import Frozen, shorthand
from automl_assets.experiment.featurization import Featurization
from automl_assets.experiment.forecasting import ForecastSettings, levels
from automl_assets.experiment.name import check_name, name_of_file
from automl_assets.experiment.retraining import Retrain
from automl_assets.experiment.source_kind import kind_of
from automl_assets.experiment.validation_messages import told
from automl_assets.experiment.yaml_text import read_yaml
from automl_assets.families import Family
from automl_assets.learning.configurations import fault_of
from automl_assets.masking import masked
from automl_assets.parts import AlgorithmInfo, Source, Task
from automl_assets.records import Label, Problem


class SourceSetting(Frozen):
    """Where rows come from: a kind of source and its options. A bare text is claimed by the kind that knows it."""

    kind: str
    options: Any

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return _claimed(value)
        if not isinstance(value, Mapping):
            raise ValueError(f"got {value!r}; it is a text (path or URL) or a mapping with `kind` and its options")
        if isinstance(value.get("options"), BaseModel):
            return dict(value)
        given = dict(value)
        kind = given.pop("kind", None)
        if kind is None and isinstance(given.get("path"), str):
            kind = kind_of(given["path"])
        options = given.pop("options", {})
        if not isinstance(options, Mapping):
            raise ValueError(f"options: got {options!r}; it is a mapping")
        return {"kind": kind, "options": _options(_source_part(kind), {**options, **given})}

    @property
    def part(self) -> Source:
        return _source_part(self.kind)

    def __repr__(self) -> str:
        return masked(super().__repr__())

    __str__ = __repr__


def _source_part(kind: Any) -> Source:
    found = registry.sources()
    if not isinstance(kind, str) or kind not in found:
        raise ValueError(f"has unknown kind {kind!r}; possible: {listed(found)}.{nearest(str(kind), found)}")
    return found[kind]


def _options(part: Source, given: Any) -> BaseModel:
    """A source's own options; what they refuse is said in our words, under the key `source`."""
    try:
        return part.options.model_validate(given)
    except ValidationError as error:
        problems = told(error, part.options, "source of this kind")
        raise ValueError(f"{part.name} source: " + "; ".join(problems)) from None


def _claimed(text: str) -> dict[str, Any]:
    part = registry.sources()[kind_of(text)]
    return {"kind": part.name, "options": _options(part, {part.text_option: text})}


def source_of(text: str) -> SourceSetting:
    """The source that a file, folder, glob or URL names. Raises SettingError when no kind of source knows it."""
    try:
        return SourceSetting.model_validate(os.path.abspath(text) if os.path.isdir(text) else text)
    except ValidationError as error:
        raise SettingError("; ".join(told(error, SourceSetting, "source"))) from None


def _fold_rows(value: Any, check: Any) -> Any:
    try:
        return check(value)
    except ValidationError:
        shown = repr(value) if len(repr(value)) < 100 else f"{repr(value)[:100]}…"
        raise ValueError(
            f"got {shown}; it is a JSON file, or of each fold the numbers of the rows to learn from and to validate on: "
            "[[[0, 1, 2], [3, 4]], …]"
        ) from None


RowNumbers = tuple[Annotated[int, Field(ge=0)], ...]
FoldRows = tuple[tuple[RowNumbers, RowNumbers], ...]  # of each fold: rows to learn from, rows to validate on


class Validation(Frozen):
    """How trials are scored. Nothing said (`auto`) follows the number of rows, see `tasks`."""

    rule: Literal["auto", "azure"] = "auto"
    folds: int | None = Field(None, ge=2, le=50)
    fraction: float | None = Field(None, gt=0, lt=1)
    source: SourceSetting | None = None
    fold_columns: tuple[str, ...] = ()
    indices: Annotated[
        str | FoldRows, WrapValidator(_fold_rows)
    ] = ()  # row numbers of the source from 0, or a JSON file of them

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [
            self.folds is not None or self.fraction is not None,
            self.source is not None,
            bool(self.fold_columns),
            bool(self.indices),
        ]
        if sum(ways) > 1:
            raise ValueError(
                "takes one of: `folds` and/or `fraction`, `source`, `fold_columns`, `indices`; not several"
            )
        return self


class Test(Frozen):
    """Rows kept away from everything until the very end. Neither key means no test rows."""

    __test__: ClassVar[bool] = False  # pytest takes a class of this name for tests
    fraction: float | None = Field(None, gt=0, lt=1)
    source: SourceSetting | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.fraction is not None and self.source is not None:
            raise ValueError("takes either `fraction` or `source`, not both")
        return self


class Algorithms(Frozen):
    """Which algorithms may try: all, only those allowed, or all but those blocked; and what of their configurations is not
    left to the search: `settings` has a value for every trial, or a list of values that are swept."""

    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    settings: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.allowed and self.blocked:
            raise ValueError("takes either `allowed` or `blocked`, not both")
        return self


class Limits(Frozen):
    """When the search ends. `timeout_minutes` covers the whole run, to the last asset."""

    timeout_minutes: float = Field(10, gt=0)
    trial_timeout_minutes: float | None = Field(None, gt=0)
    max_trials: int | None = Field(None, ge=1)
    exit_score: float | None = None
    early_stopping: bool = True
    max_cores: int = Field(-1, ge=-1)

    @field_validator("max_cores")
    @classmethod
    def _some(cls, value: int) -> int:
        if value == 0:
            raise ValueError("got 0; it is -1 (all cores) or at least 1")
        return value

    @property
    def n_cores(self) -> int:
        """Cores this run may use, as the operating system grants them."""
        granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        return granted if self.max_cores == -1 else min(granted, self.max_cores)


class EnsembleSetting(Frozen):
    """Which ensembles may compete with the best single trial, and how many votes they share out."""

    voting: bool = True
    stacking: bool = True
    iterations: int = Field(30, ge=1, le=1000)
    max_milliseconds: float | None = Field(0.5, gt=0)  # of one row in ONNX; fold models are left out to keep it


def _test_shorthand(value: Any) -> Any:
    if value in (None, False, "none"):
        return {}
    if isinstance(value, bool):
        raise ValueError(f"got {value}; it is a fraction, a source, or none")
    return {"fraction": value} if isinstance(value, int | float) else _as_source(value)


def _threshold(value: Any) -> Any:
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
    if value != "auto" and not is_share:
        raise ValueError(f"got {value!r}; it is auto, or a number between 0 and 1")
    return value


def _as_source(value: Any) -> Any:
    is_source = isinstance(value, str) or (isinstance(value, Mapping) and ("kind" in value or "path" in value))
    return {"source": value} if is_source else value


def _validation_shorthand(value: Any) -> Any:
    return {"rule": value} if value in ("auto", "azure") else _as_source(value)


class Experiment(Frozen):
    """One question asked of one source of data."""

    name: str
    task: str
    source: SourceSetting
    target: str
    metric: str = ""
    weight_column: str | None = None
    positive_label: Label | None = None
    threshold: Annotated[Literal["auto"] | float, BeforeValidator(_threshold)] = "auto"
    coverage: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.8, 0.95)
    drop_columns: tuple[str, ...] = ()
    date_formats: dict[str, str] = {}  # column -> how its dates are written, where they do not say it themselves
    strict: bool = True  # rows that cannot be read as those learnt from are refused; else they are scored and marked
    sensitive_columns: tuple[str, ...] = ()
    group_column: str | None = None
    time_column: str | None = None
    validation: Annotated[Validation, BeforeValidator(_validation_shorthand)] = Validation()
    test: Annotated[Test, BeforeValidator(_test_shorthand)] = Test(fraction=0.2)
    featurization: Annotated[Featurization, shorthand("mode", str)] = Featurization()
    algorithms: Annotated[Algorithms, shorthand("allowed", (list, tuple))] = Algorithms()
    limits: Limits = Limits()
    ensemble: Annotated[
        EnsembleSetting, BeforeValidator(lambda v: {"voting": v, "stacking": v} if isinstance(v, bool) else v)
    ] = EnsembleSetting()
    forecasting: ForecastSettings = ForecastSettings()
    explain: bool = True
    onnx: bool = True
    register_guess: bool = False  # whether a model that is no better than a guess becomes a version, and may answer
    training_code: bool = True
    report: bool = True
    predict_source: SourceSetting | None = None
    retrain: Annotated[Retrain, shorthand("on_new_data", bool)] = Retrain()
    seed: int = Field(0, ge=0, lt=2**31)
    owners: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ()
    tags: dict[str, str] = {}

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        return check_name(value)

    @field_validator("owners")
    @classmethod
    def _are_owners(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not OWNER.fullmatch(one):
                raise ValueError(f"got {one!r}; an owner is an e-mail address, or a team such as team:forecasting")
        return value

    @field_validator("task")
    @classmethod
    def _is_task(cls, value: str) -> str:
        if value not in registry.tasks():
            raise ValueError(f"got {value!r}; possible: {listed(registry.tasks())}.{nearest(value, registry.tasks())}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_metric(cls, value: Any) -> Any:
        name = value.get("task") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name not in registry.tasks() or value.get("metric"):
            return value
        return {**value, "metric": registry.tasks()[name].default_metric}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = metrics.metric_names(self.task)
        if self.metric not in names:
            raise ValueError(
                f"metric: got {self.metric!r}; possible: {listed(names, 60)}.{nearest(self.metric, names)}"
            )
        _check_algorithms(self)
        _check_columns(self)
        _check_fairness(self)
        self.family.check(self)
        return self

    @property
    def task_part(self) -> Task:
        return registry.tasks()[self.task]

    @property
    def family(self) -> Family:
        """What the kind of data that is asked about does in its own way."""
        return registry.family_of(self.task)

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Every column that is named for what it is, after the key that names it."""
        named = {key: getattr(self, key) for key in ("target", "weight_column", "group_column", "time_column")}
        roles = [(key, column) for key, column in named.items() if column]
        roles += [(f"validation.fold_columns.{i}", name) for i, name in enumerate(self.validation.fold_columns)]
        return roles + [(f"forecasting.{key}", column) for key, column in self.forecasting.roles]

    @property
    def candidates(self) -> dict[str, Any]:
        """The algorithms (or forecasters) that may try, by name, in the order in which they are tried."""
        return {name: part for name, part in _able(self.task).items() if _is_permitted(part, self.algorithms)}

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that its child processes need; of libraries only those that its algorithms learn by."""
        found = registry.family_modules(self.family.name)
        named = (module for part in self.candidates.values() for module in part.preload)
        return (*self.family.preload, *found, *dict.fromkeys(named))

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Of every forecast, ascending, the median among them: those asked for, or the bounds of `coverage`."""
        return self.forecasting.quantiles or levels(self.coverage)


def _check_fairness(experiment: Experiment) -> None:
    steps = experiment.family.row_steps
    if experiment.sensitive_columns and steps and not steps.assess_fairness:
        raise ValueError(f"sensitive_columns: fairness is not assessed for a {experiment.task}; remove it")


def _able(task: str) -> Mapping[str, AlgorithmInfo]:
    family = registry.algorithms(registry.tasks()[task].family)
    return {name: part for name, part in family.items() if task in part.tasks}


def _is_permitted(part: AlgorithmInfo, choice: Algorithms) -> bool:
    return part.is_fallback or (part.name in choice.allowed if choice.allowed else part.name not in choice.blocked)


def _check_algorithms(experiment: Experiment) -> None:
    possible = [name for name, part in _able(experiment.task).items() if not part.is_fallback]
    for name in (*experiment.algorithms.allowed, *experiment.algorithms.blocked):
        if name not in possible:
            raise ValueError(f"algorithms: got {name!r}; possible: {listed(possible)}.{nearest(name, possible)}")
    for name, given in experiment.algorithms.settings.items():
        _check_configuration(experiment, name, given, possible)
    if possible and set(experiment.algorithms.blocked) >= set(possible):
        raise ValueError("algorithms: every algorithm is blocked; leave at least one")


def _check_configuration(experiment: Experiment, name: str, given: Mapping[str, Any], possible: list[str]) -> None:
    if experiment.family.row_steps is None:
        raise ValueError(f"algorithms.settings: forecasters of a {experiment.task} have none; remove it")
    if name not in experiment.candidates or name not in possible:
        tried = [name for name in possible if name in experiment.candidates]
        raise ValueError(f"algorithms.settings: got {name!r}; may try: {listed(tried)}.{nearest(name, tried)}")
    is_multilabel = experiment.task_part.metric_kinds == {"label_sets"}
    classes = () if experiment.task_part.is_numeric else ("no", "yes")
    problem = Problem(experiment.task, experiment.metric, classes, is_multilabel=is_multilabel)
    if fault := fault_of(experiment.candidates[name], given, problem):
        raise ValueError(f"algorithms.settings.{fault}")


SHARED = {"forecasting.series_id_columns", "forecasting.partition_by"}


def _check_columns(experiment: Experiment) -> None:
    taken: dict[str, str] = {}
    for key, column in experiment.roles:
        if column in experiment.drop_columns and key != "group_column":
            raise ValueError(f"drop_columns: {column!r} is the {key}; a column cannot be both")
        if column in taken and {key, taken[column]} != SHARED:
            raise ValueError(f"{key}: {column!r} is already the {taken[column]}; a column has one role")
        taken.setdefault(column, key)
    if experiment.target in experiment.sensitive_columns:
        raise ValueError(
            f"sensitive_columns: {experiment.target!r} is the target; its groups are the answers themselves"
        )
    _check_featurized(experiment, taken)


FEATURES = ("time_column", "_covariates")  # ends of the keys whose columns a model looks at


def _check_featurized(experiment: Experiment, taken: dict[str, str]) -> None:
    """Only features are featurized, a time column among them; gaps of a series' target may be filled, too."""
    wishes = experiment.featurization
    filled = (*FEATURES, "target") if experiment.family.is_target_imputed else FEATURES
    for key, columns, able, what in (
        ("column_types", wishes.column_types, FEATURES, "have a type"),
        ("imputers", wishes.imputers, filled, "are imputed"),
    ):
        for column in columns:
            if not taken.get(column, "time_column").endswith(able):
                raise ValueError(f"featurization.{key}: {column!r} is the {taken[column]}; only features {what}")


def parse(settings: Any, name: str) -> Experiment:
    """An experiment from what a YAML held; `name` is used unless the YAML gives one.

    Raises SettingError that tells about every wrong key at once.
    """
    if not isinstance(settings, Mapping):
        raise SettingError(f"{name}: an experiment is a mapping of keys; got {type(settings).__name__}")
    try:
        return Experiment.model_validate({"name": name, **settings})
    except ValidationError as error:
        raise SettingError("\n".join(told(error, Experiment, "experiment"))) from None


def load(path: str | Path, text: str | None = None) -> Experiment:
    """An experiment from a YAML file. Relative paths in it are taken relative to the file's folder."""
    file = Path(path)
    settings = read_yaml(text_of(file) if text is None else text, file.name)
    if isinstance(settings, Mapping):
        settings = {key: _rooted(value, file.parent) if key in _PATH_KEYS else value for key, value in settings.items()}
    return parse(settings, name_of_file(file))


def text_of(file: Path) -> str:
    """What stands in a YAML file. Raises SettingError where it cannot be read."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise SettingError(f"no such file: {file}") from None
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingError(f"{file.name} is not readable YAML: {error}") from None


OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # as Dagster has it
_PATH_KEYS = ("source", "test", "validation", "predict_source")


def _rooted(value: Any, folder: Path) -> Any:
    """Makes relative paths in a source setting absolute; leaves URLs, variables and everything else alone."""
    if isinstance(value, Mapping):
        return {
            key: _rooted(inner, folder) if key in ("path", "source", "options", "indices") else inner
            for key, inner in value.items()
        }
    if not isinstance(value, str) or "://" in value or value.startswith(("/", "~", "$")):
        return value
    is_path = _looks_like_path(value) or os.path.isdir(folder / value)
    return str((folder / value).resolve()) if is_path else value


def _looks_like_path(text: str) -> bool:
    return "/" in text or "." in text
