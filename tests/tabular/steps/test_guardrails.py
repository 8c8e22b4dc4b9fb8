"""Every guardrail on rows tells each of its states, and a leak is found in whatever shape it comes."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from automl_assets.records import Guardrail
from automl_assets.steps import table_guardrails
from automl_assets.steps.load import load
from automl_assets.steps.split_guardrails import train_test_overlap, validation_split
from automl_assets.steps.split_rows import split_rows
from automl_assets.steps.table_guardrails import memory, power
from automl_assets.tabular.steps.describe import describe

N_ROWS = 400
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=N_ROWS)
CLASSES = RANDOM.choice(["a", "b", "c"], N_ROWS)
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(N_ROWS)]


def _guardrail(ask, name: str, task: str = "classification", settings: dict | None = None, **columns) -> Guardrail:
    experiment = ask(pl.DataFrame({"x": NUMBERS, "y": CLASSES} | columns), task, **(settings or {}))
    found = describe(load(experiment), experiment).guardrails
    return next(guardrail for guardrail in found if guardrail.name == name)


def _split_guardrails(ask, columns: dict, **settings) -> dict[str, Guardrail]:
    experiment = ask(pl.DataFrame({"x": NUMBERS, "y": CLASSES} | columns), **settings)
    dataset = load(experiment)
    split = split_rows(dataset, describe(dataset, experiment), experiment)
    return {g.name: g for g in (validation_split(split, experiment), train_test_overlap(dataset, split))}


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        (NUMBERS, "passed"),
        (1_767_225_600 + np.arange(N_ROWS) * 3, "done"),  # moments in seconds
        (np.where(NUMBERS > 0, 1e18, 0) + np.arange(N_ROWS) * 1_000, "alerted"),
    ],
)
def test_numbers_that_float32_cannot_hold(ask, numbers: np.ndarray, status: str) -> None:
    found = _guardrail(ask, "number_precision", n=numbers)
    assert found.status == status
    assert ("n:" in found.message) == (status != "passed")


LEAKS = {
    "a category": {"c": [f"code_{label}" for label in CLASSES]},
    "a category with noise categories": {"c": [f"{label}{i % 3}" for i, label in enumerate(CLASSES)]},
    "a number that is no line": {"c": np.array([7.0, 1.0, 3.0])[np.searchsorted(["a", "b", "c"], CLASSES)]},
    "a date": {"c": [date(2020, 1, "abc".index(label) + 1) for label in CLASSES]},
}


@pytest.mark.parametrize("columns", LEAKS.values(), ids=LEAKS)
def test_a_leak_into_classes(ask, columns: dict) -> None:
    found = _guardrail(ask, "target_leakage", **columns)
    assert (found.status, found.severity, found.figures["columns"]) == ("alerted", "error", 1)
    assert found.message.startswith("c: says the target almost exactly. If that is not known")


def test_a_leak_by_gaps(ask) -> None:
    two = np.where(CLASSES == "a", "yes", "no")
    found = _guardrail(ask, "target_leakage", y=two, c=np.where(CLASSES == "a", NUMBERS, None).tolist())
    assert found.message.startswith("c: ")
    by_gaps = _guardrail(
        ask, "target_leakage", y=two, c=[i % 7 if label == "a" else None for i, label in enumerate(CLASSES)]
    )
    assert by_gaps.status == "alerted"


def test_a_leak_into_numbers_along_a_curve(ask) -> None:
    found = _guardrail(
        ask, "target_leakage", "regression", y=NUMBERS, c=np.exp(3 * NUMBERS), x=RANDOM.normal(size=N_ROWS)
    )
    assert (found.status, found.figures["columns"]) == ("alerted", 1)


def test_what_helps_is_no_leak(ask) -> None:
    noisy = np.where(RANDOM.random(N_ROWS) < 0.9, CLASSES, "a")
    found = _guardrail(ask, "target_leakage", c=noisy, unique=[f"id {i % 200}" for i in range(N_ROWS)])
    assert found.status == "passed"
    assert 0.5 < found.figures["highest"] < 0.97


def test_many_categories_explain_no_noise() -> None:
    assert power(np.arange(N_ROWS)[:, None] // 2, RANDOM.normal(size=(N_ROWS, 1))) < 0.2


def test_columns_are_looked_at_together_as_each_alone(monkeypatch) -> None:
    """In blocks of any size, and whatever the number of bins of the others."""
    names = {f"c{k}": RANDOM.integers(0, k, N_ROWS) for k in (1, 2, 7, 90, 400)}
    targets = np.eye(3)[np.searchsorted(["a", "b", "c"], CLASSES)]
    alone = {name: power(bins[:, None], targets).item() for name, bins in names.items()}
    for cells in (1, 2 * N_ROWS, 1_000_000):
        monkeypatch.setattr(table_guardrails, "CELLS_AT_ONCE", cells)
        assert table_guardrails._powers([*names], names.__getitem__, targets) == pytest.approx(alone, abs=1e-12)


def test_a_line_is_found_over_the_rows_that_are_known() -> None:
    y = RANDOM.normal(size=N_ROWS)
    gappy = np.where(RANDOM.random(N_ROWS) < 0.5, 1e200 * y, np.nan)
    x = np.column_stack([gappy, np.full(N_ROWS, 3.0), np.full(N_ROWS, np.nan), NUMBERS, -y])
    found = table_guardrails._correlations(x, y)
    assert found[[0, 4]] == pytest.approx(1.0)
    assert found[[1, 2]].tolist() == [0.0, 0.0]
    assert found[3] == pytest.approx(abs(np.corrcoef(NUMBERS, y)[0, 1]))


def test_near_constant_columns(ask) -> None:
    assert _guardrail(ask, "near_constant_columns").status == "passed"
    found = _guardrail(ask, "near_constant_columns", c=["z", *["u"] * (N_ROWS - 1)])
    assert (found.status, found.figures) == ("done", {"columns": 1})
    assert found.message.startswith("c: the same value in over 99.5% of the rows.")


def test_time_leakage(ask) -> None:
    later = np.where(np.arange(N_ROWS) > N_ROWS // 2, "new", "old")
    later[RANDOM.random(N_ROWS) < 0.2] = "old"
    found = _guardrail(ask, "time_leakage", y=later, day=DAYS)
    assert (found.status, found.figures["column"]) == ("alerted", "day")
    assert "set `time_column: day`" in found.message
    assert _guardrail(ask, "time_leakage", y=later, day=DAYS, settings={"time_column": "day"}).status == "passed"
    assert _guardrail(ask, "time_leakage", day=DAYS).message == "The target hardly changes with time."
    assert _guardrail(ask, "time_leakage").message == "No column holds dates."


def test_memory(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _guardrail(ask, "memory", c=[f"c{i % 80}" for i in range(N_ROWS)])
    assert (found.status, found.figures["engineered_columns"]) == ("passed", 55)
    assert found.figures["megabytes"] == pytest.approx(N_ROWS * 55 * 4 * 3 / 1e6)
    experiment = ask(pl.DataFrame({"x": NUMBERS, "y": CLASSES}))
    columns = describe(load(experiment), experiment).columns
    monkeypatch.setattr(table_guardrails, "free_bytes", lambda: 1_000_000_000)
    told = memory(columns, 10**9)
    assert told.status == "alerted"
    assert told.message.startswith("3 engineered columns of 1000000000 rows take about 36.0 GB, and 1.0 GB are free.")


def test_overlap(ask) -> None:
    found = _split_guardrails(ask, {})["train_test_overlap"]
    assert (found.status, found.figures["rows"]) == ("passed", 0)
    found = _split_guardrails(ask, {"x": np.repeat(NUMBERS[: N_ROWS // 2], 2)})["train_test_overlap"]
    assert found.status == "alerted" and found.figures["share"] > 0.5
    assert _split_guardrails(ask, {}, test="none")["train_test_overlap"].message == "There are no test rows."


def test_the_way_of_validation_is_told(ask) -> None:
    found = _split_guardrails(ask, {})["validation_split"]
    assert (found.status, found.figures["folds"], found.figures["test_rows"]) == ("done", 8, 80)
    assert found.message == (
        "Trials are scored by 8-fold cross-validation, by the rule `auto` for 320 rows. Set `validation` for another way."
    )
    wished = _split_guardrails(ask, {}, validation={"folds": 3})["validation_split"]
    assert (wished.status, wished.figures["folds"]) == ("passed", 3) and "as the experiment says" in wished.message
