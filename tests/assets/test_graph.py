"""The asset graph, made for real: what each asset holds, what the UI is shown, how it fails."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

import automl_assets
from automl_assets.api.table_result import Result
from automl_assets.assets.dataset import dataset_type
from automl_assets.errors import LearningError
from automl_assets.experiment.experiment import load
from automl_assets.records import Dataset, Roles
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.store import RecordStore

MOST_PICTURE_BYTES = 100_000


@dataclass(frozen=True)
class Made:
    """A run that ended: its result, and what Dagster wrote down."""

    result: Result

    @cached_property
    def events(self) -> list[dg.DagsterEvent]:
        os.environ["DAGSTER_HOME"] = str(self.result.home)
        with dg.DagsterInstance.get() as instance:
            (run,) = instance.get_runs()
            return [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]

    @cached_property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """Asset -> what the UI shows."""
        found = {}
        for event in self.events:
            if event.is_step_materialization:
                materialization = event.step_materialization_data.materialization
                found[asset_name(materialization.asset_key)] = dict(materialization.metadata)
        return found

    @cached_property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        evaluations = [
            e.asset_check_evaluation_data for e in self.events if e.event_type_value == "ASSET_CHECK_EVALUATION"
        ]
        return {f"{asset_name(e.asset_key)}.{e.check_name}": e for e in evaluations}

    def load(self, asset: str) -> Any:
        os.environ["DAGSTER_HOME"] = str(self.result.home)
        return RecordStore().load(self.result.experiment.name, asset)


@pytest.fixture(scope="module")
def own_home() -> Iterator[None]:
    """Sets back the home that results point Dagster at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "set back at the end")
        yield


@pytest.fixture(scope="module")
def flowers(own_home: None, scripted: Path) -> Made:
    """A classification with everything."""
    return Made(Result(load(scripted / "flowers.yaml"), scripted / "home", 0.0, {}))


@pytest.fixture(scope="module")
def bills(
    own_home: None,
    tmp_path_factory: pytest.TempPathFactory,
    tiny: Callable[..., Path],
    new_home: Callable[[Path], Path],
) -> Made:
    """A regression without what can be left out, judged on out-of-fold rows."""
    folder = tmp_path_factory.mktemp("bills")
    file = tiny(folder, "bills", "regression", "test: none\nonnx: false\nexplain: false\nensemble: false\n")
    return Made(automl_assets.run(file, home=new_home(folder / "home")))


def test_every_asset_is_made(flowers: Made) -> None:
    assert set(flowers.metadata) == {
        "dataset", "profile", "split", "features", "candidate_baseline", "candidate_logistic_regression", "leaderboard",
        "ensemble", "evaluation", "explanation", "error_analysis", "fairness", "onnx_model", "registered_model", "predictions",
        "training_code", "report",
    }  # fmt: skip


def test_what_can_be_left_out_is(bills: Made) -> None:
    assert set(bills.metadata) == {
        "dataset", "profile", "split", "features", "candidate_baseline", "candidate_elastic_net", "leaderboard", "ensemble",
        "evaluation", "training_code", "report",
    }  # fmt: skip
    assert bills.result.onnx is None and bills.result.onnx_path is None


def test_every_check_is_evaluated(flowers: Made) -> None:
    assert set(flowers.checks) == {
        *(f"profile.{name}" for name in ("near_constant_columns", "number_precision", "time_leakage", "memory")),
        *(f"split.{name}" for name in ("validation_split", "train_test_overlap")),
        "profile.missing_values", "profile.missing_target", "profile.high_cardinality", "profile.ignored_columns",
        "profile.class_balance", "profile.unseen_classes", "profile.target_leakage", "profile.duplicate_rows", "candidate_baseline.any_trial_finished",
        "candidate_logistic_regression.any_trial_finished", "evaluation.beats_baseline", "fairness.groups_alike",
        "explanation.made", "error_analysis.made", "fairness.made", "training_code.made", "ensemble.all_tried",
        "ensemble.better_than_a_guess",
        "onnx_model.parity", "onnx_model.latency", "predictions.drift", "dataset.same_columns", "dataset.column_types",
    }  # fmt: skip
    failed = {name for name, check in flowers.checks.items() if not check.passed}
    assert failed <= {"onnx_model.latency", "fairness.groups_alike"}  # a busy machine may be slow; red ones are dearer
    assert flowers.checks["profile.missing_values"].metadata["status"].value == "done"


