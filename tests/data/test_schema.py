"""The rules by which columns get a type, and rows that are the same by whatever way they come in."""

import json
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_assets.data.schema import Schema, differences, learn_schema
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import SourceSetting
from automl_assets.serving.limits import Limits
from automl_assets.serving.request_rows import read_request
from automl_assets.steps.read_rows import as_frame
from automl_assets.steps.read_source import learn, like, written


def learnt(*cells: object, **options: Any) -> Schema:
    return learn_schema(pl.DataFrame({"x": pl.Series(cells, strict=False)}), **options)


def read(schema: Schema, *cells: object) -> tuple[list, tuple[str, ...]]:
    """Values, and examples of what does not fit."""
    found = schema.read(pl.DataFrame({"x": pl.Series(cells, strict=False)}))
    return found.table["x"].to_list(), tuple(example for misfit in found.misfits for example in misfit.examples)


LEARNT = [
    (("007", "7"), "text"),
    (("00701", "12345"), "text"),
    (("12", "-3", None), "integer"),
    (("18446744073709551616", "7"), "text"),
    ((2**63 + 1, 7), "text"),
    (("1.5", "2"), "float"),
    ((1.0, None), "float"),
    (("1e3", "inf"), "float"),
    ((timedelta(seconds=5),), "float"),
    ((time(1),), "float"),
    (("TRUE", " false"), "boolean"),
    (("TRUE", "FALSE", "UNKNOWN"), "text"),
    (("2024-12-31",), "date"),
    (("2024-12-31", "2024-12-31 10:00"), "datetime"),
    (("2024-12-31T10:00:00+01:00",), "datetime"),
    (("2024-12-31T10:00:00+01:00", "2024-12-31T10:00:00"), "text"),
    (("13/05/2007", "02/06/2007"), "date"),
    (("05/13/2007 4:05 PM", "06/02/2007 1:00 AM"), "datetime"),
    (("02/05/2007", "03/06/2008"), "text"),
    (("1/31/07",), "text"),
    (("5-Jan-2007",), "date"),
    (([1, 2],), "text"),
    (("", None, "  "), "empty"),
    (("1,5", "2,5"), "text"),
]


@pytest.mark.parametrize(("cells", "kind"), LEARNT)
def test_a_column_has_the_type_that_all_its_cells_have(cells: tuple, kind: str) -> None:
    assert learnt(*cells).columns[0].type == kind


FITTING = [
    (("3", "4"), ("5", " 6 ", None, "NA"), [5, 6, None, None]),
    (("3", "4"), (5.0, 6.5), [5.0, 6.5]),
    (("3", "4"), ("5.0",), [5]),
    (("0", "1"), ("true", "FALSE"), [1, 0]),
    (("true", "false"), ("1", "0", "1.0"), [True, False, True]),
    (("true", "false"), (1, 0), [True, False]),
    (("7", "A1"), (7, 7.0), ["7", "7"]),
    (("7.0", "A1"), ("7",), ["7.0"]),
    (("TRUE", "UNKNOWN"), (True,), ["TRUE"]),
    (("2024-12-31",), (date(2024, 1, 1),), [date(2024, 1, 1)]),
    (("2024-12-31",), (datetime(2024, 1, 1, 5),), [date(2024, 1, 1)]),
    (("2024-12-31",), ("9999-12-31", "0001-01-01"), [date(9999, 12, 31), date(1, 1, 1)]),
    (("13/05/2007",), ("06/07/2004", "2004-07-06"), [date(2004, 7, 6)] * 2),
    (("2024-12-31 10:00",), ("2024-01-01T00:00:00Z",), [datetime(2024, 1, 1)]),
]


@pytest.mark.parametrize(("known", "cells", "values"), FITTING)
def test_later_cells_are_read_as_they_were_learnt(known: tuple, cells: tuple, values: list) -> None:
    assert read(learnt(*known), *cells) == (values, ())


MISFITS = [
    (("3", "4"), ("four", "6 rooms", "1,000")),
    (("3", "4"), ("007",)),
    (("3", "4"), ("true",)),
    (("true", "false"), ("yes",)),
    (("true", "false"), (2,)),
    (("007", "0042"), ("7",)),
    (("007", "0042"), (42,)),
    (("00701", "12345"), ("701",)),
    (("2024-12-31",), ("13/10/2008", "13.10.2008")),
    (("2024-12-31",), (44197,)),
    (("2024-12-31 10:00",), ("2024-01-01T00:00:00+02:00",)),
    (("13/05/2007",), ("05/13/2007",)),
]


