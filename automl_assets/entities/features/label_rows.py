"""Rows with labels, written as a source writes its own: texts or lists of tokens, with tags of tokens or places in the text.

Whoever marks entities sees a text and marks places in it, however the source tells the two. Not here: formats of labels.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from automl_assets.entities.features.spans import (
    ADVICE,
    ENDS,
    LABELS,
    STARTS,
    Span,
    as_list,
    spans_of,
    tags_of_spans,
    written_tags,
)
from automl_assets.entities.features.tokens import (
    TEXTS,
    WORDS,
    Place,
    is_parted_by_blanks,
    token_places,
)
from automl_assets.errors import DataError
from automl_assets.tagging import BEGIN, OUTSIDE, joined_tokens

LOOKED_AT = 1_000  # cells, to see how they are written
MOST_JOINED = 0.1  # of a source's tokens that may be several words or marks, where words and marks are its tokens


def rows_like(rows: pl.DataFrame, known: pl.DataFrame, target: str) -> pl.DataFrame:
    """The text and the entities of `rows`, written as in `known`; rows without a text stay as they are. Raises DataError, which
    names the row, for what is neither tags nor places of its text."""
    column = _text_column(known, target)
    own = next((name for name in (column, *TEXTS) if name in rows.columns and name != target), None)
    if own is None or target not in rows.columns or target not in known.columns:
        return rows
    way = _Way(known[column], known[target])
    pairs = zip(rows[own].to_list(), rows[target].to_list(), strict=True)
    told = [way.rewritten(number, *pair) for number, pair in enumerate(pairs, start=1)]
    return rows.rename({own: column}).with_columns(
        pl.Series(column, [text for text, _ in told], known[column].dtype),
        pl.Series(target, [entities for _, entities in told], known[target].dtype, strict=False),
    )


def _text_column(known: pl.DataFrame, target: str) -> str:
    """Where a source has its texts; "" where it has none."""
    texts = [name for name in known.columns if name != target and known[name].dtype in (pl.String, pl.List(pl.String))]
    return next((name for name in TEXTS if name in texts), texts[0] if texts else "")


@dataclass(frozen=True)
class _Way:
    """How a source writes texts and their entities."""

    texts: pl.Series
    targets: pl.Series

    def rewritten(self, number: int, text: Any, cell: Any) -> tuple[Any, Any]:
        """A row's text and entities. A row without either has none."""
        if text is None or cell is None:
            return self._text(text, []) if text is None else self._text(*self._parted(text)), None
        shown, places = self._parted(text)
        try:
            tags, places = _tags(shown, places, cell, is_fixed=_listed(text) is not None)
            return self._text(shown, places), self._entities(tags, places, cell)
        except ValueError as error:
            raise DataError(f"label {number}, {shown[:60]!r}: {error}; {ADVICE}") from None

    @cached_property
    def has_lists(self) -> bool:
        """Whether texts are lists of tokens, or such lists as JSON."""
        cells = self.texts.drop_nulls().head(LOOKED_AT).to_list()
        return bool(cells) and all(isinstance(cell, list) or joined_tokens(cell) is not None for cell in cells)

    @cached_property
    def has_tags(self) -> bool:
        """Whether entities are tags; else they are places."""
        return any(written_tags(cell) is not None for cell in self.targets.drop_nulls().head(LOOKED_AT).to_list())

    @cached_property
    def has_words_between_blanks(self) -> bool:
        """Whether a plain text is parted by blanks."""
        if self.has_lists:
            return not self.has_words_and_marks
        pairs = pl.DataFrame([self.texts.alias("text"), self.targets.alias("tags")]).drop_nulls().head(LOOKED_AT)
        if not self.has_tags:
            return False
        tags = [" ".join(written_tags(cell) or []) for cell in pairs["tags"].to_list()]
        return is_parted_by_blanks(pairs["text"].to_list(), tags)

    @cached_property
    def has_words_and_marks(self) -> bool:
        """Whether the tokens of lists are words and marks, as texts are parted where nobody parted them."""
        lists = (_listed(cell) or [] for cell in self.texts.drop_nulls().head(LOOKED_AT).to_list())
        tokens = [token for one in lists for token in one]
        return sum(WORDS.fullmatch(token) is None for token in tokens) <= MOST_JOINED * len(tokens)

    @cached_property
    def known_texts(self) -> set[str]:
        return {*self.texts.drop_nulls().to_list()}

    @cached_property
    def known_lists(self) -> dict[str, list[str]]:
        """The tokens of texts that the source has, by the text as it is shown."""
        found = (_listed(cell) for cell in self.texts.drop_nulls().to_list())
        return {joined_tokens(json.dumps(tokens)) or "": tokens for tokens in found if tokens is not None}

    def _parted(self, cell: Any) -> tuple[str, list[Place]]:
        """The text in which places count, and where its tokens are."""
        tokens = _listed(cell)
        shown = cell if tokens is None else joined_tokens(json.dumps(tokens)) or ""
        is_parted = tokens is not None or (self.has_lists and shown in self.known_lists)
        return shown, token_places(shown, is_parted or self.has_words_between_blanks)

    def _text(self, shown: str | None, places: Sequence[Place]) -> Any:
        if shown is None:
            return None
        if not self.has_lists:
            is_kept = not self.has_words_between_blanks or shown in self.known_texts
            return shown if is_kept else " ".join(shown[start:end] for start, end in places)
        tokens = self.known_lists.get(shown, [])
        tokens = tokens if len(tokens) == len(places) else [shown[start:end] for start, end in places]
        return tokens if self.texts.dtype.is_nested() else json.dumps(tokens, ensure_ascii=False)

    def _entities(self, tags: list[str], places: list[Place], cell: Any) -> Any:
        if not self.has_tags:
            spans = spans_of(cell) if written_tags(cell) is None else _spans(tags, places)
            return self._written([self._span(one) for one in spans])
        is_plain = not self.targets.dtype.is_nested() and not self._is_json
        return " ".join(tags) if is_plain else self._written(tags)

    def _span(self, span: Span) -> Any:
        names = self._names_of_places
        return dict(zip(names, span, strict=True)) if names else [*span]

    @cached_property
    def _names_of_places(self) -> list[str]:
        """What the source calls start, end and label of an entity; none where it writes them one after the other."""
        cells = (as_list(cell) for cell in self.targets.drop_nulls().head(LOOKED_AT).to_list())
        example: Any = next((cell[0] for cell in cells if cell), {})
        if not isinstance(example, dict):
            return []
        return [next((name for name in names if name in example), names[0]) for names in (STARTS, ENDS, LABELS)]

    @cached_property
    def _is_json(self) -> bool:
        return any(cell.startswith("[") for cell in self.targets.drop_nulls().head(LOOKED_AT).to_list())

    def _written(self, found: list[Any]) -> Any:
        return found if self.targets.dtype.is_nested() else json.dumps(found, ensure_ascii=False)


