"""Texts as tokens with their places, and attributes of tokens, as ONNX nodes: what `tokens` and `token_attributes` compute.

Tokens of all texts stand one below the other, as in `TokenInputs`.
"""

from dataclasses import dataclass

import numpy as np

from automl_assets.entities.features.token_attributes import (
    ASPECTS,
    BEYOND,
    FIRST_CODE,
    MARKS_AFTER,
    MARKS_BEFORE,
    MOST_LETTERS,
    SMALL,
    UNKNOWN,
    AttributeTable,
    Template,
)
from automl_assets.entities.features.tokens import BLANKS_IN_ONNX, WORDS_IN_ONNX
from automl_assets.onnx.graph import BOOL, INT64, ML, RUNTIME, Graph

SPACES = r"\s+"
LETTER = r"(?s)."
NONE = "\x00"  # no letter of a text
KINDS = (("X", r"\p{Lu}"), ("x", r"\p{L}"), ("9", r"\p{Nd}"))  # the first that fits counts


@dataclass(frozen=True)
class TokenTensors:
    """The names of what is known of tokens in a graph."""

    tokens: str  # string [n_tokens]
    text: str  # int64 [n_tokens], the number of the text
    start: str  # int64 [n_tokens], characters of the text before the token
    end: str  # int64 [n_tokens]


def add_tokens(graph: Graph, texts: str, is_parted_by_blanks: bool) -> TokenTensors:
    """The tokens of texts, string [n_texts, 1]; spaces are parts of a text too, so that places can be told."""
    pattern = BLANKS_IN_ONNX if is_parted_by_blanks else WORDS_IN_ONNX
    padded = graph.node("StringConcat", texts, graph.constant(np.array(" ", object)))  # a text without parts has none
    parts = _tokenized(graph, _flat(graph, padded), f"{pattern}|{SPACES}|{LETTER}")
    lengths = _lengths(graph, parts)
    ends = graph.node("CumSum", lengths, graph.constant(np.int64(1)))
    is_token = graph.node("RegexFullMatch", parts, pattern=pattern)
    places = graph.node("Transpose", graph.node("NonZero", is_token), perm=[1, 0])
    end = graph.node("GatherND", ends, places)
    start = graph.node("Sub", end, graph.node("GatherND", lengths, places))
    number = _flat(graph, graph.node("Slice", places, *_slice(graph, 0, 1, 1)))
    return TokenTensors(graph.node("GatherND", parts, places), number, start, end)


def add_attributes(graph: Graph, table: AttributeTable, tensors: TokenTensors) -> list[str]:
    """The number of the attribute of each template, int64 [n_tokens] each; 0 where it is not known."""
    tokens = graph.node("Concat", tensors.tokens, graph.constant(np.array(["x"], object)), axis=0)  # never none at all
    aspects = _aspects(graph, tokens)
    wide = {name: _codes(graph, aspects[name], values, UNKNOWN) for name, values in table.values.items()}
    for name, known in table.statistics.items():
        values = {word: FIRST_CODE + code for word, code in known.items()}
        wide[name] = _codes(graph, aspects["word"], values, FIRST_CODE)
    codes = {name: graph.node("Slice", one, *_slice(graph, 0, -1, 0)) for name, one in wide.items()}
    found, first = [], 1
    for template, keys in zip(table.templates, table.keys, strict=True):
        combined = _combined(graph, codes, table.sizes, template, tensors.text)
        found.append(_encoded(graph, combined, keys, first))
        first += len(keys)
    return found


def add_shapes(graph: Graph, tokens: str) -> str:
    """The shapes of tokens [n_tokens], one at least, as strings."""
    letters, _ = _bare(graph, tokens)
    return _joined(graph, _runs_cut(graph, _kinds(graph, letters), 2))


def _encoded(graph: Graph, combined: str, keys: np.ndarray, first: int) -> str:
    known = keys if len(keys) else np.array([-1])
    numbers = np.arange(first, first + len(keys)) if len(keys) else np.array([0])
    return graph.node(
        "LabelEncoder", combined, domain=ML, keys_int64s=known, values_int64s=numbers, default_int64=UNKNOWN
    )


def _combined(graph: Graph, codes: dict[str, str], sizes: dict[str, int], template: Template, text: str) -> str:
    key = ""
    for name, offset in template:
        code = _beside(graph, codes[name], text, offset)
        key = graph.node("Add", graph.node("Mul", key, graph.constant(np.int64(sizes[name]))), code) if key else code
    return key


