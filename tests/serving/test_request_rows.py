"""The body of a request: what is read of it, and what is refused in words, whatever the model."""

import json
import random
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_assets.serving.limits import Limits, limits_here
from automl_assets.serving.refusal import CODES, MOST_CHARACTERS, Refusal
from automl_assets.serving.request_rows import CSV, JSON, PARQUET, read_request
from automl_assets.serving.respond import respond

NAMES = ("size", "colour")
LIMITS = Limits(n_bytes=200_000, n_rows=100)
ROWS = [{"size": 1, "colour": "red"}, {"size": None, "colour": "blue"}]


def read(content: Any, kind: str | None = JSON, limits: Limits = LIMITS) -> tuple[pd.DataFrame, list[str]]:
    return read_request(content if isinstance(content, bytes) else json.dumps(content).encode(), kind, NAMES, limits)


def parquet(table: Any) -> bytes:
    buffer = BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


FORMS = {
    "records": ({"dataframe_records": ROWS}, JSON),
    "split": ({"dataframe_split": {"columns": list(NAMES), "data": [[1, "red"], [None, "blue"]]}}, JSON),
    "instances": ({"instances": ROWS}, JSON),
    "inputs by column": ({"inputs": {"size": [1, None], "colour": ["red", "blue"]}}, "application/json; charset=UTF-8"),
    "NaN, which Python writes": (b'{"inputs": [{"size": 1, "colour": "red"}, {"size": NaN, "colour": "blue"}]}', JSON),
    "Parquet": (parquet(pa.Table.from_pylist([{**row, "more": [1]} for row in ROWS])), PARQUET),
}


