"""tabulate_confusions: what is answered in the place of what, the most frequent first."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

from automl_assets.answer_kinds import answers_of
from automl_assets.records import AnswerName, Problem

MOST = 30  # that are listed
NOTHING = ""  # in the place of a label
OTHER, MISSED, INVENTED = "other label", "missed", "not there"
SCHEMA = {"kind": pl.String, "label": pl.String, "answered": pl.String, "n": pl.Int64, "share": pl.Float64}

Line = tuple[str, str, str, int]  # kind, label, what is answered, how often


def tabulate_confusions(truth: np.ndarray, prediction: np.ndarray, problem: Problem) -> pl.DataFrame | None:
    """Pairs of labels as in SCHEMA; `share` is of the rows that have the label, or where there is none of all rows. None
    where values are answered.

    >>> problem = Problem("any", "accuracy", ("a", "b"))
    >>> tabulate_confusions(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]), problem).rows()
    [('other label', 'a', 'b', 1, 0.5)]
    """
    kind = answers_of(problem)
    if problem.answers not in _LINES:
        return None
    is_true, is_answered = kind.indicator(truth, problem.n_classes), kind.answered(prediction, problem)
    names = [str(one) for one in problem.classes]
    totals = dict(zip(names, is_true.sum(axis=0).tolist(), strict=True)) | {NOTHING: len(truth)}
    return as_table(_LINES[problem.answers](is_true, is_answered, names), totals)


def as_table(lines: Iterable[Line], totals: dict[str, int]) -> pl.DataFrame:
    """The most frequent, as in SCHEMA; `totals` tells how often there is each label."""
    found = sorted((line for line in lines if line[3]), key=lambda line: (-line[3], line[:3]))[:MOST]
    told = [(*line, line[3] / max(1, totals.get(line[1], 0))) for line in found]
    return pl.DataFrame(told, schema=SCHEMA, orient="row")


def _of_classes(is_true: np.ndarray, is_answered: np.ndarray, names: Sequence[str]) -> list[Line]:
    return _pairs(is_true, is_answered & ~is_true, names)


def _of_label_sets(is_true: np.ndarray, is_answered: np.ndarray, names: Sequence[str]) -> list[Line]:
    """A label that is missed beside one that is not there counts as taken for it."""
    missed, invented = is_true & ~is_answered, is_answered & ~is_true
    alone = missed[~invented.any(axis=1)].sum(axis=0), invented[~missed.any(axis=1)].sum(axis=0)
    lines: list[Line] = _pairs(missed, invented, names)
    lines += [(MISSED, name, NOTHING, int(n)) for name, n in zip(names, alone[0], strict=True)]
    return lines + [(INVENTED, NOTHING, name, int(n)) for name, n in zip(names, alone[1], strict=True)]


def _pairs(one: np.ndarray, other: np.ndarray, names: Sequence[str]) -> list[Line]:
    """Labels that are in `one` and in `other` of the same rows, bool [n_rows, n_labels]."""
    rows = np.flatnonzero(one.any(axis=1) & other.any(axis=1))
    counts = one[rows].T.astype(np.float32) @ other[rows].astype(np.float32)  # exact up to 16 million rows
    return [(OTHER, names[i], names[j], int(counts[i, j])) for i, j in np.argwhere(counts > 0).tolist()]


_LINES: dict[AnswerName, Callable[..., list[Line]]] = {"classes": _of_classes, "label_sets": _of_label_sets}