def _beside(graph: Graph, values: str, text: str, offset: int) -> str:
    """The values of the tokens so many places to the right in the same text."""
    if not offset:
        return values
    moved, other = (_moved(graph, one, fill, offset) for one, fill in ((values, BEYOND), (text, -1)))
    return graph.node("Where", graph.node("Equal", other, text), moved, graph.constant(np.int64(BEYOND)))


def _moved(graph: Graph, values: str, fill: int, offset: int) -> str:
    """[n_tokens] moved to the left, or to the right where the offset is negative."""
    filling = graph.constant(np.full(abs(offset), fill, np.int64))
    end = np.iinfo(np.int64).max
    joined = graph.node("Concat", *((values, filling) if offset > 0 else (filling, values)), axis=0)
    return graph.node("Slice", joined, *_slice(graph, *((offset, end) if offset > 0 else (0, offset)), 0))


# Aspects


def _aspects(graph: Graph, tokens: str) -> dict[str, str]:
    """What each aspect says of tokens, string [n_tokens] each."""
    letters, length = _bare(graph, tokens)
    small = _mapped(graph, letters, {chr(code): text for code, text in SMALL.items()})
    found = {"word": _joined(graph, small), "written": _joined(graph, letters)}
    kinds = _kinds(graph, letters)
    found |= {name: _joined(graph, _runs_cut(graph, kinds, most)) for name, most in (("shape", 2), ("kind", 1))}
    for name in ASPECTS:
        side, _, number = name.partition("_")
        if side == "begins":
            found[name] = _joined(graph, small, int(number))
        elif side == "ends":
            first = graph.node(
                "Max", graph.node("Sub", length, graph.constant(np.int64(int(number)))), graph.constant(np.int64(0))
            )
            found[name] = _joined(graph, _from(graph, small, first), int(number))
    return found


def add_bare_places(graph: Graph, tensors: TokenTensors) -> tuple[str, str]:
    """Where tokens begin and end without marks that stick to a word, int64 [n_tokens] each."""
    tokens = graph.node("Concat", tensors.tokens, graph.constant(np.array(["x"], object)), axis=0)
    _, first, length = _bare_run(graph, tokens)
    first, length = (graph.node("Slice", _flat(graph, one), *_slice(graph, 0, -1, 0)) for one in (first, length))
    start = graph.node("Add", tensors.start, first)
    return start, graph.node("Add", start, length)


def _bare(graph: Graph, tokens: str) -> tuple[str, str]:
    """The letters of tokens without marks that stick to a word, string [n_tokens, MOST_LETTERS], and how many there are,
    int64 [n_tokens, 1]."""
    letters, first, length = _bare_run(graph, tokens)
    length = graph.node("Min", length, graph.constant(np.int64(MOST_LETTERS)))
    places, nothing = graph.constant(np.arange(MOST_LETTERS)[None]), graph.constant(np.array("", object))
    return graph.node("Where", graph.node("Less", places, length), _from(graph, letters, first), nothing), length


def _bare_run(graph: Graph, tokens: str) -> tuple[str, str, str]:
    """The letters of tokens [n_tokens, most], the first that counts and how many do, int64 [n_tokens, 1]."""
    letters = _tokenized(graph, tokens, LETTER)
    total = graph.node("Unsqueeze", _lengths(graph, tokens), graph.constant(np.array([1])))
    before = _run(graph, _is_one_of(graph, letters, MARKS_BEFORE), False)
    after = _run(graph, graph.node("Or", _is_one_of(graph, letters, MARKS_AFTER), _is_one_of(graph, letters, "")), True)
    padding = graph.node("Sub", graph.node("Shape", letters, start=1, end=2), total)
    rest = graph.node("Sub", graph.node("Sub", total, before), graph.node("Sub", after, padding))
    is_word = graph.node("Greater", rest, graph.constant(np.int64(0)))
    first = graph.node("Where", is_word, before, graph.constant(np.int64(0)))
    return letters, first, graph.node("Where", is_word, rest, total)


def _from(graph: Graph, letters: str, first: str) -> str:
    """MOST_LETTERS letters of each token, from the letter `first` [n_tokens, 1] on."""
    shape = graph.node(
        "Concat", graph.node("Shape", letters, start=0, end=1), graph.constant(np.array([MOST_LETTERS])), axis=0
    )
    nothing = graph.node("Expand", graph.constant(np.array("", object)), shape)
    wide = graph.node("Concat", letters, nothing, axis=1)
    return graph.node(
        "GatherElements", wide, graph.node("Add", first, graph.constant(np.arange(MOST_LETTERS)[None])), axis=1
    )


