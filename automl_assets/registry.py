"""Finds parts: one module, one declaration. Nothing is listed by hand, and a broken module fails loudly."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from automl_assets.errors import DiscoveryError
from automl_assets.families import Family, family, packages
from automl_assets.parts import AlgorithmInfo, AnnotationFormat, LabelFormat, Source, Task

Part = TypeVar("Part", AlgorithmInfo, AnnotationFormat, LabelFormat, Source, Task)


@cache
def algorithms(family: str) -> dict[str, Any]:
    """Algorithms of a family by name, in the order in which they should be tried; absent packages are left out."""
    found = _discover(f"{packages()[family]}.algorithms", AlgorithmInfo)  # type: ignore[type-abstract]
    able = [part for part in found.values() if importlib.util.find_spec(part.requires)]
    return {part.name: part for part in sorted(able, key=_turn)}


def _turn(part: AlgorithmInfo) -> tuple[bool, bool, float, str]:
    """What answers where nothing else does comes first, then the essential ones, then all others; the cheapest first."""
    return not part.is_fallback, not part.is_essential, part.time_share, part.name


def family_of(task: str) -> Family:
    """The family that answers a task."""
    return family(tasks()[task].family)


def algorithm_modules(family: str) -> tuple[str, ...]:
    """The modules in which a family's algorithms are looked for."""
    package = importlib.import_module(f"{packages()[family]}.algorithms")
    return tuple(f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))


def family_modules(family: str) -> tuple[str, ...]:
    """What a child process loads to find a family and its algorithms: a third of a second, at every fit."""
    tasks = tuple(f"{package}.tasks" for package in packages().values())
    return (f"{packages()[family]}.family", *tasks, *algorithm_modules(family))


@cache
def sources() -> dict[str, Source]:
    """Kinds of source by name."""
    return _discover("automl_assets.data.sources", Source)


@cache
def label_formats() -> dict[str, LabelFormat]:
    """Formats by name in which labels come back."""
    return _discover("automl_assets.data.labels", LabelFormat)


@cache
def annotation_formats() -> dict[str, AnnotationFormat]:
    """Formats by name in which images are annotated."""
    return _discover("automl_assets.data.annotations", AnnotationFormat)


@cache
def tasks() -> dict[str, Task]:
    """Tasks of all families by name."""
    modules = [importlib.import_module(f"{package}.tasks") for package in packages().values()]
    return _unique((part for module in modules for part in _declared(module, Task)), "families", Task)


def _discover(package_name: str, part_type: type[Part]) -> dict[str, Part]:
    package = importlib.import_module(package_name)
    modules = [
        importlib.import_module(f"{package_name}.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    return _unique((part for module in modules for part in _declared(module, part_type)), package_name, part_type)


def _unique(parts: Iterable[Part], where: str, part_type: type[Part]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for part in parts:
        if part.name in found:
            raise DiscoveryError(f"{where}: two modules declare {part_type.__name__} {part.name!r}")
        found[part.name] = part
    return found


def _declared(module: ModuleType, part_type: type[Part]) -> tuple[Part, ...]:
    parts = getattr(module, "PARTS", None) or (getattr(module, "PART", None),)
    if not all(isinstance(part, part_type) for part in parts):
        raise DiscoveryError(
            f"{module.__name__} must declare PART (or PARTS) of type {part_type.__name__}; got {parts!r}"
        )
    return tuple(parts)
