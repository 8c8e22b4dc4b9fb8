"""Long texts in windows of even length, each between the marks of its tokenizer; in Python and in ONNX alike.

A text of no more tokens than a window holds is one window. What goes beyond the last window is not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.encoders.tokens import Marks
from automl_assets.onnx.graph import FLOAT, INT64, Graph
from automl_assets.stored import stored_as

BATCH_TOKENS = 512  # windows of about the same length are read together: more would not stay in a core's own memory
TRAINING_TOKENS = 4096  # where they are learnt from, whose batches are given, or on a GPU


@stored_as("encoders.Windows")
@dataclass(frozen=True)
class Windows:
    """How a text becomes windows: so many tokens in each, marks included, and at most so many of them."""

    marks: Marks
    length: int
    most: int

    @property
    def inner(self) -> int:
        """Tokens of the text in a window."""
        return max(1, self.length - len(self.marks.before) - len(self.marks.after))

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and mask of a text's windows, int64 [n_windows, n_tokens] each."""
        ids = ids[: self.most * self.inner]
        n_windows = max(1, -(-len(ids) // self.inner))
        length = -(-len(ids) // n_windows)
        filled = np.full(n_windows * length, self.marks.filling, np.int64)
        filled[: len(ids)] = ids
        is_text = (np.arange(n_windows * length) < len(ids)).astype(np.int64)
        ends = [np.tile(np.array(marks, np.int64), (n_windows, 1)) for marks in (self.marks.before, self.marks.after)]
        shape = (n_windows, length)
        tokens = np.hstack([ends[0], filled.reshape(shape), ends[1]])
        return tokens, np.hstack([np.ones_like(ends[0]), is_text.reshape(shape), np.ones_like(ends[1])])

    def add(self, graph: Graph, ids: str) -> tuple[str, str]:
        """Adds the same for the tokens of one text, int64 [n_tokens]."""
        whole = _Whole(graph)
        ids = graph.node("Slice", ids, whole.numbers(0), whole.numbers(self.most * self.inner))
        n_tokens = graph.node("Shape", ids)
        n_windows = graph.node("Max", whole.numbers(1), whole.quotient(n_tokens, whole.numbers(self.inner)))
        length = whole.quotient(n_tokens, n_windows)
        lacking = graph.node("Sub", graph.node("Mul", n_windows, length), n_tokens)
        pads = graph.node("Concat", whole.numbers(0), lacking, axis=0)
        filled = graph.node("Pad", ids, pads, graph.constant(np.array(self.marks.filling, np.int64)))
        ones = graph.node("Pad", graph.node("Add", graph.node("Sub", ids, ids), whole.numbers(1)), pads)
        shape = graph.node("Concat", n_windows, length, axis=0)
        return (
            whole.between(graph.node("Reshape", filled, shape, allowzero=1), n_windows, self.marks),
            whole.between(graph.node("Reshape", ones, shape, allowzero=1), n_windows, _ones(self.marks)),
        )


def batches(
    windows: Sequence[tuple[np.ndarray, np.ndarray]], filling: int, most_tokens: int = BATCH_TOKENS
) -> Iterator[tuple[np.ndarray, ...]]:
    """Windows of all texts, the shortest first, padded to the longest of their batch: tokens and mask [n, n_tokens], and
    the text that each is of [n]. A batch has no more tokens than `most_tokens`, but for a window that is longer."""
    every = sorted(
        ((tokens, mask, text) for text, found in enumerate(windows) for tokens, mask in zip(*found, strict=True)),
        key=lambda window: len(window[0]),
    )
    while every:
        n_windows = _n_together([len(tokens) for tokens, _, _ in every[: most_tokens // 2]], most_tokens)
        now, every = every[:n_windows], every[n_windows:]
        length = len(now[-1][0])
        tokens = np.stack([np.pad(one, (0, length - len(one)), constant_values=filling) for one, _, _ in now])
        mask = np.stack([np.pad(one, (0, length - len(one))) for _, one, _ in now])
        yield tokens, mask, np.array([text for _, _, text in now])


def _n_together(lengths: list[int], most_tokens: int) -> int:
    """How many windows, the shortest first, hold no more than so many tokens when padded; one at least."""
    fit = [(i + 1) * length <= most_tokens for i, length in enumerate(lengths)]
    return max(1, sum(fit))


def _ones(marks: Marks) -> Marks:
    return Marks((1,) * len(marks.before), (1,) * len(marks.after), 0)


@dataclass(frozen=True)
class _Whole:
    """Whole numbers in a graph."""

    graph: Graph

    def numbers(self, *values: int) -> str:
        return self.graph.constant(np.array(values, np.int64))

    def quotient(self, one: str, other: str) -> str:
        """Rounded up."""
        real = [self.graph.node("Cast", value, to=FLOAT) for value in (one, other)]
        return self.graph.node("Cast", self.graph.node("Ceil", self.graph.node("Div", *real)), to=INT64)

    def between(self, rows: str, n_rows: str, marks: Marks) -> str:
        """Rows of tokens between marks."""
        parts = [self._repeated(marks.before, n_rows), rows, self._repeated(marks.after, n_rows)]
        return self.graph.node("Concat", *parts, axis=1)

    def _repeated(self, values: tuple[int, ...], n_rows: str) -> str:
        shape = self.graph.node("Concat", n_rows, self.numbers(len(values)), axis=0)
        return self.graph.node("Expand", self.graph.constant(np.array([values], np.int64).reshape(1, -1)), shape)
