"""A bag of embeddings, as in fastText: every word, pair of words and part of a word has a vector, a text is their sum.

All is linear, so what was learnt folds up into one coefficient a term and score, and the models of all folds into one.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.odds_fit import score_targets
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.models.term_scores import WHICH, TermScores, add_term_scores, columns_of, term_scores
from automl_assets.text.records import TextInputs, TextTensors

BATCH_ROWS = (8, 128)  # fewest and most
BATCHES = 40  # of an epoch over few rows
LOOK_ROWS = 4_000  # learnt from between looks at the validation rows
PATIENCE = 3.0  # epochs without a better validation loss
TINY = 1e-12
Arrays = dict[str, np.ndarray]


@stored_as("text.embedding_bag.Model")
@dataclass(frozen=True)
class Bag:
    """What the vectors and the head come to, and the epochs after which validation rows were answered best."""

    scores: TermScores
    epochs: float


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Chosen by folds of the training rows of newsgroups, go_emotions and xlmt; a larger vector helps many labels."""
    default = {"terms": "both", "size": 32, "epochs": 20.0, "learning_rate": 0.1, "dropout": 0.3}
    return [
        default,
        default | {"size": 64, "learning_rate": 0.05, "dropout": 0.5},
        default | {"terms": "words", "size": 64},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "size": trial.suggest_int("size", 8, 128, log=True),
        "epochs": 20.0,
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.4, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.7),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Bag:
    parts = WHICH[config["terms"]]
    learning = _Learning(config, _Sample.of(training, parts, context), context.seed)
    unseen = _Sample.of(validation, parts, context) if validation else None
    learning.run(unseen, context.deadline)
    return Bag(TermScores(parts, *learning.coefficients()), learning.best_epoch)


