"""How rows reach memory: environment variables, files of any file system, stacking, typing and hashing of tables.

Here belongs what several sources share. Not here: what one format or one kind of source alone knows.
"""

import gzip
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import fsspec
import polars as pl
import polars.selectors as cs
from pydantic import BaseModel, ValidationError

from automl_assets.errors import SourceError, listed, nearest

Options = TypeVar("Options", bound=BaseModel)
Parse = Callable[[bytes, str], pl.DataFrame]  # content and name of one file to its rows
ParseBatches = Callable[[Any, str], Iterator[pl.DataFrame]]  # byte stream and name of one file to batches of its rows

FINGERPRINT_CHARACTERS = 16
CHUNK_BYTES = 1 << 20
WRITTEN_KEYS = ("size", "mtime", "ino", "LastModified", "last_modified", "updated")  # that change as a file is written
CONTENT_KEYS = ("md5Hash", "content_md5", "ETag", "etag")  # what object stores tell about content, best first

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>[^}]*))?\}")
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^:@/]*):[^/]*@")
_DATE = "%Y-%m-%d"
_DATETIMES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED_DATETIMES = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")


# --- options -----------------------------------------------------------------------------------------------------


def expanded(options: Options) -> Options:
    """The options with `${NAME}`, `${NAME:-default}` and a leading `~/` filled in, checked once more.

    For reading only: the result may hold secrets and is never stored.
    Raises SourceError when a variable without default is unset, or when what it holds is impossible.

    >>> class Place(BaseModel):
    ...     path: str
    >>> expanded(Place(path="${AUTOML_NO_SUCH_VARIABLE:-/data}/rows.csv")).path
    '/data/rows.csv'
    """
    filled = {name: _expanded_value(value, name) for name, value in options}
    try:
        return type(options).model_validate(filled)
    except ValidationError as error:
        problems = "; ".join(_problem(problem) for problem in error.errors())
        raise SourceError(f"once the environment variables are filled in, {problems}") from None


def has_variable(text: str) -> bool:
    """Whether the text waits for an environment variable, so that it cannot be judged yet.

    >>> has_variable("${DELIMITER}"), has_variable(";")
    (True, False)
    """
    return _VARIABLE.search(text) is not None


def text_code(text: str) -> str:
    """Python for a text whose environment variables are to be read when it runs.

    >>> text_code("${FOLDER}/rows.csv"), text_code("${FOLDER:-/data}")
    ("os.environ['FOLDER'] + '/rows.csv'", "(os.environ.get('FOLDER') or '/data')")
    """
    pieces, end = [], 0
    for match in _VARIABLE.finditer(text):
        name, default = match["name"], match["default"]
        pieces += [repr(text[end : match.start()])] if match.start() > end else []
        pieces.append(f"(os.environ.get({name!r}) or {default!r})" if match["fallback"] else f"os.environ[{name!r}]")
        end = match.end()
    pieces += [repr(text[end:])] if end < len(text) else []
    return " + ".join(pieces) or "''"


def without_variables(text: str) -> str:
    """What of a text is written down.

    >>> without_variables("sqlite:///${FOLDER}/shop.db")
    'sqlite:////shop.db'
    """
    return _VARIABLE.sub("", text)


def files_code(location: str, extensions: tuple[str, ...]) -> str:
    """Python for the files of a location as there are now; a place that waits for variables stays as it is written."""
    if has_variable(location):
        return f"[{text_code(location)}]"
    found = files(_expanded_text(location, "path"), extensions)
    return "[\n" + "".join(f"    {file.name!r},\n" for file in found) + "]"


def _problem(problem: Any) -> str:
    location = ".".join(str(part) for part in problem["loc"])
    return f"{location or 'the options'}: {problem['msg'].removeprefix('Value error, ')}"


def _expanded_value(value: Any, option: str) -> Any:
    if isinstance(value, str):
        return _expanded_text(value, option)
    if isinstance(value, tuple):
        return tuple(_expanded_value(item, option) for item in value)
    return value


