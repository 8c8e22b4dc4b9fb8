"""Guardrails of many groups as one: the worst of each, and where it was."""

from types import SimpleNamespace
from typing import Any

from automl_assets.forecasting.steps.guardrails import NAMES, PASSED, combined
from automl_assets.records import Guardrail


def _group(key: str, *found: Guardrail) -> Any:
    given = {one.name: one for one in found}
    whole = tuple(given.get(name, Guardrail(name, "passed", PASSED.get(name, "Fine."))) for name in NAMES)
    return SimpleNamespace(key=key, guardrails=whole)


def test_nothing_found_is_passed() -> None:
    found = combined([_group("a"), _group("b")])
    assert [one.name for one in found] == list(NAMES)
    assert {one.status for one in found} == {"passed"}


def test_the_worst_is_told_with_its_groups() -> None:
    gaps = [Guardrail("gaps", "done", "3 missing."), Guardrail("gaps", "alerted", "90 missing.")]
    groups = [_group("a", gaps[0]), _group("b", gaps[1]), _group("c"), _group("d", gaps[1])]
    one = next(one for one in combined(groups) if one.name == "gaps")
    assert one.status == "alerted"
    assert one.message == "2 of 4 groups (b, d). b: 90 missing."
    assert one.figures == {"groups": 2, "worst": "b"}


def test_an_error_is_worse_than_a_warning() -> None:
    leaks = [Guardrail("covariate_leakage", "alerted", severity, {}, severity) for severity in ("warning", "error")]  # type: ignore[arg-type]
    one = next(one for one in combined([_group("a", leaks[0]), _group("b", leaks[1])]) if one.status == "alerted")
    assert (one.severity, one.figures["worst"]) == ("error", "b")


def test_many_groups_are_counted_not_listed() -> None:
    groups = [_group(f"g{number}", Guardrail("gaps", "done", "1 missing.")) for number in range(40)]
    one = next(one for one in combined(groups) if one.name == "gaps")
    assert one.message.startswith("40 of 40 groups (g0, g1, g2, g3, g4 and 35 more). g0: ")


def test_one_group_speaks_for_itself() -> None:
    assert next(o for o in combined([_group("a", Guardrail("gaps", "done", "1."))]) if o.name == "gaps").message == "1."


def test_no_groups_say_nothing() -> None:
    assert combined([]) == ()
