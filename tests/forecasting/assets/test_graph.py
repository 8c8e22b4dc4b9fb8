"""The asset graph of a forecast, made for real with naive forecasts alone: a partition per group, one run for many.

One run over all groups is made once; each test that goes on from there gets the folder as that run left it.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
import yaml
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from automl_assets.component import definitions_of
from automl_assets.definitions import shared
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.records import ForecastEnsemble, Group, Refusal
from automl_assets.model_records import Report, TrainingCode
from automl_assets.resources.asset_keys import asset_key, asset_name
from automl_assets.resources.home import prepare
from automl_assets.resources.partitions import CHANGED_TAG, add_groups, keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.steps.load import load

N_MONTHS, HORIZON = 48, 4
PARTITIONED = ("features", "candidate_naive", "leaderboard", "ensemble", "evaluation", "forecast")
UNPARTITIONED = ("dataset", "profile", "summary", "report")
SHOPS = ("a", "b", "c")
FORECASTING = {"series_id_columns": ["shop"], "partition_by": ["shop"], "horizon": HORIZON}


@dataclass(frozen=True)
class Made:
    """What a run wrote down."""

    result: dg.ExecuteInProcessResult

    @property
    def materialized(self) -> dict[str, list[str | None]]:
        """Asset -> partitions it told of, one for each event."""
        found: dict[str, list[str | None]] = {}
        for event in self.result.get_asset_materialization_events():
            found.setdefault(asset_name(event.asset_key), []).append(event.partition)
        return {asset: sorted(keys, key=str) for asset, keys in found.items()}

    def metadata(self, asset: str, key: str | None) -> dict[str, Any]:
        (event,) = [
            event
            for event in self.result.get_asset_materialization_events()
            if asset_name(event.asset_key) == asset and event.partition == key
        ]
        shown = event.materialization.metadata.items()
        return {
            name: [r.data for r in v.records] if isinstance(v, dg.TableMetadataValue) else v.value for name, v in shown
        }

    @property
    def failed_checks(self) -> dict[str, str]:
        found = self.result.get_asset_check_evaluations()
        return {f"{asset_name(e.asset_key)}.{e.check_name}": e.description or "" for e in found if not e.passed}


@dataclass(frozen=True)
class Shop:
    """An experiment whose rows can be changed, and what runs it."""

    folder: Path
    instance: dg.DagsterInstance

    def write(self, shops: tuple[str, ...] = SHOPS, **levels: float) -> None:
        rows = [
            {
                "shop": shop,
                "month": month,
                "sales": levels.get(shop, 100.0) + 10 * np.sin(number / 6 * np.pi) + number % 5,
            }
            for shop in shops
            for number, month in enumerate(np.arange("2020-01", "2024-01", dtype="datetime64[M]").astype(str))
        ]
        pl.DataFrame(rows).write_parquet(self.folder / "rows.parquet")

    @property
    def experiment(self) -> Experiment:
        return parse(self.settings, "shops")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "task": "forecasting",
            "source": str(self.folder / "rows.parquet"),
            "target": "sales",
            "time_column": "month",
            "forecasting": FORECASTING,
            "limits": {"timeout_minutes": 1},
            "explain": False,
            "onnx": False,
        }

    def keys(self) -> list[str]:
        add_groups(self.instance, self.experiment, load(self.experiment))
        return keys_of(self.instance, self.experiment)

    def run(self, *keys: str, assets: tuple[str, ...] = (*UNPARTITIONED, *PARTITIONED), **tags: str) -> Made:
        """One run over the keys from the first to the last given; over all there are when none is."""
        first, *_, last = (*keys, *keys) if keys else self.keys()
        span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return Made(
            self.job.execute_in_process(
                instance=self.instance,
                asset_selection=[asset_key("shops", asset) for asset in assets],
                tags=span | tags,
                raise_on_error=False,
            )
        )

    def execute(self, options: dg.ReexecutionOptions | None = None, **tags: str) -> dg.JobExecutionResult:
        """One run over all keys in the way of the command line, from a YAML, which can be gone on with."""
        file = self.folder / "shops.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        span = {
            "dagster/asset_partition_range_start": self.keys()[0],
            "dagster/asset_partition_range_end": self.keys()[-1],
        }
        job = dg.build_reconstructable_job("automl_assets.api.run", "job_of", (str(file),))
        keys = None if options else [asset_key("shops", asset) for asset in (*UNPARTITIONED, *PARTITIONED)]
        return dg.execute_job(job, self.instance, tags=span | tags, asset_selection=keys, reexecution_options=options)

    @property
    def job(self) -> dg.JobDefinition:
        return dg.Definitions.merge(definitions_of(self.experiment), shared()).resolve_job_def("shops")

    def staleness(self, asset: str, key: str) -> str:
        """What the UI says of a group that is not in step with what it was made of."""
        graph = dg.Definitions.merge(definitions_of(self.experiment), shared()).resolve_asset_graph()
        found = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        return "; ".join(cause.reason for cause in found.get_stale_causes(asset_key("shops", asset), key))

    def read(self, asset: str, key: str) -> Any:
        return RecordStore().shelf("shops", asset).read(key)


@pytest.fixture
def shop(home: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.get() as instance:
        made = Shop(home.parent, instance)
        made.write()
        yield made


@dataclass(frozen=True)
class FirstRun:
    """The run over all groups, its folder, and a copy of what it left there."""

    folder: Path
    kept: Path
    made: Made


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        prepare()
        with dg.DagsterInstance.get() as instance:
            one = Shop(folder, instance)
            one.write()
            made = one.run()
    return FirstRun(folder, shutil.copytree(folder, tmp_path_factory.mktemp("kept") / "shop", symlinks=True), made)


@pytest.fixture
def made_shop(first_run: FirstRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The shop after its first run, at the place where that was made: paths are part of what is recorded."""
    monkeypatch.setenv("DAGSTER_HOME", str(first_run.folder / "home"))
    shutil.rmtree(first_run.folder)
    shutil.copytree(first_run.kept, first_run.folder, symlinks=True)
    with dg.DagsterInstance.get() as instance:
        yield Shop(first_run.folder, instance)


