"""Rows from comma-separated text, also with other delimiters and packed with gzip.

All knowledge of the format is here: delimiters, headers, missing values. Not here: how texts become numbers (`schema`).
"""

import codecs
import csv
import gzip
import io
import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from automl_assets.data import files, tables
from automl_assets.data.correct_cells import Cells
from automl_assets.data.file_source import FileFormat
from automl_assets.errors import SourceError, listed
from automl_assets.masking import without_secrets

if TYPE_CHECKING:
    from _csv import Reader

EXTENSIONS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
DELIMITERS = (",", ";", "\t", "|")
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL")
SNIFFED_RECORDS = 50
BLOCK_BYTES = 1 << 20  # no row may be longer


class CsvOptions(BaseModel):
    """Where the text lies and how it is written. Every text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    path: str = Field(description="A file, a folder or a glob; local, or any URL that fsspec knows.")
    delimiter: str | None = Field(None, description="One character; found out among , ; tab | when left out.")
    encoding: str | None = Field(None, description="A Python codec such as latin-1; UTF-8 when left out.")
    null_values: tuple[str, ...] = Field(
        MISSING,
        description="Cells that mean missing, instead of the default ones. An empty cell is always missing. "
        "None and ? are not among the default ones, because they are true categories in many files.",
    )
    decimal_comma: bool = Field(False, description="Whether numbers are written 1,5 instead of 1.5.")

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        if value is None or files.has_variable(value) or (len(value) == 1 and value.isascii()):
            return value
        raise ValueError(f'got {value!r}; it is one ASCII character, such as ";" or "\\t"')

    @field_validator("encoding")
    @classmethod
    def _is_codec(cls, value: str | None) -> str | None:
        if value is not None and not files.has_variable(value):
            try:
                "a".encode(value)  # unlike a look-up, this refuses codecs that are not of text, such as hex
            except LookupError:
                raise ValueError(f"got {value!r}; possible: utf-8, utf-16, latin-1, cp1252, …") from None
        return value


def read(options: CsvOptions) -> pl.DataFrame:
    """All rows, every cell a text.

    Raises SourceError for a file that is missing, empty, not text, or whose rows and header don't fit.
    """
    given = files.expanded(options)
    texts = tables.read_files(given.path, EXTENSIONS, partial(_texts, options=given))
    return _without_missing(texts, given.null_values)


def batches(options: CsvOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """Rows with every cell as text, a batch at a time. Raises SourceError as `read` does."""
    given = files.expanded(options)
    for texts in tables.read_batches(given.path, EXTENSIONS, partial(_text_batches, options=given)):
        yield from _without_missing(texts, given.null_values).iter_slices(most_rows)


def code(options: CsvOptions) -> str:
    """Every cell as text; who reads it knows the types."""
    given = options if files.has_variable(options.path) else files.expanded(options)
    encoding = f", encoding={given.encoding!r}" if given.encoding else ""
    return f"""\
