"""Tags that follow each other as ONNX nodes: what `learning.chains` and `tagging` compute.

Tokens of all texts stand one below the other; each loop goes through them once. One more token than there are stands at
the end, so that a loop always turns.
"""

import numpy as np

from automl_assets.onnx.graph import DOUBLE, INT64, ML, Graph
from automl_assets.tagging import LEAST_INSIDE, is_inside, may_follow

NEVER = -1e9  # a score that no other makes up for


def add_is_first(graph: Graph, text: str) -> str:
    """Whether a token begins a text, bool [n_tokens + 1], by the numbers of texts [n_tokens]."""
    numbers = graph.node("Concat", text, graph.constant(np.array([-2])), axis=0)
    before = graph.node("Concat", graph.constant(np.array([-1])), text, axis=0)
    return graph.node("Not", graph.node("Equal", numbers, before))


def add_marginals(graph: Graph, scores: str, transitions: np.ndarray, text: str) -> str:
    """Probability of each tag at each token, double [n_tokens, n_tags], from scores [n_tokens, n_tags] of the same."""
    n_tags, is_first = len(transitions), add_is_first(graph, text)
    wide = graph.node("Concat", graph.node("Cast", scores, to=DOUBLE), graph.constant(np.zeros((1, n_tags))), axis=0)
    top = graph.node("ReduceMax", wide, graph.constant(np.array([1])), keepdims=1)
    emission = graph.node("Exp", graph.node("Sub", wide, top))
    n_times, ones = (
        graph.node("Squeeze", graph.node("Shape", emission, start=0, end=1)),
        graph.constant(np.ones(n_tags)),
    )
    follow = np.exp(transitions)
    carried = graph.constant(np.ones((1, n_tags)))

    def forward(inner: Graph, number: str, before: str) -> tuple[str, str]:
        ways = inner.node("MatMul", before, inner.constant(follow))
        ahead = inner.node("Where", inner.node("Gather", is_first, number), ones, ways)
        share = _shared(inner, inner.node("Mul", ahead, inner.node("Gather", emission, number)))
        return share, inner.node("Identity", share)

    is_last = graph.node("Concat", _from_second(graph, is_first), graph.constant(np.array([True])), axis=0)

    def backward(inner: Graph, number: str, after: str) -> tuple[str, str]:
        place = inner.node("Sub", n_times, inner.node("Add", number, inner.constant(np.int64(1))))
        here = inner.node("Where", inner.node("Gather", is_last, place), ones, after)
        weighed = inner.node("Mul", here, inner.node("Gather", emission, place))
        return _shared(inner, inner.node("MatMul", weighed, inner.constant(follow.T))), inner.node("Identity", here)

    _, ahead = graph.loop(n_times, [carried], forward)
    _, behind = graph.loop(n_times, [carried], backward)
    both = graph.node("Mul", _rows(graph, ahead, n_tags), _turned(graph, _rows(graph, behind, n_tags)))
    total = graph.node("ReduceSum", both, graph.constant(np.array([1])), keepdims=1)
    return _without_last(graph, graph.node("Div", both, total))


