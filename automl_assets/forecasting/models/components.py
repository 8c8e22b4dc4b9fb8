"""What forecasts are made of, in one vocabulary: the names that `Forecaster.explain` gives to summands, whatever the model.

Two models that answer together add up name by name. A covariate goes by its own name. Not here: how a model finds them.
"""

LEVEL = "level"  # where the series stands
TREND = "trend"  # how it grows from there
SEASONS = "seasons"  # what comes back, of all periods together
LAGS = "lags"  # earlier values, as they are remembered
WINDOWS = "windows"  # their means and spreads
CALENDAR = "calendar"  # hour, weekday, month of the stamp
HOLIDAYS = "holidays"
STEP = "step"  # how far ahead the stamp is
STATICS = "statics"  # columns that never change within a series
SERIES = "series"  # which of the series it is
PATTERN = "pattern"  # what a network makes of all it sees, and cannot be told apart
CORRECTION = "correction"  # keeps a forecast within reach of all its series ever was

WORDS = frozenset(
    {LEVEL, TREND, SEASONS, LAGS, WINDOWS, CALENDAR, HOLIDAYS, STEP, STATICS, SERIES, PATTERN, CORRECTION}
)


def of_column(name: str) -> str:
    """The summand of a covariate: its name, which may be one of the words.

    >>> of_column("price"), of_column("level")
    ('price', 'column level')
    """
    return f"column {name}" if name in WORDS else name
