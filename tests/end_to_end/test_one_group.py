"""One group of a forecast made by Dagster's own command, with a single partition key instead of our range of keys."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.home import prepare
from tests.forecasts import SHOPS_MADE, SHOPS_SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.long]


def materialise(home: Path, assets: tuple[str, ...], *arguments: str) -> None:
    program = Path(sys.executable).with_name("dagster")
    chosen = " or ".join(f'key:"{asset_key("shops", name).to_user_string()}"' for name in assets)
    command = [program, "asset", "materialize", "-m", "automl_assets.definitions", "--select", chosen, *arguments]
    done = subprocess.run(command, cwd=home, env=os.environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_single_key_makes_one_group_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    prepare(home)
    months = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2023, 12, 1), "1mo", eager=True)
    sold = [float(100 + number % 12) for number in range(len(months))]
    rows = pl.concat([pl.DataFrame({"shop": shop, "month": months, "sold": sold}) for shop in ("a", "b", "c")])
    rows.write_parquet(tmp_path / "sales.parquet")
    (home / "experiments").mkdir()
    settings = {**SHOPS_SETTINGS, "source": str(tmp_path / "sales.parquet")}
    (home / "experiments" / "shops.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("shops__groups", ["a", "b", "c"])
        materialise(home, ("dataset",))
        materialise(home, SHOPS_MADE, "--partition", "b")
        found = {name: instance.get_materialized_partitions(asset_key("shops", name)) for name in SHOPS_MADE}
    assert found == {name: {"b"} for name in SHOPS_MADE}
