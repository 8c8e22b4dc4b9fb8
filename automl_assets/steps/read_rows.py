"""read_rows: rows to be answered, tested on or explained, by the schema that the model learnt. Every way in passes here."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from automl_assets.data.column_schema import ColumnSchema
from automl_assets.data.read_column import beyond
from automl_assets.data.schema import Misfit, ReadRows, Schema, told
from automl_assets.errors import DataError, listed
from automl_assets.steps.combine import check_columns

UNREADABLE = "unreadable"  # column of answers that names for each row what could not be read
ADVICE = (
    "Write these cells like those that were learnt from, or leave them empty. With `strict: false` in the YAML they count as "
    f"missing, and a column `{UNREADABLE}` names them"
)


def read_rows(rows: Any, schema: Schema, needed: Collection[str], is_strict: bool) -> ReadRows:
    """The `needed` columns of a pandas or polars frame as they were learnt; all others stay as they come.

    Raises DataError for a column that is not there and, where strict, for cells that cannot be read.
    """
    table = as_frame(rows)
    check_columns(tuple(needed), table)
    found = schema.read(table, needed)
    if is_strict:
        check_fit(found.misfits, "the rows")
    return found


def check_fit(misfits: Collection[Misfit], where: str, advice: str = ADVICE) -> None:
    """Raises DataError that shows for each column what does not fit."""
    if misfits:
        raise DataError(f"{where}: {'; '.join(map(told, misfits))}. {advice}.")


def as_frame(rows: Any) -> pl.DataFrame:
    """A pandas or polars frame as one of polars. A pandas column of several types becomes one of texts."""
    if isinstance(rows, pl.DataFrame):
        return rows
    names = [str(name) for name in rows.columns]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"the rows have several columns called {listed(doubled)}; give every column a name of its own")
    return pl.DataFrame([_as_series(name, rows[column]) for name, column in zip(names, rows.columns, strict=True)])


def _as_series(name: str, column: Any) -> pl.Series:
    try:
        return pl.Series(name, pl.from_pandas(column))
    except (TypeError, ValueError, NotImplementedError, pl.exceptions.PolarsError, OverflowError):
        texts = [None if is_gap else str(value) for value, is_gap in zip(column, column.isna(), strict=True)]
        return pl.Series(name, texts, pl.String)


def marked(found: pl.DataFrame, read: ReadRows, reasons: Sequence[str] = ()) -> pl.DataFrame:
    """Answers, and of each row the columns that could not be read, or the reason why it has no answer."""
    none = [""] * found.height
    told = [reason or names for reason, names in zip(reasons or none, read.unreadable or none, strict=True)]
    return found.with_columns(pl.Series(UNREADABLE, told, pl.String))


def fit(rows: pl.DataFrame, schema: Schema, target: str) -> list[str]:
    """What a person should know before a model answers these rows, a sentence each. The target may be left out."""
    lacking = [name for name in schema.names if name not in rows.columns and name != target]
    further = [name for name in rows.columns if name not in schema.names]
    notes, read = Notes(), schema.read(rows)
    notes.add(read)
    lines = [f'"{name}" is lacking.' for name in lacking] + [f'"{name}" was not learnt from.' for name in further]
    ranges = [_range_line(read.table[one.name], one) for one in schema.columns if one.name in rows.columns]
    return [*lines, *notes.lines, *filter(None, ranges)] or [f"All {rows.height} rows are as those learnt from."]


def _range_line(values: pl.Series, learnt: ColumnSchema) -> str:
    outside = beyond(values, learnt)
    if outside.is_empty():
        return ""
    cells = "1 cell" if len(outside) == 1 else f"{len(outside)} cells"
    return (
        f'"{learnt.name}": {cells} outside of what was learnt, {learnt.least} to {learnt.most}, such as {outside[0]}.'
    )


@dataclass
class Notes:
    """What was noticed about rows that were read batch by batch."""

    unseen: Counter[str] = field(default_factory=Counter)  # column -> cells
    unreadable: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, found: ReadRows) -> None:
        """Counts what is told of one batch."""
        for counts, misfits in ((self.unseen, found.unseen), (self.unreadable, found.misfits)):
            for misfit in misfits:
                counts[misfit.column] += misfit.n_cells
                self.examples.setdefault(misfit.column, misfit.examples[0])

    @property
    def lines(self) -> list[str]:
        """A sentence for each column with something to be told."""
        unseen = [self._line(name, n, "never learnt, counting as any other") for name, n in self.unseen.items()]
        lost = [self._line(name, n, "unreadable, counting as missing") for name, n in self.unreadable.items()]
        return lost + unseen

    def _line(self, column: str, n_cells: int, what: str) -> str:
        cells = "1 cell" if n_cells == 1 else f"{n_cells} cells"
        return f'"{column}": {cells} {what}, such as {self.examples[column]!r}.'
