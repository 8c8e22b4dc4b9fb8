"""Names of series: the values of their columns in one text, and back."""

import re
from collections.abc import Iterable


def series_name(values: Iterable[object]) -> str:
    """The name of a series: the values of its columns, with a bar between them; none is an empty text.

    >>> series_name(["north", 7]), series_name(["a|b", None]), series_name([])
    ('north|7', 'a\\\\|b|', '')
    """
    texts = ("" if value is None else str(value) for value in values)
    return "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)


def series_values(name: str) -> list[str]:
    """The values that a name of `series_name` was made of, as texts.

    >>> series_values(series_name(["a|b", 7, None]))
    ['a|b', '7', '']
    """
    return re.sub(r"\\(.)|\|", lambda found: found[1] or "\0", name, flags=re.DOTALL).split("\0")
