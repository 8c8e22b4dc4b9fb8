"""Parts of a moment as ONNX nodes, as `data.date_parts` computes them."""

import numpy as np

from automl_assets.onnx.graph import DOUBLE, Graph


class Whole:
    """Integer arithmetic on int64 tensors; `//` and `%` round towards minus infinity, as in Python."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def __call__(self, op: str, left: str, right: "str | int") -> str:
        number = self.graph.constant(np.array(right, np.int64)) if isinstance(right, int) else right
        if op == "//":
            remainder = self.graph.node("Mod", left, number)
            return self.graph.node("Div", self.graph.node("Sub", left, remainder), number)
        return self.graph.node({"+": "Add", "-": "Sub", "*": "Mul", "%": "Mod"}[op], left, number)


def calendar_parts(graph: Graph, seconds: str) -> dict[str, str]:
    """Every part of a moment, from int64 seconds since 1970, by its name in `data.date_parts.DATE_PARTS`."""
    do = Whole(graph)
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
        "quarter": do("+", do("//", do("-", month, 1), 3), 1),
        "week_of_year": _iso_week(do, day),
        "week_of_month": do("+", do("//", do("-", day_of_month, 1), 7), 1),
        "hour": do("%", do("//", seconds, 3600), 24),
        "minute": do("%", do("//", seconds, 60), 60),
        "second": do("%", seconds, 60),
    }


def _iso_week(do: Whole, day: str) -> str:
    """A week belongs to the year of its Thursday (ISO 8601)."""
    thursday = do("+", do("-", day, do("%", do("+", day, 3), 7)), 3)
    january_first = _days_from_civil_january(do, _civil(do, thursday)[0])
    return do("+", do("//", do("-", thursday, january_first), 7), 1)


def _civil(do: Whole, day: str) -> tuple[str, str, str]:
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


def _days_from_civil_january(do: Whole, year: str) -> str:
    """Days from 1970-01-01 to the first of January of `year`."""
    before = do("-", year, 1)
    leaps = do("+", do("-", do("//", before, 4), do("//", before, 100)), do("//", before, 400))
    return do("-", do("+", do("*", before, 365), leaps), 719162)
