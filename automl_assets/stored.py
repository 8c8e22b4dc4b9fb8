"""Names under which classes stand in what is stored: they stay when modules move and when classes are renamed.

Here belong the names, and how what was stored of a class becomes one of today. Not here: finding the modules where
classes lie (`resources.stored_kinds`), reading and writing.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from automl_assets.errors import ArtifactError, DiscoveryError, listed
from automl_assets.former_names import FIELDS, Fields

OTHER_VERSION = "it may come from another version. Make it again."

Kind = TypeVar("Kind", bound=Callable[..., Any])  # a class, or a function that models refer to

_kinds: dict[str, Any] = {}
_names: dict[Any, str] = {}


def stored_as(name: str) -> Callable[[Kind], Kind]:
    """Names a class whose instances are stored: by its family (or package), its algorithm, and what it is.

    What was stored under a name is looked for under it for ever: rename the class and move its module as you like, but
    leave the name alone. When fields of a dataclass change, `former_names.FIELDS` says how those of then become those
    of now. Raises DiscoveryError for a name that another class has.

    >>> @stored_as("example.Mean")
    ... @dataclasses.dataclass(frozen=True)
    ... class MeanModel:
    ...     mean: float
    >>> stored_name(MeanModel), stored_kind("example.Mean") is MeanModel
    ('example.Mean', True)
    """

    def name_it(kind: Kind) -> Kind:
        known = _kinds.setdefault(name, kind)
        if _path(known) != _path(kind):
            raise DiscoveryError(f"two classes are stored as {name!r}: {_path(known)} and {_path(kind)}")
        _kinds[name], _names[kind] = kind, name  # a module that is imported anew brings its classes anew
        if dataclasses.is_dataclass(kind) and "__setstate__" not in vars(kind):
            kind.__setstate__ = _set_state  # type: ignore[attr-defined]
        return kind

    return name_it


def stored_name(kind: Any) -> str | None:
    """The name that a class or function was given; its subclasses have names of their own, or none."""
    return _names.get(kind)


def stored_kind(name: str) -> Any | None:
    """What has the name, as far as its module has been imported."""
    return _kinds.get(name)


def current_fields(name: str, stored: Fields) -> Fields:
    """What was stored of a record or a model, with its fields as they are called today."""
    return FIELDS[name](stored) if name in FIELDS else stored


def check_fields(kind: Any, name: str, fields: Fields) -> None:
    """Raises ArtifactError where a dataclass lacks fields, or has others than today."""
    known, needed = _fields(kind)
    if needed <= fields.keys() <= known:
        return
    lacking, unknown = sorted(needed - set(fields)), sorted(set(fields) - known)
    differences = [f"lacks {listed(lacking)}"] * bool(lacking) + [f"has {listed(unknown)} besides"] * bool(unknown)
    raise ArtifactError(f"a stored {name} cannot be read (it {' and '.join(differences)}); {OTHER_VERSION}")


def _set_state(self: Any, state: Fields) -> None:
    """Unpickles a dataclass by its fields, so that one of another version is noticed here and not where it is used."""
    name = _names.get(type(self), type(self).__name__)
    fields = current_fields(name, state)
    check_fields(type(self), name, fields)
    self.__init__(**fields)


@cache
def _fields(kind: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The fields of a dataclass, and those of them that have no default."""
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    needed = (field.name for field in fields if field.default is missing and field.default_factory is missing)
    return frozenset(field.name for field in fields), frozenset(needed)


def _path(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