@pytest.mark.parametrize(("known", "cells"), MISFITS)
def test_what_does_not_fit_is_told_and_never_missing_in_silence(known: tuple, cells: tuple) -> None:
    values, examples = read(learnt(*known), *cells)
    assert values == [None] * len(cells) and examples == tuple(map(str, cells))


@pytest.mark.parametrize(
    ("cell", "value"), [("1,5", 1.5), ("-2", -2.0), ("1.500", None), ("1.234,5", None), (1.5, 1.5), ("2.25", None)]
)
def test_decimal_commas(cell: Any, value: float | None) -> None:
    assert read(learnt("1,5", "2,25", source={"decimal_comma": True}), cell)[0] == [value]


def test_points_between_thousands_are_no_decimals_of_whole_numbers_either() -> None:
    assert read(learnt("15", "2", source={"decimal_comma": True}), "1.234") == ([None], ("1.234",))


def test_unseen_texts_are_told_but_answered() -> None:
    found = learnt(*["red", "green"] * 9).read(pl.DataFrame({"x": ["red", "blue", None, "blue"]}))
    assert found.misfits == () and found.table["x"].to_list() == ["red", "blue", None, "blue"]
    assert [(one.column, one.n_cells, one.examples) for one in found.unseen] == [("x", 2, ("blue",))]


def test_rows_say_which_of_their_cells_do_not_fit() -> None:
    rows = pl.DataFrame({"a": ["1", "2"], "b": ["3", "4"]})
    found = learn_schema(rows).read(pl.DataFrame({"a": ["x", "1"], "b": ["y", "2"]}))
    assert found.unreadable == ("a, b", "")


def test_columns_that_are_not_asked_for_stay_as_they_come() -> None:
    rows = pl.DataFrame({"a": ["1"], "b": ["2"]})
    found = learn_schema(rows).read(pl.DataFrame({"a": ["x"], "b": ["3"], "more": ["4"]}), only=["b"])
    assert found.table.rows() == [("x", 3, "4")] and found.misfits == ()


def test_a_person_settles_which_part_of_a_date_is_the_day() -> None:
    schema = learnt("02/05/2007", "03/06/2008", date_formats={"x": "%d/%m/%Y"})
    assert read(schema, "02/05/2007") == ([date(2007, 5, 2)], ())
    with pytest.raises(
        SettingError, match="date_formats: \"x\" is not always '%m/%d/%Y'; 1 cells are others, such as '13"
    ):
        learnt("02/05/2007", "13/06/2008", date_formats={"x": "%m/%d/%Y"})


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ("02/05/2007", "03/06/2008"),
            "'02/05/2007' may begin with the day or with the month; say which by date_formats",
        ),
        ((*map(str, range(20)), "four"), "20 of 21 cells are numbers, others such as 'four'; it is read as text"),
        (
            ("1,5",) * 20,
            "20 of 20 cells are numbers with a decimal comma (see the option decimal_comma); it is read as te",
        ),
        (("1,500,000",) * 20, "20 of 20 cells are numbers with commas between thousands; it is read as text"),
        ((*["2024-01-01"] * 20, "soon"), "20 of 21 cells are dates, others such as 'soon'; it is read as text"),
    ],
)
def test_what_may_be_meant_otherwise_is_doubted(cells: tuple, told: str) -> None:
    (doubt,) = learnt(*cells).doubts
    assert doubt.startswith(f"x: {told}")


def test_schemas_are_compared_in_words() -> None:
    now = learn_schema(pl.DataFrame({"a": ["1"], "c": ["u"]}))
    assert differences({"a": "integer", "c": "text"}, now) == []
    assert differences({"a": "text", "b": "date"}, now) == [
        '"b" is gone',
        '"c" is new and holds texts',
        '"a" held texts and holds whole numbers',
    ]


# --- the same rows by every way in -------------------------------------------------------------------------------


