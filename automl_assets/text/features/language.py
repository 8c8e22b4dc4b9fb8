"""The language that each text is written in, by the package py3langid, where it is installed."""

from importlib.util import find_spec

import polars as pl

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
