"""What all assets have in common: one that a run can do without fails without stopping those that wait for it."""

from typing import Any

import dagster as dg
import pytest

from automl_assets.assets.spec import MADE, best_effort
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
