"""Entities as places in a text, from the ways people write them, and as tags of its tokens.

A span is a beginning, an end and a label. Here belongs what turns one into the other. Not here: tokens (`tokens`).
"""

import ast
import json
from collections.abc import Sequence
from typing import Any

from automl_assets.data.tagged_tokens import is_tag, to_iob2
from automl_assets.entities.features.tokens import Place
from automl_assets.errors import DataError
from automl_assets.tagging import BEGIN, INSIDE, OUTSIDE

Span = tuple[int, int, str]

STARTS, ENDS = ("start", "start_offset", "begin"), ("end", "end_offset")
LABELS = ("label", "labels", "type", "entity", "entity_group", "tag")
ADVICE = 'write entities as [{"start": 0, "end": 4, "label": "place"}], in characters of the text'


def written_tags(cell: Any) -> list[str] | None:
    """The tags of a cell that holds tags, in IOB2: a text of them by blanks, or a list, also as JSON; None for one that does
    not. Raises ValueError for a list that is broken."""
    words = cell
    if isinstance(cell, str):
        words = _parsed(cell) if cell.startswith("[") else cell.split()
    if isinstance(words, list) and words and all(isinstance(word, int) for word in words):
        raise ValueError(
            f"{words[:3]} are numbers in place of tags; write the tags that they stand for, such as {BEGIN}person"
        )
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and is_tag(word) for word in words):
        return None
    return to_iob2(words)


def spans_of(cell: Any) -> list[Span]:
    """The spans of a cell: a list of objects or of triples, or one written as JSON. Raises ValueError for others."""
    return sorted(_span(one) for one in as_list(cell))


def as_list(cell: Any) -> list[Any]:
    """A cell that is a list, or one written as JSON. Raises ValueError for others."""
    found = _parsed(cell) if isinstance(cell, str) else cell
    if not isinstance(found, list):
        raise ValueError(f"{cell!r} is no list of entities")
    return found


def _parsed(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    raise ValueError(f"{text[:60]!r} is neither tags nor a list of entities")


def _span(one: Any) -> Span:
    if isinstance(one, dict):
        found: list[Any] = [
            next((one[name] for name in names if one.get(name) is not None), None) for names in (STARTS, ENDS, LABELS)
        ]
    else:
        found = list(one) if isinstance(one, (list, tuple)) else [one]
    if len(found) != 3 or any(part is None for part in found):
        raise ValueError(f"{one!r} has no start, end and label")
    label = found[2][0] if isinstance(found[2], list) and len(found[2]) == 1 else found[2]
    return int(found[0]), int(found[1]), "_".join(str(label).split())


def tags_of_spans(text: str, spans: Sequence[Span], places: Sequence[Place]) -> tuple[list[str], int]:
    """A tag for each token of a text, and how many entities were widened to whole tokens.

    Raises ValueError for spans beyond the text, without a token, or that share a token.
    """
    tags, n_widened = [OUTSIDE] * len(places), 0
    for start, end, label in spans:
        if not 0 <= start < end <= len(text):
            raise ValueError(f"the entity {start} to {end} ({label}) lies beyond the text, of {len(text)} characters")
        inside = [number for number, (first, last) in enumerate(places) if first < end and last > start]
        if not inside:
            raise ValueError(f"the entity {start} to {end} ({label}) holds no word: {text[start:end]!r}")
        if any(tags[number] != OUTSIDE for number in inside):
            raise ValueError(f"the entity {start} to {end} ({label}) shares a word with another; a word has one label")
        n_widened += places[inside[0]][0] < start or places[inside[-1]][1] > len(text[:end].rstrip())
        for number in inside:
            tags[number] = (BEGIN if number == inside[0] else INSIDE) + label
    return tags, n_widened


def refused(where: str, row: int, text: str, why: str) -> DataError:
    """What is wrong with a row, and how to write it."""
    shown = text if len(text) <= 60 else text[:57] + "…"
    return DataError(f"{where}: row {row + 1}, {shown!r}: {why}; {ADVICE}")
