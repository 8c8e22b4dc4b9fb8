"""Names that stored classes keep, and what becomes of fields that have changed since."""

import copy
import pickle
from dataclasses import dataclass

import pytest

from automl_assets import former_names, stored
from automl_assets.errors import ArtifactError, DiscoveryError
from automl_assets.former_names import renamed
from automl_assets.stored import stored_as, stored_kind, stored_name


@stored_as("tests.Line")
@dataclass(frozen=True)
class Line:
    slope: float
    offset: float = 0.0


class Steep(Line):
    """Was given no name of its own."""


def test_a_second_class_of_one_name_is_refused() -> None:
    with pytest.raises(DiscoveryError, match=r"two classes are stored as 'tests.Line': \S+Line and \S+Steep"):
        stored_as("tests.Line")(Steep)
    assert stored_kind("tests.Line") is Line


def test_a_class_whose_module_is_imported_anew_takes_its_name_with_it() -> None:
    again = type("Line", (), {"__module__": Line.__module__, "__qualname__": Line.__qualname__})
    assert stored_as("tests.Line")(again) is stored_kind("tests.Line") is again
    assert stored_as("tests.Line")(Line) is stored_kind("tests.Line") is Line


def test_names_are_not_inherited() -> None:
    assert (stored_name(Line), stored_name(Steep), stored_kind("tests.Curve")) == ("tests.Line", None, None)


def state_of(fields: dict[str, float]) -> Line:
    """A line as it comes out of a pickle of these fields."""
    line = object.__new__(Line)
    line.__setstate__(fields)  # type: ignore[attr-defined]
    return line


def test_a_dataclass_survives_pickles_and_copies() -> None:
    line = Line(2.0, 1.0)
    assert pickle.loads(pickle.dumps(line)) == copy.deepcopy(line) == copy.copy(line) == line


def test_fields_that_came_later_have_their_defaults() -> None:
    assert state_of({"slope": 2.0}) == Line(2.0)


def test_renamed_fields_are_read_under_their_names_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(former_names.FIELDS, "tests.Line", renamed({"rise": "slope"}))
    assert state_of({"rise": 2.0}) == state_of({"slope": 2.0}) == Line(2.0)


def test_fields_that_nothing_is_known_of_are_told() -> None:
    with pytest.raises(
        ArtifactError, match=r"a stored tests.Line cannot be read \(it lacks slope and has rise besides\)"
    ):
        state_of({"rise": 2.0})


def test_what_was_called_otherwise_leads_to_something_of_today() -> None:
    assert set(former_names.RECORDS.values()).isdisjoint(former_names.RECORDS), "a name leads to today's at once"
    assert set(former_names.MODULES.values()).isdisjoint(former_names.MODULES)
    assert stored.OTHER_VERSION.endswith("Make it again.")
