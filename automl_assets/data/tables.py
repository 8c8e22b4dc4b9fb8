"""How rows become tables: every file parsed and stacked, columns of few types, dates, and a hash of them all.

Here belongs what several sources share. Not here: where files lie (`files`), what one format alone knows (`sources`).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import polars as pl
import polars.selectors as cs
from pydantic import ValidationError

from automl_assets.data.files import FINGERPRINT_CHARACTERS, File, Options, explained, files, opened, without_secrets
from automl_assets.errors import SourceError, listed

Parse = Callable[[bytes, str], pl.DataFrame]  # content and name of one file to its rows
ParseBatches = Callable[[Any, str], Iterator[pl.DataFrame]]  # byte stream and name of one file to batches of its rows

_DATE = "%Y-%m-%d"
_DATETIMES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED_DATETIMES = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")


# --- files -------------------------------------------------------------------------------------------------------


def read_files(location: str, extensions: tuple[str, ...], parse: Parse) -> pl.DataFrame:
    """Every file of a location parsed and stacked.

    Raises SourceError that names the file that cannot be read, or whose columns are not those of the first.
    """
    return stacked({file.name: _parsed(file, parse) for file in files(location, extensions)})


def _parsed(file: File, parse: Parse) -> pl.DataFrame:
    with explained(file.name, file.path):
        content = file.filesystem.cat_file(file.path)
    if not content:
        raise SourceError(f"{file.name}: the file is empty (0 bytes); it needs a header and at least one row")
    table = parse(content, file.name)
    if table.is_empty():
        raise SourceError(f"{file.name}: the file has {_header(table)} but no rows; add rows, or leave the file out")
    return table


def read_batches(location: str, extensions: tuple[str, ...], parse: ParseBatches) -> Iterator[pl.DataFrame]:
    """The rows of every file of a location, a batch at a time, so that no file need fit into memory.

    Raises SourceError that names the file that cannot be read, or whose columns are not those of the first.
    """
    first_name, first_columns = "", list[str]()
    for file in files(location, extensions):
        with opened(file) as stream:
            for batch in parse(stream, file.name):
                first_name, first_columns = first_name or file.name, first_columns or batch.columns
                if set(batch.columns) != set(first_columns):
                    raise SourceError(_differing_columns(file.name, batch.columns, first_name, first_columns))
                yield batch
    if not first_name:
        raise SourceError(f"{without_secrets(location)}: there are no rows; add some below the header")


def _header(table: pl.DataFrame) -> str:
    return f"a header ({listed(table.columns, 5)})" if table.columns else "no columns"


def from_json(content: bytes, name: str, model: type[Options], advice: str) -> Options:
    """JSON as a model. Raises SourceError that names the first place where it is something else.

    >>> import pydantic
    >>> class Place(pydantic.BaseModel):
    ...     path: str
    >>> from_json(b'{"path": "rows.csv", "more": 1}', "place.json", Place, "write a path")
    Place(path='rows.csv')
    """
    try:
        return model.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"{name}: {place or 'the whole'}: {first['msg']}; {advice}") from None
    except ValueError as error:
        raise SourceError(f"{name} is no JSON: {error}") from None


def as_utf8(content: bytes, encoding: str | None, name: str) -> bytes:
    """Text content in UTF-8 without byte order mark; `encoding` None means that it is UTF-8 already.

    Raises SourceError that names the first byte, and its line, that is not of that encoding.

    >>> as_utf8("é".encode("latin-1"), "latin-1", "rows.csv").decode()
    'é'
    """
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(_not_decodable(content, error, name)) from error
    if encoding is None:
        return content.removeprefix(b"\xef\xbb\xbf")
    return text.removeprefix("\ufeff").encode("utf-8")


def _not_decodable(content: bytes, error: UnicodeDecodeError, name: str) -> str:
    line = content.count(b"\n", 0, error.start) + 1
    return (
        f"{name}: byte {error.start} (line {line}) is 0x{content[error.start]:02x}, which is not {error.encoding}; "
        f"say how the file is encoded, for example `encoding: {_likely_encoding(content)}`"
    )


def _likely_encoding(content: bytes) -> str:
    return "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1"


# --- tables ------------------------------------------------------------------------------------------------------


def stacked(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Tables by file name, one below the other. Numbers widen to the common type; columns without values adapt.

    Raises SourceError that names the file and the columns when the columns differ. Their order may differ.

    >>> stacked({"a": pl.DataFrame({"x": [1]}), "b": pl.DataFrame({"x": [2.5]})})["x"].to_list()
    [1.0, 2.5]
    """
    first_name, first = next(iter(tables.items()))
    for name, table in tables.items():
        if set(table.columns) != set(first.columns):
            raise SourceError(_differing_columns(name, table.columns, first_name, first.columns))
    with explained(f"the stack of {listed(tables, 3)}"):
        return plain(pl.concat([_adaptable(table) for table in tables.values()], how="diagonal_relaxed"))


def _differing_columns(name: str, columns: list[str], first_name: str, first_columns: list[str]) -> str:
    lacking = [column for column in first_columns if column not in columns]
    further = [column for column in columns if column not in first_columns]
    differences = [f"lacks {listed(lacking)}"] * bool(lacking) + [f"also has {listed(further)}"] * bool(further)
    return (
        f"{name} has not the columns of {first_name}: it {' and '.join(differences)}; "
        "give the files the same columns, or name fewer files with a glob"
    )


def _adaptable(table: pl.DataFrame) -> pl.DataFrame:
    """A column without any value is of no type, so that it takes on the type it has in another file."""
    empty = [column.name for column in table if column.null_count() == table.height]
    return table.with_columns(pl.lit(None).alias(name) for name in empty)


