"""The audit of pinned packages: what is accepted with a reason passes, what is new does not."""

import runpy
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit.py"
FOUND = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2"]}]}
CLEAN = {"name": "b", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.fixture
def audit() -> dict[str, Any]:
    return runpy.run_path(str(AUDIT))


@pytest.mark.parametrize(
    ("accepted", "code"), [("", 1), ("- `CVE-2026-1`:", 1), ("- `CVE-2026-1`: never called here", 0)]
)
def test_only_what_is_accepted_with_a_reason_passes(audit: dict[str, Any], accepted: str, code: int) -> None:
    assert audit["told"]([FOUND, CLEAN, SKIPPED], set(audit["ACCEPTED"].findall(accepted))) == code


def test_what_was_not_answered_is_told(audit: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit["told"]([CLEAN, SKIPPED], set()) == 0
    assert "2 packages asked, 1 not answered for, 0 vulnerable" in capsys.readouterr().out
