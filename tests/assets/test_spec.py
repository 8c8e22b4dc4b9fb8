"""What all assets have in common: one that a run can do without fails without stopping those that wait for it."""

from typing import Any

import dagster as dg
import pytest

from automl_assets.assets.spec import MADE, best_effort, step, table
from automl_assets.errors import DataError
from automl_assets.model_records import Unavailable

FAILURES = {
    "a person's mistake": (DataError("no rows"), "no rows"),
    "a bug": (ZeroDivisionError("of two"), "ZeroDivisionError: of two"),
}


def materialized(make: Any) -> tuple[dg.ExecuteInProcessResult, list[Any]]:
    seen: list[Any] = []

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="extra") for name in ("alike", MADE)])
    def extra(context: dg.AssetExecutionContext):
        return best_effort(
            context,
            make,
            lambda made: {"size": made},
            lambda made: [dg.AssetCheckResult(check_name="alike", passed=True)],
        )

    @dg.asset
    def page(extra):
        seen.append(extra)

    return dg.materialize([extra, page]), seen


@pytest.mark.parametrize(("error", "reason"), FAILURES.values(), ids=FAILURES)
def test_the_reason_takes_the_place_of_what_failed(home, error: Exception, reason: str) -> None:
    def fail() -> None:
        raise error

    done, seen = materialized(fail)
    assert done.success and seen == [Unavailable(reason)]
    checks = {one.check_name: (one.passed, one.description) for one in done.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(("alike", MADE), (False, f"could not be made: {reason}"))


def test_what_is_made_says_so(home) -> None:
    done, seen = materialized(lambda: 5)
    assert seen == [5]
    assert {one.check_name: one.passed for one in done.get_asset_check_evaluations()} == {"alike": True, MADE: True}


def test_an_error_of_a_library_leaves_no_secret_in_the_log_of_events(home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as its own text, nor as that of what it came of."""
    monkeypatch.setenv("SAS", "aB3%2FcdEF12gh")

    def fail() -> None:
        try:
            raise OSError("GET https://host/rows.csv?sig=aB3/cdEF12gh")
        except OSError as error:
            raise RuntimeError("sent aB3%252FcdEF12gh") from error

    @dg.asset
    def rows(context: dg.AssetExecutionContext) -> None:
        with step(context):
            fail()

    instance = dg.DagsterInstance.ephemeral()
    done = dg.materialize([rows], instance=instance, raise_on_error=False)
    said = "".join(map(repr, instance.all_logs(done.run_id))) + "".join(map(repr, done.all_events))
    journal = "".join(file.read_text() for file in home.rglob("*.jsonl"))
    assert not done.success and "RuntimeError: sent ***" in said and "RuntimeError: sent ***" in journal
    assert "cdEF12gh" not in said + journal


def test_texts_in_tables_are_cut_short() -> None:
    (row,) = table(
        [{"text": "a" * 1_000_000, "word": "Oslo", "n": 3, "share": float("nan"), "none": None}]
    ).value.records
    assert len(row.data["text"]) < 1_100 and row.data["text"].endswith("a …")
    assert {**row.data, "text": ""} == {"text": "", "word": "Oslo", "n": 3, "share": "nan", "none": ""}
