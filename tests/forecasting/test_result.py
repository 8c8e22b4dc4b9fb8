"""What a forecasting experiment gives to Python and the command line before anything was learnt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from automl_assets.errors import ArtifactError
from automl_assets.experiment.experiment import load
from automl_assets.forecasting.result import ForecastResult, _as_in_files
from automl_assets.resources.home import prepare
from tests.command_line import automl
from tests.forecasts import SHOPS_SETTINGS

ROWS = pl.DataFrame({"month": ["2024-01", "2024-02"], "shop": ["a", "a"], "sold": [1.0, None]})


@pytest.fixture
def never_ran(tmp_path: Path) -> ForecastResult:
    ROWS.write_csv(tmp_path / "rows.csv")
    (tmp_path / "shops.yaml").write_text(yaml.safe_dump(SHOPS_SETTINGS | {"source": "rows.csv"}))
    return ForecastResult(load(tmp_path / "shops.yaml"), prepare(tmp_path / "home"), 0.0, {})


ASKED: dict[str, Callable[[ForecastResult], Any]] = {
    "forecast": lambda result: result.forecast,
    "forecast_of": lambda result: result.forecast_of(),
    "predict": lambda result: result.predict(ROWS),
    "leaderboard": lambda result: result.leaderboard,
    "printed leaderboard": lambda result: result.printed_leaderboard(),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_nothing_learnt_is_said(never_ran: ForecastResult, ask: Callable[[ForecastResult], Any]) -> None:
    with pytest.raises(
        ArtifactError, match=r"^shops: no group has a forecast; run it first: automl run shops --home .*/home$"
    ):
        ask(never_ran)


@pytest.mark.parametrize("data", [[], ["rows.csv"]], ids=["next", "DATA"])
def test_no_file_is_written(never_ran: ForecastResult, tmp_path: Path, data: list[str]) -> None:
    file = tmp_path / "forecast.csv"
    given = [str(tmp_path / name) for name in data]
    done = automl("forecast", tmp_path / "shops.yaml", *given, "-o", file, "--home", tmp_path / "home")
    assert done.returncode != 0 and "no group has a forecast" in " ".join(done.stderr.split())
    assert not file.exists()


def test_answers_have_the_names_of_the_forecast_itself() -> None:
    """Whatever the output of the model is called; a column of the rows keeps its own."""
    found = pl.DataFrame({"shop": ["a"], "forecast": [1.0], "quantile_0.5": [1.0]})
    assert _as_in_files(found).columns == ["shop", "prediction", "quantile_0.5"]
    taken = pl.DataFrame({"prediction": ["a"], "forecast": [1.0]})
    assert _as_in_files(taken).columns == ["prediction", "forecast"]
