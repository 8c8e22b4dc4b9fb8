"""How rows become tables: every file parsed and stacked, columns of few types, and a hash of them all.

Here belongs what several sources share. Not here: where files lie (`files`), what one format alone knows (`sources`).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import polars as pl
import polars.selectors as cs
from pydantic import ValidationError

from automl_assets.data import bounds
from automl_assets.data.files import FINGERPRINT_CHARACTERS, File, Options, content_of, explained, files, opened
from automl_assets.errors import SourceError, listed
from automl_assets.masking import without_secrets

Parse = Callable[[bytes, str], pl.DataFrame]  # content and name of one file to its rows
ParseBatches = Callable[[Any, str], Iterator[pl.DataFrame]]  # byte stream and name of one file to batches of its rows


# --- files -------------------------------------------------------------------------------------------------------


def read_files(location: str, extensions: tuple[str, ...], parse: Parse) -> pl.DataFrame:
    """Every file of a location parsed and stacked.

    Raises SourceError that names the file that cannot be read, or whose columns are not those of the first.
    """
    return stacked({file.name: _parsed(file, parse) for file in files(location, extensions)})


def _parsed(file: File, parse: Parse) -> pl.DataFrame:
    content = content_of(file)
    if not content:
        raise SourceError(f"{file.name}: the file is empty (0 bytes); it needs a header and at least one row")
    table = parse(content, file.name)
    bounds.check_rows(table.height, file.name)
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
                yield batch.select(first_columns)
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
    except (ValueError, RecursionError) as error:
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


def steady(batches: Callable[[], Iterator[pl.DataFrame]]) -> Iterator[pl.DataFrame]:
    """Batches whose types are found anew for each, under the columns and types that hold them all: a first pass finds
    these, a second one gives the rows.

    >>> parts = [pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2.5], "y": ["a"]})]
    >>> [part.rows() for part in steady(lambda: iter(parts))]
    [[(1.0, None)], [(2.5, 'a')]]
    """
    shapes = [_adaptable(batch).clear() for batch in batches()]
    if not shapes:
        return
    columns = pl.concat(shapes, how="diagonal_relaxed")
    for batch in batches():
        yield plain(pl.concat([columns, _adaptable(batch)], how="diagonal_relaxed"))


def plain(table: pl.DataFrame) -> pl.DataFrame:
    """The table in few types: decimals with a fraction as floats; categories, Python objects and untyped columns as text.

    >>> plain(pl.DataFrame({"x": [None], "c": pl.Series(["a"], dtype=pl.Categorical)})).dtypes
    [String, String]
    """
    objects = [_as_text(column) for column in table if column.dtype == pl.Object]
    fractions = [column.name for column in table if column.dtype.is_decimal() and column.dtype.scale]  # type: ignore[attr-defined]
    return table.with_columns(objects).with_columns(
        cs.by_name(fractions).cast(pl.Float64),
        cs.by_dtype(pl.Categorical, pl.Enum, pl.Null).cast(pl.String),
    )


def _as_text(column: pl.Series) -> pl.Series:
    texts = [None if value is None else str(value) for value in column]
    return pl.Series(column.name, texts, dtype=pl.String)


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