@pytest.mark.parametrize(("content", "kind"), FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_rows(content: Any, kind: str) -> None:
    rows, _ = read(content, kind)
    pd.testing.assert_frame_equal(rows, pd.DataFrame(ROWS))


def record(size: str) -> bytes:
    return b'{"dataframe_records": [{"size": ' + size.encode() + b', "colour": "red"}]}'


BAD = {
    "no content type": (b"{}", None, 415, "the request says no content type"),
    "another content type": (b"{}", "text/html", 415, "the content type 'text/html' cannot be read"),
    "another charset": (b"{}", "text/csv; charset=latin-1", 415, "charset=latin-1' cannot be read"),
    "nothing": (b" \n", JSON, 400, "the body is empty"),
    "a bare list": (ROWS, JSON, 400, "the body is a bare list; rows stand below a key"),
    "a bare number": (b"1", JSON, 400, "the body is the bare value 1"),
    "no JSON": (b'{"a" 1}', JSON, 400, "the body is no JSON: Expecting ':' delimiter at line 1, column 6"),
    "no UTF-8": (b'{"a": "\xff"}', JSON, 400, "the body is not in UTF-8: byte 7 is no part"),
    "lists that never end": (b"[" * 100_000, JSON, 400, "the body is nested too deeply"),
    "objects that never end": (b'{"a":' * 30_000, JSON, 400, "the body is nested too deeply"),
    "a key twice": (b'{"inputs": [{"size": 1, "size": 2}]}', JSON, 400, 'the key "size" stands twice'),
    "half a character": (b'{"inputs": [{"colour": "\\ud800"}]}', JSON, 400, "half a character, \\ud800"),
    "half a name": (b'{"inputs": [{"\\uDC00": 1}]}', JSON, 400, "half a character, \\udc00"),
    "infinity": (record("-Infinity"), JSON, 400, "-Infinity is beyond all numbers"),
    "a huge exponent": (record("1e999"), JSON, 400, "1e999 is beyond all numbers"),
    "a cell that is a list": (record("[1]"), JSON, 400, 'column "size": [1] is no single value'),
    "two forms": ({"inputs": ROWS, "instances": ROWS}, JSON, 400, 'the body has "inputs", "instances"; exactly one'),
    "no form": ({"rows": ROWS}, JSON, 400, 'the body has "rows"; exactly one key'),
    "rows without names": ({"inputs": [[1, "red"]]}, JSON, 400, '"inputs" holds rows without names of columns'),
    "a path": ({"inputs": "/etc/passwd"}, JSON, 400, '"inputs" is no list'),
    "columns of two lengths": ({"inputs": {"size": [1], "colour": []}}, JSON, 400, "columns of different lengths"),
    "no names": ({"dataframe_split": {"data": [[1]]}}, JSON, 400, 'lacks the list "columns"'),
    "a short row": ({"dataframe_split": {"columns": ["size"], "data": [[1], []]}}, JSON, 400, 'row 2 of "data" is no'),
    "a name twice": ({"dataframe_split": {"columns": ["size"] * 2, "data": [[1, 2]]}}, JSON, 400, 'are called "size"'),
    "a name twice in CSV": (b"size,size\n1,2\n", CSV, 400, 'several columns are called "size"'),
    "too many rows": ({"inputs": ROWS * 51}, JSON, 413, "more than 100 rows (AUTOML_SERVE_ROWS)"),
    "too many columns' rows": ({"inputs": {"size": [1] * 101}}, JSON, 413, "more than 100 rows"),
    "too many rows in CSV": (b"size\n" + b"1\n" * 101, CSV, 413, "more than 100 rows"),
    "too many rows in Parquet": (parquet(pa.table({"size": range(101)})), PARQUET, 413, "more than 100 rows"),
    "too many bytes": (b" " * 200_001, JSON, 413, "the body is larger than 200000 bytes (AUTOML_SERVE_BYTES)"),
    "a column for each row": ({"inputs": [{f"c{i}": 1} for i in range(203)]}, JSON, 413, "more than 100 rows"),
    "columns without end": (
        {"inputs": [{f"c{i}_{j}": 1 for j in range(5)} for i in range(50)]},
        JSON,
        413,
        "more than 202 columns",
    ),
    "columns of a split": (
        {"dataframe_split": {"columns": ["a"] * 203, "data": []}},
        JSON,
        413,
        "more than 202 columns",
    ),
    "columns of lists": ({"inputs": {f"c{i}": [1] for i in range(203)}}, JSON, 413, "more than 202 columns"),
    "columns of CSV": (b"," * 100_000, CSV, 413, "more than 202 columns"),
    "a quote that never ends": (b'size,colour\n1,"red\n', CSV, 400, "the body is no CSV with a header and commas"),
    "junk": (b"PAR1junkPAR1", PARQUET, 400, "the body is no Parquet file that can be read"),
    "nested Parquet": (parquet(pa.table({"size": [[1]]})), PARQUET, 400, 'column "size" holds no single values'),
    "bytes in Parquet": (parquet(pa.table({"size": [b"\xff"]})), PARQUET, 400, 'column "size" holds no single values'),
}


@pytest.mark.parametrize(("content", "kind", "status", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_refused_in_words(content: Any, kind: str | None, status: int, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(content, kind)
    answer = json.loads(refused.value.text)
    assert list(answer) == ["status", "error_code", "message", "possible"] and answer["possible"]
    assert (answer["status"], answer["error_code"]) == (status, CODES[status])
    assert told in answer["message"]


def test_a_number_of_any_length_is_a_name() -> None:
    """Python itself refuses to read more than 4300 digits."""
    rows, _ = read(record("9" * 5000))
    assert rows["size"].to_list() == ["9" * 5000]
    assert read(record("18446744073709551615"))[0]["size"].to_list() == [2**64 - 1]


@pytest.mark.parametrize("kind", [JSON, CSV, PARQUET])
def test_a_large_body_is_not_echoed(kind: str) -> None:
    for content in (
        b'{"' + b"x" * 150_000,
        b'{"inputs": [{"size": ["' + b"x" * 150_000 + b'"]}]}',
        b"x," * 70_000 + b"\n",
    ):
        try:
            told = json.dumps(read(content, kind)[1])  # CSV of a header alone, whose columns nobody knows
        except Refusal as refusal:
            told = refusal.text
        assert len(told) < 2 * MOST_CHARACTERS


def test_a_small_parquet_file_cannot_hold_much_memory() -> None:
    """A hundred rows of one text of a megabyte, stored once."""
    texts = pa.array([0] * 100, pa.int32())
    large = pa.DictionaryArray.from_arrays(texts, pa.array(["x" * 1_000_000]))
    buffer = BytesIO()
    pq.write_table(pa.table({"colour": large, "size": range(100)}), buffer, compression="zstd")
    assert len(buffer.getvalue()) < 10_000
    before = pa.total_allocated_bytes()
    rows, _ = read(buffer.getvalue(), PARQUET)
    assert pa.total_allocated_bytes() - before < 5_000_000 and rows["colour"].map(len).sum() == 100_000_000
    with pytest.raises(Refusal, match="the body is larger than"):
        read(buffer.getvalue(), PARQUET, Limits(n_bytes=20_000, n_rows=100))


def test_many_rows_with_few_cells_each_cannot_fill_the_memory() -> None:
    """100,000 rows of one column each are 20 million cells of a table."""
    rows = [{f"c{i % 201}": 1} for i in range(100_000)]
    with pytest.raises(Refusal, match="100000 rows of 201 columns, more than 20000000 cells"):
        read({"inputs": rows}, limits=Limits())


def test_junk_of_every_kind_is_refused_and_nothing_else_is_raised() -> None:
    chance = random.Random(0)
    good = [parquet(pa.Table.from_pylist(ROWS)), json.dumps({"inputs": ROWS}).encode(), b"size,colour\n1,red\n"]
    for content in good * 60:
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        for kind in (JSON, CSV, PARQUET):
            try:
                read(bytes(spoilt), kind)
            except Refusal as refusal:
                assert "Traceback" not in refusal.text


def test_a_fault_of_the_model_is_in_the_log_and_not_in_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """What is no model at all fails like one that is broken."""
    answer = respond(b'{"inputs": [{"size": 1}]}', JSON, object(), limits_here())
    assert answer.status == 500 and json.loads(answer.text)["message"] == "the model could not answer"
    assert "metadata" not in answer.text and "AttributeError" in caplog.text


@pytest.mark.parametrize("form", ["{}", '{{"inputs": {}}}', '{{"instances": {}}}'])
@pytest.mark.parametrize(("given", "texts"), [('"Oslo"', ["Oslo"]), ('["Oslo", "[1, 2]", ""]', ["Oslo", "[1, 2]", ""])])
def test_texts_need_no_name_where_a_model_takes_one_column(form: str, given: str, texts: list[str]) -> None:
    body = form.format(given).encode()
    rows, notes = read_request(body, JSON, ["text"], LIMITS)
    assert rows.to_dict("list") == {"text": texts} and notes == []
    with pytest.raises(Refusal):
        read_request(body, JSON, ["text", "stars"], LIMITS)
