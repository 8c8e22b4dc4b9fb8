"""The schema: what each column of the rows learnt from is, and how every later row is read by it.

Learnt once from the training rows (`learn_column`), stored with the model, and used by every way in. What cannot be read by
the type that was learnt (`read_column`) is no gap: it is a `Misfit`, counted and shown.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from automl_assets.data.column_schema import BLANK, IN_WORDS, ColumnSchema
from automl_assets.data.learn_column import learn_column, learn_text
from automl_assets.data.read_column import as_text, is_unseen, present, read_column
from automl_assets.errors import listed
from automl_assets.stored import stored_as

SHOWN = 3  # cells that a message shows
MOST_CHARACTERS = 60  # of such a cell


@dataclass(frozen=True)
class Misfit:
    """Cells of a column that are not what was learnt."""

    column: str
    n_cells: int
    examples: tuple[str, ...]
    expected: str


@dataclass(frozen=True)
class ReadRows:
    """Rows as a schema reads them; what does not fit is missing in the table, and told here."""

    table: pl.DataFrame
    misfits: tuple[Misfit, ...] = ()
    unseen: tuple[Misfit, ...] = ()  # texts that were never learnt, which a model takes for other ones
    unreadable: tuple[str, ...] = ()  # of each row the columns that do not fit; empty where all do


@stored_as("data.Schema")
@dataclass(frozen=True)
class Schema:
    """All columns of the rows learnt from, and how the texts of their source are written."""

    columns: tuple[ColumnSchema, ...]
    source: dict[str, Any] = field(default_factory=dict)  # the options of its kind that say how texts are written
    kind: str = ""  # of the source

    @property
    def names(self) -> list[str]:
        """Of the columns, in their order."""
        return [column.name for column in self.columns]

    def only(self, names: Collection[str]) -> "Schema":
        """The same for some of the columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.name in names))

    def format_of(self, name: str) -> str:
        """How a column is written; "" where that is not known."""
        return next((column.format for column in self.columns if column.name == name), "")

    @property
    def null_values(self) -> tuple[str, ...]:
        """Texts that mean missing, beside blank ones."""
        return tuple(self.source.get("null_values") or BLANK)

    @property
    def doubts(self) -> tuple[str, ...]:
        return tuple(f"{column.name}: {column.doubt}" for column in self.columns if column.doubt)

    def read(self, rows: pl.DataFrame, only: Collection[str] | None = None) -> ReadRows:
        """Rows of any source by the types that were learnt; columns that were not learnt, and those not in `only`, stay as
        they come. Where nothing was learnt, as in models of earlier versions, rows are read by what they look like."""
        if not self.columns:
            return learn_schema(rows).read(rows)
        columns = {column.name: column for column in self.columns if only is None or column.name in only}
        read = [self._read(cells, columns[cells.name]) for cells in rows if cells.name in columns]
        lost = {one.values.name: one.is_lost for one in read if one.misfits}
        return ReadRows(
            rows.with_columns(one.values for one in read),
            tuple(misfit for one in read for misfit in one.misfits),
            tuple(misfit for one in read for misfit in one.unseen),
            _per_row(lost),
        )

    def _read(self, cells: pl.Series, learnt: ColumnSchema) -> "_ReadColumn":
        values = read_column(cells, learnt, self.null_values)
        is_lost = values.is_null() & cells.is_not_null()
        if is_lost.any():
            is_lost &= present(cells, learnt, self.null_values).is_not_null()
        unseen = _misfits(values, is_unseen(values, learnt), learnt)
        return _ReadColumn(values, is_lost, _misfits(cells, is_lost, learnt), unseen)


def differences(before: Mapping[str, str], now: Schema) -> list[str]:
    """What is other than in an earlier schema, of which the types of the columns are known, a sentence each.

    >>> differences({"a": "integer", "b": "text"}, Schema((ColumnSchema("a", "text"), ColumnSchema("c", "float"))))
    ['"b" is gone', '"c" is new and holds numbers', '"a" held whole numbers and holds texts']
    """
    types = {column.name: column for column in now.columns}
    gone = [f'"{name}" is gone' for name in before if name not in types]
    new = [f'"{name}" is new and holds {IN_WORDS[one.type]}' for name, one in types.items() if name not in before]
    other = [
        f'"{name}" held {IN_WORDS.get(before[name], before[name])} and holds {IN_WORDS[one.type]}'
        for name, one in types.items()
        if before.get(name, one.type) != one.type
    ]
    return gone + new + other


@dataclass(frozen=True)
class _ReadColumn:
    values: pl.Series
    is_lost: pl.Series  # of each cell, whether it does not fit
    misfits: list[Misfit]
    unseen: list[Misfit]


NO_SCHEMA = Schema(())  # of models of earlier versions


def told(misfit: Misfit) -> str:
    """A misfit in a sentence.

    >>> told(Misfit("rooms", 2, ("four", "6 rooms"), "whole numbers, such as 3"))
    'column "rooms" holds whole numbers, such as 3; 2 cells are others: \\'four\\', \\'6 rooms\\''
    """
    cells = "1 cell is another" if misfit.n_cells == 1 else f"{misfit.n_cells} cells are others"
    return f'column "{misfit.column}" holds {misfit.expected}; {cells}: {listed(map(repr, misfit.examples))}'


def _misfits(cells: pl.Series, which: pl.Series, learnt: ColumnSchema) -> list[Misfit]:
    if not which.any():
        return []
    examples = cells.filter(which).unique(maintain_order=True).head(SHOWN)
    return [Misfit(learnt.name, int(which.sum()), tuple(map(_shown, examples)), learnt.in_words)]


def _shown(cell: Any) -> str:
    text = str(cell)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _per_row(lost: Mapping[str, pl.Series]) -> tuple[str, ...]:
    if not lost:
        return ()
    names = [pl.when(which).then(pl.lit(name)) for name, which in lost.items()]
    return tuple(pl.select(pl.concat_str(names, separator=", ", ignore_nulls=True)).to_series().to_list())


def learn_schema(
    rows: pl.DataFrame,
    kind: str = "",
    source: Mapping[str, Any] | None = None,
    date_formats: Mapping[str, str] | None = None,
    time_formats: Mapping[str, str] | None = None,
    texts: Collection[str] = (),
) -> Schema:
    """The schema of rows as their source brings them. `date_formats`: column -> format, where a person says it;
    `time_formats`: the same of columns that `timestamps` reads. `texts` are columns that stay as they are written.

    Raises SettingError for a format that does not fit its column.
    """
    options, formats, times = dict(source or {}), date_formats or {}, time_formats or {}
    nulls, comma = tuple(options.get("null_values") or BLANK), bool(options.get("decimal_comma"))
    columns = (
        learn_text(cells, nulls)
        if cells.name in texts
        else learn_column(cells, nulls, comma, formats.get(cells.name, ""), times.get(cells.name, ""))
        for cells in rows
    )
    return Schema(tuple(columns), options, kind)


def as_id(values: pl.Series, schema: Schema) -> pl.Series:
    """What was read of a column as the names that it gave when it was learnt: a fraction among whole numbers changes no
    other's."""
    is_whole = any(one.name == values.name and one.type == "integer" for one in schema.columns)
    return as_text(values) if is_whole else values.cast(pl.String)
