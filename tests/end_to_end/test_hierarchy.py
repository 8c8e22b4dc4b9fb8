"""A hierarchy from rows to forecasts that add up, with its model in the registry."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from automl_assets.api.run import run
from automl_assets.forecasting.result import ForecastResult
from automl_assets.resources.tracker import Tracker
from tests.command_line import automl

HORIZON = 4


def _rows() -> pd.DataFrame:
    random, months = np.random.default_rng(0), pd.date_range("2019-01-01", periods=60, freq="MS")
    season = np.sin(np.arange(60) * 2 * np.pi / 12)
    shops = [
        {"month": months, "region": region, "shop": shop, "sold": size * (1 + 0.3 * season) + random.normal(0, 2, 60)}
        for region, shop, size in (("CA", 1, 50), ("CA", 2, 80), ("WA", 1, 30))
    ]
    return pd.concat([pd.DataFrame(shop) for shop in shops], ignore_index=True)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> ForecastResult:
    folder = tmp_path_factory.mktemp("hierarchy")
    _rows().to_csv(folder / "shops.csv", index=False)
    settings = {
        "task": "forecasting",
        "source": str(folder / "shops.csv"),
        "target": "sold",
        "time_column": "month",
        "algorithms": ["ets"],
        "test": 0.1,
        "limits": {"timeout_minutes": 2, "max_trials": 1},
        "forecasting": {
            "series_id_columns": ["region", "shop"],
            "hierarchy": ["region", "shop"],
            "reconciliation": "min_trace",
            "horizon": HORIZON,
        },
    }
    file = folder / "shops.yaml"
    file.write_text(yaml.safe_dump(settings))
    return run(file, home=new_home(folder / "home"))


@pytest.mark.slow
def test_forecasts_of_all_levels_add_up(result: ForecastResult) -> None:
    made = result.forecast
    ahead = made.pivot_table(index="month", columns=["region", "shop"], values="prediction")
    assert len(ahead) == HORIZON
    np.testing.assert_allclose(ahead["", ""], ahead["CA", ""] + ahead["WA", ""])
    np.testing.assert_allclose(ahead["CA", ""], ahead["CA", "1"] + ahead["CA", "2"])


@pytest.mark.slow
def test_the_code_forecasts_what_the_run_did(result: ForecastResult, tmp_path: Path) -> None:
    written = automl("code", "shops", "--home", result.home, "-o", tmp_path)
    assert written.returncode == 0, written.stderr
    code = (
        "import sys\nsys.modules['automl_assets'] = None\nsys.path[0] = '.'\nimport training_code\ntraining_code.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr
    keys = ["month", "region", "shop"]
    found = pd.read_csv(tmp_path / "forecast.csv", parse_dates=["month"], dtype={"shop": str}, keep_default_na=False)
    found, expected = (one.sort_values(keys).set_index(keys) for one in (found, result.forecast))
    pd.testing.assert_frame_equal(found, expected, check_index_type=False)
    reached = json.loads(done.stdout)
    assert reached == pytest.approx({name: result.metrics[name] for name in reached})


@pytest.mark.slow
def test_the_registered_model_forecasts_the_rows_of_people(
    result: ForecastResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(result.home))
    address, surroundings = Tracker().champion_address("shops")
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    rows = _rows()
    last = rows["month"] >= rows["month"].unique()[-HORIZON]
    answers = mlflow.pyfunc.load_model(address).predict(rows.assign(sold=rows["sold"].where(~last)))
    truth = rows[last].reset_index(drop=True)
    assert answers[["region", "shop"]].equals(truth[["region", "shop"]])
    assert (answers["forecast"] - truth["sold"]).abs().mean() < 6
    inside = (answers["quantile_0.025"] <= truth["sold"]) & (truth["sold"] <= answers["quantile_0.975"])
    assert inside.mean() > 0.7