def _run(graph: Graph, is_mark: str, from_right: bool) -> str:
    """How many marks stand at an end, int64 [n_tokens, 1]."""
    others = graph.node(
        "CumSum",
        graph.node("Cast", graph.node("Not", is_mark), to=INT64),
        graph.constant(np.int64(1)),
        reverse=int(from_right),
    )
    none = graph.node("Equal", others, graph.constant(np.int64(0)))
    return graph.node("ReduceSum", graph.node("Cast", none, to=INT64), graph.constant(np.array([1])), keepdims=1)


def _is_one_of(graph: Graph, letters: str, marks: str) -> str:
    keys = [*marks] or [""]
    found = graph.node(
        "LabelEncoder",
        letters,
        domain=ML,
        keys_strings=keys,
        values_int64s=np.ones(len(keys), np.int64),
        default_int64=0,
    )
    return graph.node("Cast", found, to=BOOL)


def _mapped(graph: Graph, letters: str, mapping: dict[str, str]) -> str:
    """Letters, those of the mapping as it says."""
    found = graph.node(
        "LabelEncoder",
        letters,
        domain=ML,
        keys_strings=[*mapping],
        values_strings=[*mapping.values()],
        default_string=NONE,
    )
    return graph.node("Where", graph.node("Equal", found, graph.constant(np.array(NONE, object))), letters, found)


def _kinds(graph: Graph, letters: str) -> str:
    found = letters
    for kind, pattern in reversed(KINDS):
        is_kind = graph.node("RegexFullMatch", letters, pattern=pattern)
        found = graph.node("Where", is_kind, graph.constant(np.array(kind, object)), found)
    return found


def _runs_cut(graph: Graph, kinds: str, most: int) -> str:
    """Kinds, "" in place of those that follow so many of the same."""
    follows = ""
    for back in range(1, most + 1):
        nothing = graph.node(
            "Expand",
            graph.constant(np.array(NONE, object)),
            graph.node("Concat", graph.node("Shape", kinds, start=0, end=1), graph.constant(np.array([back])), axis=0),
        )
        moved = graph.node("Slice", graph.node("Concat", nothing, kinds, axis=1), *_slice(graph, 0, MOST_LETTERS, 1))
        same = graph.node("Equal", moved, kinds)
        follows = graph.node("And", follows, same) if follows else same
    return graph.node("Where", follows, graph.constant(np.array("", object)), kinds)


def _joined(graph: Graph, letters: str, most: int = MOST_LETTERS) -> str:
    """The first letters of each token as one text, string [n_tokens]."""
    columns = graph.node("Split", letters, axis=1, num_outputs=MOST_LETTERS, n_outputs=MOST_LETTERS)[:most]
    text = columns[0]
    for column in columns[1:]:
        text = graph.node("StringConcat", text, column)
    return _flat(graph, text)


def _codes(graph: Graph, texts: str, values: dict[str, int], default: int) -> str:
    return graph.node(
        "LabelEncoder",
        texts,
        domain=ML,
        keys_strings=[*values],
        values_int64s=np.array([*values.values()]),
        default_int64=default,
    )


# Small ones


def _tokenized(graph: Graph, texts: str, pattern: str) -> str:
    """Parts of texts [n] as [n, most], "" where a text has fewer."""
    return graph.node("Tokenizer", texts, domain=RUNTIME, mark=0, mincharnum=1, pad_value="", tokenexp=pattern)


def _lengths(graph: Graph, texts: str) -> str:
    """Characters of texts, int64 of the same shape."""
    shape = graph.node("Shape", texts)
    letters = _tokenized(graph, _flat(graph, texts), LETTER)
    is_letter = graph.node("Not", _is_one_of(graph, letters, ""))
    counts = graph.node("ReduceSum", graph.node("Cast", is_letter, to=INT64), graph.constant(np.array([1])), keepdims=0)
    return graph.node("Reshape", counts, shape)


def _flat(graph: Graph, tensor: str) -> str:
    return graph.node("Reshape", tensor, graph.constant(np.array([-1])))


def _slice(graph: Graph, start: int, end: int, axis: int) -> tuple[str, ...]:
    return tuple(graph.constant(np.array([value])) for value in (start, end, axis))
