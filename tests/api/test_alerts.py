"""What a check has to say is told when the run ends, not in the UI alone."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from automl_assets.api.result import Alert, RunResult
from automl_assets.api.run import _alerts
from automl_assets.cli.printing import as_table
from tests.conftest import Ask

WARNING, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def checked(instance: dg.DagsterInstance, asset: str, of: str | None = None, **checks: tuple) -> str:
    """A run, or one that goes on with another, of an asset with checks: passed, severity and message."""
    run = dg.DagsterRun("exp", str(uuid4()), root_run_id=of, parent_run_id=of)
    instance.add_run(run)
    for name, (passed, severity, text) in checks.items():
        made = dg.AssetCheckEvaluation(
            dg.AssetKey(["exp", asset]), name, passed, {}, None, severity=severity, description=text
        )
        event = dg.DagsterEvent("ASSET_CHECK_EVALUATION", "exp", event_specific_data=made)
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_what_did_not_pass_is_told_errors_first_also_of_the_run_before(instance: dg.DagsterInstance) -> None:
    checked(instance, "profile", leakage=(False, WARNING, "of another run"))
    first = checked(
        instance,
        "profile",
        leakage=(False, WARNING, "x gives y away"),
        balance=(True, WARNING, "fine"),
        memory=(False, WARNING, "before"),
    )
    again = checked(instance, "candidate", of=first, parity=(False, ERROR, "they differ"))
    last = checked(instance, "profile", of=again, memory=(True, WARNING, "there is enough now"))
    expected = [
        Alert("parity", "candidate", "error", "they differ"),
        Alert("leakage", "profile", "warning", "x gives y away"),
    ]
    assert _alerts(instance, last) == expected
    assert [alert.check for alert in _alerts(instance, first)] == ["leakage", "memory"]


def test_a_terminal_shows_each_with_its_message(ask: Ask, tmp_path: Path) -> None:
    experiment = ask(pl.DataFrame({"x": range(30), "y": ["a", "b"] * 15}))
    assert RunResult(experiment, tmp_path, 0.0, {}).printed_alerts() is None
    alerts = Alert("parity", "onnx_model", "error", "differs"), Alert("leakage", "profile", "warning", "[red] " * 99)
    told = RunResult(experiment, tmp_path, 0.0, {}, {}, alerts).printed_alerts()
    assert told and (told.title, told.n_bold) == ("Checks that ask for a look", 1)
    console = Console(record=True, width=500)
    console.print(as_table(told))
    shown = console.export_text().splitlines()
    assert [line.split() for line in shown[1:3]] == [
        ["check", "asset", "severity", "what", "was", "found"],
        ["parity", "onnx_model", "error", "differs"],
    ]
    assert shown[3].split() == ["leakage", "profile", "warning", *["[red]"] * 50, "…"]
