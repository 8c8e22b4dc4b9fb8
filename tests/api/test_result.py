"""Results know their home: records, and the key that these are signed with."""

import os
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from automl_assets.api.result import RunResult
from automl_assets.api.run import find
from automl_assets.errors import SettingError
from automl_assets.records import Fitted, Member
from automl_assets.resources.home import home
from automl_assets.resources.store import RecordStore
from tests.conftest import Ask

ROWS = pl.DataFrame({"x": range(30), "y": ["a", "b"] * 15})


def _write(place: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(place))

    @dg.asset(name="member", key_prefix="asked", io_manager_key="records")
    def member() -> Member:
        return Member("t_1", "t", 1.0, Fitted((model,)))

    assert dg.materialize([member], resources={"records": RecordStore()}).success


def test_results_of_two_homes_do_not_disturb_each_other(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in ("north", "south")}
    for name, place in places.items():
        place.mkdir()
        _write(place, name, monkeypatch)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    results = {name: RunResult(ask(ROWS), place, 0.0, {}) for name, place in places.items()}
    records = {name: result._load("member") for name, result in results.items()}
    assert {name: record.fitted.models for name, record in records.items()} == {n: (n,) for n in places}
    assert os.environ["DAGSTER_HOME"] == str(home()) == str(tmp_path / "elsewhere")


def test_what_a_result_cannot_do_is_refused_with_what_it_can(ask: Ask, tmp_path: Path) -> None:
    experiment = ask(ROWS)
    result = experiment.family.result()(experiment, tmp_path, 0.0, {})
    with pytest.raises(SettingError, match="asked is a classification: `automl predict` answers for rows"):
        result.forecast_of()


def test_an_experiment_is_found_by_path_by_name_and_by_the_name_of_its_file(home: Path) -> None:
    file = home / "experiments" / "Sales-2024.yaml"
    file.parent.mkdir()
    file.write_text("task: classification\nsource: {kind: sklearn, name: wine}\ntarget: target\n")
    assert {find(text) for text in (file, str(file), "sales_2024", "Sales-2024")} == {file}
    with pytest.raises(SettingError, match=r"^no experiment is called 'Sales-2024\.csv'; there are "):
        find("Sales-2024.csv")
