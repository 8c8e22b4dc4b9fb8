"""How a `WordTagger` learns from vectors of words that are there already: seconds an epoch, on a processor."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from automl_assets.entities.models.word_tagger import WordTagger, known_shapes, shape_codes
from automl_assets.errors import LearningError
from automl_assets.learning.chains import FORBIDDEN, marginals
from automl_assets.learning.torch_training import AdamW, threads
from automl_assets.parts import Config, FitContext, Rows
from automl_assets.tagging import Texts, is_inside, may_follow

BATCH_WORDS = 600  # at most, roughly
BATCHES = 100  # of an epoch over few texts
SHAPE_DIMS = 25
INPUT_DROPOUT = 0.2  # of vectors, beside that of what is made of them
WEIGHT_DECAY = 0.01
WARMUP = 0.1  # of all steps, over which the learning rate rises
MOMENT_WORDS = 20_000  # whose vectors tell mean and spread
FIRST_STEPS = 3  # whose time says how many there is time for
SHARE_OF_STEPS = 0.85  # of the time; the rest is for what comes after the last step
LOOK_SHARE = 0.25  # words of validation texts that are looked at, for each that is learnt from
LOOK_TEXTS = 200  # answered between two looks at the clock


@dataclass(frozen=True)
class _Sample:
    """Texts as they are learnt from."""

    vectors: Sequence[np.ndarray]  # of each text, float16 [n_words, n_dims]
    shapes: np.ndarray  # int64 [n_tokens]
    y: np.ndarray  # int64 [n_tokens]
    weight: np.ndarray  # float64 [n_tokens], of mean one
    texts: Texts
    n_shapes: int

    @classmethod
    def of(cls, rows: Rows, vectors: Sequence[np.ndarray], shapes: dict[str, int]) -> "_Sample":
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight / rows.weight.mean()
        codes = shape_codes(shapes, rows.x.tokens)
        return cls(vectors, codes, np.asarray(rows.y), weight, rows.x.texts, len(shapes) + 1)

    def batch(self, chosen: np.ndarray) -> "_Batch":
        """Some of the texts."""
        starts, lengths = self.texts.starts[chosen], self.texts.lengths[chosen]
        rows = np.concatenate([np.arange(start, start + n) for start, n in zip(starts, lengths, strict=True)])
        vectors = np.concatenate([self.vectors[text] for text in chosen]).astype(np.float32)
        texts = Texts(np.repeat(np.arange(len(chosen)), lengths))
        return _Batch(vectors, self.shapes[rows], self.y[rows], self.weight[rows], texts)


@dataclass(frozen=True)
class _Batch:
    """Words of some texts, one below the other."""

    vectors: np.ndarray  # float32 [n_words, n_dims]
    shapes: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    texts: Texts

    @cached_property
    def is_last(self) -> np.ndarray:
        """Whether a word ends its text, bool [n_words]."""
        return np.append(self.texts.is_first[1:], True)


def learn_tagger(
    config: Config,
    training: tuple[Rows, Sequence[np.ndarray]],
    validation: tuple[Rows, Sequence[np.ndarray]] | None,
    context: FitContext,
) -> WordTagger:
    """The network that answers validation texts best, of those after each epoch; without such texts the last. Rows come
    with the vectors of each of their texts."""
    shapes = known_shapes(training[0].x.tokens)
    with threads(context.n_threads):
        learning = _Learning(config, _Sample.of(*training, shapes), context)
        learning.run(_Sample.of(*validation, shapes) if validation else None)
    return learning.model(shapes)


class _Learning:
    """A network while it learns. Gradients of the CRF are those of forward-backward; torch carries them on."""

    def __init__(self, config: Config, sample: _Sample, context: FitContext):
        import torch

        torch.manual_seed(context.seed)
        self.config, self.sample, self.deadline = config, sample, context.deadline
        self.random = np.random.default_rng(context.seed)
        self.n_tags = context.problem.n_classes
        self.mean, self.scale = self._moments()
        self.weights = {name: torch.tensor(values, requires_grad=True) for name, values in self._initial().items()}
        self.optimizer = AdamW(
            self.weights, {name: WEIGHT_DECAY if one.ndim > 1 else 0.0 for name, one in self.weights.items()}
        )
        self.best: tuple[float, float, dict[str, np.ndarray]] | None = None  # loss, epochs, weights

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the vectors, and one by their spread."""
        order, n_words, chosen = self.random.permutation(len(self.sample.vectors)), 0, list[np.ndarray]()
        for text in order:
            chosen.append(self.sample.vectors[text])
            n_words += len(chosen[-1])
            if n_words >= MOMENT_WORDS:
                break
        some = np.concatenate(chosen).astype(np.float32)
        return some.mean(axis=0), 1 / (some.std(axis=0) + 1e-6)

    def _initial(self) -> dict[str, np.ndarray]:
        n_dims, hidden, inner = len(self.mean), self.config["hidden"], self.config["inner"]
        wide = hidden + SHAPE_DIMS
        made = {
            "projection": self._uniform(n_dims, hidden),
            "offset": np.zeros(hidden),
            "shapes": self.random.normal(0, 1, (self.sample.n_shapes, SHAPE_DIMS)),
            "window": self._uniform(3 * wide, inner),
            "window_offset": np.zeros(inner),
            "output": self._uniform(inner, self.n_tags),
            "output_offset": np.zeros(self.n_tags),
            "transitions": np.zeros((self.n_tags, self.n_tags)),
            "first": np.zeros(self.n_tags),
        }
        return {name: values.astype(np.float32) for name, values in made.items()}

    def _uniform(self, n_in: int, n_out: int) -> np.ndarray:
        return self.random.uniform(-1, 1, (n_in, n_out)) / math.sqrt(n_in)

    def run(self, judged: _Sample | None) -> None:
        """Until the epochs are done or the time is up."""
        started, n_texts = time.monotonic(), len(self.sample.vectors)
        end = started + SHARE_OF_STEPS * (self.deadline - started)
        size = self._texts_together(n_texts)
        n_batches = -(-n_texts // size)
        n_steps = max(1, round(self.config["epochs"] * n_batches))
        looked_at = None if judged is None else self._looked_at(judged)
        for step, chosen in enumerate(self._order(n_texts, size), start=1):
            self._step(self.sample.batch(chosen), self._rate(step, n_steps))
            now = time.monotonic()
            if step == FIRST_STEPS and np.isfinite(end):
                n_steps = min(n_steps, step + max(0, int((end - now) / ((now - started) / step))))
            is_over = step >= n_steps or now >= end
            if is_over or step % n_batches == 0:
                self._look(judged, looked_at, step / n_batches)
            if is_over:
                return

    def _texts_together(self, n_texts: int) -> int:
        words = len(self.sample.y) / n_texts
        return max(1, min(n_texts // BATCHES, round(BATCH_WORDS / words)))

    def _order(self, n_texts: int, size: int) -> Iterator[np.ndarray]:
        """Texts of one batch after another, each text once in an epoch."""
        while True:
            order = self.random.permutation(n_texts)
            yield from (order[start : start + size] for start in range(0, n_texts, size))

    def _rate(self, step: int, n_steps: int) -> float:
        """Rises, then falls to nothing."""
        rising = WARMUP * n_steps
        share = step / rising if step < rising else (n_steps + 1 - step) / max(1.0, n_steps + 1 - rising)
        return float(self.config["learning_rate"] * min(1.0, share))

    # One step

    def _step(self, batch: _Batch, rate: float) -> None:
        import torch

        raw = self._raw(batch, self.config["dropout"])
        _, slopes = self._loss(raw.detach().numpy(), batch)
        tensors = {name: one for name, one in self.weights.items() if name not in ("transitions", "first")}
        found = torch.autograd.grad(raw, list(tensors.values()), torch.from_numpy(slopes["raw"]))
        others = [torch.from_numpy(slopes[name]) for name in ("transitions", "first")]
        with torch.no_grad():
            self.optimizer.step([*found, *others], rate)

    def _raw(self, batch: _Batch, dropout: float) -> Any:
        """Scores of tags [n_words, n_tags], without what stands before a word."""
        import torch
        from torch.nn.functional import dropout as dropped

        w, is_on = self.weights, dropout > 0
        vectors = torch.from_numpy((batch.vectors - self.mean) * self.scale)
        hidden = torch.tanh(dropped(vectors, INPUT_DROPOUT, is_on) @ w["projection"] + w["offset"])
        hidden = torch.cat([hidden, w["shapes"][torch.from_numpy(batch.shapes)]], 1)
        hidden = dropped(hidden, dropout, is_on)
        before, after = (
            torch.from_numpy(1.0 - one.astype(np.float32))[:, None] for one in (batch.texts.is_first, batch.is_last)
        )
        beside = torch.cat([hidden.roll(1, 0) * before, hidden, hidden.roll(-1, 0) * after], 1)
        inner = dropped(torch.relu(beside @ w["window"] + w["window_offset"]), dropout, is_on)
        return inner @ w["output"] + w["output_offset"]

    def _chain(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores of tags that follow each other, and of those that begin a text; what cannot be is forbidden."""
        transitions, first = (
            self.weights[name].detach().numpy().astype(np.float64) for name in ("transitions", "first")
        )
        never = np.where(may_follow(self.n_tags), 0.0, FORBIDDEN)
        return transitions + never, first + np.where(is_inside(np.arange(self.n_tags)), FORBIDDEN, 0.0)

    def _loss(self, raw: np.ndarray, batch: _Batch) -> tuple[float, dict[str, np.ndarray]]:
        """How unlikely the true tags are, a word, and the slopes of that."""
        follow, first = self._chain()
        is_first, weight, n_words = batch.texts.is_first, batch.weight, len(batch.y)
        scores = raw.astype(np.float64)
        scores[is_first] += first
        shares, expected, total = marginals(scores, follow, batch.texts, weight)
        tags, here = np.eye(self.n_tags)[batch.y], np.flatnonzero(~is_first)
        pairs = np.zeros_like(follow)
        np.add.at(pairs, (batch.y[here - 1], batch.y[here]), weight[here])
        likely = weight @ (scores * tags).sum(axis=1) + (follow * pairs).sum()
        beyond = weight[:, None] * (shares - tags)
        slopes = {"raw": beyond, "transitions": expected - pairs, "first": beyond[is_first].sum(axis=0)}
        return (total - likely) / n_words, {name: (one / n_words).astype(np.float32) for name, one in slopes.items()}

    # The best that was seen

    def _looked_at(self, judged: _Sample) -> np.ndarray:
        """Validation texts, as many as cost little beside an epoch."""
        order = self.random.permutation(len(judged.vectors))
        n_words = np.cumsum(judged.texts.lengths[order])
        return order[: max(1, int(np.searchsorted(n_words, LOOK_SHARE * len(self.sample.y), side="right")))]

    def _look(self, judged: _Sample | None, chosen: np.ndarray | None, epochs: float) -> None:
        """Keeps what there is now when no loss on validation texts was lower; without such texts the last is kept."""
        loss = -math.inf if judged is None or chosen is None else self._mean_loss(judged, chosen)
        if self.best is None or loss < self.best[0] or judged is None:
            kept = {name: tensor.detach().numpy().copy() for name, tensor in self.weights.items()}
            self.best = (loss, epochs, kept)

    def _mean_loss(self, judged: _Sample, chosen: np.ndarray) -> float:
        """Infinite where the time does not suffice to tell."""
        import torch

        total, n_words = 0.0, 0
        for part in np.array_split(chosen, -(-len(chosen) // LOOK_TEXTS)):
            if time.monotonic() >= self.deadline:
                return math.inf
            batch = judged.batch(part)
            with torch.inference_mode():
                raw = self._raw(batch, 0.0).numpy()
            total += self._loss(raw, batch)[0] * len(batch.y)
            n_words += len(batch.y)
        return total / n_words

    def model(self, shapes: dict[str, int]) -> WordTagger:
        """The best, with what makes vectors even folded into the first weights."""
        if self.best is None:
            raise LearningError("no step ended in time")
        _, epochs, weights = self.best
        self.weights = {name: _as_tensor(values) for name, values in weights.items()}
        transitions, first = self._chain()
        projection = self.scale[:, None] * weights["projection"]
        folded = {"projection": projection, "offset": weights["offset"] - self.mean @ projection}
        names = ("shapes", "window", "window_offset", "output", "output_offset")
        return WordTagger(shapes, folded | {name: weights[name] for name in names}, transitions, first, epochs)


def _as_tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)
