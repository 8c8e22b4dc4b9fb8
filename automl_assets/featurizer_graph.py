"""The featurizer as ONNX nodes over raw columns: one input per column, each [n_rows, 1].

Numbers come in as float, categories as strings ("" is missing), dates as double seconds since 1970 (UTC).
"""

from typing import Any

import numpy as np

from automl_assets.featurizer import CLIP, MISSING_TEXTS, DateParts, Featurizer, Levels

FLOAT, STRING, DOUBLE, INT64, BOOL = 1, 8, 11, 7, 9  # onnx.TensorProto element types
NAN = float("nan")


def input_types(featurizer: Featurizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    numbers = dict.fromkeys(featurizer.numbers, "float")
    dates = {date.column: "double" for date in featurizer.dates}
    return numbers | dates | {levels.column: "string" for levels in featurizer.categories}


def add_codes(graph: Any, featurizer: Featurizer) -> str:
    """Declares an input per raw column and computes `codes`, float [n_rows, n_codes]."""
    blocks = []
    if featurizer.numbers:
        inputs = [graph.input(name, FLOAT, [None, 1]) for name in featurizer.numbers]
        blocks.append(_finite(graph, _joined(graph, inputs)))
    blocks += [part for date in featurizer.dates for part in _date_parts(graph, date)]
    blocks += [_category(graph, levels) for levels in featurizer.categories]
    return _joined(graph, blocks)


def add_dense(graph: Any, featurizer: Featurizer, codes: str) -> str:
    """Computes the dense view from `codes`, float [n_rows, n_dense]."""
    recipe, n_numbers = featurizer.dense, featurizer.n_numbers
    blocks = []
    if n_numbers:
        numbers = graph.node("Slice", codes, _ints(graph, 0), _ints(graph, n_numbers), _ints(graph, 1))
        is_missing = graph.node("IsNaN", numbers)
        means, scales = _floats(graph, recipe.means), _floats(graph, recipe.scales)
        scaled = graph.node("Div", graph.node("Sub", graph.node("Where", is_missing, means, numbers), means), scales)
        blocks.append(graph.node("Clip", scaled, _scalar(graph, -CLIP), _scalar(graph, CLIP)))
        if recipe.marked:
            marked = graph.node("Gather", is_missing, _ints(graph, *recipe.marked), axis=1)
            blocks.append(graph.node("Cast", marked, to=FLOAT))
    if recipe.one_hot:
        blocks.append(_one_hot(graph, recipe.one_hot, codes))
    return _joined(graph, blocks)


def _one_hot(graph: Any, pairs: tuple[tuple[int, int], ...], codes: str) -> str:
    where, values = np.array(pairs).T
    gathered = graph.node("Gather", codes, _ints(graph, *where), axis=1)
    filled = graph.node("Where", graph.node("IsNaN", gathered), _scalar(graph, -1.0), gathered)
    return graph.node("Cast", graph.node("Equal", filled, _floats(graph, tuple(values))), to=FLOAT)


def _finite(graph: Any, numbers: str) -> str:
    return graph.node("Where", graph.node("IsInf", numbers), _scalar(graph, NAN), numbers)


def _category(graph: Any, levels: Levels) -> str:
    raw = graph.input(levels.column, STRING, [None, 1])
    keys = [*levels.values, *MISSING_TEXTS]
    values = [float(code) for code in range(len(levels.values))] + [NAN] * len(MISSING_TEXTS)
    other = float(len(levels.values)) if levels.has_other else NAN
    return graph.node(
        "LabelEncoder", raw, domain="ai.onnx.ml", keys_strings=keys, values_floats=values, default_float=other
    )


def _date_parts(graph: Any, date: DateParts) -> list[str]:
    """Calendar arithmetic on whole numbers, after Howard Hinnant's `civil_from_days`."""
    raw = graph.input(date.column, DOUBLE, [None, 1])
    is_missing = graph.node("IsNaN", raw)
    filled = graph.node("Where", is_missing, graph.constant(np.array(0.0)), raw)
    seconds = graph.node("Cast", graph.node("Floor", filled), to=INT64)
    parts = _calendar(_Whole(graph), seconds)
    nan = _scalar(graph, NAN)
    return [graph.node("Where", is_missing, nan, graph.node("Cast", parts[part], to=FLOAT)) for part in date.parts]


class _Whole:
    """Integer arithmetic on int64 tensors; `//` and `%` round towards minus infinity, as in Python."""

    def __init__(self, graph: Any):
        self.graph = graph

    def __call__(self, op: str, left: str, right: "str | int") -> str:
        number = self.graph.constant(np.array(right, np.int64)) if isinstance(right, int) else right
        if op == "//":
            remainder = self.graph.node("Mod", left, number)
            return self.graph.node("Div", self.graph.node("Sub", left, remainder), number)
        return self.graph.node({"+": "Add", "-": "Sub", "*": "Mul", "%": "Mod"}[op], left, number)


def _calendar(do: _Whole, seconds: str) -> dict[str, str]:
    day = do("//", seconds, 86400)
    year, month, day_of_month = _civil(do, day)
    january_first = _days_from_civil_january(do, year)
    exact = do.graph.node("Cast", seconds, to=DOUBLE)
    return {
        "days": do.graph.node("Div", exact, do.graph.constant(np.array(86400.0))),
        "year": year,
        "month": month,
        "day": day_of_month,
        "day_of_week": do("%", do("+", day, 3), 7),
        "day_of_year": do("+", do("-", day, january_first), 1),
        "hour": do("%", do("//", seconds, 3600), 24),
        "minute": do("%", do("//", seconds, 60), 60),
        "second": do("%", seconds, 60),
    }


def _civil(do: _Whole, day: str) -> tuple[str, str, str]:
    """Year, month and day of month from days since 1970-01-01. Years of the algorithm begin in March."""
    shifted = do("+", day, 719468)
    era = do("//", shifted, 146097)
    day_of_era = do("%", shifted, 146097)
    without_leap_days = do("+", do("-", day_of_era, do("//", day_of_era, 1460)), do("//", day_of_era, 36524))
    year_of_era = do("//", do("-", without_leap_days, do("//", day_of_era, 146096)), 365)
    before = do("-", do("+", do("*", year_of_era, 365), do("//", year_of_era, 4)), do("//", year_of_era, 100))
    day_of_year = do("-", day_of_era, before)
    march_month = do("//", do("+", do("*", day_of_year, 5), 2), 153)
    day_of_month = do("+", do("-", day_of_year, do("//", do("+", do("*", march_month, 153), 2), 5)), 1)
    month = do("+", do("%", do("+", march_month, 2), 12), 1)
    is_next_year = do("//", do("+", march_month, 2), 12)
    year = do("+", do("+", do("*", era, 400), year_of_era), is_next_year)
    return year, month, day_of_month


def _days_from_civil_january(do: _Whole, year: str) -> str:
    """Days from 1970-01-01 to the first of January of `year`."""
    before = do("-", year, 1)
    leaps = do("+", do("-", do("//", before, 4), do("//", before, 100)), do("//", before, 400))
    return do("-", do("+", do("*", before, 365), leaps), 719162)


def _joined(graph: Any, blocks: list[str]) -> str:
    return blocks[0] if len(blocks) == 1 else graph.node("Concat", *blocks, axis=1)


def _scalar(graph: Any, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _floats(graph: Any, values: tuple) -> str:
    return graph.constant(np.array(values, np.float32))


def _ints(graph: Any, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
