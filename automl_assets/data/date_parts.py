"""Parts of a moment as numbers; in ONNX they are in `onnx.date_parts`."""

from collections.abc import Callable

import numpy as np

# Part of a moment -> how to compute it from datetime64[s], as float64. Names follow Azure's featurizer.
DATE_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "days": lambda moment: moment.astype("int64") / 86400.0,
    "year": lambda moment: moment.astype("datetime64[Y]").astype("int64") + 1970.0,
    "month": lambda moment: moment.astype("datetime64[M]").astype("int64") % 12 + 1.0,
    "day": lambda moment: (
        (_days(moment) - moment.astype("datetime64[M]").astype("datetime64[D]")).astype("int64") + 1.0
    ),
    "day_of_week": lambda moment: (_days(moment).astype("int64") + 3) % 7 + 0.0,  # Monday is 0
    "day_of_year": lambda moment: (
        (_days(moment) - moment.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") + 1.0
    ),
    "quarter": lambda moment: moment.astype("datetime64[M]").astype("int64") % 12 // 3 + 1.0,
    "week_of_year": lambda moment: _iso_week(_days(moment)),
    "week_of_month": lambda moment: (
        (_days(moment) - moment.astype("datetime64[M]").astype("datetime64[D]")).astype("int64") // 7 + 1.0
    ),
    "hour": lambda moment: moment.astype("int64") // 3600 % 24 + 0.0,
    "minute": lambda moment: moment.astype("int64") // 60 % 60 + 0.0,
    "second": lambda moment: moment.astype("int64") % 60 + 0.0,
}


def _days(moment: np.ndarray) -> np.ndarray:
    return moment.astype("datetime64[D]")


def _iso_week(day: np.ndarray) -> np.ndarray:
    """A week belongs to the year of its Thursday (ISO 8601)."""
    number = day.astype("int64")
    thursday = (number - (number + 3) % 7 + 3).astype("datetime64[D]")
    return (thursday - thursday.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") // 7 + 1.0