def steady(
    batches: Callable[[], Iterator[pl.DataFrame]], typed: Callable[[pl.DataFrame], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Batches typed as the whole would be: a first pass finds the type of each column, a second one gives it.

    >>> parts = [pl.DataFrame({"x": ["1", "2"]}), pl.DataFrame({"x": ["03", "b"]})]
    >>> [part["x"].to_list() for part in steady(lambda: iter(parts), lambda rows: rows.cast(pl.Int64, strict=False))]
    [[1, 2], [3, None]]
    """
    schema: dict[str, pl.DataType | None] = {}
    for batch in batches():
        for column in typed(batch):
            schema[column.name] = _common_type(schema.get(column.name), column)
    for batch in batches():
        yield _in_schema(batch, typed(batch), schema)


def _common_type(known: pl.DataType | None, column: pl.Series) -> pl.DataType | None:
    """The type that holds both; text where nothing else does. A column without values leaves it open (None)."""
    if column.null_count() == len(column) or known == column.dtype:
        return known
    if known is None:
        return column.dtype
    if known.is_numeric() and column.dtype.is_numeric():
        return pl.Int64() if known.is_integer() and column.dtype.is_integer() else pl.Float64()
    return pl.String()


def _in_schema(raw: pl.DataFrame, typed: pl.DataFrame, schema: Mapping[str, pl.DataType | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [_as_type(raw, typed, name, dtype or pl.String()) for name, dtype in schema.items()], height=typed.height
    )


def _as_type(raw: pl.DataFrame, typed: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    """The column in that type. A text that looked like a number in this batch alone is taken as it was written."""
    if name not in typed.columns:
        return pl.Series(name, [None] * typed.height, dtype)
    is_written_otherwise = dtype == pl.String and raw[name].dtype == pl.String and typed[name].dtype != pl.String
    column = raw[name] if is_written_otherwise else typed[name]
    return column.cast(dtype)


def plain(table: pl.DataFrame) -> pl.DataFrame:
    """The table in few types: decimals as floats; categories, Python objects and untyped columns as text.

    >>> plain(pl.DataFrame({"x": [None], "c": pl.Series(["a"], dtype=pl.Categorical)})).dtypes
    [String, String]
    """
    objects = [_as_text(column) for column in table if column.dtype == pl.Object]
    return table.with_columns(objects).with_columns(
        cs.decimal().cast(pl.Float64),
        cs.by_dtype(pl.Categorical, pl.Enum, pl.Null).cast(pl.String),
    )


def _as_text(column: pl.Series) -> pl.Series:
    texts = [None if value is None else str(value) for value in column]
    return pl.Series(column.name, texts, dtype=pl.String)


def with_dates(table: pl.DataFrame) -> pl.DataFrame:
    """Text columns that hold nothing but ISO 8601 dates, or date-times, become such; those with a zone become UTC.

    Other orders, such as 02/05/2007, stay text: day and month cannot be told apart.

    >>> with_dates(pl.DataFrame({"day": ["2024-02-29", None], "us": ["02/05/2007", None]})).dtypes
    [Date, String]
    """
    return table.with_columns(_with_dates(column) for column in table.select(cs.string()))


def _with_dates(texts: pl.Series) -> pl.Series:
    known = texts.drop_nulls()
    if known.is_empty() or not known.head(100).str.contains(r"^\d{4}-\d{2}-\d{2}([T ]|$)").all():
        return texts
    return first_complete(texts, _date_readings(texts))


def _date_readings(texts: pl.Series) -> Iterator[pl.Series]:
    yield texts.str.to_date(_DATE, strict=False)
    joined = texts.str.replace(" ", "T", literal=True)
    for pattern in _DATETIMES:
        yield joined.str.to_datetime(pattern, time_unit="us", strict=False)
    zoned = joined.str.replace("Z$", "+00:00")
    for pattern in _ZONED_DATETIMES:
        yield zoned.str.to_datetime(pattern, time_unit="us", time_zone="UTC", strict=False)


def first_complete(texts: pl.Series, readings: Iterable[pl.Series]) -> pl.Series:
    """The first reading that has a value wherever the text has one; the text itself when there is none.

    >>> first_complete(pl.Series(["1", "x"]), [pl.Series([1, None])]).to_list()
    ['1', 'x']
    """
    return next((reading for reading in readings if reading.null_count() == texts.null_count()), texts)


def check_names(columns: Iterable[str], where: str) -> None:
    """Raises SourceError where polars would take the name of a column for a pattern of names.

    >>> check_names(["*"], "stars.csv")
    Traceback (most recent call last):
    automl_assets.errors.SourceError: stars.csv: columns named "*", or "^" to "$", ...
    """
    patterns = [name for name in columns if name == "*" or (name.startswith("^") and name.endswith("$"))]
    if patterns:
        raise SourceError(
            f'{where}: columns named "*", or "^" to "$", stand for whole groups of columns in polars; '
            f"rename {listed(patterns)}"
        )


def fingerprint_table(table: pl.DataFrame) -> str:
    """16 hexadecimal characters that change with columns, types or values, but not with the order of rows.

    The order is left out because a database may answer the same question in another order.

    >>> fingerprint_table(pl.DataFrame({"x": [1, 2]})) == fingerprint_table(pl.DataFrame({"x": [2, 1]}))
    True
    """
    digest = hashlib.sha256(str(list(table.schema.items())).encode())
    for row in sorted(table.with_columns(cs.binary().bin.encode("hex")).write_ndjson().split("\n")):
        digest.update(row.encode() + b"\n")
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]
