"""A forecast model behind `mlflow models serve`: a real server on loopback answers for rows of series."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from automl_assets.forecasting.serving.model_folder import forecast_model
from automl_assets.forecasting.steps.export import export
from automl_assets.forecasting.steps.forecast import forecast
from tests import forecasts
from tests.servers import free_port, post, stop, wait

PROGRAMS = Path(sys.executable).parent  # MLflow looks for its web server on the PATH
GROUP = forecasts.group((40,))
MADE = export(GROUP, forecasts.ensemble(GROUP))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, once it answers."""
    port, log_file = free_port(), tmp_path_factory.mktemp("server") / "server.log"
    with forecast_model([MADE], ("region",)) as folder, log_file.open("wb") as log:
        command = [PROGRAMS / "mlflow", "models", "serve", "-m", folder, "-p", port, "--env-manager", "local"]
        environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
        process = subprocess.Popen(
            [*map(str, command)], stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            wait(f"http://127.0.0.1:{port}/ping", process, log_file)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            stop(process)


def _whole_history() -> pd.DataFrame:
    """The rows of the example, with the whole history before them."""
    history, example = GROUP.panel, pd.DataFrame(MADE.example)
    before = pd.DataFrame({"month": history.stamps.astype(str), "sold": history.y})
    before["month"] = before["month"].str[:10]
    before = before[before["month"] < example["month"][0]].assign(region="north", shop="0", size=0.0)
    return pd.concat([before, example], ignore_index=True)


FORMS = {
    "dataframe_split": lambda rows: json.loads(rows.to_json(orient="split", index=False)),
    "dataframe_records": lambda rows: json.loads(rows.to_json(orient="records")),
}


@pytest.mark.parametrize("form", FORMS)
def test_answers_are_those_of_python(server: str, form: str) -> None:
    status, told = post(server, {form: FORMS[form](_whole_history())})
    assert status == 200, told
    answers = pd.DataFrame(told["predictions"])
    expected = forecast(forecasts.ensemble(GROUP), GROUP.panel, GROUP.test)
    assert answers["month"].tolist() == [str(stamp)[:10] for stamp in expected.stamps[0]]
    assert answers["forecast"].to_numpy() == pytest.approx(expected.point[0])
    assert answers["quantile_0.9"].to_numpy() == pytest.approx(expected.quantiles[0, :, 2])


BAD = {
    "no date": (lambda rows: rows.assign(month=["soon", *rows["month"][1:]]), "soon is no date"),
    "one stamp": (lambda rows: rows.assign(month="2021-01-07"), "two rows of 2021-01-07 with different values"),
    "a column is lacking": (lambda rows: rows.drop(columns="sold"), 'the column "sold" is missing; the rows have'),
}


@pytest.mark.parametrize(("spoil", "told"), BAD.values(), ids=BAD)
def test_bad_rows_are_told_in_words(server: str, spoil: Any, told: str) -> None:
    status, answer = post(server, {"dataframe_split": FORMS["dataframe_split"](spoil(_whole_history()))})
    assert status == 400
    assert told in answer["message"], answer
    assert "Traceback" not in answer.get("stack_trace", ""), answer
