"""Distances agree with scipy's, chance explains what it should, and a column that moved is named."""

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from automl_assets.experiment.retraining import Drift
from automl_assets.model_records import ColumnDrift
from automl_assets.records import Dataset, Profile
from automl_assets.steps import drift as step
from automl_assets.steps.drift import drift, drifted_columns
from automl_assets.steps.load import load
from automl_assets.tabular.steps.describe import describe
from tests.conftest import Ask

LIMITS = Drift()
DRAWS = {
    "normal": lambda chance, n: chance.normal(size=n),
    "lognormal": lambda chance, n: chance.lognormal(sigma=2, size=n),
    "coin": lambda chance, n: chance.integers(0, 2, n).astype(float),
}


@pytest.mark.parametrize("seed", range(5))
def test_wasserstein_of_quantiles_is_scipys(seed: int) -> None:
    first, second = np.random.default_rng(seed).normal(size=(2, 100))
    assert step.wasserstein(np.sort(first), np.sort(second)) == pytest.approx(wasserstein_distance(first, second))


def test_a_hundred_quantiles_are_enough() -> None:
    chance = np.random.default_rng(0)
    first, second = chance.normal(size=5000), chance.normal(0.5, 1.5, size=3000)
    found = step.wasserstein(np.array(step.quantiles(first)), np.array(step.quantiles(second)))
    assert found == pytest.approx(wasserstein_distance(first, second), rel=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_jensen_shannon_is_scipys(seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, 9, (2, 7))
    assert step.jensen_shannon(first, second) == pytest.approx(jensenshannon(first, second, base=2))


@pytest.mark.parametrize("name", ["normal", "coin"])
def test_chance_of_wasserstein_is_what_samples_show(name: str) -> None:
    chance, draw = np.random.default_rng(0), DRAWS[name]
    levels = np.array(step.quantiles(draw(chance, 100_000)))
    found = np.mean([wasserstein_distance(draw(chance, 50), draw(chance, 200)) for _ in range(300)])
    assert step.wasserstein_by_chance(levels, 50, 200) == pytest.approx(found, rel=0.1)


def test_chance_of_jensen_shannon_is_what_samples_show() -> None:
    chance, shares = np.random.default_rng(0), [0.4, 0.3, 0.2, 0.1]
    pairs = [(chance.multinomial(200, shares), chance.multinomial(500, shares)) for _ in range(300)]
    found = np.sqrt(np.mean([step.jensen_shannon(*pair) ** 2 for pair in pairs]))
    assert step.jensen_shannon_by_chance(4, 200, 500) == pytest.approx(found, rel=0.1)


def _rows(n_rows: int, seed: int = 0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    return pl.DataFrame(
        {name: draw(chance, n_rows) for name, draw in DRAWS.items()}
        | {
            "colour": chance.choice(["red", "green", "blue"], n_rows, p=[0.5, 0.3, 0.2]),
            "many": chance.choice([f"code {i}" for i in range(80)], n_rows),
            "y": chance.choice(["yes", "no"], n_rows),
        }
    )


@pytest.fixture
def profile(ask: Ask) -> Profile:
    experiment = ask(_rows(2000))
    dataset: Dataset = load(experiment)
    return describe(dataset, experiment)


@pytest.mark.parametrize("n_rows", [10, 30, 100, 1000, 5000])
@pytest.mark.parametrize("seed", range(1, 5))
def test_rows_of_the_same_kind_have_not_moved(profile: Profile, n_rows: int, seed: int) -> None:
    assert drifted_columns(drift(profile, _rows(n_rows, seed), LIMITS)) == ()


MOVED = {
    "normal": pl.col("normal") + 0.5,
    "lognormal": pl.col("lognormal") * 3,
    "coin": pl.lit(1.0).alias("coin"),
    "colour": pl.col("colour").replace("red", "violet"),
    "many": pl.lit("code 3").alias("many"),
}


@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_column_that_moved_is_named_and_no_other(profile: Profile, name: str) -> None:
    lines = drift(profile, _rows(1000, 7).with_columns(MOVED[name]), LIMITS)
    assert drifted_columns(lines) == (name,) and f"moved: {name} (" in step.told(lines)


@pytest.mark.parametrize("gone", [pl.lit(None).alias("normal"), pl.lit("x").alias("normal")])
def test_a_column_without_values_has_moved_by_its_gaps(profile: Profile, gone: pl.Expr) -> None:
    line = drift(profile, _rows(1000, 7).with_columns(gone), LIMITS)[0]
    assert (line.column, line.measure, line.distance, line.is_drifted) == ("normal", "missing", 1.0, True)
    assert drift(profile, _rows(1000, 7).drop("normal"), LIMITS)[0] == line


def test_the_farthest_beyond_its_limit_comes_first(profile: Profile) -> None:
    rows = _rows(1000, 7).with_columns(MOVED["normal"], MOVED["coin"] * 9)
    lines = drift(profile, rows, LIMITS)
    assert drifted_columns(lines) == ("coin", "normal")
    assert [line.excess for line in lines] == sorted((line.excess for line in lines), reverse=True)


def test_no_row_at_all_is_no_drift(profile: Profile) -> None:
    assert drifted_columns(drift(profile, _rows(1000).head(0), LIMITS)) == ()


def test_limits_are_those_given(profile: Profile) -> None:
    rows = _rows(1000, 7).with_columns(MOVED["normal"])
    assert drifted_columns(drift(profile, rows, Drift(wasserstein=0.6))) == ()


def test_a_limit_counts_beyond_chance() -> None:
    assert not ColumnDrift("x", "missing", 0.39, 0.1, 0.1).is_drifted
    assert ColumnDrift("x", "missing", 0.41, 0.1, 0.1).is_drifted