def add_decoded(graph: Graph, shares: str, threshold: float, text: str, n_tags: int) -> str:
    """The code of the tag of each token in the best sequence, int64 [n_tokens], from probabilities [n_tokens, n_tags]."""
    follow, is_first = np.where(may_follow(n_tags), 0.0, NEVER), add_is_first(graph, text)
    weights = _weights(graph, shares, threshold, n_tags)
    n_times = graph.node("Squeeze", graph.node("Shape", weights, start=0, end=1))
    first = np.where(is_inside(np.arange(n_tags)), NEVER, 0.0)[None].repeat(n_tags, axis=0)

    def forward(inner: Graph, number: str, best: str) -> tuple[str, str]:
        allowed = inner.node(
            "Where", inner.node("Gather", is_first, number), inner.constant(first), inner.constant(follow)
        )
        ways = inner.node("Add", inner.node("Transpose", best, perm=[1, 0]), allowed)
        came = inner.node("Cast", inner.node("ArgMax", ways, axis=0, keepdims=1), to=DOUBLE)
        found = inner.node(
            "Add",
            inner.node("ReduceMax", ways, inner.constant(np.array([0])), keepdims=1),
            inner.node("Gather", weights, number),
        )
        return inner.node("Sub", found, inner.node("ReduceMax", found, keepdims=1)), came

    best, came = graph.loop(n_times, [graph.constant(np.zeros((1, n_tags)))], forward)
    came = _rows(graph, came, n_tags)
    last = graph.node("Cast", graph.node("ArgMax", best, axis=1, keepdims=0), to=DOUBLE)

    def backward(inner: Graph, number: str, code: str) -> tuple[str, str]:
        place = inner.node("Sub", n_times, inner.node("Add", number, inner.constant(np.int64(1))))
        pointers = inner.node("Gather", came, place)
        return inner.node("Gather", pointers, inner.node("Cast", code, to=INT64)), inner.node("Identity", code)

    _, codes = graph.loop(n_times, [last], backward)
    return graph.node("Cast", _flat(graph, _without_last(graph, _turned(graph, _rows(graph, codes, 1)))), to=INT64)


def add_tags(graph: Graph, codes: str, tags: tuple[str, ...]) -> str:
    """Tags by their codes, string [n_tokens]."""
    return graph.node(
        "LabelEncoder",
        codes,
        domain=ML,
        keys_int64s=np.arange(len(tags)),
        values_strings=[*tags],
        default_string=tags[0],
    )


def _weights(graph: Graph, shares: str, threshold: float, n_tags: int) -> str:
    """Logarithms of what each tag weighs, double [n_tokens + 1, n_tags]; never an I- where none is probable at all."""
    inside = is_inside(np.arange(n_tags))
    factors = np.where(np.arange(n_tags) == 0, threshold, 1.0 - threshold)
    shares = graph.node("Cast", shares, to=DOUBLE)
    most = graph.node(
        "ReduceMax",
        graph.node("Mul", shares, graph.constant(inside.astype(float))),
        graph.constant(np.array([1])),
        keepdims=1,
    )
    is_improbable = graph.node("Less", most, graph.constant(np.float64(LEAST_INSIDE)))
    never = graph.node("And", is_improbable, graph.constant(inside))
    weighed = graph.node("Mul", shares, graph.constant(factors))
    logs = graph.node("Log", graph.node("Max", weighed, graph.constant(np.float64(1e-300))))
    logs = graph.node("Where", never, graph.constant(np.float64(NEVER)), logs)
    return graph.node("Concat", logs, graph.constant(np.zeros((1, n_tags))), axis=0)


def _shared(graph: Graph, weights: str) -> str:
    """[1, n_tags] that sum to one."""
    total = graph.node("ReduceSum", weights, graph.constant(np.array([1])), keepdims=1)
    return graph.node("Div", weights, graph.node("Max", total, graph.constant(np.float64(np.finfo(float).tiny))))


def _rows(graph: Graph, collected: str, n_columns: int) -> str:
    return graph.node("Reshape", collected, graph.constant(np.array([-1, n_columns])))


def _flat(graph: Graph, tensor: str) -> str:
    return graph.node("Reshape", tensor, graph.constant(np.array([-1])))


def _turned(graph: Graph, rows: str) -> str:
    """The last row first."""
    least = np.iinfo(np.int64).min
    return graph.node("Slice", rows, *(graph.constant(np.array([value])) for value in (-1, least, 0, -1)))


def _from_second(graph: Graph, rows: str) -> str:
    return graph.node("Slice", rows, *(graph.constant(np.array([value])) for value in (1, np.iinfo(np.int64).max, 0)))


def _without_last(graph: Graph, rows: str) -> str:
    return graph.node("Slice", rows, *(graph.constant(np.array([value])) for value in (0, -1, 0)))
