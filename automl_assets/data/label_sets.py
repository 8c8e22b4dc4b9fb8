"""Sets of labels as people write them: lists (JSON, or as Python prints them), or texts with commas between labels.

How one column writes them is found out once over all of its cells, and what may be meant otherwise is refused. Labels are
texts, whatever they look like. An empty set is written `[]`; an empty cell has no answer.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import DataError, listed
from automl_assets.records import Label, Problem

MOST_LABELS = 2_000
SEPARATORS = (",", ";", "|")
LISTS = 'as lists, such as ["a", "b"], in every row'
WITHOUT_COMMA = re.compile(r"""['"]\s+['"]""")  # as NumPy prints a list; Python would join the two texts
EMPTY = "[]"
SHOWN = 60  # characters of a cell in a message

LabelSet = tuple[str, ...]


def label_sets(target: pl.Series) -> list[LabelSet | None]:
    """The labels of each cell, without copies and in the order in which they are written; None where a cell is empty.

    Raises DataError, which names the row, for what is no set of labels, or can be read in several ways.

    >>> label_sets(pl.Series("topics", ["cs.LG, stat.ML", "cs.LG", None]))
    [('cs.LG', 'stat.ML'), ('cs.LG',), None]
    >>> label_sets(pl.Series("topics", ["['a', 'b']", "[]"]))
    [('a', 'b'), ()]
    """
    cells = _cells(target)
    known = cells.drop_nulls().unique(maintain_order=True).to_list()
    reads = dict(zip(known, _readings(known, _Column(target.name, cells)), strict=True))
    return [None if cell is None else reads[cell] for cell in cells.to_list()]


def label_set_problem(task: str) -> Callable[[pl.Series, str, Label | None], Problem]:
    """For `parts.Task.problem`: the labels that occur, in sorted order, are what is asked for."""

    def problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
        if positive_label is not None:
            raise DataError(f"positive_label: got {positive_label!r}, but sets of labels have none; remove it")
        labels = sorted({label for one in label_sets(target) for label in one or ()})
        if not 2 <= len(labels) <= MOST_LABELS:
            raise DataError(
                f'target "{target.name}": sets of labels take 2 to {MOST_LABELS:,} labels; got {len(labels)} '
                f"({listed(labels, 5)}). Check how the labels are written: between commas, or {LISTS}."
            )
        return Problem(task, metric, tuple(labels), is_multilabel=True)

    return problem


def label_sets_like(rows: pl.DataFrame, known: pl.DataFrame, target: str) -> pl.DataFrame:
    """Rows whose sets of labels are written as other rows write their own. Raises DataError for a label that they could not
    hold.

    >>> rows, known = pl.DataFrame({"y": ["b, a", "[]"]}), pl.DataFrame({"y": ["['a']"]})
    >>> label_sets_like(rows, known, "y")["y"].to_list()
    ['["b", "a"]', '[]']
    """
    return rows.with_columns(_sets_like(rows[target], known[target])) if target in known.columns else rows


def _sets_like(given: pl.Series, known: pl.Series) -> pl.Series:
    sets, cells = label_sets(given), _cells(known).drop_nulls()
    if known.dtype.is_nested():
        return pl.Series(given.name, sets, known.dtype)
    if cells.is_empty() or (cells.str.starts_with("[") & (cells != EMPTY)).any():
        return pl.Series(given.name, [None if one is None else json.dumps(one, ensure_ascii=False) for one in sets])
    sign = next((sign for sign in SEPARATORS if cells.str.contains(sign, literal=True).any()), SEPARATORS[0])
    torn = [label for one in sets for label in one or () if sign in label]
    if torn:
        raise DataError(
            f"{torn[0]!r} cannot be a label where {sign!r} stands between labels. Write all labels {LISTS}."
        )
    joined = (None if one is None else f"{sign} ".join(one) or EMPTY for one in sets)
    return pl.Series(given.name, list(joined), pl.String)


def encode_label_sets(target: pl.Series, problem: Problem) -> np.ndarray:
    """For `parts.Task.encode_target`: int8 [n_rows, n_labels], 1 for each label of a row. A whole row is -1 where the
    target is missing, or names nothing but labels that were never learnt.

    >>> known = Problem("any", "accuracy", ("a", "b"), is_multilabel=True)
    >>> encode_label_sets(pl.Series("y", ["['b']", "['b', 'new']", "[]", None, "['new']"]), known).tolist()
    [[0, 1], [0, 1], [0, 0], [-1, -1], [-1, -1]]
    """
    codes = {str(label): code for code, label in enumerate(problem.classes)}
    sets = label_sets(target)
    y = np.full((len(sets), len(codes)), -1, np.int8)
    for row, labels in enumerate(sets):
        known = [codes[label] for label in labels or () if label in codes]
        if known or labels == ():
            y[row] = 0
            y[row, known] = 1
    return y


