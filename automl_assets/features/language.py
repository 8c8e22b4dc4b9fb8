"""The language that each text is written in, by the package py3langid, where it is installed."""

import time
from importlib.util import find_spec

import polars as pl

from automl_assets.execution.time_shares import TimeShares

FIRST_ROWS = 50  # whose languages tell how long those of all rows take
LOADING_SECONDS = 1.0  # of the package, about
LOOKED_AT = 1_000  # characters of a text


def is_language_known() -> bool:
    """Whether the package is there."""
    return find_spec("py3langid") is not None


def languages_of(texts: pl.Series) -> pl.Series:
    """ISO 639-1 codes; null for a text without letters, and for all where the package is not installed."""
    if not is_language_known():
        return pl.Series(texts.name, [None] * len(texts), pl.String)
    import py3langid

    has_letters = texts.fill_null("").str.contains(r"\p{L}").to_list()
    found = [
        py3langid.classify(text[:LOOKED_AT])[0] if is_told else None
        for text, is_told in zip(texts.to_list(), has_letters, strict=True)
    ]
    return pl.Series(texts.name, found, pl.String)


def language_column(texts: pl.Series, name: str, pace: TimeShares) -> list[pl.Series]:
    """The language of each text, where it can be known in time by what some of them take; no column where it cannot."""
    if not is_language_known():
        return []
    told = f"language of {name}"
    if not pace.allows("columns", LOADING_SECONDS, told):
        return []
    languages_of(texts.head(1))  # what is loaded is not loaded again
    started = time.monotonic()
    first = languages_of(texts.head(FIRST_ROWS))
    rest = texts.slice(FIRST_ROWS)
    needed = (time.monotonic() - started) * len(rest) / max(1, len(first))
    if len(rest) and not pace.allows("columns", needed, told):
        return []
    return [pl.concat([first, languages_of(rest)]).alias(told)]