def _expanded_text(text: str, option: str) -> str:
    filled = _VARIABLE.sub(partial(_variable_value, option=option), text)
    return os.path.expanduser(filled) if filled.startswith("~/") else filled


def _variable_value(match: re.Match[str], option: str) -> str:
    name = match["name"]
    value = os.environ.get(name)
    if match["fallback"]:
        return value or match["default"]
    if value is None:
        raise SourceError(
            f"{option}: the environment variable {name} is not set; set it, or give a default: ${{{name}:-default}}."
            f"{nearest(name, os.environ)}"
        )
    return value


# --- places ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """One file somewhere, and the name by which a person knows it, free of passwords and signatures."""

    filesystem: fsspec.AbstractFileSystem
    path: str
    name: str


def without_secrets(location: str) -> str:
    """A path or URL as it may be shown: without password, and without the query that may hold a signature.

    >>> without_secrets("sftp://ann:s3cret@host/rows.csv"), without_secrets("https://host/rows.csv?sig=abc")
    ('sftp://ann:***@host/rows.csv', 'https://host/rows.csv')
    >>> without_secrets("/data/what?.csv")
    '/data/what?.csv'
    """
    if "://" not in location:
        return location
    visible = location.split("?", 1)[0] if location.startswith("http") else location
    return _PASSWORD.sub(r"\g<user>:***@", visible)


def has_extension(text: str, extensions: tuple[str, ...]) -> bool:
    """Whether a path, URL or glob ends in one of the extensions.

    >>> has_extension("https://host/ROWS.CSV?version=2", (".csv",)), has_extension("rows.parquet", (".csv",))
    (True, False)
    """
    return without_secrets(text).lower().endswith(extensions)


def files(location: str, extensions: tuple[str, ...]) -> tuple[File, ...]:
    """The files of a location in sorted order: one file, those of a folder with such an extension, or a glob's.

    Raises SourceError when there are none, or when the file system cannot be reached.
    """
    name = without_secrets(location)
    with explained(name, location):
        filesystem, path = fsspec.core.url_to_fs(location)
        filesystem.invalidate_cache()  # a sensor lives long, and what it listed before is no longer true
        paths = _paths(filesystem, path, extensions)
    if not paths:
        raise SourceError(_nothing_found(filesystem, path, name, extensions))
    on_disk = is_local(filesystem)
    return tuple(
        File(filesystem, found, found if on_disk else without_secrets(filesystem.unstrip_protocol(found)))
        for found in paths
    )


def _paths(filesystem: fsspec.AbstractFileSystem, path: str, extensions: tuple[str, ...]) -> list[str]:
    if filesystem.isfile(path):
        return [path]
    if filesystem.isdir(path):
        return [found for found in _children(filesystem, path) if has_extension(found, extensions)]
    if not _is_pattern(path):
        return []
    matches = filesystem.glob(path, detail=True)
    return sorted(found for found, info in matches.items() if info["type"] == "file")


def _is_pattern(path: str) -> bool:
    """Whether the path is a glob; the ? of a web address is none."""
    return bool(fsspec.core.has_magic(without_secrets(path)))


def _children(filesystem: fsspec.AbstractFileSystem, folder: str) -> list[str]:
    """Files right inside a folder; hidden ones and those that Spark marks with `_` are not data."""
    inside = filesystem.find(folder, maxdepth=1)
    return sorted(found for found in inside if not found.rsplit("/", 1)[-1].startswith((".", "_")))


