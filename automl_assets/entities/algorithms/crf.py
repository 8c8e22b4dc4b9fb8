"""Conditional random field (Lafferty 2001) over words, shapes, beginnings, ends, neighbours, and what other texts say.

Learnt by Adagrad (Duchi et al. 2011) on some texts at a time, which can stop after any step; an I- follows nothing but
its label. What answers is the mean of the weights after each epoch of the second half.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.entities.features.chains_onnx import add_is_first, add_marginals
from automl_assets.entities.features.token_attributes import AttributeTable, learn_attributes, sum_weights
from automl_assets.entities.features.tokens_onnx import TokenTensors, add_attributes
from automl_assets.entities.records import TokenInputs
from automl_assets.learning.chains import FORBIDDEN, marginals
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.tagging import Texts, is_inside, may_follow

BATCH_TEXTS = 32
TINY = 1e-6
MOST_WEIGHTS = 50_000_000  # attributes times tags, of four bytes; learning holds three times as many
TOKENS_TOGETHER = 20_000  # whose ways to be tagged are looked at at once
Arrays = dict[str, np.ndarray]


@stored_as("entities.crf.Model")
@dataclass(frozen=True)
class Crf:
    """Scores of attributes, of tags that follow each other, and of tags that begin a text."""

    table: AttributeTable
    weights: np.ndarray  # float32 [n_attributes, n_tags]
    transitions: np.ndarray  # float64 [n_tags, n_tags]
    first: np.ndarray  # float64 [n_tags]

    def scores(self, inputs: TokenInputs) -> np.ndarray:
        """Of each tag at each token, that of beginning a text among them, float64 [n_tokens, n_tags]."""
        found = sum_weights(self.weights, self.table.numbers(inputs))
        found[inputs.texts.is_first] += self.first
        return found


@dataclass(frozen=True)
class _Batch:
    """Some texts, as one step sees them."""

    has: Any  # csr_matrix float32 [n_tokens, n_used], which of the attributes `used` a token has
    used: np.ndarray  # int64 [n_used]
    y: np.ndarray  # int64 [n_tokens]
    weight: np.ndarray  # float64 [n_tokens]
    texts: Texts

    @classmethod
    def of(cls, numbers: np.ndarray, y: np.ndarray, weight: np.ndarray, text: np.ndarray) -> "_Batch":
        """`numbers` are attributes, int32 [n_tokens, n_templates]; 0 is none."""
        from scipy.sparse import csr_matrix

        used, place = np.unique(numbers, return_inverse=True)
        ends = np.arange(0, numbers.size + 1, numbers.shape[1])
        ones = (numbers > 0).astype(np.float32).ravel()
        has = csr_matrix((ones, place.ravel().astype(np.int32), ends), (len(numbers), len(used)))
        return cls(has, used, y, weight, Texts(text))

    def slopes(self, weights: Arrays) -> tuple[float, Arrays]:
        """How unlikely the tags are, and how that grows with the weights; of attributes with those that are used."""
        n_tags, is_first = len(weights["first"]), self.texts.is_first
        never, not_first = _forbidden(n_tags)
        scores = (self.has @ weights["attributes"][self.used]).astype(np.float64)
        scores[is_first] += weights["first"] + not_first
        follow = weights["follow"] + never
        shares, pairs, total = marginals(scores, follow, self.texts, self.weight)
        behind = np.flatnonzero(~is_first)
        before, here = self.y[behind - 1], self.y[behind]
        likely = float(
            self.weight @ scores[np.arange(len(self.y)), self.y] + self.weight[behind] @ follow[before, here]
        )
        np.subtract.at(pairs, (before, here), self.weight[behind])
        shares[np.arange(len(self.y)), self.y] -= 1.0
        shares *= self.weight[:, None]
        attributes = self.has.T @ shares.astype(np.float32)
        return total - likely, {"attributes": attributes, "follow": pairs, "first": shares[is_first].sum(axis=0)}


def _forbidden(n_tags: int) -> tuple[np.ndarray, np.ndarray]:
    """Of tags that follow each other, and of those that begin a text."""
    return np.where(may_follow(n_tags), 0.0, FORBIDDEN), np.where(is_inside(np.arange(n_tags)), FORBIDDEN, 0.0)


class _Learning:
    """Weights on their way. Attributes have a rate each, so that a step moves those alone that its texts hold."""

    def __init__(self, config: Config, n_attributes: int, n_tags: int):
        self.config = config
        self.weights: Arrays = {
            "attributes": np.zeros((n_attributes, n_tags), np.float32),
            "follow": np.zeros((n_tags, n_tags)),
            "first": np.zeros(n_tags),
        }
        self.squares: Arrays = {
            "attributes": np.full((n_attributes, 1), TINY, np.float32),
            "follow": np.full((n_tags, n_tags), TINY),
            "first": np.full(n_tags, TINY),
        }
        self.total: Arrays = {}
        self.n_remembered = 0

    def run(self, numbers: np.ndarray, rows: Rows, context: FitContext) -> None:
        """Until the epochs are done, or the time is up."""
        random, texts, epochs = np.random.default_rng(context.seed), rows.x.texts, self.config["epochs"]
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight / rows.weight.mean()
        for epoch in range(epochs):
            order = random.permutation(len(texts.starts))
            for some in np.array_split(order, -(-len(order) // BATCH_TEXTS)):
                chosen = np.concatenate([np.arange(texts.starts[i], texts.starts[i] + texts.lengths[i]) for i in some])
                seen = numbers[chosen]
                if self.config["dropout"]:
                    seen = np.where(random.random(seen.shape, np.float32) < self.config["dropout"], 0, seen)
                batch = _Batch.of(seen, rows.y[chosen], weight[chosen], rows.x.text[chosen])
                self._step(batch, len(some))
                if time.monotonic() > context.deadline:
                    return
            if epoch >= epochs // 2:
                self._remember()

    def _step(self, batch: _Batch, n_texts: int) -> None:
        _, slopes = batch.slopes(self.weights)
        for name, total in slopes.items():
            places = batch.used if name == "attributes" else slice(None)
            slope = total / n_texts
            squares = self.squares[name]
            squares[places] += (slope**2).mean(axis=1, keepdims=True) if name == "attributes" else slope**2
            self.weights[name][places] -= self.config["rate"] * slope / np.sqrt(squares[places])

    def _remember(self) -> None:
        self.n_remembered += 1
        for name, part in self.weights.items():
            self.total[name] = self.total[name] + part if name in self.total else part.copy()

    @property
    def means(self) -> Arrays:
        """What was remembered on average; where the time did not suffice for any, what came last."""
        scale = 1.0 - self.config["dropout"]  # of the attributes that were there while learning
        found = {name: part / self.n_remembered for name, part in self.total.items()} or self.weights
        return found | {"attributes": (found["attributes"] * scale).astype(np.float32)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Crf:
    n_tags = context.problem.n_classes
    most = max(1, MOST_WEIGHTS // n_tags)
    table, numbers = learn_attributes(training.x, training.y, config["least"], most, context.deadline)
    learning = _Learning(config, table.n_attributes, n_tags)
    learning.run(numbers, training, context)
    weights, (never, not_first) = learning.means, _forbidden(n_tags)
    return Crf(table, weights["attributes"], weights["follow"] + never, weights["first"] + not_first)


def _predict(model: Crf, x: TokenInputs) -> np.ndarray:
    """Some texts at a time: on the way every token needs as many numbers as there are tags, several times."""
    parts = np.cumsum(x.texts.lengths) // TOKENS_TOGETHER
    ends = x.texts.starts[np.flatnonzero(np.diff(parts, prepend=0))]
    found = np.empty((len(x), len(model.first)))
    for some in np.split(np.arange(len(x)), ends):
        found[some] = marginals(model.scores(x[some]), model.transitions, x[some].texts)[0]
    return found


def _to_onnx(models: Sequence[Crf], graph: Graph, x: TokenTensors) -> str:
    shares = [add_marginals(graph, _scores(model, graph, x), model.transitions, x.text) for model in models]
    return graph.node("Cast", shares[0] if len(shares) == 1 else graph.node("Mean", *shares), to=FLOAT)


def _scores(model: Crf, graph: Graph, x: TokenTensors) -> str:
    """Of each tag at each token, that of beginning a text among them, float [n_tokens, n_tags]."""
    weights = graph.constant(model.weights)
    total = graph.node("Sum", *(graph.node("Gather", weights, one) for one in add_attributes(graph, model.table, x)))
    is_first = graph.node("Unsqueeze", add_is_first(graph, x.text), graph.constant(np.array([1])))
    is_token = graph.node("Slice", is_first, *(graph.constant(np.array([value])) for value in (0, -1, 0)))
    first, none = graph.constant(model.first.astype(np.float32)), graph.constant(np.zeros(len(model.first), np.float32))
    return graph.node("Add", total, graph.node("Where", is_token, first, none))


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Chosen by folds of wnut17's training and validation files."""
    default = {"epochs": 12, "rate": 0.1, "least": 2, "dropout": 0.0}
    return [default, default | {"dropout": 0.2}, default | {"least": 1, "rate": 0.05}]


PART = Algorithm(
    name="crf",
    title="Conditional random field",
    tasks=frozenset({"text_ner"}),
    view="tokens",
    portfolio=_portfolio,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Lafferty et al. 2001; Sutton and McCallum 2012.",
    kinds=frozenset({"scipy"}),
    is_refitted=True,
    is_essential=True,
    requires="scipy",
)