def test_the_data_set_is_shown(flowers: Made) -> None:
    shown = flowers.metadata["dataset"]
    assert shown["dagster/row_count"].value == 120
    columns = {column.name: column for column in shown["dagster/column_schema"].schema.columns}
    assert [columns[name].type for name in ("size", "colour", "bought")] == ["float", "text", "date"]
    assert columns["bought"].description == "dates as 2024-12-31, such as 2024-01-01"
    assert [line.data["name"] for line in shown["schema"].records] == list(columns)
    assert len(shown["preview"].records) == 5


def test_the_data_version_is_the_fingerprint_of_the_content(flowers: Made) -> None:
    (event,) = [e for e in flowers.events if e.is_step_materialization and asset_name(e.asset_key) == "dataset"]
    tags = event.step_materialization_data.materialization.tags
    assert tags["dagster/data_version"] == flowers.load("dataset").fingerprint


def test_each_engineered_column_leads_back_to_its_raw_column(flowers: Made) -> None:
    lineage = flowers.metadata["features"]["dagster/column_lineage"].lineage.deps_by_column
    sources = {name: [(asset_name(dep.asset_key), dep.column_name) for dep in deps] for name, deps in lineage.items()}
    assert sources["size"] == [("dataset", "size")]
    assert sources["bought_day"] == [("dataset", "bought")]
    assert {column for ((_, column),) in sources.values()} == {"size", "colour", "bought", "pieces"}
    assert {column.name for column in flowers.metadata["features"]["dagster/column_schema"].schema.columns} == set(
        sources
    )


def test_the_split_is_shown_with_its_shares(flowers: Made) -> None:
    shown = flowers.metadata["split"]
    assert (shown["n_training"].value, shown["n_test"].value, shown["n_folds"].value) == (96, 24, 2)
    rows = {record.data["rows"]: record.data for record in shown["rows"].records}
    assert rows["test"]["share of yes"] == pytest.approx(rows["training"]["share of yes"], abs=0.05)


def test_the_leaderboard_is_a_table_best_first(flowers: Made) -> None:
    rows = [record.data for record in flowers.metadata["leaderboard"]["leaderboard"].records]
    scores = [row["accuracy"] for row in rows]
    assert scores == sorted(scores, reverse=True) and len(scores) > 1
    assert [row["rank"] for row in rows] == [place + 1 for place in range(len(rows))]
    assert rows[-1]["trial"] == "baseline_1"
    assert flowers.metadata["leaderboard"]["best_score"].value == pytest.approx(scores[0])


@pytest.mark.parametrize(
    "asset", ["candidate_logistic_regression", "ensemble", "evaluation", "explanation", "fairness"]
)
def test_pictures_are_small_and_inside(flowers: Made, asset: str) -> None:
    pictures = [
        value.value for value in flowers.metadata[asset].values() if isinstance(value, dg.MarkdownMetadataValue)
    ]
    assert pictures
    for picture in pictures:
        assert picture.count("](data:image/png;base64,") == 1
        assert len(picture) < MOST_PICTURE_BYTES


def test_each_column_is_shown_with_its_importance_and_contribution(flowers: Made) -> None:
    shown = flowers.metadata["explanation"]
    rows = {record.data["column"]: record.data for record in shown["importances"].records}
    assert set(rows) == {"size", "colour", "bought", "pieces"}
    assert rows["size"]["mean |SHAP|"] == max(row["mean |SHAP|"] for row in rows.values())
    assert set(shown["shap_values"].records[0].data) == {
        *("row", "output", "column", "value", "contribution", "standard_error")
    }
    assert "bought_day" in {record.data["column"] for record in shown["engineered_importances"].records}