def is_local(filesystem: fsspec.AbstractFileSystem) -> bool:
    """Whether files lie on this machine."""
    return "file" in ((filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol)


def _nothing_found(filesystem: fsspec.AbstractFileSystem, path: str, name: str, extensions: tuple[str, ...]) -> str:
    shown = path if is_local(filesystem) else name
    with explained(name):
        if filesystem.isdir(path):
            present = [found.rsplit("/", 1)[-1] for found in _children(filesystem, path)]
            return (
                f"{shown}: the folder holds no file ending in {listed(extensions)}; it holds: "
                f"{listed(present) or 'nothing'}. Name the files with a glob, such as {shown.rstrip('/')}/*.txt"
            )
        if _is_pattern(path):
            return f"{shown}: no file matches this pattern; * stands for any text, ** for any folders"
    return f"{shown}: no such file or folder.{_neighbour(filesystem, path)}"


def _neighbour(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """A hint at a file beside the missing one. No hint where the store cannot list: the file is missing anyway."""
    folder, _, name = path.rpartition("/")
    try:
        beside = [str(found).rstrip("/").rsplit("/", 1)[-1] for found in filesystem.ls(folder or "/", detail=False)]
    except (OSError, NotImplementedError, ValueError):
        return " Check the spelling; the folder cannot be listed"
    return nearest(name, beside) or f" Its folder holds: {listed(sorted(beside), 10) or 'nothing'}"


@contextmanager
def explained(name: str, secret: str | None = None) -> Iterator[None]:
    """Turns whatever a library raises while reading `name` into a SourceError with the first line of its message.

    File systems, drivers and parsers each have their own root of errors, and none can be listed beforehand.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        shown = message.replace(secret, name) if secret else message
        raise SourceError(f"{name} cannot be read: {shown}") from error


# --- reading and hashing files -----------------------------------------------------------------------------------


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


@contextmanager
def opened(file: File) -> Iterator[Any]:
    """A file's content as a stream of bytes, without gzip; what goes wrong while it is read names the file."""
    with explained(file.name, file.path), file.filesystem.open(file.path, "rb", compression=None) as packed:
        magic = packed.read(2)
        packed.seek(0)
        yield gzip.GzipFile(fileobj=packed) if magic == b"\x1f\x8b" else packed


def _header(table: pl.DataFrame) -> str:
    return f"a header ({listed(table.columns, 5)})" if table.columns else "no columns"


def from_json(content: bytes, name: str, model: type[Options], advice: str) -> Options:
    """JSON as a model. Raises SourceError that names the first place where it is something else.

    >>> class Place(BaseModel):
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


def unpacked(content: bytes, name: str) -> bytes:
    """Content without gzip, whatever the file is called: some servers unpack on the way, some don't.

    >>> unpacked(gzip.compress(b"x"), "rows.csv.gz"), unpacked(b"x", "rows.csv.gz")
    (b'x', b'x')
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    with explained(name):
        return gzip.decompress(content)


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


def fingerprint_files(location: str, extensions: tuple[str, ...]) -> str:
    """16 hexadecimal characters that change with the content of any file, but not with names or times of change.

    Local files are hashed as a stream. Object stores are asked for the checksum they keep; where they keep none,
    the bytes are hashed.
    """
    digest = hashlib.sha256()
    for file in files(location, extensions):
        with explained(file.name, file.path):
            digest.update(_file_digest(file))
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]


def stamp_files(location: str, extensions: tuple[str, ...]) -> str:
    """16 hexadecimal characters that change whenever a file is written to, comes or goes. Reads no content."""
    digest = hashlib.sha256()
    for file in files(location, extensions):
        with explained(file.name, file.path):
            info = file.filesystem.info(file.path)
        digest.update(repr((file.path, [info.get(key) for key in (*WRITTEN_KEYS, *CONTENT_KEYS)])).encode())
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]


def _file_digest(file: File) -> bytes:
    known = None if is_local(file.filesystem) else _content_key(file.filesystem.info(file.path))
    if known:
        return hashlib.sha256(known.encode()).digest()
    digest = hashlib.sha256()
    with file.filesystem.open(file.path, "rb", compression=None) as stream:
        for chunk in iter(partial(stream.read, CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.digest()


def _content_key(info: Mapping[str, Any]) -> str | None:
    return next((str(info[key]) for key in CONTENT_KEYS if info.get(key)), None)


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
