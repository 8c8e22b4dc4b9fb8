"""The registered champion behind `automl serve`: a real server on loopback answers for raw rows as Python does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_assets.api.table_result import Result
from automl_assets.experiment.experiment import load
from automl_assets.resources.tracker import Tracker
from tests.servers import free_port, listens, post, stop, wait

AUTOML = Path(sys.executable).with_name("automl")


@pytest.fixture(scope="module")
def server(scripted: Path) -> Iterator[str]:
    """The address of the server, once it answers."""
    port = free_port()
    command = [AUTOML, "serve", "flowers", "--port", port, "--home", scripted / "home"]
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (scripted / "server.log").open("wb") as log:
        process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, start_new_session=True, env=usual)
        try:
            wait(f"http://127.0.0.1:{port}/ping", process, scripted / "server.log")
            assert listens(process) == {"127.0.0.1"}, "other machines can reach the server"
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            stop(process)


@pytest.fixture(scope="module")
def rows(scripted: Path) -> pd.DataFrame:
    """Raw rows with gaps, whole numbers, dates and a category that nobody has seen."""
    found = pd.read_csv(scripted / "unlabelled.csv")
    found.loc[1, "colour"] = "ultraviolet"
    assert found["size"].isna().any() and found["colour"].isna().any()
    return found


FORMS = {
    "dataframe_split": lambda rows: json.loads(rows.to_json(orient="split", index=False)),
    "dataframe_records": lambda rows: json.loads(rows.to_json(orient="records")),
}


@pytest.mark.parametrize("form", FORMS)
def test_answers_are_those_of_python(server: str, scripted: Path, rows: pd.DataFrame, form: str) -> None:
    status, told = post(server, {form: FORMS[form](rows)})
    assert status == 200, told
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(scripted / "home"))
        expected = Result(load(scripted / "flowers.yaml"), scripted / "home", 0.0, {}).predict(rows)
    answers = pd.DataFrame(told["predictions"])
    assert list(answers["label"]) == list(expected["prediction"])
    assert np.stack(answers["probabilities"])[:, 1] == pytest.approx(expected["probability_yes"].to_numpy(), abs=1e-4)


def test_the_file_that_was_learnt_from_can_be_posted(server: str, scripted: Path) -> None:
    """As `text/csv`, target and all, for the answers that its rows get as JSON."""
    told = post(server, (scripted / "tiny.csv").read_bytes(), "text/csv")
    assert told[0] == 200, told
    assert told == post(server, {"dataframe_records": FORMS["dataframe_records"](pd.read_csv(scripted / "tiny.csv"))})


def test_a_server_answers_with_a_checked_copy_and_leaves_nothing_in_the_registry(server: str, scripted: Path) -> None:
    """No bytecode lies beside either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(scripted / "home"))
        assert Tracker().champion_address("flowers")[0] == "models:/flowers@champion"
    (copy,) = (scripted / "home" / "served").iterdir()
    assert (copy / "MLmodel").exists()
    for folder in (copy, scripted / "home" / "mlflow_artifacts"):
        assert not {"registered_model_meta", "__pycache__"} & {file.name for file in folder.rglob("*")}


def test_a_column_in_another_order_or_too_many_does_no_harm(server: str, rows: pd.DataFrame) -> None:
    turned = rows[reversed(rows.columns)].assign(more="x")
    _, expected = post(server, {"dataframe_records": FORMS["dataframe_records"](rows)})
    status, told = post(server, {"dataframe_records": FORMS["dataframe_records"](turned)})
    assert (status, told["predictions"]) == (200, expected["predictions"])
    assert set(told["notes"]) == {'"more" was ignored; the model does not know it.', *expected["notes"]}


def test_what_was_never_learnt_is_said(server: str, rows: pd.DataFrame) -> None:
    _, told = post(server, {"dataframe_records": FORMS["dataframe_records"](rows)})
    assert told["notes"][-1:] == ["\"colour\": 1 cell never learnt, counting as any other, such as 'ultraviolet'."]


def test_a_column_that_had_gaps_may_be_left_out(server: str) -> None:
    row = {"bought": "2024-01-01", "pieces": 1}
    status, told = post(server, {"dataframe_records": [row]})
    assert status == 200, told
    assert post(server, {"dataframe_records": [{**row, "size": None, "colour": None}]}) == (200, told)


BAD = {
    "a column is lacking": (
        {"dataframe_records": [{"colour": "red"}]},
        'the columns "(?:bought|pieces)", "(?:bought|pieces)" are missing; the rows have "colour"',
    ),
    "a list where a number belongs": (
        {"dataframe_records": [{"size": [1, 2], "colour": "red", "bought": "2024-01-01", "pieces": 1}]},
        'column "size".*is no single value',
    ),
    "a list where a text belongs": (
        {"dataframe_records": [{"size": 1, "colour": ["red"], "bought": "2024-01-01", "pieces": 1}]},
        'column "colour": .* is no single value',
    ),
    "a word where a number belongs": (
        {"dataframe_records": [{"size": "large", "colour": "red", "bought": "2024-01-01", "pieces": 1}]},
        'column "size" holds numbers.*large',
    ),
    "a word where a date belongs": (
        {"dataframe_records": [{"size": 1, "colour": "red", "bought": "soon", "pieces": 1}]},
        'column "bought" holds dates.*soon',
    ),
    "no rows": ({"dataframe_split": {"columns": ["size", "colour", "bought", "pieces"], "data": []}}, "no rows"),
    "no JSON": (b"{", "JSON"),
    "another key": ({"rows": []}, 'the body has "rows"; exactly one key with rows is needed'),
}


@pytest.mark.parametrize(("content", "told"), BAD.values(), ids=BAD)
def test_bad_input_is_told_in_words(server: str, content: Any, told: str) -> None:
    status, answer = post(server, content)
    assert status == 400
    assert pd.Series([answer["message"].replace("\n", " ")]).str.contains(told).item(), answer
    assert list(answer) == ["status", "error_code", "message", "possible"], answer
