"""Errors since then against those of the test, so many stamps ahead, where the data tells what came."""

import numpy as np
import polars as pl
import pytest

from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.records import Forecast, ForecastEvaluation, Panel
from automl_assets.forecasting.steps.drift import drift, known_drift
from automl_assets.records import Dataset
from automl_assets.steps.drift import drifted_columns
from automl_assets.steps.load import load

MONTHS = np.arange("2024-01", "2024-05", dtype="datetime64[M]").astype("datetime64[us]")
MADE = Forecast(("x", "y"), np.tile(MONTHS[1:], (2, 1)), np.full((2, 3), 10.0), np.empty((2, 3, 0)), ())
JUDGED = ForecastEvaluation("test", 6, {}, {}, np.array([1.0, 2.0, 3.0]), {}, pl.DataFrame())


def _panel(x: list[float], y: list[float], filled: tuple[int, ...] = ()) -> Panel:
    """Two series from January on."""
    lengths, n_rows = (len(x), len(y)), len(x) + len(y)
    return Panel(
        names=("x", "y"),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate([MONTHS[:length] for length in lengths]),
        y=np.array([*x, *y], float),
        is_filled=np.isin(np.arange(n_rows), filled),
        covariates=np.empty((n_rows, 0), np.float32),
        statics=np.empty((2, 0), np.float32),
    )


def test_nothing_is_said_while_nothing_has_come_true() -> None:
    assert drift("g", MADE, JUDGED, _panel([7], [7]), 0.5) is None


def test_errors_are_compared_with_those_as_far_ahead() -> None:
    line = drift("g", MADE, JUDGED, _panel([7, 13, 6], [7, 7]), 0.5)
    assert line is not None and (line.column, line.measure, line.limit) == ("g", "error", 0.5)
    assert line.distance == pytest.approx((3 + 4 + 3) / (1 + 2 + 1) - 1)


def test_values_that_were_filled_in_are_no_truth() -> None:
    line = drift("g", MADE, JUDGED, _panel([7, 13, 90], [7, 90], filled=(2, 4)), 0.5)
    assert line is not None and line.distance == pytest.approx(2.0)


def test_chance_goes_by_the_number_of_series() -> None:
    """Of normal errors, by simulation: how far the mean size of so many strays, as a share of what it should be."""
    random = np.random.default_rng(0)
    sizes = np.abs(random.normal(size=(20_000, 2))).mean(axis=1) / np.sqrt(2 / np.pi)
    line = drift("g", MADE, JUDGED, _panel([7, 13, 6], [7, 7]), 0.5)
    assert line is not None and line.chance == pytest.approx(np.abs(sizes - 1).mean(), rel=0.05)


DAY = np.datetime64("2021-01-01")


def _days(first: int, n_rows: int) -> pl.DataFrame:
    """Of two shops: what is known ahead, with a season of a year in it (heat), and the weather, which is not."""
    random, number = np.random.default_rng(first), np.repeat(np.arange(first, first + n_rows), 2)
    return pl.DataFrame({
        "shop": ["a", "b"] * n_rows,
        "day": (DAY + number).astype("datetime64[us]"),
        "price": random.normal(10, 2, 2 * n_rows),
        "offer": random.choice(["yes", "no"], 2 * n_rows, p=[0.3, 0.7]),
        "heat": 15 + 10 * np.sin(number * 2 * np.pi / 365) + random.normal(size=2 * n_rows),
        "weather": random.normal(size=2 * n_rows),
        "y": number.astype(float),
    })  # fmt: skip


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Experiment]:
    """Two years of days."""
    _days(0, 730).write_parquet(file := tmp_path_factory.mktemp("known") / "rows.parquet")
    settings = {"series_id_columns": "shop", "horizon": 30, "known_covariates": ["price", "offer", "heat"]}
    given = {"task": "forecasting", "source": str(file), "target": "y", "time_column": "day"}
    experiment = parse(given | {"forecasting": settings, "retrain": {"drift": "tell"}}, "known")
    return load(experiment), experiment


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([], ()),
        ([pl.col("weather") + 9], ()),
        ([pl.col("price") + 2], ("price",)),
        ([pl.col("heat") + 20], ("heat",)),
        ([pl.lit("yes").alias("offer")], ("offer",)),
        ([pl.lit(None).cast(pl.Float64).alias("price")], ("price",)),
    ],
)
@pytest.mark.parametrize("first", [730, 800])
def test_what_is_known_ahead_and_has_moved_is_named(
    learnt: tuple[Dataset, Experiment], first: int, moved: list[pl.Expr], expected: tuple[str, ...]
) -> None:
    """A month of one season is no drift, although a year is warmer or colder."""
    dataset, experiment = learnt
    lines = known_drift(dataset, _days(first, 30).with_columns(*moved).drop("y"), experiment)
    assert drifted_columns(lines) == expected and {line.column for line in lines} == {"price", "offer", "heat"}


def test_nothing_known_ahead_is_no_drift(learnt: tuple[Dataset, Experiment]) -> None:
    assert known_drift(learnt[0], _days(730, 30).select("shop", "day"), learnt[1]) == ()
    assert drifted_columns(known_drift(learnt[0], _days(730, 0), learnt[1])) == ()