def set_texts(inside: np.ndarray, classes: Sequence[Label]) -> list[str]:
    """The classes of each row's set as JSON, which every table format can hold; `inside` is bool [n_rows, n_classes].

    >>> set_texts(np.array([[True, False], [False, False]]), ("a", "b"))
    ['["a"]', '[]']
    """
    found, which = np.unique(inside, axis=0, return_inverse=True)
    texts = [json.dumps([label for label, is_in in zip(classes, row, strict=True) if is_in]) for row in found]
    return [texts[i] for i in which.reshape(-1)]


class _Column:
    """What messages name: the column, and where a cell stands in it."""

    def __init__(self, name: str, cells: pl.Series):
        self.name, self.cells = name, cells

    def refused(self, cell: str, why: str, advice: str) -> DataError:
        row = self.cells.to_list().index(cell) + 1
        shown = cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…"
        return DataError(f'target "{self.name}", row {row}: {shown!r} {why}. {advice}.')


def _cells(target: pl.Series) -> pl.Series:
    """As texts, without blanks around them; lists of Parquet and JSON lines become JSON."""
    if target.dtype.is_nested():
        texts = [None if cell is None else json.dumps(cell, ensure_ascii=False) for cell in target.to_list()]
        return pl.Series(target.name, texts, pl.String)
    cells = target.cast(pl.String).str.strip_chars()
    return cells.set(cells == "", None)


def _readings(cells: Sequence[str], column: _Column) -> list[LabelSet]:
    """All cells are lists, or none but the empty one is."""
    lists = [cell for cell in cells if cell.startswith("[") and cell != EMPTY]
    plain = [cell for cell in cells if not cell.startswith("[")]
    if not lists:
        return _between_separators(cells, column)
    if plain:
        raise column.refused(
            plain[0], f"is no list, while other rows are lists such as {lists[0]!r}", f"Write labels {LISTS}"
        )
    sets = [_of_list(cell, column) for cell in cells]
    texts = [cell for cell, found in zip(cells, sets, strict=True) if any(isinstance(one, str) for one in found)]
    numbers = [cell for cell, found in zip(cells, sets, strict=True) if any(isinstance(one, int) for one in found)]
    if texts and numbers:
        raise column.refused(
            numbers[0], f"holds numbers, while {texts[0]!r} holds texts", "Write all labels as texts, or all as numbers"
        )
    return [_distinct(map(str, found)) for found in sets]


def _of_list(cell: str, column: _Column) -> list[Any]:
    advice = f"Write labels {LISTS}"
    try:
        found = json.loads(cell)
    except ValueError:
        if WITHOUT_COMMA.search(cell):
            raise column.refused(cell, "has no comma between two labels", advice) from None
        found = _of_python(cell)
    if not isinstance(found, list):
        raise column.refused(cell, "begins like a list and is none", advice)
    wrong = [one for one in found if isinstance(one, bool) or not isinstance(one, str | int) or one == ""]
    if wrong:
        raise column.refused(cell, f"holds {wrong[0]!r}, which is no label", "Labels are texts or whole numbers")
    return [one.strip() if isinstance(one, str) else one for one in found]


def _of_python(cell: str) -> Any:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _between_separators(cells: Sequence[str], column: _Column) -> list[LabelSet]:
    """Labels may hold blanks, points and hyphens; one sign parts them in the whole column."""
    first = {sign: next((cell for cell in cells if sign in cell), None) for sign in SEPARATORS}
    used = {sign: cell for sign, cell in first.items() if cell is not None}
    if len(used) > 1:
        (one, example), (other, cell), *_ = used.items()
        raise column.refused(
            cell, f"holds {other!r}, while {example!r} holds {one!r}: either may part labels", f"Write labels {LISTS}"
        )
    sign = next(iter(used), SEPARATORS[0])
    sets = [() if cell == EMPTY else _distinct(filter(None, map(str.strip, cell.split(sign)))) for cell in cells]
    for cell, found in zip(cells, sets, strict=True):
        if not found and cell != EMPTY:
            raise column.refused(
                cell, "holds no label", "Write an empty set as [], and leave a cell empty for no answer"
            )
    return sets


def _distinct(labels: Iterable[str]) -> LabelSet:
    return tuple(dict.fromkeys(labels))