files = {files.files_code(given.path, EXTENSIONS)}
every = [pl.read_csv(file, separator={_delimiter(given)!r}, infer_schema=False{encoding}) for file in files]
table = pl.concat(every, how="diagonal_relaxed")
missing = {["", *given.null_values]!r}
texts = pl.col(pl.String)
return table.with_columns(pl.when(~texts.str.strip_chars().is_in(missing)).then(texts))
"""


def _dump(rows: pl.DataFrame, options: CsvOptions) -> bytes:
    delimiter = options.delimiter or (";" if options.decimal_comma else ",")
    return _encoded(rows.write_csv(separator=delimiter, decimal_comma=options.decimal_comma), options)


def _join(content: bytes, rows: pl.DataFrame, options: CsvOptions) -> bytes:
    """A file's content with rows below, in its own delimiter, ends of lines and order of columns; packed where it is
    packed."""
    given = files.unpacked(content, options.path).decode(options.encoding or "utf-8")
    texts = given if "\n" in given else given.replace("\r", "\n")  # or new lines would hide the old ends
    sample = texts[: files.CHUNK_BYTES].removeprefix("\ufeff")
    delimiter = options.delimiter or sniffed(sample)
    header, end = _checked_header(sample, delimiter, options.path), "\r\n" if "\r\n" in sample else "\n"
    below = rows.select(header).write_csv(
        separator=delimiter, include_header=False, decimal_comma=options.decimal_comma, line_terminator=end
    )
    made = _encoded(texts + ("" if texts.endswith("\n") else end) + below, options)
    return gzip.compress(made) if content.startswith(b"\x1f\x8b") else made


def _correct(content: bytes, column: str, cells: Cells, options: CsvOptions) -> bytes:
    """Lines of other rows stay as they are."""
    text = files.unpacked(content, options.path).decode(options.encoding or "utf-8")
    sample = text[: files.CHUNK_BYTES].removeprefix("\ufeff")
    delimiter = options.delimiter or sniffed(sample)
    header = _checked_header(sample, delimiter, options.path)
    lines, records = [*io.StringIO(text, newline="")], _records(text, delimiter)
    next(filter(None, records))
    row, first = 0, records.line_num
    for record in records:
        if len(record) > 1 or "".join(record).strip():
            if row in cells:
                record[header.index(column)] = str(cells[row])
                end = lines[records.line_num - 1]
                lines[first : records.line_num] = [
                    _line(record, delimiter) + end[len(end.rstrip("\r\n")) :],
                    *[""] * (records.line_num - first - 1),
                ]
            row += 1
        first = records.line_num
    made = _encoded("".join(lines), options)
    return gzip.compress(made) if content.startswith(b"\x1f\x8b") else made


def _line(record: list[str], delimiter: str) -> str:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="").writerow(record)
    return written.getvalue()


def _encoded(text: str, options: CsvOptions) -> bytes:
    try:
        return text.encode(options.encoding or "utf-8")
    except UnicodeEncodeError as error:
        raise SourceError(
            f"{without_secrets(options.path)}: {error.encoding} has no {text[error.start]!r}; leave that row out, or write the file "
            "in UTF-8"
        ) from None


def _dialect(options: CsvOptions) -> dict[str, Any]:
    return files.expanded(options).model_dump(include={"delimiter", "encoding", "null_values", "decimal_comma"})


def _like(options: CsvOptions, dialect: dict[str, Any]) -> CsvOptions:
    """A file that is UTF-8 is hardly ever anything else, whatever the first file was; and one whose header has no such
    delimiter has another."""
    given = options.model_copy(update=dialect)
    path = files.expanded(options).path
    if given.encoding and _is_utf8(path):
        given = given.model_copy(update={"encoding": None})
    has_other = given.delimiter and given.delimiter not in _header(path, given.encoding)
    return given.model_copy(update={"delimiter": None}) if has_other else given


def _header(path: str, encoding: str | None) -> str:
    """The first line of the first file."""
    with files.opened(files.files(path, EXTENSIONS)[0]) as stream:
        start = stream.read(files.CHUNK_BYTES).decode(encoding or "utf-8", errors="ignore")
    return start.splitlines()[0] if start else ""


def _is_utf8(path: str) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")
    for file in files.files(path, EXTENSIONS):
        one = decoder()
        with files.opened(file) as stream:
            try:
                is_text = all(
                    "\0" not in one.decode(chunk) for chunk in iter(partial(stream.read, files.CHUNK_BYTES), b"")
                )
            except UnicodeDecodeError:
                return False
        if not is_text:
            return False
    return True


def _delimiter(options: CsvOptions) -> str:
    """The one that is given, or found in the first file when there is one to look at."""
    if options.delimiter or files.has_variable(options.path):
        return options.delimiter or ","
    first = files.files(options.path, EXTENSIONS)[0]
    with files.explained(first.name, first.path):
        content = files.unpacked(first.filesystem.cat_file(first.path), first.name)
    return sniffed(content[: files.CHUNK_BYTES].decode(options.encoding or "utf-8", errors="ignore"))


def sniffed(sample: str) -> str:
    """The delimiter that cuts the first records into the most cells, the same number in each; where there are some, one
    that tears no text in quotes.

    >>> sniffed("a;b\\n1,5;2,5\\n"), sniffed("name\\nAnn\\n"), sniffed('a,"b;c;d"\\n1,"2;3;4"\\n')
    (';', ',', ',')
    """
    records = {delimiter: _first_records(sample, delimiter) for delimiter in DELIMITERS}
    widths = {delimiter: [len(record) for record in found] for delimiter, found in records.items()}
    even = [delimiter for delimiter, found in widths.items() if found and found[0] > 1 and len(set(found)) == 1]
    whole = [delimiter for delimiter in even if all(_is_whole(cell, sample) for cell in chain(*records[delimiter]))]
    return max(whole or even or DELIMITERS, key=lambda delimiter: widths[delimiter][:1])


def _first_records(sample: str, delimiter: str) -> list[list[str]]:
    return [record for record in islice(_records(sample, delimiter), SNIFFED_RECORDS) if record]


def _is_whole(cell: str, sample: str) -> bool:
    """Whether a cell with quotes in it is written as such a cell is.

    >>> _is_whole('5" wide', '1,"5"" wide",2'), _is_whole('wide"', '1,"tall,wide"')
    (True, False)
    """
    doubled = cell.replace('"', '""')
    return '"' not in cell or f'"{doubled}"' in sample


def _without_missing(texts: pl.DataFrame, null_values: tuple[str, ...]) -> pl.DataFrame:
    """Cells that mean missing, blanks around them included, become null."""
    is_missing = pl.all().str.strip_chars().is_in(["", *null_values])
    return texts.with_columns(pl.when(~is_missing).then(pl.all()))


def _texts(content: bytes, name: str, options: CsvOptions) -> pl.DataFrame:
    """One file with every cell as text."""
    utf8 = _with_line_feeds(tables.as_utf8(files.unpacked(content, name), options.encoding, name))
    sample = utf8[: files.CHUNK_BYTES].decode("utf-8", errors="ignore")
    delimiter = options.delimiter or sniffed(sample)
    header = _checked_header(sample, delimiter, name)
    try:
        table = pl.read_csv(utf8, separator=delimiter, infer_schema=False, new_columns=header)
    except pl.exceptions.PolarsError as error:
        _blank_rows(utf8, delimiter, len(header), name)
        raise SourceError(_not_parsed(error, name)) from error
    return _without_blank_lines(table, utf8, delimiter, name)


def _text_batches(stream: Any, name: str, options: CsvOptions) -> Iterator[pl.DataFrame]:
    """One file a block at a time; pyarrow reads streams, polars only what is in memory."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    start = stream.read(files.CHUNK_BYTES)
    stream.seek(0)
    sample = start.decode(options.encoding or "utf-8-sig", errors="ignore")
    delimiter = options.delimiter or sniffed(sample)
    header = _checked_header(sample, delimiter, name)
    records = _records(sample, delimiter)
    next(filter(None, records))
    reading = arrow.ReadOptions(
        use_threads=False,
        column_names=header,
        skip_rows=records.line_num,
        block_size=BLOCK_BYTES,
        encoding=options.encoding or "utf8",
    )
    parsing = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    converting = arrow.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    for block in arrow.open_csv(stream, reading, parsing, converting):
        yield pl.DataFrame(pl.from_arrow(block))


