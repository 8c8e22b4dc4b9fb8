"""The rows of a request: JSON in the forms that MLflow knows, CSV or Parquet, in bounds and without surprises.

Here belongs what is true of a body whatever the model. It is copied beside every model, so it needs pandas alone.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any, NoReturn

import pandas as pd

from automl_assets.serving.limits import Limits
from automl_assets.serving.refusal import Refusal, quoted, shown

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = f'content types: "{JSON}", "{CSV}" and "{PARQUET}", in UTF-8'
FORMS = (
    'send {"dataframe_records": [{"column": value, …}, …]} or {"dataframe_split": {"columns": […], "data": [[…], …]}}; '
    '"instances" and "inputs" take records, or a list of values for each column, or texts alone where a model takes one column'
)
FORM_NAMES = "dataframe_records", "dataframe_split", "instances", "inputs"
SINGLE = "send a number, a text, true, false or null"
FEWER = "send fewer rows in a request, and more requests"
HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
LARGEST, SMALLEST = 2**64 - 1, -(2**63)  # whole numbers that a column holds
MOST_FURTHER = 200  # columns that a model does not know
MOST_CELLS = 20_000_000  # where each of many short rows has columns of its own, a small body fills the memory
INDEX = "__index_level_"  # columns in which pandas keeps names of rows
TIMES_LARGER = 16  # than its file Parquet may be


def read_request(
    body: bytes, content_type: str | None, names: Collection[str], limits: Limits
) -> tuple[pd.DataFrame, list[str]]:
    """The rows, and what a person should know of how they were read. Of Parquet only the columns in `names` are read.

    Raises Refusal.
    """
    kind = _kind(content_type)
    check_size(len(body), limits)
    if not body.strip():
        raise Refusal(400, "the body is empty", FORMS if kind == JSON else "send a header and rows")
    if kind == PARQUET:
        return _parquet_rows(body, names, limits)
    text = _text(body)
    bounds = _Bounds(limits, len(names) + MOST_FURTHER)
    rows, notes = _json_rows(body, text, bounds, names) if kind == JSON else (_csv_rows(text, bounds), [])
    _check_cells(rows)
    return rows, notes


def check_size(n_bytes: int, limits: Limits) -> None:
    """Raises Refusal for a body that is too large."""
    if n_bytes > limits.n_bytes:
        raise Refusal(413, f"the body is larger than {limits.n_bytes} bytes (AUTOML_SERVE_BYTES)", FEWER)


def _kind(content_type: str | None) -> str:
    if not content_type:
        raise Refusal(415, "the request says no content type", KINDS)
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset=")]
    if kind not in (JSON, CSV, PARQUET) or set(charsets) - {"utf-8", "utf8", "us-ascii"}:
        raise Refusal(415, f"the content type {shown(content_type)} cannot be read", KINDS)
    return kind


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not in UTF-8: byte {error.start} is no part of a character", KINDS) from None


@dataclass(frozen=True)
class _Bounds:
    """How many rows and columns there may be."""

    limits: Limits
    n_columns: int

    def check(self, n_rows: int, names: Collection[str] = ()) -> None:
        """Raises Refusal."""
        _check_rows(n_rows, self.limits)
        if len(names) > self.n_columns:
            raise Refusal(413, f"more than {self.n_columns} columns", "send only those that the model takes")
        if n_rows * len(names) > MOST_CELLS:
            raise Refusal(413, f"{n_rows} rows of {len(names)} columns, more than {MOST_CELLS} cells", FEWER)


def _check_rows(n_rows: int, limits: Limits) -> None:
    if n_rows > limits.n_rows:
        raise Refusal(413, f"more than {limits.n_rows} rows (AUTOML_SERVE_ROWS)", FEWER)


def _check_cells(rows: pd.DataFrame) -> None:
    for name in rows.select_dtypes("object").columns:
        nested = next((value for value in rows[name] if isinstance(value, list | dict)), None)
        if nested is not None:
            raise Refusal(400, f"column {quoted(name)}: {shown(nested)} is no single value", SINGLE)


# JSON


def _json_rows(body: bytes, text: str, bounds: _Bounds, names: Collection[str]) -> tuple[pd.DataFrame, list[str]]:
    content = _parsed(text, bool(HALF_CHARACTER.search(body)))
    if (texts := _of_texts(content, names, bounds)) is not None:
        return texts, []
    if not isinstance(content, dict):
        told = "a bare list" if isinstance(content, list) else f"the bare value {shown(content)}"
        raise Refusal(400, f"the body is {told}; rows stand below a key that says their form", FORMS)
    forms = [name for name in FORM_NAMES if name in content]
    if len(forms) != 1:
        keys = ", ".join(map(quoted, list(content)[:10])) or "no key"
        raise Refusal(400, f"the body has {keys}; exactly one key with rows is needed", FORMS)
    notes = [f"{quoted(key)} was ignored; only {quoted(forms[0])} is read." for key in content if key != forms[0]]
    rows = content[forms[0]]
    texts = None if forms[0].startswith("dataframe") else _of_texts(rows, names, bounds)
    return _table(forms[0], rows, bounds) if texts is None else texts, notes[:10]


def _of_texts(content: Any, names: Collection[str], bounds: _Bounds) -> pd.DataFrame | None:
    """Rows of a model that takes one column alone, which needs no name: a text, or a list of such; None for others."""
    texts = [content] if isinstance(content, str) else content
    if len(names) != 1 or not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        return None
    bounds.check(len(texts), names)
    return pd.DataFrame({next(iter(names)): texts})


def _parsed(text: str, has_halves: bool) -> Any:
    """JSON, in which a key stands once and every number is one. NaN, which Python writes for gaps, is null."""
    hooks = {"object_pairs_hook": _object, "parse_int": _whole, "parse_float": _fraction, "parse_constant": _constant}
    try:
        content = json.loads(text, **hooks)  # type: ignore[arg-type]
        if has_halves:
            json.dumps(content, ensure_ascii=False).encode()
        return content
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, f"the body is no JSON: {error.msg} at {place}", FORMS) from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply", FORMS) from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):x}"
        raise Refusal(400, f"a text holds half a character, {half}", "send both halves, or UTF-8 as it is") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        raise Refusal(400, f"the key {quoted(doubled)} stands twice in one object", "send every key once")
    return found


def _whole(digits: str) -> int | str:
    """What no column of whole numbers can hold is a name, as in files."""
    if len(digits) > len(str(LARGEST)):
        return digits
    number = int(digits)
    return number if SMALLEST <= number <= LARGEST else digits


def _fraction(digits: str) -> float:
    number = float(digits)
    return number if abs(number) != float("inf") else _beyond(digits)


def _constant(name: str) -> None:
    if name != "NaN":
        _beyond(name)


def _beyond(number: str) -> NoReturn:
    raise Refusal(400, f"{shown(number)[1:-1]} is beyond all numbers that can be read", "send a finite number or null")


def _table(form: str, content: Any, bounds: _Bounds) -> pd.DataFrame:
    if form == "dataframe_split":
        return _of_split(content, bounds)
    if isinstance(content, dict) and form != "dataframe_records":
        return _of_columns(form, content, bounds)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        told = "holds rows without names of columns" if isinstance(content, list) else "is no list"
        raise Refusal(400, f"{quoted(form)} {told}", FORMS)
    bounds.check(len(content))
    bounds.check(len(content), set().union(*content))
    return pd.DataFrame(content)


def _of_split(content: Any, bounds: _Bounds) -> pd.DataFrame:
    is_table = isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("columns", "data"))
    if not is_table or not all(isinstance(name, str) for name in content["columns"]):
        raise Refusal(400, '"dataframe_split" lacks the list "columns" of texts, or the list "data"', FORMS)
    columns, data = content["columns"], content["data"]
    bounds.check(len(data), columns)
    _check_names(columns)
    odd = next((i for i, row in enumerate(data) if not isinstance(row, list) or len(row) != len(columns)), None)
    if odd is not None:
        raise Refusal(400, f'row {odd + 1} of "data" is no list of {len(columns)} values, one a column', FORMS)
    return pd.DataFrame(data, columns=columns)


def _of_columns(form: str, content: Mapping[str, Any], bounds: _Bounds) -> pd.DataFrame:
    if not all(isinstance(values, list) for values in content.values()):
        raise Refusal(400, f"{quoted(form)} has columns that are no lists", FORMS)
    lengths = {len(values) for values in content.values()}
    if len(lengths) > 1:
        raise Refusal(400, f"{quoted(form)} has columns of different lengths, {sorted(lengths)[:5]}", FORMS)
    bounds.check(max(lengths, default=0), content)
    return pd.DataFrame(dict(content))


def _check_names(names: Iterable[str]) -> None:
    doubled = [name for name, n in Counter(names).items() if n > 1]
    if doubled:
        raise Refusal(400, f"several columns are called {quoted(doubled[0])}", "give every column a name of its own")


# CSV


def _csv_rows(text: str, bounds: _Bounds) -> pd.DataFrame:
    """Cells stay texts, and are looked at by who answers."""
    possible = "send a header and rows, with commas between cells"
    try:
        header = next(csv.reader(StringIO(text)))
        bounds.check(0, header)
        _check_names(header)
        rows = pd.read_csv(
            StringIO(text), dtype=str, keep_default_na=False, na_values=[""], nrows=bounds.limits.n_rows + 1
        )
    except (csv.Error, ValueError, StopIteration) as error:  # pandas' errors of parsers are ValueErrors
        raise Refusal(400, f"the body is no CSV with a header and commas: {error}", possible) from None
    if not isinstance(rows.index, pd.RangeIndex):  # pandas took what is too many for names of rows
        told = ", ".join(map(shown, header[:10]))
        raise Refusal(400, f"there are more cells in a row than in the header, {told}", possible)
    bounds.check(len(rows), header)
    return rows


# Parquet


def _parquet_rows(body: bytes, names: Collection[str], limits: Limits) -> tuple[pd.DataFrame, list[str]]:
    import pyarrow
    import pyarrow.parquet

    try:
        about = pyarrow.parquet.read_schema(BytesIO(body))
        _check_names(about.names)
        texts = [one.name for one in about if _is_text(one.type)]
        file = pyarrow.parquet.ParquetFile(
            BytesIO(body), read_dictionary=texts
        )  # a text of a million rows lies there once
        _check_parquet(file, names, limits)
        rows = file.read([name for name in about.names if name in names], use_threads=False).to_pandas()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Refusal(400, "the body is no Parquet file that can be read", KINDS) from error
    further = [name for name in about.names if name not in names and not name.startswith(INDEX)]
    ignored = [f"{quoted(name)} was ignored; the model does not know it." for name in further]
    return rows.astype({name: object for name in texts if name in rows.columns}), ignored[:10]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner))


def _check_parquet(file: Any, names: Collection[str], limits: Limits) -> None:
    """A small file may hold far more than it is long."""
    from pyarrow import types

    about = file.metadata
    _check_rows(about.num_rows, limits)
    check_size(sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups)) // TIMES_LARGER, limits)
    odd = [one.name for one in file.schema_arrow if one.name in names and not _is_single(one.type, types)]
    if odd:
        raise Refusal(400, f"column {quoted(odd[0])} holds no single values", SINGLE)


def _is_single(kind: Any, types: Any) -> bool:
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    return bool(is_number or types.is_temporal(kind) or types.is_null(kind) or _is_text(kind))