def _csv(table: pl.DataFrame, folder: Path) -> SourceSetting:
    table.write_csv(folder / "rows.csv")
    return SourceSetting.model_validate(str(folder / "rows.csv"))


def _semicolons(table: pl.DataFrame, folder: Path) -> SourceSetting:
    table.write_csv(folder / "rows.csv", separator=";", decimal_comma=True)
    return SourceSetting.model_validate({"path": str(folder / "rows.csv"), "delimiter": ";", "decimal_comma": True})


def _json_lines(table: pl.DataFrame, folder: Path) -> SourceSetting:
    table.write_ndjson(folder / "rows.jsonl")
    return SourceSetting.model_validate(str(folder / "rows.jsonl"))


def _parquet(table: pl.DataFrame, folder: Path) -> SourceSetting:
    table.write_parquet(folder / "rows.parquet")
    return SourceSetting.model_validate(str(folder / "rows.parquet"))


def _sql(table: pl.DataFrame, folder: Path) -> SourceSetting:
    """As SQLite holds it, which has no dates."""
    file = folder / "rows.db"
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as database:
        database.execute(f"CREATE TABLE kept ({', '.join(table.columns)})")
        rows = [[one.isoformat() if isinstance(one, date) else one for one in row] for row in table.iter_rows()]
        database.executemany(f"INSERT INTO kept VALUES ({', '.join('?' * table.width)})", rows)
    return SourceSetting.model_validate({"kind": "sql", "url": f"sqlite:///{file}", "table": "kept"})


SOURCES = {"csv": _csv, "semicolons": _semicolons, "jsonl": _json_lines, "parquet": _parquet, "sql": _sql}


def _over_http(table: pl.DataFrame) -> pl.DataFrame:
    """As JSON records, which become a pandas frame in the server."""
    records = [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
        for row in table.to_dicts()
    ]
    return as_frame(pd.DataFrame(json.loads(json.dumps(records)), columns=table.columns))


def _csv_over_http(table: pl.DataFrame) -> pl.DataFrame:
    return as_frame(read_request(table.write_csv().encode(), "text/csv", (), Limits())[0])


def _pandas_parquet(table: pl.DataFrame) -> pl.DataFrame:
    buffer = BytesIO()
    table.to_pandas().to_parquet(buffer)
    return as_frame(pd.read_parquet(buffer))


FRAMES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "polars": lambda table: table,
    "pandas": lambda table: as_frame(table.to_pandas()),
    "pandas parquet": _pandas_parquet,
    "http json": _over_http,
    "http csv": _csv_over_http,
}

DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
MOMENTS = st.datetimes(datetime(1678, 1, 1), datetime(2261, 1, 1)).map(lambda one: one.replace(microsecond=0))
CELLS: dict[str, st.SearchStrategy] = {
    "whole": st.integers(-(2**50), 2**50),
    "share": st.floats(-1e9, 1e9).map(lambda one: round(one, 3) + 0.0),
    "truth": st.booleans(),
    "day": DAYS,
    "moment": MOMENTS,
    "word": st.sampled_from(["red", "green", "NA", "None", "x y", "true", "Ü,;\"'", "-"]),
    "code": st.sampled_from(["007", "7", "0042", "42", "A1", "1e5"]),
    "zip": st.integers(0, 99999).map(lambda one: f"{one:05}"),
    "id": st.integers(2**63, 2**64 - 1).map(str),
}


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    n_rows = draw(st.integers(2, 8))
    columns = {}
    for name, cells in CELLS.items():
        values = draw(st.lists(st.none() | cells, min_size=n_rows, max_size=n_rows))
        columns[name] = [
            draw(cells) if not any(v is not None for v in values) and i == 0 else v for i, v in enumerate(values)
        ]
    types = {"whole": pl.Int64, "share": pl.Float64, "truth": pl.Boolean, "day": pl.Date, "moment": pl.Datetime("us")}
    return pl.DataFrame(columns, schema_overrides=types)