def test_definitions_are_valid(shop: Shop) -> None:
    definitions = dg.Definitions.merge(definitions_of(shop.experiment), shared())
    dg.Definitions.validate_loadable(definitions)
    partitioned = {
        asset_name(asset.key) for asset in definitions.resolve_asset_graph().asset_nodes if asset.is_partitioned
    }
    assert partitioned >= set(PARTITIONED) and not partitioned & {*UNPARTITIONED, "training_code"}


def test_one_run_makes_every_group_and_tells_of_each_once(made_shop: Shop, first_run: FirstRun) -> None:
    made = first_run.made
    assert made.result.success
    assert made.materialized == {**{name: [*SHOPS] for name in PARTITIONED}, **{name: [None] for name in UNPARTITIONED}}
    planned = Counter(
        asset_name(event.dagster_event.asset_key)
        for event in made_shop.instance.all_logs(
            made.result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        )
        if event.dagster_event and event.dagster_event.asset_key
    )
    assert planned["ensemble"] == len(SHOPS)


def test_what_was_made_is_in_step_with_what_it_was_made_of_until_that_changes(made_shop: Shop) -> None:
    assert {made_shop.staleness(asset, "b") for asset in PARTITIONED} == {""}
    made_shop.write(b=200.0)
    made_shop.run(assets=("dataset",))
    assert made_shop.staleness("features", "b") == "has a new dependency data version"
    made_shop.run(assets=PARTITIONED)
    assert {made_shop.staleness(asset, "b") for asset in PARTITIONED} == {""}


def test_each_group_shows_what_was_made_of_it(made_shop: Shop, first_run: FirstRun) -> None:
    made = first_run.made
    features, forecast = made.metadata("features", "b"), made.metadata("forecast", "b")
    assert (features["group"], features["status"], features["horizon"], features["frequency"]) == (
        "b",
        "ready",
        HORIZON,
        "MS",
    )
    rows = forecast["forecast"]
    assert [str(row["month"])[:10] for row in rows] == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
    assert all(row["quantile_0.1"] <= row["prediction"] <= row["quantile_0.9"] for row in rows)
    assert made.metadata("evaluation", "b")["test_MASE"] > 0
    summary = made.metadata("summary", None)["groups"]
    assert [(row["group"], row["status"]) for row in summary] == [(key, "learnt") for key in SHOPS]
    report: Report = RecordStore().load("shops", "report")
    assert all(f">{key}</th>".encode() in report.page for key in SHOPS) and report.page.count(b"<img") == 2 + len(SHOPS)


def test_one_key_can_be_made_by_itself(made_shop: Shop) -> None:
    made = made_shop.run("b", assets=PARTITIONED)
    assert made.result.success
    assert made.materialized == {name: ["b"] for name in PARTITIONED}


def test_a_partition_key_of_dagsters_own_makes_one_group_and_no_other(made_shop: Shop) -> None:
    """As `dagster asset materialize --partition` gives it, in the place of our range of keys."""
    keys = [asset_key("shops", name) for name in PARTITIONED]
    made = Made(made_shop.job.execute_in_process(instance=made_shop.instance, asset_selection=keys, partition_key="b"))
    assert made.materialized == {name: ["b"] for name in PARTITIONED}


def test_where_no_group_changed_nothing_is_made_unless_something_is_lacking(made_shop: Shop) -> None:
    made = made_shop.run(**{CHANGED_TAG: "true"})
    assert made.result.success and made.materialized == {"dataset": [None]}
    shutil.rmtree(made_shop.folder / "home" / "artifacts" / "shops" / "report")
    assert "report" in made_shop.run(**{CHANGED_TAG: "true"}).materialized
    made_shop.write(b=200.0)
    assert made_shop.run(**{CHANGED_TAG: "true"}).materialized["evaluation"] == ["b"]


