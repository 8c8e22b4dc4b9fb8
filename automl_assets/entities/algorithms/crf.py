"""Conditional random field (Lafferty 2001) over words, shapes, beginnings, ends and neighbours.

Learnt by L-BFGS on all texts at once, which can stop at any round; an I- follows nothing but its label.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from automl_assets.entities.features.chains_onnx import add_is_first, add_marginals
from automl_assets.entities.features.token_attributes import AttributeTable, sum_weights
from automl_assets.entities.features.tokens_onnx import TokenTensors, add_attributes
from automl_assets.entities.records import TokenInputs
from automl_assets.learning.chains import FORBIDDEN, marginals
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.tagging import Texts, is_inside, may_follow

MOST_ROUNDS = 100
MEMORY = 5  # past rounds that L-BFGS keeps, of as many numbers as there are weights
TOLERANCE = 1e-4  # of the loss, relative


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
class _Loss:
    """How unlikely the tags of the training texts are, as a function of all weights in one row."""

    numbers: np.ndarray  # int32 [n_tokens, n_templates]
    y: np.ndarray  # int64 [n_tokens]
    weight: np.ndarray  # float64 [n_tokens], of mean one
    texts: Texts
    shape: tuple[int, int]  # n_attributes, n_tags
    penalty: float

    @cached_property
    def forbidden(self) -> tuple[np.ndarray, np.ndarray]:
        """Of tags that follow each other, and of those that begin a text."""
        n_tags = self.shape[1]
        return np.where(may_follow(n_tags), 0.0, FORBIDDEN), np.where(is_inside(np.arange(n_tags)), FORBIDDEN, 0.0)

    @cached_property
    def matrices(self) -> tuple[Any, Any]:
        """Which attributes a token has, sparse [n_tokens, n_attributes], and the same turned."""
        from scipy.sparse import csr_matrix

        rows, columns = np.nonzero(self.numbers)
        ones = np.ones(len(rows))
        has = csr_matrix((ones, (rows, self.numbers[rows, columns])), (len(self.y), self.shape[0]))
        return has, has.T.tocsr()

    @cached_property
    def observed(self) -> tuple[np.ndarray, np.ndarray]:
        """The tags as indicators [n_tokens, n_tags], and how often each follows each, weighed [n_tags, n_tags]."""
        n_tags, follows = self.shape[1], np.flatnonzero(~self.texts.is_first)
        pairs = np.zeros((n_tags, n_tags))
        np.add.at(pairs, (self.y[follows - 1], self.y[follows]), self.weight[follows])
        return np.eye(n_tags)[self.y], pairs

    def parts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights of attributes, of tags that follow, of tags that begin."""
        (n_attributes, n_tags), end = self.shape, self.shape[0] * self.shape[1]
        follow = values[end : end + n_tags * n_tags].reshape(n_tags, n_tags)
        return values[:end].reshape(n_attributes, n_tags), follow, values[end + n_tags * n_tags :]

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, follow, first = self.parts(values)
        has, turned = self.matrices
        (never, not_first), (tags, pairs), is_first = self.forbidden, self.observed, self.texts.is_first
        scores = has @ weights
        scores[is_first] += first + not_first
        probabilities, expected, total = marginals(scores, follow + never, self.texts, self.weight)
        beyond = self.weight[:, None] * (probabilities - tags)
        likely = float(self.weight @ (scores * tags).sum(axis=1) + (follow * pairs).sum()) - total
        slope = np.concatenate([(turned @ beyond).ravel(), (expected - pairs).ravel(), beyond[is_first].sum(axis=0)])
        return self.penalty / 2 * float(values @ values) - likely, slope + self.penalty * values


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Crf:
    from scipy.optimize import minimize

    table = AttributeTable.of(training.x, config["least"])
    shape = (table.n_attributes, context.problem.n_classes)
    weight = np.ones(len(training.y)) if training.weight is None else training.weight / training.weight.mean()
    loss = _Loss(table.numbers(training.x), training.y, weight, training.x.texts, shape, config["l2"])

    def stop_in_time(intermediate_result: Any) -> None:
        if time.monotonic() > context.deadline:
            raise StopIteration

    options = {"maxiter": MOST_ROUNDS, "maxcor": MEMORY, "ftol": TOLERANCE}
    zeros = np.zeros(shape[0] * shape[1] + shape[1] ** 2 + shape[1])
    found = minimize(loss, zeros, jac=True, method="L-BFGS-B", callback=stop_in_time, options=options)
    weights, follow, first = loss.parts(found.x)
    never, not_first = loss.forbidden
    return Crf(table, weights.astype(np.float32), follow + never, first + not_first)


def _predict(model: Crf, x: TokenInputs) -> np.ndarray:
    return marginals(model.scores(x), model.transitions, x.texts)[0]


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
    return [{"l2": 1.0, "least": 2}, {"l2": 3.0, "least": 1}, {"l2": 0.3, "least": 3}]


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
