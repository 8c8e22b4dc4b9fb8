"""The featurizer as ONNX nodes over raw columns: one input per column, each [n_rows, 1], or of wide tables one per kind.

Numbers come in as float (as double where an offset is subtracted), categories as strings ("" is missing), dates as
double seconds since 1970 (UTC).
"""

from collections.abc import Container, Mapping
from itertools import chain

import numpy as np

from automl_assets.errors import ArtifactError
from automl_assets.features.featurizer import CLIP, MISSING_TEXTS, DateParts, Featurizer, Frequencies, Levels
from automl_assets.features.tfidf import NO_WORD, UNKNOWN, Terms
from automl_assets.onnx.date_parts import calendar_parts
from automl_assets.onnx.graph import BOOL, DOUBLE, FLOAT, INT64, STRING, Graph

NAN = float("nan")
MATRIX_COLUMNS = 200  # of one kind, above which the model is offered once more with one input for all of them
MATRIX_NAMES = {"float": "numbers", "double": "dates", "string": "texts"}
ELEMENT_TYPES = {"float": FLOAT, "double": DOUBLE, "string": STRING}


def input_types(featurizer: Featurizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    numbers = {name: "double" if name in featurizer.offset_of else "float" for name in featurizer.numbers}
    dates = {date.column: "double" for date in featurizer.dates}
    texts = {text.column: "string" for text in featurizer.texts}
    return numbers | dates | texts | {levels.column: "string" for levels in featurizer.categories}


def matrices(featurizer: Featurizer) -> dict[str, tuple[str, ...]]:
    """Input that takes many columns of one kind at once -> those columns, in their order; none of a narrow table."""
    kinds = input_types(featurizer)
    found = {MATRIX_NAMES[kind]: tuple(n for n, k in kinds.items() if k == kind) for kind in sorted({*kinds.values()})}
    return {_free(name, kinds): columns for name, columns in found.items() if len(columns) > MATRIX_COLUMNS}


def _free(name: str, taken: Container[str]) -> str:
    return _free(f"{name}_", taken) if name in taken else name


def add_codes(graph: Graph, featurizer: Featurizer, by_matrix: bool = False) -> str:
    """Declares an input per raw column, or per matrix of `matrices`, and computes `codes`, float [n_rows, n_codes]."""
    if featurizer.embeddings:
        raise ArtifactError("a text embedding runs outside of ONNX; ask for predictions instead, or leave it out")
    raw = _inputs(graph, featurizer, matrices(featurizer) if by_matrix else {})
    blocks = _numbers(graph, featurizer, raw) if featurizer.numbers else []
    blocks += [part for date in featurizer.dates for part in _date_parts(graph, date, raw[date.column])]
    blocks += [column for text in featurizer.texts for column in _terms(graph, text, raw[text.column])]
    blocks += [_frequency(graph, found, raw[found.column]) for found in featurizer.frequencies]
    blocks += [_category(graph, levels, raw[levels.column]) for levels in featurizer.categories]
    return _joined(graph, blocks)


def _inputs(graph: Graph, featurizer: Featurizer, wide: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Raw column -> its tensor [n_rows, 1]; of numbers in a matrix the matrix itself, since they stay together."""
    kinds: dict[str, str] = input_types(featurizer)
    raw: dict[str, str] = {}
    for matrix, columns in wide.items():
        kind = kinds[columns[0]]
        tensor = graph.input(matrix, ELEMENT_TYPES[kind], [None, len(columns)])
        parts = [tensor] * len(columns) if kind == "float" else _split(graph, tensor, len(columns))
        raw |= dict(zip(columns, parts, strict=True))
    alone = {name: kind for name, kind in kinds.items() if name not in raw}
    return raw | {name: graph.input(name, ELEMENT_TYPES[kind], [None, 1]) for name, kind in alone.items()}


def _split(graph: Graph, matrix: str, n_columns: int) -> list[str]:
    if n_columns == 1:
        return [matrix]
    ones = graph.constant(np.ones(n_columns, np.int64))
    return list(graph.node("Split", matrix, ones, axis=1, n_outputs=n_columns))


def _numbers(graph: Graph, featurizer: Featurizer, raw: Mapping[str, str]) -> list[str]:
    """Every number, infinities as missing, then the markers; what is to be filled is filled."""
    offsets, fills = featurizer.offset_of, featurizer.fill_of
    moved = {
        name: _less(graph, raw[name], offsets[name]) if name in offsets else raw[name] for name in featurizer.numbers
    }
    numbers = _finite(graph, _in_order(graph, moved))
    if not fills:
        return [numbers]
    is_missing = graph.node("IsNaN", numbers)
    row = _floats(graph, tuple(fills.get(name, NAN) for name in featurizer.numbers))
    filled = graph.node("Where", is_missing, row, numbers)
    if not featurizer.marked:
        return [filled]
    places = [featurizer.numbers.index(name) for name in featurizer.marked]
    marked = graph.node("Gather", is_missing, _ints(graph, *places), axis=1)
    return [filled, graph.node("Cast", marked, to=FLOAT)]


def _in_order(graph: Graph, tensors: Mapping[str, str]) -> str:
    """All columns in their order, of which several may stand in one tensor."""
    columns: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        columns.setdefault(tensor, []).append(name)
    place = {name: number for number, name in enumerate(chain.from_iterable(columns.values()))}
    joined = _joined(graph, list(columns))
    if list(place) == list(tensors):
        return joined
    return graph.node("Gather", joined, _ints(graph, *(place[name] for name in tensors)), axis=1)


def _less(graph: Graph, raw: str, offset: float) -> str:
    return graph.node("Cast", graph.node("Sub", raw, graph.constant(np.array(offset))), to=FLOAT)


def add_dense(graph: Graph, featurizer: Featurizer, codes: str) -> str:
    """Computes the dense view from `codes`, float [n_rows, n_dense]."""
    recipe, n_numbers = featurizer.dense, featurizer.n_numbers
    blocks = []
    if n_numbers:
        numbers = graph.node("Slice", codes, _ints(graph, 0), _ints(graph, n_numbers), _ints(graph, 1))
        is_missing = graph.node("IsNaN", numbers)
        means, scales = _floats(graph, recipe.means), _floats(graph, recipe.scales)
        scaled = graph.node("Div", graph.node("Sub", graph.node("Where", is_missing, means, numbers), means), scales)
        blocks.append(graph.node("Clip", scaled, _scalar(graph, -CLIP), _scalar(graph, CLIP)))
        if recipe.marked:
            marked = graph.node("Gather", is_missing, _ints(graph, *recipe.marked), axis=1)
            blocks.append(graph.node("Cast", marked, to=FLOAT))
    if recipe.one_hot:
        blocks.append(_one_hot(graph, recipe.one_hot, codes))
    return _joined(graph, blocks)


def _one_hot(graph: Graph, pairs: tuple[tuple[int, int], ...], codes: str) -> str:
    where, values = np.array(pairs).T
    gathered = graph.node("Gather", codes, _ints(graph, *where), axis=1)
    filled = graph.node("Where", graph.node("IsNaN", gathered), _scalar(graph, -1.0), gathered)
    return graph.node("Cast", graph.node("Equal", filled, _floats(graph, tuple(values))), to=FLOAT)


def _finite(graph: Graph, numbers: str) -> str:
    return graph.node("Where", graph.node("IsInf", numbers), _scalar(graph, NAN), numbers)


def _category(graph: Graph, levels: Levels, raw: str) -> str:
    return _looked_up(graph, raw, levels.codes, levels.other, levels.missing)


def _frequency(graph: Graph, found: Frequencies, raw: str) -> str:
    return _looked_up(graph, raw, found.known, found.rare, NAN)


def _looked_up(graph: Graph, raw: str, known: dict[str, float], other: float, missing: float) -> str:
    keys = [*known, *MISSING_TEXTS]
    values = [*known.values(), *[missing] * len(MISSING_TEXTS)]
    return graph.node(
        "LabelEncoder", raw, domain="ai.onnx.ml", keys_strings=keys, values_floats=values, default_float=other
    )


def _terms(graph: Graph, text: Terms, raw: str) -> list[str]:
    """TF-IDF of the terms, if there are any, and the number of words. Words are numbers from the first node on."""
    words = graph.node(
        "Tokenizer", raw, domain="com.microsoft", mark=0, mincharnum=1, pad_value="", tokenexp=text.pattern
    )
    numbers = graph.node(
        "LabelEncoder",
        graph.node("Squeeze", words, _ints(graph, 1)),
        domain="ai.onnx.ml",
        keys_strings=[*text.spellings, ""],
        values_int64s=[*text.numbers, NO_WORD],
        default_int64=UNKNOWN,
    )
    is_word = graph.node("Greater", numbers, graph.constant(np.array(NO_WORD)))
    n_words = graph.node("ReduceSum", graph.node("Cast", is_word, to=FLOAT), _ints(graph, 1), keepdims=1)
    return [*([_tf_idf(graph, numbers, text)] if text.terms else []), n_words]


def _tf_idf(graph: Graph, numbers: str, text: Terms) -> str:
    lengths = [len(term) for term in text.terms]
    firsts = [sum(n for n in lengths if n < length) for length in range(1, max(lengths) + 1)]
    counts = graph.node(
        "TfIdfVectorizer",
        numbers,
        mode="TF",
        min_gram_length=1,
        max_gram_length=max(lengths),
        max_skip_count=0,
        ngram_counts=firsts,
        ngram_indexes=[*range(len(lengths))],
        pool_int64s=[number for term in text.terms for number in term],
    )
    exact, one = graph.node("Cast", counts, to=DOUBLE), graph.constant(np.array(1.0))
    is_there = graph.node("Cast", graph.node("Cast", counts, to=BOOL), to=DOUBLE)
    damped = graph.node("Add", graph.node("Log", graph.node("Max", exact, one)), is_there)
    weighted = graph.node("Mul", damped, graph.constant(np.array(text.weights)))
    squares = graph.node("ReduceSum", graph.node("Mul", weighted, weighted), _ints(graph, 1), keepdims=1)
    length = graph.node("Max", graph.node("Sqrt", squares), graph.constant(np.array(1e-9)))
    return graph.node("Cast", graph.node("Div", weighted, length), to=FLOAT)


def _date_parts(graph: Graph, date: DateParts, raw: str) -> list[str]:
    """Calendar arithmetic on whole numbers, after Howard Hinnant's `civil_from_days`."""
    is_missing = graph.node("IsNaN", raw)
    filled = graph.node("Where", is_missing, graph.constant(np.array(0.0)), raw)
    seconds = graph.node("Cast", graph.node("Floor", filled), to=INT64)
    parts = calendar_parts(graph, seconds)
    nan = _scalar(graph, NAN)
    return [graph.node("Where", is_missing, nan, graph.node("Cast", parts[part], to=FLOAT)) for part in date.parts]


def _joined(graph: Graph, blocks: list[str]) -> str:
    return blocks[0] if len(blocks) == 1 else graph.node("Concat", *blocks, axis=1)


def _scalar(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _floats(graph: Graph, values: tuple) -> str:
    return graph.constant(np.array(values, np.float32))


def _ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
