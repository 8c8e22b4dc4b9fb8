"""Rows pass by one schema, whatever brings them; what does not fit is told."""

from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from automl_assets.data.schema import NO_SCHEMA, Schema, learn_schema
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import SourceSetting
from automl_assets.steps.read_rows import Notes, as_frame, fit, read_rows
from automl_assets.steps.read_source import learn, read_by, source_like, written

LEARNT = pl.DataFrame({"size": ["1.5", "2", ""], "code": ["007", "7", "42"], "sold": ["yes", "no", "yes"]})
SCHEMA = learn_schema(LEARNT)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r'^the rows have no column "size"; they have code\.'):
        read_rows(pl.DataFrame({"code": ["7"]}), SCHEMA, ["size", "code"], is_strict=True)


def test_only_columns_that_are_needed_can_be_refused() -> None:
    rows = pl.DataFrame({"size": ["large"], "code": ["7"]})
    assert read_rows(rows, SCHEMA, ["code"], is_strict=True).table["size"].item() == "large"
    with pytest.raises(
        DataError, match=r"""^the rows: column "size" holds numbers, such as 1\.5; 1 cell .* 'large'\. Write"""
    ):
        read_rows(rows, SCHEMA, ["size"], is_strict=True)
    found = read_rows(rows, SCHEMA, ["size"], is_strict=False)
    assert found.table["size"].item() is None and found.unreadable == ("size",)


def test_models_of_earlier_versions_read_rows_by_what_they_look_like() -> None:
    assert read_rows(pl.DataFrame({"size": ["3"]}), NO_SCHEMA, ["size"], is_strict=True).table["size"].item() == 3


FRAMES = {
    "mixed": (pd.Series([7, "007", None], dtype=object), ["7", "007", None]),
    "categories": (pd.Series(["7", "007", None], dtype="category"), ["7", "007", None]),
    "fractions": (pd.Series([7.0, 42.0, None]), ["7", "42", None]),
    "nullable": (pd.Series([7, 42, None], dtype="Int64"), ["7", "42", None]),
    "decimals": (pd.Series([Decimal(7), Decimal(42), None], dtype=object), ["7", "42", None]),
}


@pytest.mark.parametrize(("column", "values"), FRAMES.values(), ids=FRAMES)
def test_pandas_columns_of_any_type_are_the_names_that_were_learnt(column: pd.Series, values: list) -> None:
    assert SCHEMA.read(as_frame(pd.DataFrame({"code": column}))).table["code"].to_list() == values


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(
        DataError, match="^the rows have several columns called x; give every column a name of its own$"
    ):
        as_frame(pd.DataFrame([["a", "b"]] * 2, columns=["x", "x"]))


def test_what_a_person_should_know_is_said_in_sentences() -> None:
    rows = pl.DataFrame({"size": ["large"], "code": ["A1"], "more": [1]})
    assert fit(rows, SCHEMA, "sold") == [
        '"more" was not learnt from.',
        "\"size\": 1 cell unreadable, counting as missing, such as 'large'.",
        "\"code\": 1 cell never learnt, counting as any other, such as 'A1'.",
    ]
    assert fit(LEARNT.drop("size"), SCHEMA, "sold") == ['"size" is lacking.']
    assert fit(LEARNT, SCHEMA, "sold") == ["All 3 rows are as those learnt from."]


@pytest.mark.parametrize(
    ("learnt", "cells", "told"),
    [
        (["1", "9"], ["12", "5"], '"x": 1 cell outside of what was learnt, 1 to 9, such as 12.'),
        (["1.5", "9"], ["-2", "0.5"], '"x": 2 cells outside of what was learnt, 1.5 to 9.0, such as -2.0.'),
        (["2024-01-01", "2024-02-01"], ["2091-01-01"], '"x": 1 cell outside of what was learnt, 2024-01-01 to 2024-02-01, such as 2091-01-01.'),
        (["2024-01-01 10:00", "2024-02-01 10:00"], ["2024-02-01 11:00"], '"x": 1 cell outside of what was learnt, 2024-01-01 10:00:00 to 2024-02-01 10:00:00, such as 2024-02-01 11:00:00.'),
        (["2024-01-01T10:00Z"], ["2023-01-01T10:00Z"], '"x": 1 cell outside of what was learnt, 2024-01-01 10:00:00+00:00 to 2024-01-01 10:00:00+00:00, such as 2023-01-01 10:00:00+00:00.'),
    ],
)  # fmt: skip
def test_what_lies_outside_of_the_ranges_that_were_learnt_is_told(learnt: list, cells: list, told: str) -> None:
    schema = learn_schema(pl.DataFrame({"x": learnt}))
    assert fit(pl.DataFrame({"x": cells}), schema, "") == [told]


def test_notes_add_up_over_batches() -> None:
    notes = Notes()
    for cell in ("large", "small", "3"):
        notes.add(SCHEMA.read(pl.DataFrame({"size": [cell]})))
    assert notes.lines == ["\"size\": 2 cells unreadable, counting as missing, such as 'large'."]


# How files are written is known from the first


def german(folder: Path, **options: object) -> Schema:
    content = "preis;ort\n1,5;Köln\n-2,25;NA\n".encode("latin-1")
    (folder / "rows.csv").write_bytes(content)
    setting = {"path": str(folder / "rows.csv"), "delimiter": ";", "decimal_comma": True, "encoding": "latin-1"}
    source = SourceSetting.model_validate(setting | options)
    return learn(source, written(source))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("preis;ort\n3,5;Köln\n".encode("latin-1"), [(3.5, "Köln")]),
        ("preis;ort\n3,5;Köln\n".encode(), [(3.5, "Köln")]),
        ("\ufeffpreis;ort\n3,5;Köln\n".encode(), [(3.5, "Köln")]),
        ('preis,ort\n"3,5",Köln\n'.encode(), [(3.5, "Köln")]),
        ("preis\tort\n3,5\tKöln\n".encode(), [(3.5, "Köln")]),
    ],
)
def test_later_files_are_read_by_the_options_of_the_source(tmp_path: Path, content: bytes, rows: list) -> None:
    schema = german(tmp_path)
    (tmp_path / "new.csv").write_bytes(content)
    assert schema.read(written(source_like(str(tmp_path / "new.csv"), schema))).table.rows() == rows


def test_words_that_mean_missing_are_those_of_the_source_in_every_format(tmp_path: Path) -> None:
    schema = german(tmp_path, null_values=["-"])
    (tmp_path / "new.jsonl").write_text('{"preis": 1.5, "ort": "NA"}\n{"preis": null, "ort": "-"}\n')
    source = SourceSetting.model_validate(str(tmp_path / "new.jsonl"))
    assert read_by(schema, source).table.rows() == [(1.5, "NA"), (None, None)]


def test_options_that_a_later_source_has_itself_hold(tmp_path: Path) -> None:
    schema = german(tmp_path)
    (tmp_path / "new.csv").write_text("preis|ort\n3,5|Bonn\n")
    source = SourceSetting.model_validate({"path": str(tmp_path / "new.csv"), "delimiter": "|"})
    assert read_by(schema, source).table.rows() == [(3.5, "Bonn")]
