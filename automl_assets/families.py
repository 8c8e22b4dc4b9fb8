"""What a family must say about itself: everything that tables, series, texts and images do each in their own way.

A family is a package with a module `family` that declares FAMILY, and is found: those here, and those that other
distributions offer under the entry points `automl_assets.families`. Outside of its package no code asks which family an
experiment is of; it calls what the family has.
"""

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from automl_assets.errors import DiscoveryError

HERE = __name__.rpartition(".")[0]
ENTRY_POINTS = "automl_assets.families"


@dataclass(frozen=True)
class Family:
    """One kind of data that questions are asked of.

    `check(experiment)` raises ValueError for settings that contradict each other or mean nothing here.
    `load(experiment, tables, places)` makes of the rows of each source, by the marks of `Dataset.part`, one table with
    roles; `places` says where rows are from.
    `graph(experiment)` gives its assets, `triggers(experiment)` sensors of its own, `result()` the type that holds what
    came of a run.
    `group_keys(dataset, experiment)` names the groups that are made each by itself, a partition each; None where an
    experiment is made as a whole.
    """

    name: str
    check: Callable[[Any], None]
    load: Callable[..., Any]
    graph: Callable[[Any], list[Any]]
    triggers: Callable[[Any], list[Any]]
    result: Callable[[], type[Any]]
    least_rows: int  # with a target, to begin with
    group_keys: Callable[[Any, Any], Mapping[str, Any]] | None = None
    is_target_imputed: bool = False  # whether gaps of the target may be filled
    preload: tuple[str, ...] = field(default=())  # modules that its child processes need beside those of all others


@cache
def packages() -> dict[str, str]:
    """Family -> its package, in the order of names."""
    here = (info.name for info in pkgutil.iter_modules(importlib.import_module(HERE).__path__) if info.ispkg)
    found = {name: f"{HERE}.{name}" for name in here if importlib.util.find_spec(f"{HERE}.{name}.family")}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name in found:
            raise DiscoveryError(f"two packages are the family {point.name!r}: {found[point.name]} and {point.value}")
        found[point.name] = point.value
    return dict(sorted(found.items()))


@cache
def family(name: str) -> Family:
    """What the package of a family declares. Raises DiscoveryError where it declares none."""
    module = importlib.import_module(f"{packages()[name]}.family")
    declared = getattr(module, "FAMILY", None)
    if not isinstance(declared, Family) or declared.name != name:
        raise DiscoveryError(
            f"{module.__name__} must declare FAMILY, a families.Family named {name!r}; got {declared!r}"
        )
    return declared