@dataclass(frozen=True)
class _Sample:
    """Rows as they are learnt from."""

    x: Any  # csr_matrix float32 [n_rows, n_columns]
    y: np.ndarray  # float32 [n_rows, n_scores], 1 where the answer is so
    weight: np.ndarray  # float32 [n_rows], of mean one
    is_exclusive: bool  # whether the answers of a row sum to one, over more than one score

    @classmethod
    def of(cls, rows: Rows, parts: Sequence[str], context: FitContext) -> "_Sample":
        y, is_exclusive = score_targets(rows, context)
        weight = np.ones(len(y)) if rows.weight is None else rows.weight / rows.weight.mean()
        return cls(columns_of(rows.x, parts), y.astype(np.float32), weight.astype(np.float32), is_exclusive)

    def shares(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities of raw scores, [n_rows, n_scores]."""
        if not self.is_exclusive:
            return 1 / (1 + np.exp(-np.clip(raw, -50, 50)))
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def loss(self, raw: np.ndarray) -> float:
        """Mean log loss."""
        shares = np.clip(self.shares(raw.astype(np.float64)), 1e-12, 1.0)
        each = self.y * np.log(shares)
        if not self.is_exclusive:
            each = each + (1 - self.y) * np.log(np.clip(1 - shares, 1e-12, 1.0))
        return -float(np.average(each.sum(axis=1), weights=self.weight))


class _Learning:
    """Adagrad (Duchi et al. 2011) with one rate a vector, of which a step moves those alone that its rows hold."""

    def __init__(self, config: Config, sample: _Sample, seed: int):
        self.config, self.sample = config, sample
        self.random = np.random.default_rng(seed)
        self.weights = self._initial()
        self.squares = {name: np.full(len(part), TINY, np.float32) for name, part in self.weights.items()}
        self.best, self.best_loss, self.best_epoch = self.weights, math.inf, 0.0

    def _initial(self) -> Arrays:
        """A term that no row holds says nothing."""
        size, n_columns, n_scores = self.config["size"], self.sample.x.shape[1], self.sample.y.shape[1]
        vectors = self.random.uniform(-0.5, 0.5, (n_columns, size)) / math.sqrt(size)
        vectors[np.bincount(self.sample.x.indices, minlength=n_columns) == 0] = 0
        head = self.random.uniform(-1, 1, (size, n_scores)) / math.sqrt(size)
        share = np.average(self.sample.y, axis=0, weights=self.sample.weight).clip(1e-4, 1 - 1e-4)
        bias = np.log(share) if self.sample.is_exclusive else np.log(share / (1 - share))
        weights = {"vectors": vectors, "head": head, "bias": bias[:, None]}
        return {name: part.astype(np.float32) for name, part in weights.items()}

    def run(self, unseen: _Sample | None, deadline: float) -> None:
        """Until the epochs are done, the validation rows are answered no better, or the time is up."""
        n_rows, learnt, looked = len(self.sample.y), 0, 0
        for batch in self._batches():
            self._step(batch)
            learnt += len(batch)
            is_over = time.monotonic() >= deadline or learnt >= self.config["epochs"] * n_rows
            if is_over or learnt - looked >= min(n_rows, LOOK_ROWS):
                looked = learnt
                self._remember(learnt / n_rows, unseen)
            if is_over or (unseen and learnt / n_rows - self.best_epoch > PATIENCE):
                return

    def _batches(self) -> Iterator[np.ndarray]:
        """Without an end."""
        n_rows = len(self.sample.y)
        size = int(np.clip(n_rows // BATCHES, *BATCH_ROWS))
        while True:
            yield from np.array_split(self.random.permutation(n_rows), -(-n_rows // size))

    def _step(self, rows: np.ndarray) -> None:
        from scipy.sparse import csr_matrix

        x, kept = self.sample.x[rows], 1 - self.config["dropout"]
        columns, places = np.unique(x.indices, return_inverse=True)
        small = csr_matrix((x.data, places.astype(np.int32), x.indptr), shape=(len(rows), len(columns)))
        mask = (self.random.random((len(rows), self.config["size"]), np.float32) < kept) / np.float32(kept)
        hidden = (small @ self.weights["vectors"][columns]) * mask
        error = self.sample.shares(hidden @ self.weights["head"] + self.weights["bias"][:, 0]) - self.sample.y[rows]
        error *= self.sample.weight[rows, None] / len(rows)
        vectors = small.T @ ((error @ self.weights["head"].T) * mask)
        every = slice(None)
        self._move("head", every, hidden.T @ error)
        self._move("bias", every, error.sum(axis=0)[:, None])
        self._move("vectors", columns, vectors)

    def _move(self, name: str, places: Any, gradient: np.ndarray) -> None:
        squares = self.squares[name]
        squares[places] += (gradient**2).mean(axis=1)
        rate = self.config["learning_rate"] / np.sqrt(squares[places])
        self.weights[name][places] -= rate[:, None] * gradient

    def _remember(self, epoch: float, unseen: _Sample | None) -> None:
        """Keeps what answers validation rows best; without such rows what came last."""
        loss = -math.inf if unseen is None else unseen.loss(self._raw(unseen.x))
        if unseen is None or loss < self.best_loss or self.best is self.weights:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = {name: part.copy() for name, part in self.weights.items()}

    def _raw(self, x: Any) -> np.ndarray:
        return (x @ self.weights["vectors"]) @ self.weights["head"] + self.weights["bias"][:, 0]

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every column, float32 [n_columns, n_scores], and the intercept."""
        return self.best["vectors"] @ self.best["head"], self.best["bias"][:, 0].astype(np.float64)


def _with_epochs_of(config: Config, model: Bag) -> Config:
    return config | {"epochs": model.epochs}


def _predict(model: Bag, x: TextInputs) -> np.ndarray:
    return term_scores(model.scores, x)


def _to_onnx(models: Sequence[Bag], graph: Graph, x: TextTensors) -> str:
    return add_term_scores([model.scores for model in models], graph, x)


PART = Algorithm(
    name="embedding_bag",
    title="Bag of embeddings",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_epochs_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Joulin et al. 2017 and Bojanowski et al. 2017 (fastText), weighted by TF-IDF; own, with scipy.",
    kinds=frozenset({"scipy"}),
    time_share=0.5,
    requires="scipy",
)
