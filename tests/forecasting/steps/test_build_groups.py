"""From rows to groups of regular series: keys, tests at the end, and rows as people really bring them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.steps.build_groups import build_groups, group_keys
from automl_assets.steps.load import load

Ask = Callable[..., dict[str, Group | DataError]]
START = datetime(2024, 1, 1)


def days(n_rows: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(days=day) for day in range(n_rows)]


def experiment_of(folder: Path, table: pl.DataFrame, test: Any, **settings: Any) -> Experiment:
    table.write_parquet(folder / "rows.parquet")
    if isinstance(test, pl.DataFrame):
        test.write_parquet(folder / "test.parquet")
        test = str(folder / "test.parquet")
    top = {key: settings.pop(key) for key in ("featurization", "drop_columns") if key in settings}
    named = {"task": "forecasting", "source": str(folder / "rows.parquet"), "target": "y", "time_column": "t"}
    return parse(named | top | {"test": test, "forecasting": {"horizon": 2} | settings}, "tried")


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def make(table: pl.DataFrame, test: Any = "none", **settings: Any) -> dict[str, Group | DataError]:
        experiment = experiment_of(tmp_path, table, test, **settings)
        dataset = load(experiment)
        return dict(build_groups(dataset, experiment, group_keys(dataset, experiment)))

    return make


def only(found: dict[str, Group | DataError]) -> Group:
    (group,) = found.values()
    assert isinstance(group, Group), group
    return group


def guardrail(group: Group, name: str) -> Any:
    return next(one for one in group.guardrails if one.name == name)


def two_shops(n_rows: int = 20) -> pl.DataFrame:
    return pl.DataFrame(
        {"shop": ["a"] * n_rows + ["b"] * n_rows, "t": days(n_rows) * 2, "y": [float(i) for i in range(2 * n_rows)]}
    )


def test_what_is_kept_for_the_test_fills_no_gap_and_names_no_category(ask: Ask) -> None:
    n_rows = 40
    price = [1.0] * 32 + [1000.0] * 8
    price[3] = None
    weather = ["dry", "wet"] * 16 + ["snow"] * 8
    rows = pl.DataFrame(
        {"t": days(n_rows), "y": [float(i % 5) for i in range(n_rows)], "price": price, "weather": weather}
    )
    group = only(ask(rows, test=0.2, known_covariates=["price", "weather"]))
    price_of, weather_of = group.problem.covariates
    assert group.test is not None and len(group.test.y) == 8
    assert price_of.fill == 1.0 and weather_of.categories == ("dry", "wet", "")
    assert group.test.covariates[:, 1].tolist() == [2.0] * 8, "as it is met for the first time when it is served"
    every = only(ask(rows, known_covariates=["price", "weather"]))
    assert every.problem.covariates[1].categories == ("dry", "snow", "wet", "")


def test_unsorted_rows_become_sorted_series(ask: Ask) -> None:
    shuffled = two_shops().sample(fraction=1.0, shuffle=True, seed=1)
    panel = only(ask(shuffled, series_id_columns="shop")).panel
    assert panel.names == ("a", "b")
    assert panel.y.tolist() == [float(i) for i in range(40)]
    assert panel.stamps[:2].tolist() == days(2)


def test_a_group_for_each_value(ask: Ask) -> None:
    found = ask(two_shops(), series_id_columns="shop", partition_by="shop")
    assert {key: group.values for key, group in found.items()} == {"a": ("a",), "b": ("b",)}
    assert found["b"].panel.y[0] == 20


def test_the_last_rows_of_each_series_are_the_test(ask: Ask) -> None:
    group = only(ask(two_shops(), test=0.2, series_id_columns="shop"))
    assert group.panel.lengths.tolist() == [16, 16]
    assert group.test is not None
    assert group.test.y.tolist() == [16, 17, 18, 19, 36, 37, 38, 39]
    assert (group.test.stamps[0] - group.panel.stamps[15]) == np.timedelta64(1, "D")


# --- stamps as people bring them ---------------------------------------------------------------------------------


def one_series(stamps: list[Any], values: list[float] | None = None, **columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"t": stamps, "y": values or [float(i) for i in range(len(stamps))]} | columns)


def hours(n_rows: int, start: datetime) -> list[datetime]:
    return [start + timedelta(hours=hour) for hour in range(n_rows)]


def test_a_stamp_that_repeats_its_value_is_kept_once(ask: Ask) -> None:
    table = one_series([*days(10), days(10)[3]], [*map(float, range(10)), 3.0])
    group = only(ask(table))
    assert group.panel.y.tolist() == [*range(10)]
    assert guardrail(group, "duplicate_stamps").status == "done"
    assert "1 rows repeat a stamp" in guardrail(group, "duplicate_stamps").message


def test_a_stamp_with_two_values_is_refused_for_its_group_alone(ask: Ask) -> None:
    table = pl.concat([two_shops(), pl.DataFrame({"shop": ["a"], "t": [days(5)[4]], "y": [99.0]})])
    found = ask(table, series_id_columns="shop", partition_by="shop")
    assert isinstance(found["b"], Group)
    assert isinstance(found["a"], DataError)
    assert "such as 2024-01-05" in str(found["a"])
    assert "forecasting.series_id_columns, or sum rows up with forecasting.aggregate" in str(found["a"])


@pytest.mark.parametrize("columns", [("shop",), ("shop", "article")])
def test_columns_that_would_tell_series_apart_are_named(ask: Ask, columns: tuple[str, ...]) -> None:
    few = pl.DataFrame({"shop": ["a", "a", "b", "b"], "article": [1, 2, 1, 2]}).unique(columns, maintain_order=True)
    table = few.join(pl.DataFrame({"t": days(9), "warmth": [0.5] * 9}), how="cross").with_row_index("y")
    (error,) = ask(table).values()
    assert f"series_id_columns ({', '.join(columns)} would do)" in str(error)


@pytest.mark.parametrize(("how", "expected"), [("sum", 4.0), ("mean", 2.0), ("max", 3.0), ("min", 1.0)])
def test_rows_of_a_period_become_one(ask: Ask, how: str, expected: float) -> None:
    table = one_series(sorted(days(10) * 2), [1.0, 3.0] * 10, price=[2.0, 4.0] * 10)
    group = only(ask(table, aggregate=how, frequency="D", known_covariates="price"))
    assert group.panel.y.tolist() == [expected] * 10
    assert [one.name for one in group.problem.covariates] == ["price", "price_min", "price_max"]
    assert group.panel.covariates.tolist() == [[3.0, 2.0, 4.0]] * 10
    assert guardrail(group, "duplicate_stamps").figures["aggregated"] == 10


def test_days_become_weeks_that_end_where_asked(ask: Ask) -> None:
    table = one_series(days(28), [1.0] * 28)  # 2024-01-01 is a Monday
    group = only(ask(table, aggregate="sum", frequency="W-SUN", horizon=1))
    assert group.panel.y.tolist() == [7.0] * 4
    assert group.panel.stamps.astype("datetime64[D]").astype(str).tolist()[0] == "2024-01-07"


def test_moments_with_a_zone_are_kept_in_utc(ask: Ask) -> None:
    utc = pl.Series(hours(72, datetime(2023, 10, 28))).dt.replace_time_zone("UTC")
    group = only(ask(one_series(utc.dt.convert_time_zone("Europe/Berlin").to_list()), horizon=2))
    assert group.problem.timezone == "Europe/Berlin"
    assert group.panel.stamps.tolist() == hours(72, datetime(2023, 10, 28))
    assert not group.panel.is_filled.any()


def test_days_begin_at_midnight_where_they_are_lived(ask: Ask) -> None:
    local = pl.Series(days(60, datetime(2023, 10, 1))).dt.replace_time_zone("Europe/Berlin")
    group = only(ask(one_series(local.to_list())))
    assert group.problem.frequency == "D" and group.problem.timezone is None
    assert group.panel.stamps.tolist() == days(60, datetime(2023, 10, 1))


AUTUMN = datetime(2023, 10, 29)  # clocks are put back from 3:00 to 2:00 in Berlin


def local_hours() -> list[datetime]:
    return [*hours(3, AUTUMN), AUTUMN + timedelta(hours=2), *hours(45, AUTUMN + timedelta(hours=3))]


def test_an_hour_that_comes_twice_is_averaged_and_told(ask: Ask) -> None:
    group = only(ask(one_series(local_hours())))
    assert group.panel.y[:5].tolist() == [0, 1, 2.5, 4, 5]
    assert guardrail(group, "daylight_saving").status == "alerted"
    assert "forecasting.timezone" in guardrail(group, "daylight_saving").message


def test_a_named_place_tells_the_two_hours_apart(ask: Ask) -> None:
    group = only(ask(one_series(local_hours()), timezone="Europe/Berlin"))
    assert group.panel.y.tolist() == [*range(49)]
    assert group.panel.stamps[0].tolist() == datetime(2023, 10, 28, 22)
    assert guardrail(group, "daylight_saving").status == "passed"


def test_half_hours_that_come_twice_stay_in_order(ask: Ask) -> None:
    wanted = [AUTUMN + timedelta(minutes=30 * i) for i in range(48)]
    utc = pl.Series(wanted).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    group = only(ask(one_series(utc.dt.replace_time_zone(None).to_list()), timezone="Europe/Berlin"))
    assert group.panel.stamps.tolist() == wanted
    assert group.panel.y.tolist() == [*range(48)]


def test_the_hour_that_spring_lacks_is_a_gap(ask: Ask) -> None:
    spring = [moment for moment in hours(48, datetime(2024, 3, 31)) if moment.hour != 2 or moment.day != 31]
    group = only(ask(one_series(spring)))
    assert group.panel.y[:4].tolist() == [0, 1, 1, 2]
    assert group.panel.is_filled.nonzero()[0].tolist() == [2]


@pytest.mark.parametrize(
    ("stamps", "frequency", "first"),
    [
        ([f"{year}Q{quarter}" for year in (2020, 2021, 2022) for quarter in (1, 2, 3, 4)], "QS-JAN", "2020-01-01"),
        ([*range(1990, 2010)], "YS-JAN", "1990-01-01"),
        ([*range(12)], "D", "1970-01-01"),
        ([202300 + month for month in range(1, 13)], "MS", "2023-01-01"),
        ([f"2024-01-{day:02}T06:00:00Z" for day in range(1, 13)], "D", "2024-01-01"),
        ([f"{day:02}.01.2024" for day in range(1, 20)], "D", "2024-01-01"),
        ([datetime(2024, month, 15) for month in range(1, 13)], "MS-15", "2024-01-15"),
        ([1706659200 + 3600 * hour for hour in range(30)], "h", "2024-01-31"),
        ([1706659200000 + 86_400_000 * day for day in range(30)], "D", "2024-01-31"),
        ([44197 + day for day in range(30)], "D", "2021-01-01"),
        ([f"{month:02}/{year}" for year in (2020, 2021) for month in range(1, 13)], "MS", "2020-01-01"),
    ],
)
def test_time_is_written_in_many_ways(ask: Ask, stamps: list[Any], frequency: str, first: str) -> None:
    group = only(ask(one_series(stamps)))
    assert group.problem.frequency == frequency
    assert str(group.panel.stamps[0].astype("datetime64[D]")) == first
    assert group.panel.y.tolist() == [*range(len(stamps))]


def test_a_time_column_that_says_no_time_is_refused(ask: Ask) -> None:
    with pytest.raises(DataError, match=r"^time_column \"t\": 1 of 10 values, such as 'soon', is no time; "):
        ask(one_series([*map(str, days(9)), "soon"]))


def test_a_few_rows_off_the_grid_are_left_out(ask: Ask) -> None:
    group = only(ask(one_series([*days(30), days(30)[10] + timedelta(hours=5)]), frequency="D"))
    assert group.panel.lengths.tolist() == [30]
    assert guardrail(group, "frequency").figures["off_grid"] == 1


def test_many_rows_off_the_grid_are_refused(ask: Ask) -> None:
    found = ask(one_series([day + timedelta(minutes=7 * i) for i, day in enumerate(days(30))]), frequency="D")
    assert "do not stand on the grid of frequency D" in str(found["all"])


def test_a_frequency_finer_than_the_data_is_refused(ask: Ask) -> None:
    with pytest.raises(DataError, match=r"got h, which is finer than the data's D; say D"):
        ask(one_series(days(30)), frequency="h")


def test_one_stamp_per_series_has_no_frequency(ask: Ask) -> None:
    table = pl.DataFrame({"shop": ["a", "b", "c"], "t": days(3), "y": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"no series has two different stamps"):
        ask(table, series_id_columns="shop")


# --- values as people bring them ---------------------------------------------------------------------------------


def test_gaps_take_the_last_value_and_nothing_from_later(ask: Ask) -> None:
    table = one_series(days(12), price=[float(i) for i in range(12)]).filter(~pl.col("y").is_in([4.0, 5.0]))
    table = table.with_columns(y=pl.when(pl.col("y") == 8).then(None).otherwise("y"))
    group = only(ask(table, known_covariates="price"))
    assert group.panel.y.tolist() == [0, 1, 2, 3, 3, 3, 6, 7, 7, 9, 10, 11]
    assert group.panel.is_filled.nonzero()[0].tolist() == [4, 5, 8]
    assert group.panel.covariates[:, 0].tolist() == [0, 1, 2, 3, 3, 3, 6, 7, 8, 9, 10, 11]
    assert guardrail(group, "gaps").figures["filled"] == 3


def test_gaps_of_sales_may_mean_none(ask: Ask) -> None:
    imputers = {"imputers": {"y": {"strategy": "constant", "fill_value": 0}}}
    table = one_series(days(12), [5.0] * 12).filter(pl.col("t") != days(12)[3])
    assert only(ask(table, featurization=imputers)).panel.y.tolist() == [5, 5, 5, 0, *[5] * 8]


def test_rows_before_the_first_value_and_after_the_last_are_no_history(ask: Ask) -> None:
    table = one_series(days(12), [None, None, *map(float, range(8)), None, None])  # type: ignore[list-item]
    panel = only(ask(table)).panel
    assert panel.y.tolist() == [*range(8)]
    assert panel.stamps[0].tolist() == days(3)[2]


def test_one_short_series_is_left_out_and_told(ask: Ask) -> None:
    table = pl.concat([two_shops(), pl.DataFrame({"shop": ["c"], "t": days(1), "y": [7.0]})])
    group = only(ask(table, series_id_columns="shop"))
    assert group.panel.names == ("a", "b")
    assert "1 series have fewer than 4 rows and are left out: c." in guardrail(group, "short_series").message


def test_a_group_of_one_point_is_padded(ask: Ask) -> None:
    table = pl.concat([two_shops(), pl.DataFrame({"shop": ["c"], "t": days(1), "y": [7.0]})])
    group = ask(table, series_id_columns="shop", partition_by="shop")["c"]
    assert isinstance(group, Group)
    assert group.panel.y.tolist() == [7.0] * 4
    assert group.panel.is_filled.tolist() == [True, True, True, False]
    assert group.panel.stamps[-1].tolist() == START


def test_what_stands_before_a_short_series_is_not_told_by_its_test(ask: Ask) -> None:
    table = pl.DataFrame({"t": days(3), "y": [1.0, 3.0, 8.0]})
    later = pl.DataFrame({"t": days(7)[3:], "y": [900.0] * 4})
    group = only(ask(table, test=later, horizon=3))
    assert group.panel.y.tolist() == [3.0, 3.0, 1.0, 3.0, 8.0]
    assert group.test is not None and group.test.y.tolist() == [900.0] * 4


def test_a_short_series_may_be_kept(ask: Ask) -> None:
    table = pl.concat([two_shops(), pl.DataFrame({"shop": ["c"], "t": days(1), "y": [7.0]})])
    assert only(ask(table, series_id_columns="shop", short_series="keep")).panel.lengths.tolist() == [20, 20, 1]


def test_a_constant_series_is_told(ask: Ask) -> None:
    group = only(ask(one_series(days(20), [3.0] * 20)))
    assert group.panel.y.tolist() == [3.0] * 20
    assert group.problem.periods == ()
    assert guardrail(group, "constant_series").status == "alerted"


def test_a_series_without_a_value_is_told(ask: Ask) -> None:
    table = pl.concat(
        [two_shops(), pl.DataFrame({"shop": ["c"] * 9, "t": days(9), "y": [None] * 9}, two_shops().schema)]
    )
    group = only(ask(table, series_id_columns="shop"))
    assert group.panel.names == ("a", "b")
    assert "1 series have no value: c." in guardrail(group, "short_series").message


@pytest.mark.parametrize(("column", "value"), [("t", None), ("y", None)])
def test_a_group_without_a_stamp_or_a_value_stops_no_other(ask: Ask, column: str, value: None) -> None:
    table = two_shops().with_columns(pl.when(pl.col("shop") == "b").then(value).otherwise(column).alias(column))
    found = ask(table, series_id_columns="shop", partition_by="shop")
    assert isinstance(found["a"], Group)
    assert 'no row has both a stamp and a value of the target "y"' in str(found["b"])


# --- what is known ahead -----------------------------------------------------------------------------------------


def _with_price(n_rows: int = 20) -> pl.DataFrame:
    return one_series(days(n_rows), price=[float(i % 5) for i in range(n_rows)], colour=["red", "blue"] * (n_rows // 2))


def test_columns_of_the_test_file_are_known_and_others_past(ask: Ask) -> None:
    test = one_series(days(4, days(21)[20]), price=[1.0, 2.0, 3.0, 4.0])
    group = only(ask(_with_price(), test=test))
    assert [(one.name, one.role) for one in group.problem.covariates] == [("price", "known"), ("colour", "past")]
    assert group.test is not None
    assert group.test.covariates[:, 0].tolist() == [1, 2, 3, 4]
    assert group.problem.covariates[1].categories == ("blue", "red", "")
    assert set(group.panel.covariates[:, 1]) == {0, 1}
    assert group.test.covariates[:, 1].tolist() == [0] * 4  # the last one, which no future is shown


def test_missing_values_ahead_are_told(ask: Ask) -> None:
    test = one_series(days(4, days(21)[20]), price=[1.0, None, None, 4.0])
    group = only(ask(_with_price(), test=test))
    assert group.test is not None
    assert np.isfinite(group.test.covariates).all()
    assert guardrail(group, "future_covariates").status == "alerted"
    assert guardrail(group, "future_covariates").message.startswith("price: known ahead, but without a value")


def test_a_column_that_is_said_to_be_known_but_is_not_in_the_test_keeps_its_last_value(ask: Ask) -> None:
    test = one_series(days(4, days(21)[20]))
    group = only(ask(_with_price(), test=test, known_covariates=["price", "colour"]))
    assert group.test is not None
    assert group.test.covariates[:, 0].tolist() == [4.0] * 4  # the last price
    assert group.test.covariates[:, 1].tolist() == [0.0] * 4  # blue
    assert "price, colour" in guardrail(group, "future_covariates").message


def test_without_a_look_ahead_columns_are_past(ask: Ask) -> None:
    assert {one.role for one in only(ask(_with_price(), test=0.2)).problem.covariates} == {"past"}


def test_what_never_changes_within_a_series_is_static(ask: Ask) -> None:
    table = two_shops().with_columns(city=pl.when(pl.col("shop") == "a").then(pl.lit("Bonn")).otherwise(pl.lit("Rome")))
    group = only(ask(table, series_id_columns="shop"))
    assert [one.name for one in group.problem.statics] == ["city"]
    assert group.panel.statics.tolist() == [[0], [1]]


def test_a_covariate_that_is_the_target_is_told(ask: Ask) -> None:
    group = only(ask(one_series(days(30), copy=[2.0 * i + 1 for i in range(30)]), known_covariates="copy"))
    assert guardrail(group, "covariate_leakage").severity == "error"


def test_a_test_file_without_the_target_tests_nothing(ask: Ask) -> None:
    group = only(ask(_with_price(), test=one_series(days(4, days(21)[20]), price=[1.0] * 4).drop("y")))
    assert group.test is None
    assert group.problem.covariates[0].role == "known"


def test_rows_of_the_test_file_that_are_no_later_are_left_out(ask: Ask) -> None:
    group = only(ask(one_series(days(20)), test=one_series(days(6, days(18)[17]), [99.0] * 6)))
    assert group.panel.y[-1] == 19
    assert group.test is not None and len(group.test.y) == 3
    assert "3 rows of the test file are no later" in guardrail(group, "frequency").message


# --- groups ------------------------------------------------------------------------------------------------------

ODD = ["../x", "a/b", "🎈", "x" * 300, "", "con", "Ca", "cA", None]


def test_odd_names_of_groups_become_safe_keys(ask: Ask) -> None:
    table = pl.concat(
        [two_shops(10).filter(pl.col("shop") == "a").with_columns(shop=pl.lit(name, pl.String)) for name in ODD]
    )
    table = table.filter(pl.col("shop").is_not_null() | (pl.col("y") < 0))
    found = ask(table, series_id_columns="shop", partition_by="shop")
    assert {group.values[0] for group in found.values() if isinstance(group, Group)} == set(ODD) - {None}
    assert len({key.lower() for key in found}) == len(ODD) - 1


def test_a_group_is_what_a_series_lies_in(ask: Ask) -> None:
    table = two_shops().with_columns(city=pl.Series(["Bonn", "Rome"] * 20))
    with pytest.raises(
        DataError, match=r'^partition_by: "city" changes within the series a, b; a series lies in one group'
    ):
        ask(table, series_id_columns="shop", partition_by="city")


def test_many_groups_share_partitions(ask: Ask) -> None:
    table = pl.concat([two_shops(10).with_columns(shop=pl.col("shop") + str(number)) for number in range(20)])
    found = ask(table, series_id_columns="shop", partition_by="shop", partition_limit=5)
    groups = [group for group in found.values() if isinstance(group, Group)]
    assert len(found) == len(groups) <= 5 and all(key.startswith("shard_") for key in found)
    assert sorted(values[0] for group in groups for values in group.groups) == sorted(table["shop"].unique())
    assert all(group.values == () for group in groups)
    values = {name: y[0] for group in groups for name, y in zip(group.panel.names, group.panel.series(), strict=True)}
    assert values["a7"] == 0 and values["b7"] == 10


def test_a_global_model_learns_from_all_groups_in_one_partition(ask: Ask) -> None:
    group = only(ask(two_shops(), series_id_columns="shop", partition_by="shop", scope="global"))
    assert group.key == "all" and group.groups == (("a",), ("b",))


def test_a_key_without_rows_is_told(tmp_path: Path) -> None:
    experiment = experiment_of(tmp_path, two_shops(), "none", series_id_columns="shop", partition_by="shop")
    found = dict(build_groups(load(experiment), experiment, ["a", "gone"]))
    assert isinstance(found["a"], Group)
    assert "no rows of the group 'gone'" in str(found["gone"])