def test_a_group_that_cannot_be_forecast_is_told_and_stops_nobody(shop: Shop) -> None:
    shop.keys()
    shop.write(("a", "c"))
    made = shop.run(assets=(*UNPARTITIONED, *PARTITIONED, "training_code"))
    assert made.result.success
    assert isinstance(shop.read("features", "b"), Refusal) and isinstance(shop.read("features", "a"), Group)
    assert made.materialized["ensemble"] == ["a", "c"]
    assert "b: the source has no rows of the group 'b'" in made.failed_checks["features.every_group_made"]
    summary = {row["group"]: row for row in made.metadata("summary", None)["groups"]}
    assert (summary["b"]["status"], summary["a"]["status"]) == ("failed", "learnt")
    assert "no rows of the group" in summary["b"]["reason"]
    (left_out,) = made.metadata("training_code", None)["left_out"]
    assert left_out == {"group": "b", "reason": summary["b"]["reason"]}
    code: TrainingCode = RecordStore().load("shops", "training_code")
    assert list(json.loads(code.ensembles or b"")) == ["a", "c"]


def test_only_changed_groups_are_made_again(made_shop: Shop) -> None:
    shop, assets = made_shop, ("dataset", *PARTITIONED)
    before = {key: shop.read("forecast", key).point for key in SHOPS}
    shop.write(b=500.0)
    made = shop.run(assets=assets, **{CHANGED_TAG: "true"})
    assert {name: made.materialized[name] for name in PARTITIONED} == {name: ["b"] for name in PARTITIONED}
    assert np.array_equal(shop.read("forecast", "a").point, before["a"])
    assert shop.read("forecast", "b").point.min() > before["b"].max() + 300
    again = shop.run(assets=assets, **{CHANGED_TAG: "true"})
    assert not set(again.materialized) & set(PARTITIONED)


def test_a_record_of_other_rows_is_never_mixed_with_those_of_today(made_shop: Shop) -> None:
    made_shop.write(b=500.0)
    made_shop.run("b", assets=("dataset", "features"))
    made = made_shop.run(assets=("evaluation",))
    assert made.materialized["evaluation"] == ["a", "c"]
    assert "b: its ensemble is missing, or of other rows" in made.failed_checks["evaluation.every_group_made"]


def test_a_run_that_goes_on_makes_what_is_missing_alone(shop: Shop) -> None:
    """The place of one group cannot be written: the step ends there, with the group before it done."""
    in_the_way = shop.folder / "home" / "artifacts" / "shops" / "ensemble" / "b"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("in the way")
    first = shop.execute()
    assert not first.success
    in_the_way.unlink()
    options = dg.ReexecutionOptions.from_failure(first.run_id, shop.instance)
    second = shop.execute(options, **{"dagster/is_resume_retry": "true"})
    assert second.success
    before, after = told(first), told(second)
    assert set(after) == {"ensemble", "evaluation", "forecast", "summary", "report"}
    assert "b" not in before.get("ensemble", [])
    assert sorted([*before.get("ensemble", []), *after["ensemble"]]) == [*SHOPS]


def told(run: dg.JobExecutionResult) -> dict[str, list[str]]:
    """Asset -> partitions that a run materialised."""
    found: dict[str, list[str]] = {}
    for event in run.filter_events(lambda event: event.is_step_materialization):
        found.setdefault(asset_name(event.asset_key), []).append(event.partition)
    return found


def test_groups_of_odd_names_are_made_under_names_that_paths_bear(shop: Shop) -> None:
    odd = ("../x", "a/b", "😀", "x" * 300, "")
    shop.write(odd)
    made = shop.run()
    assert made.result.success
    keys = keys_of(shop.instance, shop.experiment)
    assert sorted(map(str, made.materialized["forecast"])) == sorted(keys) and len(keys) == len(odd)
    assert {made.metadata("features", key)["group"] for key in keys} == {*odd[:-1], keys_without_name(keys, made)}


def keys_without_name(keys: list[str], made: Made) -> str:
    """The key of the group whose name is empty, under which it is shown."""
    (key,) = [key for key in keys if made.metadata("features", key)["group"] == key]
    return key


def test_a_group_beside_which_everything_fails_falls_back(shop: Shop) -> None:
    made = shop.run(assets=("dataset", "features", "leaderboard", "ensemble"))
    ensemble: ForecastEnsemble = shop.read("ensemble", "a")
    assert ensemble.is_fallback
    assert set(made.failed_checks) == {"ensemble.no_fallback"} and "a: " in made.failed_checks["ensemble.no_fallback"]
