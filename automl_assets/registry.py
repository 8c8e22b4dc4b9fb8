"""Finds parts: one module, one declaration. Nothing is listed by hand, and a broken module fails loudly."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from automl_assets.errors import DiscoveryError
from automl_assets.parts import Algorithm, Forecaster, LabelFormat, Source, Task

Part = TypeVar("Part", Algorithm, Forecaster, LabelFormat, Source, Task)


@cache
def algorithms(family: str) -> dict[str, Algorithm]:
    """Algorithms of a family by name, in the order in which they should be tried; absent packages are left out."""
    found = _discover(f"automl_assets.algorithms.{family}", Algorithm)
    able = [part for part in found.values() if importlib.util.find_spec(part.requires)]
    return {part.name: part for part in sorted(able, key=lambda part: (part.time_share, part.name))}


@cache
def forecasters() -> dict[str, Forecaster]:
    """Ways to forecast by name, the cheapest first; absent packages are left out."""
    found = _discover("automl_assets.algorithms.forecasting", Forecaster)
    able = [part for part in found.values() if importlib.util.find_spec(part.requires)]
    return {part.name: part for part in sorted(able, key=lambda part: (part.time_share, part.name))}


def learners(family: str) -> Mapping[str, Algorithm | Forecaster]:
    """Everything that can answer the tasks of a family."""
    return forecasters() if family == "forecasting" else algorithms(family)


@cache
def sources() -> dict[str, Source]:
    """Kinds of source by name."""
    return _discover("automl_assets.sources", Source)


@cache
def label_formats() -> dict[str, LabelFormat]:
    """Formats by name in which labels come back."""
    return _discover("automl_assets.labels", LabelFormat)


@cache
def tasks() -> dict[str, Task]:
    """Tasks by name."""
    return _discover("automl_assets.tasks", Task)


def _discover(package_name: str, part_type: type[Part]) -> dict[str, Part]:
    package = importlib.import_module(package_name)
    found: dict[str, Part] = {}
    for info in pkgutil.iter_modules(package.__path__):
        for part in _declared(importlib.import_module(f"{package_name}.{info.name}"), part_type):
            if part.name in found:
                raise DiscoveryError(f"{package_name}: two modules declare {part_type.__name__} {part.name!r}")
            found[part.name] = part
    return found


def _declared(module: object, part_type: type[Part]) -> tuple[Part, ...]:
    parts = getattr(module, "PARTS", None) or (getattr(module, "PART", None),)
    if not all(isinstance(part, part_type) for part in parts):
        raise DiscoveryError(
            f"{module.__name__} must declare PART (or PARTS) of type {part_type.__name__}; got {parts!r}"  # type: ignore[attr-defined]
        )
    return tuple(parts)