def _with_line_feeds(utf8: bytes) -> bytes:
    """Old Macintosh files end their lines with a carriage return alone, which polars takes for one long line."""
    return utf8 if b"\n" in utf8 else utf8.replace(b"\r", b"\n")


def _checked_header(sample: str, delimiter: str, name: str) -> list[str]:
    """Column names. polars would rename doubled ones in silence, and read others than those of a pattern's name."""
    header = next(filter(None, _records(sample, delimiter)), None)
    if header is None:
        raise SourceError(f"{name}: the file holds nothing but blank lines; it needs a header and at least one row")
    names = [cell if cell.strip() else f"unnamed_{position}" for position, cell in enumerate(header, start=1)]
    tables.check_names(names, name)
    doubled = sorted({column for column in names if names.count(column) > 1})
    if doubled:
        positions = [position for position, column in enumerate(names, start=1) if column in doubled]
        raise SourceError(
            f"{name}: the header names {listed(doubled)} more than once (columns {listed(positions)}); "
            "give every column its own name"
        )
    return names


def _records(text: str, delimiter: str) -> "Reader":
    csv.field_size_limit(sys.maxsize)  # Python's limit of 131,072 characters is short for a column of documents
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _without_blank_lines(table: pl.DataFrame, utf8: bytes, delimiter: str, name: str) -> pl.DataFrame:
    """polars reads a blank line, and a row that ends too early, as missing cells: look where the last is missing."""
    last = table.to_series(table.width - 1)
    if table.width == 1 or last.null_count() == 0:
        return table
    blank = _blank_rows(utf8, delimiter, table.width, name)
    return table.filter(~pl.int_range(pl.len()).is_in(blank)) if blank else table


def _blank_rows(utf8: bytes, delimiter: str, n_columns: int, name: str) -> list[int]:
    """Numbers of the rows that are blank lines, counted below the header.

    Raises SourceError that names the first line with too many or too few cells.
    """
    records = _records(utf8.decode("utf-8"), delimiter)
    next(filter(None, records))  # the header
    blank = []
    for row, record in enumerate(records):
        if len(record) < 2 and not "".join(record).strip():
            blank.append(row)
        elif len(record) != n_columns:
            raise SourceError(_ragged(name, records.line_num, len(record), n_columns, delimiter))
    return blank


def _ragged(name: str, line: int, n_cells: int, n_columns: int, delimiter: str) -> str:
    cells = "1 cell" if n_cells == 1 else f"{n_cells} cells"
    return (
        f"{name}: line {line} has {cells} where the header has {n_columns} (delimiter {delimiter!r}); "
        "complete the line, put cells that hold the delimiter in double quotes, or set `delimiter`"
    )


def _not_parsed(error: Exception, name: str) -> str:
    return (
        f"{name}: {str(error).splitlines()[0]}; a double quote opens a cell and is never closed, or stands inside "
        "a quoted cell without being doubled"
    )


PART = FileFormat(
    name="csv",
    title="Comma-separated text",
    options=CsvOptions,
    extensions=EXTENSIONS,
    read=read,
    batches=batches,
    code=code,
    dump=_dump,
    join=_join,
    parse=lambda content, name, options: _without_missing(_texts(content, name, options), options.null_values),
    correct=_correct,
    dialect=_dialect,
    like=_like,
).source()
