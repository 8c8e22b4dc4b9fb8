"""What a CRF sees of a token and its neighbours: word, shape, beginnings and ends, alone and together.

A token is described by codes, one for each aspect; a template is a few aspects at places beside the token, whose codes
together are an attribute. Here belong codes and attributes. Not here: what an attribute weighs (`algorithms`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl_assets.learning.chains import Texts
from automl_assets.stored import stored_as

UNKNOWN, OUTSIDE = 0, 1  # codes of what was too rare in training to know, and of a place before or after the text
FIRST_CODE = 2
RUNS = ((r"[A-ZÀ-ÖØ-Þ]", "X"), (r"[a-zß-öø-ÿ]", "x"), (r"[0-9]", "9"))

Template = tuple[tuple[str, int], ...]  # an aspect and how many tokens to the right of the token it is looked at


def _shape(token: str) -> str:
    """Capitals, small letters, digits and others in their order, at most two of a kind after each other.

    >>> _shape("McDonald's"), _shape("2017")
    ('XxXxx\\'x', '99')
    """
    return re.sub(r"(.)\1{2,}", r"\1\1", _full_shape(token))


def _full_shape(token: str) -> str:
    return "".join("X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in token[:30])


def _kind(token: str) -> str:
    """What a token is, roughly: a link, a name of a user, a hash tag, or how its letters are written."""
    for kind, is_of in KINDS:
        if is_of(token):
            return kind
    return "mixed"


KINDS: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("link", re.compile(r"(?i)https?:|www\.").match),
    ("user", re.compile(r"@.").match),
    ("tag", re.compile(r"#.").match),
    ("number", re.compile(r"[\d.,:%$€£-]*\d[\d.,:%$€£-]*$").match),
    ("mark", re.compile(r"\W+$").match),
    ("initial", re.compile(r"\w\.?$").match),
    ("lower", str.islower),
    ("upper", str.isupper),
    ("title", lambda token: token[:1].isupper() and token[1:].islower()),
    ("inner", lambda token: token[:1].islower()),
)

ASPECTS: dict[str, Callable[[str], str]] = {
    "word": lambda token: re.sub(r"\d", "0", token.lower()),
    "written": lambda token: token,
    "shape": _shape,
    "kind": _kind,
    **{f"begins_{n}": lambda token, n=n: token.lower()[:n] for n in (2, 3, 4)},
    **{f"ends_{n}": lambda token, n=n: token.lower()[-n:] for n in (1, 2, 3, 4)},
}

TEMPLATES: tuple[Template, ...] = (
    (("written", 0),),
    *((("word", place),) for place in (-3, -2, -1, 0, 1, 2, 3)),
    *((("shape", place),) for place in (-2, -1, 0, 1, 2)),
    *((("kind", place),) for place in (-2, -1, 0, 1, 2)),
    *(((name, 0),) for name in ASPECTS if name.startswith(("begins", "ends"))),
    *(((name, place),) for name in ("ends_3",) for place in (-1, 1)),
    *((("word", place), ("word", place + 1)) for place in (-2, -1, 0, 1)),
    *((("kind", place), ("kind", place + 1)) for place in (-1, 0)),
    (("kind", -1), ("kind", 0), ("kind", 1)),
    (("word", -1), ("kind", 0)),
    (("kind", 0), ("word", 1)),
    (("word", -1), ("word", 1)),
)