def test_sensitive_columns_are_compared(flowers: Made) -> None:
    shown, check = flowers.metadata["fairness"], flowers.checks["fairness.groups_alike"]
    assert {record.data["group"] for record in shown["metrics_by_colour"].records} == {
        "red",
        "green",
        "blue",
        "(missing)",
    }
    assert {record.data["column"] for record in shown["disparities"].records} == {"colour"}
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert ("is wanted" in check.description) != check.passed


def test_metrics_are_plain_numbers_that_the_ui_plots(flowers: Made, bills: Made) -> None:
    shown = flowers.metadata["evaluation"]
    assert shown["test_accuracy"].value == flowers.result.metrics["accuracy"]
    assert isinstance(bills.metadata["evaluation"]["out_of_fold_r2_score"], dg.FloatMetadataValue)


def test_the_registered_model_says_why_it_is_champion(flowers: Made) -> None:
    shown = flowers.metadata["registered_model"]
    assert shown["version"].value == 1 and shown["is_champion"].value is True
    assert shown["reason"].value.endswith("; it is the first model")


def test_predictions_are_made_for_rows_without_a_target(flowers: Made) -> None:
    made = flowers.load("predictions").table
    assert made.height == 12 and flowers.metadata["predictions"]["dagster/row_count"].value == 12
    assert set(made["prediction"]) <= {"yes", "no"}
    assert (made["probability_no"] + made["probability_yes"]).to_numpy() == pytest.approx(1)


def test_what_becomes_of_raw_scores_is_shown(flowers: Made, bills: Made) -> None:
    shown, ensemble = flowers.metadata["ensemble"], flowers.load("ensemble")
    assert shown["threshold"].value == ensemble.problem.threshold
    assert shown["least_probability_95"].value == pytest.approx(ensemble.conformal.bounds[1])
    assert (
        flowers.metadata["evaluation"]["coverage_95"].value == flowers.result.evaluation.coverage["coverage_95"] > 0.7
    )
    assert 1 <= flowers.metadata["evaluation"]["set_size_80"].value <= 2
    preview = flowers.metadata["predictions"]["preview"].records[0].data
    assert set(preview) == {
        "prediction",
        "probability_no",
        "probability_yes",
        "prediction_set_80",
        "prediction_set_95",
    }
    assert 0 < bills.metadata["ensemble"]["bound_80"].value < bills.metadata["ensemble"]["bound_95"].value
    assert "threshold" not in bills.metadata["ensemble"]
    assert not any("coverage" in name for name in bills.metadata["evaluation"]), "out-of-fold rows prove no coverage"


def test_the_result_predicts_as_the_asset_does(flowers: Made) -> None:
    made = flowers.load("predictions").table
    again = flowers.result.predict(made.select("size", "colour", "bought", "pieces"))
    assert again["probability_yes"].to_numpy() == pytest.approx(made["probability_yes"].to_numpy())


def test_without_test_rows_out_of_fold_rows_are_judged(bills: Made) -> None:
    evaluation = bills.result.evaluation
    assert (evaluation.rows, evaluation.n_rows) == ("out_of_fold", 120)
    assert evaluation.metrics["r2_score"] > 0.8
    assert bills.metadata["split"]["n_test"].value == 0


def test_the_artifacts_of_a_result_are_folders_that_are_there(flowers: Made) -> None:
    assert set(flowers.result.artifacts) == set(flowers.metadata)
    assert all(Path(folder).is_dir() for folder in flowers.result.artifacts.values())
    assert flowers.result.onnx_path.read_bytes() == flowers.result.onnx.onnx


def test_an_asset_can_be_made_again_alone(flowers: Made) -> None:
    os.environ["DAGSTER_HOME"] = str(flowers.result.home)
    from automl_assets.assets.graph import graph
    from automl_assets.definitions import shared

    assets, resources = graph(flowers.result.experiment), shared().resources
    evaluation = [asset for asset in assets if asset_name(asset.key) == "evaluation"]
    assert dg.materialize(assets, selection=evaluation, resources=resources).success


