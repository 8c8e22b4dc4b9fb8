"""Every kind of grid, from rows to forecasts: found in the stamps, continued by them, and the rows learnt from are taken
again when they come as rows of today."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.data.time_grid import grid
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.records import ForecastEnsemble, Group
from automl_assets.forecasting.serving.model_folder import forecast_rows as served
from automl_assets.forecasting.steps import assign_roles
from automl_assets.forecasting.steps.build_groups import build_groups
from automl_assets.forecasting.steps.export import export
from automl_assets.forecasting.steps.forecast_rows import forecast_rows, learnt_from, read_new
from automl_assets.forecasting.steps.future_index import ahead, whole
from automl_assets.records import Dataset
from tests import forecasts

HORIZON = 6
LEAST = 50


def of_pandas(alias: str, start: str = "2021-03-01") -> Callable[[int], list[datetime]]:
    return lambda n: pd.date_range(start, periods=n, freq=alias).to_pydatetime().tolist()


def months_on(*days: int, size: int = 1) -> Callable[[int], list[datetime]]:
    """On some days of each month, in shorter ones the last."""

    def made(n: int) -> list[datetime]:
        firsts = pd.date_range("2021-01-01", periods=n, freq=f"{size}MS")
        every = [first + timedelta(min(day, first.days_in_month) - 1) for first in firsts for day in days]
        return [stamp.to_pydatetime() for stamp in every[:n]]

    return made


@dataclass(frozen=True)
class Kind:
    """Stamps of a kind, and the name under which they are found."""

    stamps: Callable[[int], list[datetime]]
    alias: str
    season: int  # the longest that it may have


KINDS = {
    "half hours": Kind(of_pandas("30min"), "30min", 336),
    "quarters of an hour from 07:05": Kind(of_pandas("15min", "2021-03-01 07:05"), "15min", 672),
    "hours": Kind(of_pandas("h"), "h", 168),
    "days": Kind(of_pandas("D"), "D", 365),
    "days at six": Kind(of_pandas("D", "2021-03-01 06:00"), "D", 365),
    "business days": Kind(of_pandas("B"), "B", 260),
    "business days at their close": Kind(of_pandas("B", "2021-03-01 17:30"), "B", 260),
    **{f"weeks on {day}": Kind(of_pandas(f"W-{day}"), f"W-{day}", 52) for day in ("MON", "WED", "SAT", "SUN")},
    "fortnights": Kind(of_pandas("14D"), "14D", 26),
    "four weeks": Kind(of_pandas("28D"), "28D", 13),
    "the 1st and 15th": Kind(of_pandas("SMS"), "SMS-15", 24),
    "the 15th and last": Kind(of_pandas("SME"), "SME-15", 24),
    "the 10th and 25th": Kind(months_on(10, 25), "SMS-10-25", 24),
    "the 15th and 30th": Kind(months_on(15, 30), "SMS-15-30", 24),
    "first days of months": Kind(of_pandas("MS"), "MS", 12),
    "last days of months": Kind(of_pandas("ME"), "ME", 12),
    "first business days of months": Kind(of_pandas("BMS"), "BMS", 12),
    "last business days of months": Kind(of_pandas("BME"), "BME", 12),
    "the 15th of months": Kind(months_on(15), "MS-15", 12),
    "the 30th of months": Kind(months_on(30), "MS-30", 12),
    "the 15th of every other month": Kind(months_on(15, size=2), "2MS-15", 6),
    "quarters": Kind(of_pandas("QS"), "QS-JAN", 4),
    "last business days of quarters": Kind(of_pandas("BQE"), "BQE-MAR", 4),
    "years": Kind(of_pandas("YS", "1950-01-01"), "YS-JAN", 1),
    "years from the 6th of April": Kind(lambda n: [datetime(1950 + place, 4, 6) for place in range(n)], "YS-APR-6", 1),
    "years to the end of June": Kind(of_pandas("YE-JUN", "1950-01-01"), "YE-JUN", 1),
}


@dataclass(frozen=True)
class Learnt:
    """A group of series, and naive forecasts of it."""

    group: Group
    ensemble: ForecastEnsemble
    experiment: Experiment

    def ahead(self) -> list[dict[str, Any]]:
        history = whole(self.group)
        future = ahead(history, self.group.problem)
        stamps = future.stamps.reshape(history.n_series, -1)
        return [
            {"id": name, "t": stamp} for name, own in zip(history.names, stamps, strict=True) for stamp in own.tolist()
        ]

    def of_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        model = export(self.group, self.ensemble)
        table = read_new(rows, NO_SCHEMA, self.group.problem, is_strict=True)
        return forecast_rows(table, learnt_from([self.group]), partial(served, [model], ()), self.experiment)


def learnt(table: pl.DataFrame, **changes: Any) -> Learnt:
    """From rows, by the steps that a run takes."""
    ids = ["id"] if "id" in table.columns else []
    named = {
        "task": "forecasting",
        "source": "rows.csv",
        "target": "y",
        "time_column": "t",
        "test": "none",
        "coverage": [0.8],
    }
    experiment = parse(named | {"forecasting": {"series_id_columns": ids, "horizon": HORIZON} | changes}, "tried")
    roles = assign_roles.assign_roles(table, experiment, ())
    dataset = Dataset(table, np.zeros(table.height, np.int8), roles, "0")
    ((_, group),) = build_groups(dataset, experiment, ["all"])
    if isinstance(group, DataError):
        raise group
    return Learnt(group, forecasts.ensemble(group, configs=({"block": 1, "n_blocks": 1},)), experiment)


def rows_of_stamps(stamps: list[datetime], **columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"t": stamps, "y": [float(place % 7) for place in range(len(stamps))]} | columns)


@pytest.mark.parametrize("name", KINDS)
def test_stamps_of_every_kind_are_found_and_go_on(name: str) -> None:
    kind = KINDS[name]
    stamps = kind.stamps(LEAST + HORIZON)
    made = learnt(rows_of_stamps(stamps[:LEAST]))
    assert made.group.problem.frequency == kind.alias
    assert made.group.panel.stamps.tolist() == stamps[:LEAST]
    assert not made.group.panel.is_filled.any()
    assert [row["t"] for row in made.ahead()] == stamps[LEAST:]
    assert max((1, *_seasons(kind.alias))) == kind.season


def _seasons(alias: str) -> tuple[int, ...]:
    from automl_assets.data.time_grid import seasons

    return seasons(grid(alias))


@pytest.mark.parametrize("name", KINDS)
def test_rows_learnt_from_are_taken_as_rows_of_today(name: str) -> None:
    stamps = KINDS[name].stamps(LEAST + HORIZON)
    made = learnt(rows_of_stamps(stamps[:LEAST]))
    next_ones = made.of_rows(rows_of_stamps(stamps[:LEAST]))
    assert next_ones["t"].to_list() == stamps[LEAST:]
    asked = rows_of_stamps(stamps).with_columns(pl.when(pl.int_range(pl.len()) < LEAST).then("y"))
    told = made.of_rows(asked)
    assert told["t"].to_list() == stamps[LEAST:]
    assert told["forecast"].to_list() == next_ones["forecast"].to_list()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.sets(st.integers(1, LEAST - 2), max_size=6),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_gaps_repeats_and_series_change_no_stamp(name: str, gaps: set[int], n_series: int, repeats: bool) -> None:
    stamps = KINDS[name].stamps(LEAST + HORIZON)
    kept = [stamp for place, stamp in enumerate(stamps[:LEAST]) if place not in gaps]
    tables = [rows_of_stamps(kept, id=[name_] * len(kept)) for name_ in ["a", "b"][:n_series]]
    table = pl.concat([*tables, *tables[: int(repeats)]]).sample(fraction=1, shuffle=True, seed=0)
    made = learnt(table)
    assert made.group.problem.frequency == KINDS[name].alias
    assert [row["t"] for row in made.ahead()] == stamps[LEAST:] * n_series
    assert made.of_rows(table)["t"].to_list() == stamps[LEAST:] * n_series


# --- clocks -------------------------------------------------------------------------------------------------------

NIGHT = datetime(2023, 10, 29)  # clocks are put back from 3:00 to 2:00 in Berlin


def local(utc: list[datetime]) -> list[datetime]:
    return (
        pl.Series(utc)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Berlin")
        .dt.replace_time_zone(None)
        .to_list()
    )


def hours(n: int, step: float = 1, start: datetime = NIGHT - timedelta(days=20)) -> list[datetime]:
    return [start + timedelta(hours=step * place) for place in range(n)]


def test_a_night_of_25_hours_is_taken_as_it_is_learnt() -> None:
    before = hours(24 * 20)
    made = learnt(rows_of_stamps(local(before)), timezone="Europe/Berlin")
    over = local(hours(24 * 22))
    assert len(over) == len(set(over)) + 1
    asked = rows_of_stamps(over).with_columns(pl.when(pl.int_range(pl.len()) < len(over) - 5).then("y"))
    told = made.of_rows(asked)
    assert told["t"].to_list() == over[-5:]
    next_ones = made.of_rows(rows_of_stamps(over))["t"].dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    assert next_ones.to_list() == hours(24 * 22 + HORIZON)[-HORIZON:]


def test_hours_of_local_clocks_go_on_over_the_night() -> None:
    known = hours(24 * 20)
    made = learnt(rows_of_stamps(local(known)), timezone="Europe/Berlin", horizon=6)
    problem = made.group.problem
    stamps = ahead(made.group.panel, problem).stamps
    assert problem.frequency == "h" and stamps.tolist() == hours(24 * 20 + 6)[-6:]
    assert [local([one])[0].hour for one in stamps.tolist()] == [2, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("step", [4, 6, 12, 24])
def test_parts_of_days_keep_to_local_clocks(step: int) -> None:
    stamps = [NIGHT - timedelta(days=40) + timedelta(hours=step * place) for place in range(80 * 24 // step)]
    made = learnt(rows_of_stamps(stamps), timezone="Europe/Berlin")
    assert made.group.panel.stamps.tolist() == stamps and not made.group.panel.is_filled.any()
    assert [row["t"] for row in made.ahead()][:1] == [stamps[-1] + timedelta(hours=step)]
    assert made.of_rows(rows_of_stamps(stamps)).height == HORIZON


def test_days_at_one_hour_of_utc_stay_there() -> None:
    """Clocks of the place that is named change, those that took the time did not."""
    noons = pl.Series([datetime(2023, 8, 1, 12) + timedelta(days=day) for day in range(150)]).dt.replace_time_zone(
        "UTC"
    )
    made = learnt(rows_of_stamps(noons.to_list()), timezone="Europe/Berlin")
    assert made.group.panel.stamps.tolist() == noons.dt.replace_time_zone(None).to_list()
    assert not made.group.panel.is_filled.any()


@pytest.mark.parametrize("n_late", [7, 60])
def test_midnights_in_utc_ask_for_the_place(n_late: int) -> None:
    """A database keeps the moments of local midnights and not the offsets; the newest days must not be lost."""
    start = NIGHT - timedelta(days=99 - n_late)
    midnights = pl.Series([start + timedelta(days=day) for day in range(100)]).dt.replace_time_zone("Europe/Berlin")
    rows = rows_of_stamps(midnights.dt.convert_time_zone("UTC").to_list())
    with pytest.raises(
        DataError, match=r"one hour beside it, as midnights do when clocks change; .*forecasting.timezone"
    ):
        learnt(rows)
    made = learnt(rows, timezone="Europe/Berlin")
    assert made.group.panel.stamps.tolist() == midnights.dt.replace_time_zone(None).to_list()


# --- what no grid fits --------------------------------------------------------------------------------------------


def guardrail(made: Learnt, name: str) -> Any:
    return next(one for one in made.group.guardrails if one.name == name)


def test_a_grid_whose_rows_are_mostly_made_up_alerts() -> None:
    random = np.random.default_rng(0)
    places = np.sort(random.choice(600, 60, replace=False))
    made = learnt(rows_of_stamps([datetime(2021, 1, 1) + timedelta(days=int(place)) for place in places]))
    found = guardrail(made, "gaps")
    assert found.status == "alerted" and found.severity == "error"
    assert "Most rows at frequency D are made up: say a wider forecasting.frequency" in found.message
    assert found.figures["share"] == pytest.approx(1 - 60 / (places[-1] - places[0] + 1))


def test_gaps_are_a_share_of_all_stamps_that_they_lie_in() -> None:
    """Also where most of the rows are kept for the test: a share is never above one."""
    days = [datetime(2021, 1, 1) + timedelta(days=3 * place if place > 20 else place) for place in range(60)]
    named = {"task": "forecasting", "source": "r.csv", "target": "y", "time_column": "t", "test": 0.6}
    experiment = parse(named | {"forecasting": {"horizon": 2, "frequency": "D"}}, "tried")
    table = rows_of_stamps(days)
    dataset = Dataset(table, np.zeros(60, np.int8), assign_roles.assign_roles(table, experiment, ()), "0")
    ((_, group),) = build_groups(dataset, experiment, ["all"])
    assert isinstance(group, Group) and group.test is not None
    n_stamps = (days[-1] - days[0]).days + 1
    found = next(one for one in group.guardrails if one.name == "gaps")
    assert found.figures == {"filled": n_stamps - 60, "share": pytest.approx((n_stamps - 60) / n_stamps)}


def test_months_on_another_day_than_is_asked_are_moved_and_alerted() -> None:
    made = learnt(rows_of_stamps(months_on(15)(LEAST)), frequency="MS")
    found = guardrail(made, "frequency")
    assert found.status == "alerted" and f"{LEAST} stamps inside a period moved" in found.message
    assert made.of_rows(rows_of_stamps(months_on(15)(LEAST))).height == HORIZON


def test_rows_off_the_grid_are_left_out_as_when_they_were_learnt() -> None:
    days = [*of_pandas("D")(LEAST), datetime(2021, 3, 9, 5, 7)]
    made = learnt(rows_of_stamps(days), frequency="D")
    assert guardrail(made, "frequency").status == "alerted"
    assert made.of_rows(rows_of_stamps(days))["t"].to_list() == of_pandas("D")(LEAST + HORIZON)[LEAST:]


@pytest.mark.parametrize("at", [0, 13])
def test_moments_of_a_day_are_summed_up_from_midnight(at: int) -> None:
    """The time of day at which most rows were taken is no beginning of days."""
    moments = [datetime(2021, 3, 1) + timedelta(days=place // 3, hours=[at, at, 20][place % 3]) for place in range(120)]
    made = learnt(rows_of_stamps(moments).with_columns(y=pl.lit(1.0)), frequency="D", aggregate="sum")
    assert made.group.panel.stamps.tolist() == of_pandas("D")(40)
    assert made.group.panel.y.tolist() == [3.0] * 40


@pytest.mark.parametrize("alias", ["W", "MS", "B", "SMS"])
def test_days_are_summed_up_where_pandas_sums_them(alias: str) -> None:
    days = of_pandas("D", "2021-03-01")(400)
    made = learnt(rows_of_stamps(days).with_columns(y=pl.lit(1.0)), frequency=alias, aggregate="sum")
    expected = pd.Series(1.0, index=pd.DatetimeIndex(days)).resample(alias).sum()
    assert made.group.panel.stamps.tolist() == expected.index.to_pydatetime().tolist()
    assert made.group.panel.y.tolist() == expected.tolist()


# --- rows of today ------------------------------------------------------------------------------------------------


def shops(n: int = 40) -> pl.DataFrame:
    days = of_pandas("D")(n)
    one = rows_of_stamps(days, id=[1.0] * n, price=[float(place) for place in range(n)])
    return pl.concat([one, one.with_columns(id=pl.lit(2.0), y=pl.col("y") + 100)])


def test_answers_stand_in_the_order_of_the_rows_under_their_own_ids() -> None:
    made = learnt(shops())
    asked = shops(44).with_columns(pl.when(pl.col("t") < of_pandas("D")(44)[40]).then("y"))
    told = made.of_rows(asked.reverse())
    assert told.columns == [
        "t",
        "id",
        "forecast",
        "quantile_0.1",
        "quantile_0.5",
        "quantile_0.9",
    ]
    assert told.select("t", "id").equals(asked.filter(pl.col("y").is_null()).reverse().select("t", "id"))
    assert told["forecast"].to_list() == [104.0] * 4 + [4.0] * 4


@pytest.mark.parametrize("form", [pl.Int64, pl.Float64, pl.String])
def test_ids_of_other_types_name_the_same_series(form: Any) -> None:
    made = learnt(shops().with_columns(pl.col("id").cast(pl.Int64).cast(form)))
    for sent in (pl.Int64, pl.Float64):
        told = made.of_rows(shops().with_columns(pl.col("id").cast(sent)))
        assert told["forecast"].to_list() == [4.0] * HORIZON + [104.0] * HORIZON


BAD = {
    "no price": (shops().drop("price"), "the rows lack price, from which the forecast was learnt; they have t, y, id"),
    "no rows": (shops().head(0), "there are no rows"),
    "no history": (shops().with_columns(y=pl.lit(None, pl.Float64)), 'series 1.0, 2.0: "y" is missing in every row'),
    "two values": (pl.concat([shops(), shops().with_columns(pl.col("y") + 1)]), "stamps come more than once"),
    "no time": (shops().with_columns(t=pl.lit("soon")), "such as 'soon', are no time"),
    "off the grid": (
        shops(44).with_columns(
            pl.when(pl.col("t") < of_pandas("D")(44)[40]).then("y"),
            pl.when(pl.col("t") == of_pandas("D")(44)[43]).then(pl.col("t") + timedelta(hours=5)).otherwise("t"),
        ),
        "2 stamps to be forecast do not stand on the grid that was learnt, such as 2021-04-13 05:00:00",
    ),
}


@pytest.mark.parametrize(("rows", "told"), BAD.values(), ids=BAD)
def test_rows_that_are_no_such_series_are_refused_in_words(rows: pl.DataFrame, told: str) -> None:
    with pytest.raises(DataError) as refused:
        learnt(shops()).of_rows(rows)
    assert told in str(refused.value)


def test_rows_that_are_summed_up_are_summed_up_again() -> None:
    """With what covariates of the rows of a day come to."""
    days = [day for day in of_pandas("D")(LEAST) for _ in range(3)]
    rows = rows_of_stamps(days, price=[float(place % 3) for place in range(len(days))])
    made = learnt(rows, frequency="D", aggregate="sum", known_covariates="price")
    assert [one.name for one in made.group.problem.covariates] == ["price", "price_min", "price_max"]
    told = made.of_rows(rows)
    assert told["t"].to_list() == of_pandas("D")(LEAST + HORIZON)[LEAST:]
    assert told["forecast"].to_list() == [made.group.panel.y[-1]] * HORIZON