@pytest.mark.parametrize("source", SOURCES)
@given(table=tables(), n_later=st.integers(1, 8))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_the_same_by_every_way_in(tmp_path: Path, source: str, table: pl.DataFrame, n_later: int) -> None:
    setting = SOURCES[source](table, tmp_path)
    rows = written(setting)
    schema = learn(setting, rows)
    expected = schema.read(rows).table.head(n_later).to_dicts()
    later = table.head(n_later)
    folder = tmp_path / "later"
    folder.mkdir(exist_ok=True)
    texts = "semicolons" if source == "semicolons" else "csv"  # with points, 1.234 may be a thousand there
    others = {name: SOURCES[name] for name in (texts, "jsonl", "parquet", "sql")}
    ways = {name: written(like(write(later, folder), schema)) for name, write in others.items()}
    ways |= {name: frame(later) for name, frame in FRAMES.items() if (source, name) != ("semicolons", "http csv")}
    for name, some in ways.items():
        found = schema.read(some)
        assert found.misfits == (), name
        assert found.table.to_dicts() == expected, name


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        ("02/05/2007", "13/05/2007", "date"),
        ("1", "A1", "text"),
        ("1", "1.5", "float"),
        ("1", "007", "text"),
        ("true", "maybe", "text"),
        ("A1", "1", "text"),
        ("2024-01-01", "2024-01-01 10:00", "datetime"),
    ],
)
def test_the_last_cell_of_many_decides_as_the_first(first: str, last: str, kind: str) -> None:
    assert learnt(*[first] * 3000, last).columns[0].type == kind


@pytest.mark.parametrize(
    ("known", "cells", "values"),
    [
        (("1", "NAN", "nan"), ("2", "Nan"), [2, None]),
        (("0042", "0007", "9999"), ("42.0", 7.0), [None, None]),
        (("007", "999"), ("999.0", "8"), ["999", None]),
        (("9007199254740993", "2"), ("9007199254740995", "2.5"), [9007199254740995, None]),
        (("3", "4"), ("12.500", "2.5"), [None, 2.5]),
        (("01/02/2007", "13/02/2007"), ("02/03/2007 10:30",), [date(2007, 3, 2)]),
        (("2024-01-31", "2024-02-29"), ("24-01-31", "0000-01-01"), [None, None]),
        (("1_000", "1000"), ("1000",), ["1000"]),
    ],
)
def test_what_looks_alike_is_not_taken_for_it(known: tuple, cells: tuple, values: list) -> None:
    assert learnt(*known).read(pl.DataFrame({"x": pl.Series(cells, strict=False)})).table["x"].to_list() == values


def test_numbers_that_mean_missing_do_so_in_every_format() -> None:
    schema = learnt("1", "2", "-999", source={"null_values": ("", "-999")})
    assert read(schema, "-999", "5") == read(schema, -999, 5) == ([None, 5], ())


def test_codes_of_any_length_that_lost_their_zeros_do_not_fit() -> None:
    schema = learnt(*[f"{i:04}" for i in range(2000)], *map(str, range(20000, 22000)))
    assert schema.columns[0].format == "4 digits or more" and schema.columns[0].values == ()
    assert read(schema, 7, "0008", "30000") == ([None, "0008", "30000"], ("7",))


DOUBTFUL = [
    (("01/02/2007", "01/03/2007", "01/04/2007"), "may begin with the day or with the month"),
    (("01/01/2007", "01/01/2008"), "may begin with the day or with the month"),
    (("500", "1.000", "12.500"), "'1.000' may be a number with a point between thousands"),
    (("1 250", "3 500") * 9, "numbers with signs or blanks"),
    (("5,50 €", "3 €") * 9, "numbers with signs or blanks"),
    (("5.5%", "3%") * 9, "numbers with signs or blanks"),
    (("1.250,50", "2.000,00") * 9, "numbers with points between thousands"),
    (("01/02/07", "03/02/07") * 9, "dates of years with two digits"),
]


@pytest.mark.parametrize(("cells", "told"), DOUBTFUL)
def test_numbers_and_dates_of_other_customs_are_doubted(cells: tuple, told: str) -> None:
    (doubt,) = learnt(*cells).doubts
    assert told in doubt


def test_codes_with_powers_are_names() -> None:
    assert learnt("1E5", "10E4").columns[0].type == "text"


def test_a_format_holds_for_whole_numbers_too() -> None:
    schema = learnt(20240131, 20240229, date_formats={"x": "%Y%m%d"})
    assert read(schema, 20240301, "20240302") == ([date(2024, 3, 1), date(2024, 3, 2)], ())