def remade(file: Path) -> str:
    """The data version of a data set that is made from `file` now."""
    from automl_assets.assets.dataset import dataset

    made = dg.materialize([dataset(load(file))], resources={"records": RecordStore()})
    (event,) = made.get_asset_materialization_events()
    return event.step_materialization_data.materialization.tags["dagster/data_version"]


def test_the_data_version_follows_the_content_and_nothing_else(home: Path, tiny: Callable[..., Path]) -> None:
    file = tiny(home.parent)
    before = remade(file)
    rows = file.with_name("tiny.csv")
    os.utime(rows, (1, 1))
    assert remade(file) == before
    rows.write_text(rows.read_text().replace("red", "rot", 1))
    assert remade(file) != before


def test_a_mistake_is_told_without_a_stack_trace(home: Path, tiny: Callable[..., Path]) -> None:
    file = tiny(home.parent)
    file.write_text(file.read_text().replace("target: answer", "target: anwser"))
    with pytest.raises(
        LearningError, match=r'dataset: target: .*tiny.csv has no column "anwser".*Did you mean "answer"'
    ):
        automl_assets.run(file)
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    failure = entry.dagster_event.step_failure_data
    assert failure.user_failure_data.description.startswith("target: ")
    assert failure.error.cause is None and failure.error.cls_name == "Failure"


ROLES = Roles("answer", ("size",), weight="weight", time="bought")


def checked(file: Path, **columns: list) -> dg.TypeCheck:
    """What Dagster's type of the data set says about two rows in which `columns` are replaced."""
    columns = {"answer": ["1", "2"], "size": [1, 2], "weight": [1, 0], "bought": ["2024", "2025"]} | columns
    rows = Dataset(pl.DataFrame(columns, strict=False), np.zeros(2, np.int8), ROLES, "")
    kind = dataset_type(load(file))
    return kind.type_check(dg.build_op_context(), rows)


def weighted(folder: Path, tiny: Callable[..., Path], task: str) -> Path:
    file = tiny(folder, task=task, more="weight_column: weight\ntime_column: bought\n")
    file.write_text(
        re.sub("drop_columns.*", "drop_columns: []", file.read_text()).replace("target: bill", "target: answer")
    )
    return file


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        ("classification", {"weight": [-1.0, 1.0]}, r'column "weight" - Column must have values between 0.0 and inf'),
        ("classification", {"weight": [None, 1.0]}, r"(?s)weight"),
        ("classification", {"bought": [None, "2024"]}, r"(?s)bought"),
        ("regression", {"answer": ["a", "b"]}, r"(?s)answer"),
    ],
)
def test_the_type_of_the_data_set_refuses(
    tmp_path: Path, tiny: Callable[..., Path], task: str, columns: dict, message: str
) -> None:
    result = checked(weighted(tmp_path, tiny, task), **columns)
    assert not result.success
    assert re.search(message, result.description), result.description


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("classification", {}),
        ("classification", {"answer": [None, True]}),
        ("regression", {"answer": [None, 7]}),
        ("regression", {"answer": [1.5, float("nan")]}),
    ],
)
def test_the_type_of_the_data_set_accepts(tmp_path: Path, tiny: Callable[..., Path], task: str, columns: dict) -> None:
    assert checked(weighted(tmp_path, tiny, task), **columns).success


def test_a_violated_constraint_stops_the_run_with_a_readable_message(home: Path, tiny: Callable[..., Path]) -> None:
    file = tiny(home.parent, task="regression")
    file.write_text(file.read_text().replace("target: bill", "target: answer").replace("[answer, weight]", "[weight]"))
    with pytest.raises(LearningError, match=r'^dataset: Violated "\w+" for column "answer" - .*is_numeric'):
        automl_assets.run(file)
