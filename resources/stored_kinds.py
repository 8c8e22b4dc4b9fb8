"""Finds the class that a stored name stands for, importing the modules where it may lie.

Knows the rooms in which families keep what is stored; no class and no family by name.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
from functools import cache
from typing import Any

from automl_assets import model_records, records
from automl_assets.errors import ArtifactError
from automl_assets.families import packages
from automl_assets.former_names import MODELS, RECORDS
from automl_assets.stored import OTHER_VERSION, stored_kind, stored_name

ROOT = __name__.partition(".")[0]
ROOMS = ("features", "models", "algorithms")  # of a family, where classes lie that are stored
SHARED = f"{ROOT}.features"  # where those lie that several families use, under the name of the one that had them first


def is_ours(module: str) -> bool:
    """Whether a module belongs to this package: it may move, while those of libraries stay where they are."""
    return module == ROOT or module.startswith(f"{ROOT}.")


def model_kind(name: str) -> Any:
    """The class or function that models refer to by this name. Raises ArtifactError where there is none."""
    found = _kind(name)
    if found is None:
        raise ArtifactError(f"a stored model holds a {name}, which this version does not have; {OTHER_VERSION}")
    return found


def former_model_kind(path: str) -> Any:
    """The same by the path of import under which models of earlier versions refer to it."""
    name = MODELS.get(path.removeprefix(f"{ROOT}."))
    if name is None:
        raise ArtifactError(f"a stored model holds a {path}, which this version does not have; {OTHER_VERSION}")
    return model_kind(name)


@cache
def record_name(kind: type) -> str:
    """What a record is stored as: the name it was given, or that of its class where a module `records` has it."""
    name = stored_name(kind) or kind.__name__
    if _record_kind(name) is not kind:
        raise ArtifactError(
            f"{kind.__module__}.{kind.__qualname__} would not be found again; move it to a module `records`, "
            'or put @stored_as("<family>.<what it is>") above it'
        )
    return name


def record_kind(name: str) -> type:
    """The class of a stored record. Raises ArtifactError where there is none."""
    found = _record_kind(RECORDS.get(name, name))
    if found is None:
        raise ArtifactError(f"a stored record is of unknown kind {name!r}; {OTHER_VERSION}")
    return found


def _record_kind(name: str) -> type | None:
    modules = _record_modules(tuple(packages().values()))
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None) or _kind(name)
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


@cache
def _record_modules(families: tuple[str, ...]) -> tuple[Any, ...]:
    names = (f"{package}.records" for package in families)
    return records, model_records, *(importlib.import_module(name) for name in names if importlib.util.find_spec(name))


def _kind(name: str) -> Any | None:
    """What has been given the name; the modules of its package are imported where it is not known yet."""
    if stored_kind(name) is None and "." in name:
        owner = name.partition(".")[0]
        family = packages().get(owner)
        _import_rooms((*(f"{family}.{room}" for room in ROOMS), SHARED) if family else (f"{ROOT}.{owner}",))
    return stored_kind(name)


@cache
def _import_rooms(rooms: tuple[str, ...]) -> None:
    """Imports the modules of those packages that there are."""
    for room in filter(_is_package, rooms):
        for info in pkgutil.iter_modules(importlib.import_module(room).__path__):
            if not info.ispkg:
                importlib.import_module(f"{room}.{info.name}")


def _is_package(name: str) -> bool:
    try:
        found = importlib.util.find_spec(name)
    except ImportError:  # not even the package around it is there
        return False
    return found is not None and found.submodule_search_locations is not None