def _listed(cell: Any) -> list[str] | None:
    """The tokens of a list, also as JSON; None of a text."""
    if isinstance(cell, list):
        return [str(token) for token in cell]
    return json.loads(cell) if joined_tokens(cell) is not None else None


def _tags(text: str, places: list[Place], cell: Any, is_fixed: bool) -> tuple[list[str], list[Place]]:
    """A tag for each token, and where the tokens are: where they are not fixed, they may be words between blanks as well."""
    found = written_tags(cell)
    if found is None:
        return tags_of_spans(text, spans_of(cell), places)[0], places
    ways = [places] if is_fixed else [places, token_places(text, True), token_places(text, False)]
    fitting = next((one for one in ways if len(one) == len(found)), None)
    if fitting is None:
        raise ValueError(f"{len(found)} tags for {len(places)} words")
    return found, fitting


def _spans(tags: Sequence[str], places: Sequence[Place]) -> list[Span]:
    """The entities that tags in IOB2 mean."""
    found = list[Span]()
    for tag, (start, end) in zip(tags, places, strict=True):
        if tag.startswith(BEGIN):
            found.append((start, end, tag.removeprefix(BEGIN)))
        elif tag != OUTSIDE:
            found[-1] = (found[-1][0], end, found[-1][2])
    return found
