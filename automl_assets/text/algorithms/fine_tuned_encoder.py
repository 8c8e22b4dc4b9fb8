"""A pretrained encoder that goes on learning with the classes: begins with the scores that are linear in its vectors, so
that it is never worse than these by far, however few steps the time allows."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.encoders import network
from automl_assets.encoders import reader as readers
from automl_assets.encoders.reader import Reader
from automl_assets.encoders.reference import automatic, lacks_weights
from automl_assets.encoders.windows import TRAINING_TOKENS, batches
from automl_assets.errors import LearningError
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.odds_fit import score_targets
from automl_assets.learning.standardised_odds import learn_scores
from automl_assets.learning.torch_training import AdamW, threads
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.models.vector_scores import joined
from automl_assets.text.records import TextInputs, TextTensors

SCHEDULES = ("linear", "cosine", "constant")
MOST_WINDOWS = 2  # of a text: each costs as much as a text
HEAD_STRENGTH = 0.3  # C of the scores that it begins with
SHARE_OF_READING = 0.4  # of the time at most, for the vectors that it begins with
SHARE_OF_STEPS = 0.85  # of what is left then; the rest is for what comes after the last step
SHARE_OF_LOOK = 0.1  # of the time at most, for a look at validation rows; where all take longer, at a part of them
ROWS_OF_LOOK = 64  # that are judged together
FULL_EPOCHS = 1.0  # as many must fit into the time, else the lower half of the layers stays as it is
PATIENCE = 3  # looks without a better loss
MOST_THREADS = 1_000_000  # of what takes as many as it is given

_ANSWERING: dict[str, tuple[Any, int]] = {}  # what answers for a model, by its key, and on how many threads it can


@stored_as("text.FineTunedEncoder")
@dataclass(frozen=True)
class Model:
    """What became of the encoder, and the scores of its vectors."""

    reader: Reader
    tensors: dict[str, np.ndarray]  # those that were learnt, by their name in the network: float16
    linear: Linear
    epochs: float  # after which the loss on validation rows was lowest
    key: str  # tells it from others in a process


def _portfolio(problem: Problem) -> Sequence[Config]:
    default = {"learning_rate": 5e-5, "epochs": 3.0, "batch_rows": 32, "schedule": "linear", "warmup": 0.1}
    return [default, default | {"learning_rate": 2e-4}, default | {"epochs": 6.0, "batch_rows": 16}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 5e-4, log=True),
        "epochs": trial.suggest_float("epochs", 1.0, 8.0),
        "batch_rows": trial.suggest_categorical("batch_rows", (16, 32, 64)),
        "schedule": trial.suggest_categorical("schedule", SCHEDULES),
        "warmup": trial.suggest_float("warmup", 0.0, 0.2),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.1, log=True),
        "accumulation": trial.suggest_categorical("accumulation", (1, 2)),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Model:
    inputs, started = training.x, time.monotonic()
    encoder = context.encoder or automatic(inputs.texts)
    read = readers.reader(encoder, inputs.texts, MOST_WINDOWS, context.is_exported)
    until = started + SHARE_OF_READING * (context.deadline - started)
    vectors = read.read(inputs.texts, context.n_threads, until)
    head = learn_scores(joined(vectors, inputs), training, HEAD_STRENGTH, context)
    with threads(context.n_threads):
        return _Training(config, read, head, context).run(training, validation)


class _Training:
    """An encoder while it learns."""

    def __init__(self, config: Config, read: Reader, head: Linear, context: FitContext):
        import torch

        torch.manual_seed(context.seed)
        self.config, self.read, self.context = config, read, context
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.read(read.encoder).to(self.device)
        self.head = {
            "coefficients": torch.tensor(head.coefficients, dtype=torch.float32, device=self.device),
            "intercept": torch.tensor(head.intercept, dtype=torch.float32, device=self.device),
        }
        self.random = np.random.default_rng(context.seed)
        self.learnt: dict[str, Any] = {}
        self.look_seconds = self.answer_seconds = 0.0  # of a look at validation rows, and of answering for all of them
        self.best: tuple[float, float, dict[str, Any], dict[str, Any]] | None = None

    def run(self, training: Rows, validation: Rows | None) -> Model:
        """Learns until the epochs, the time or the patience end, and gives the best that was seen."""
        rows, judged = self._prepared(training), None if validation is None else self._prepared(validation)
        n_batches = -(-len(training.y) // self.config["batch_rows"])
        judged = self._look_first(judged)
        n_looked, n_done, n_seen = 0, 0, 0
        n_steps = round(self.config["epochs"] * n_batches)
        for n_done, is_last in self._steps(rows, n_steps, n_batches):
            if is_last or n_done % n_batches == 0:
                n_looked = 0 if self._look(judged, n_done / n_batches) else n_looked + 1
                n_seen = n_done
            if n_looked >= PATIENCE and n_done > n_steps / 2:  # while the rate is high, the loss may rise
                break
        if n_seen < n_done:
            self._look(judged, n_done / n_batches)
        return self._model()

    def _look_first(self, judged: "_Prepared | None") -> "_Prepared | None":
        """Looks before the first step, and gives the rows that later looks judge: in an order of chance as many as there is
        time for. What they take says what the last look and the answers for all of them will take."""
        if judged is None:
            self._look(None, 0.0)
            return None
        n_rows, started = len(judged.answers), time.monotonic()
        until = started + SHARE_OF_LOOK * (self.context.deadline - started)
        order, total, n_seen = self.random.permutation(n_rows), 0.0, 0
        while n_seen < n_rows and (n_seen == 0 or time.monotonic() < until):
            part = judged.take(order[n_seen : n_seen + ROWS_OF_LOOK])
            total += self._total_loss(part)
            n_seen += len(part.answers)
        a_row = (time.monotonic() - started) / n_seen
        self.look_seconds, self.answer_seconds = a_row * n_seen, a_row * n_rows
        self._keep(total / n_seen, 0.0)
        return judged if n_seen == n_rows else judged.take(np.sort(order[:n_seen]))

    def _steps(self, rows: "_Prepared", n_steps: int, n_batches: int) -> Iterator[tuple[int, bool]]:
        """One step after another: how many are done, and whether no more are planned."""
        self._learn_all()
        started, order = time.monotonic(), self._order(len(rows.answers))
        left = self.context.deadline - started
        end = started + min(SHARE_OF_STEPS * left, left - self.look_seconds - self.answer_seconds)
        n_planned = self._planned(rows, n_steps, n_batches, end) if n_steps and np.isfinite(end) else n_steps
        for step in range(n_steps):
            self._step(rows, next(order), self._rate(step, n_planned))
            is_last = step + 1 >= n_planned or time.monotonic() >= end
            yield step + 1, is_last
            if is_last:
                return

    def _planned(self, rows: "_Prepared", n_steps: int, n_batches: int, end: float) -> int:
        """How many steps there is time for, as a trial of one shows; where they are few, half the layers stay as they are.
        Raises LearningError where there is time for none."""
        seconds = self._tried_seconds(rows) + self.look_seconds / n_batches
        if (end - time.monotonic()) / seconds < min(FULL_EPOCHS * n_batches, n_steps):
            self._learn_upper_half()
            seconds = self._tried_seconds(rows) + self.look_seconds / n_batches
        affordable = int((end - time.monotonic()) / seconds)
        if affordable < 1:
            raise LearningError(
                f"no step of fine-tuning would have ended in time: one takes {seconds:.1f} s, and answering for the "
                f"validation rows then {self.answer_seconds:.1f} s; give the run more time or a smaller encoder"
            )
        return min(n_steps, affordable)

    def _tried_seconds(self, rows: "_Prepared") -> float:
        """What one step takes: of rows of chance, and without moving anything."""
        chosen = self.random.permutation(len(rows.answers))[: self.config["batch_rows"]]
        started = time.monotonic()
        self._slopes(rows, chosen)
        return time.monotonic() - started

    def _order(self, n_rows: int) -> Iterator[np.ndarray]:
        """Rows of one batch after another, each row once in an epoch."""
        while True:
            order = self.random.permutation(n_rows)
            for start in range(0, n_rows, self.config["batch_rows"]):
                yield order[start : start + self.config["batch_rows"]]

    def _rate(self, step: int, n_steps: int) -> float:
        """Rises over the warm-up, then falls as the schedule says."""
        n_rising = self.config.get("warmup", 0.0) * n_steps
        if step < n_rising:
            return float(self.config["learning_rate"] * (step + 1) / (n_rising + 1))
        done = (step - n_rising) / max(1.0, n_steps - n_rising)
        falling = {"linear": 1 - done, "cosine": 0.5 * (1 + np.cos(np.pi * done)), "constant": 1.0}
        return float(self.config["learning_rate"] * falling[self.config["schedule"]])

    # Which tensors are learnt

    def _learn_all(self) -> None:
        """All but the embeddings of words, which are most of the weights and change least; on a GPU these too."""
        is_fast = self.device.type == "cuda"
        self._learn({name for name, _ in self.network.named_parameters() if is_fast or "word_embeddings" not in name})

    def _learn_upper_half(self) -> None:
        names = [name for name, _ in self.network.named_parameters()]
        layers = sorted({found for name in names if (found := _layer(name)) is not None})
        upper = {layer for layer in layers if layer >= len(layers) / 2}
        self._learn({name for name in names if _layer(name) in upper} or set(names))

    def _learn(self, names: set[str]) -> None:
        self.learnt = {name: tensor for name, tensor in self.network.named_parameters() if name in names}
        for name, tensor in self.network.named_parameters():
            tensor.requires_grad_(name in names)
        decay = self.config.get("weight_decay", 0.0)
        self.optimizers = (
            AdamW(self.learnt, {name: decay if tensor.ndim > 1 else 0.0 for name, tensor in self.learnt.items()}),
            AdamW(self.head, dict.fromkeys(self.head, 0.0)),
        )

    # One step

    def _step(self, rows: "_Prepared", chosen: np.ndarray, rate: float) -> None:
        import torch

        slopes = self._slopes(rows, chosen)
        with torch.no_grad():
            self.optimizers[0].step(slopes[: len(self.learnt)], rate)
            self.optimizers[1].step(slopes[len(self.learnt) :], rate)

    def _slopes(self, rows: "_Prepared", chosen: np.ndarray) -> list[Any]:
        """Of the mean loss of a batch, by what is learnt of the network and then by the scores."""
        import torch

        tensors = [*self.learnt.values(), *self.head.values()]
        for tensor in self.head.values():
            tensor.requires_grad_(True)
        self.network.train()
        total = [torch.zeros_like(tensor) for tensor in tensors]
        for part in np.array_split(chosen, min(len(chosen), self.config.get("accumulation", 1))):
            loss = self._loss(self._raw(rows, part), rows, part).mean() * (len(part) / len(chosen))
            slopes = torch.autograd.grad(loss, tensors, allow_unused=True)
            total = [one if slope is None else one.add_(slope) for one, slope in zip(total, slopes, strict=True)]
        return total

    def _raw(self, rows: "_Prepared", chosen: np.ndarray) -> Any:
        """Raw scores of rows, [n, n_scores]: linear in the mean over their windows."""
        import torch

        vectors = torch.zeros(
            (len(chosen), self.head["coefficients"].shape[0] - rows.others.shape[1]), device=self.device
        )
        windows = [rows.windows[row] for row in chosen]
        for tokens, mask, text in batches(windows, self.read.windows.marks.filling, TRAINING_TOKENS):
            on_device = [torch.from_numpy(one).to(self.device) for one in (tokens, mask)]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                states = self.network(input_ids=on_device[0], attention_mask=on_device[1]).last_hidden_state
            weight = torch.tensor([1 / len(windows[one][0]) for one in text], dtype=torch.float32, device=self.device)
            made = network.pooled(states.float(), on_device[1]) * weight[:, None]
            vectors = vectors.index_add(0, torch.from_numpy(text).to(self.device), made)
        others = torch.from_numpy(rows.others[chosen]).to(self.device)
        return torch.cat([vectors, others], 1) @ self.head["coefficients"] + self.head["intercept"]

    def _loss(self, raw: Any, rows: "_Prepared", chosen: np.ndarray) -> Any:
        """Of each row, [n]."""
        import torch
        from torch.nn import functional

        answers = torch.from_numpy(rows.answers[chosen]).to(self.device)
        if rows.is_exclusive:
            each = -(functional.log_softmax(raw, 1) * answers).sum(1)
        else:
            each = functional.binary_cross_entropy_with_logits(raw, answers, reduction="none").sum(1)
        return each * torch.from_numpy(rows.weight[chosen]).to(self.device)

    # The best that was seen

    def _look(self, judged: "_Prepared | None", epochs: float) -> bool:
        """Keeps what there is now when no loss on validation rows was lower; without such rows the last is kept."""
        loss = float("inf") if judged is None else self._total_loss(judged) / len(judged.answers)
        is_better = self.best is None or judged is None or loss < self.best[0]
        if is_better:
            self._keep(loss, epochs)
        return is_better

    def _keep(self, loss: float, epochs: float) -> None:
        network, head = (
            {name: tensor.detach().clone() for name, tensor in tensors.items()} for tensors in (self.learnt, self.head)
        )
        self.best = loss, epochs, network, head

    def _total_loss(self, judged: "_Prepared") -> float:
        import torch

        self.network.eval()
        parts = np.array_split(np.arange(len(judged.answers)), -(-len(judged.answers) // ROWS_OF_LOOK))
        with torch.inference_mode():
            return sum(float(self._loss(self._raw(judged, part), judged, part).sum()) for part in parts)

    def _model(self) -> Model:
        """The best that was seen; the network answers for it in this process from now on."""
        assert self.best is not None
        _, epochs, tensors, head = self.best
        learnt = {name: tensor.cpu().numpy().astype(np.float16) for name, tensor in tensors.items()}
        linear = Linear(head["coefficients"].cpu().numpy(), head["intercept"].cpu().numpy())
        model = Model(self.read, learnt, linear, epochs, _digest(linear, learnt))
        if learnt:
            _put(self.network, learnt)
            _answer_by(model, network.Answering(self.network), MOST_THREADS)
        return model

    def _prepared(self, rows: Rows) -> "_Prepared":
        answers, is_exclusive = score_targets(rows, self.context)
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight / rows.weight.mean()
        return _Prepared(
            self.read.tokens(rows.x.texts.tolist()),
            np.asarray(rows.x.others, np.float32),
            answers.astype(np.float32),
            weight.astype(np.float32),
            is_exclusive,
        )


@dataclass(frozen=True)
class _Prepared:
    """Rows as the network takes them."""

    windows: list[tuple[np.ndarray, np.ndarray]]
    others: np.ndarray  # float32 [n_rows, n_others]
    answers: np.ndarray  # float32 [n_rows, n_scores]
    weight: np.ndarray  # float32 [n_rows]
    is_exclusive: bool

    def take(self, rows: np.ndarray) -> "_Prepared":
        """Some of them, by number."""
        windows = [self.windows[row] for row in rows]
        return _Prepared(windows, self.others[rows], self.answers[rows], self.weight[rows], self.is_exclusive)


def _digest(linear: Linear, tensors: dict[str, np.ndarray]) -> str:
    """Of all that was learnt."""
    digest = hashlib.sha256(linear.coefficients.tobytes())
    for name, values in sorted(tensors.items()):
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()


def _layer(name: str) -> int | None:
    """The number of the layer that a tensor belongs to.

    >>> _layer("encoder.layer.3.output.dense.weight"), _layer("embeddings.LayerNorm.bias")
    (3, None)
    """
    return next((int(part) for part in name.split(".") if part.isdigit()), None)


def _changed(model: Model) -> Any:
    """The network as it became."""
    made = network.read(model.reader.encoder)
    _put(made, model.tensors)
    return made.eval()


def _put(changing: Any, tensors: dict[str, np.ndarray]) -> None:
    """Gives a network what was learnt."""
    import torch

    changing.load_state_dict(
        {name: torch.from_numpy(values.astype(np.float32)) for name, values in tensors.items()}, strict=False
    )


def _answer_by(model: Model, answering: Any, n_threads: int) -> None:
    """Kept for the model that was asked last: each takes as much memory as the encoder."""
    _ANSWERING.clear()
    _ANSWERING[model.key] = answering, n_threads


def _answering(model: Model, n_threads: int) -> Any:
    """What gives vectors of windows: the very network that learnt, where it did in this process, else one of its own on a
    GPU, or an ONNX session where there is none. That of a row alone is opened anew when many are asked about."""
    answering, n_able = _ANSWERING.get(model.key, (None, 0))
    if n_able < n_threads:
        changed = _changed(model)
        if on_gpu := network.on_gpu(changed):
            answering, n_able = on_gpu, MOST_THREADS
        else:
            answering, n_able = open_session(network.exported(changed).SerializeToString(), n_threads), n_threads
        _answer_by(model, answering, n_able)
    return answering


def _predict(model: Model, x: TextInputs) -> np.ndarray:
    return linear_scores(model.linear, joined(_vectors(model, x.texts), x))


def _vectors(model: Model, texts: Any) -> np.ndarray:
    """Float32 [n_texts, n_dims]."""
    n_threads = threads_for(len(texts))
    if not model.tensors:  # no step was better than the encoder as it is, whose vectors may have been read
        return model.reader.read(texts, n_threads)
    windows = model.reader.tokens(texts.tolist())
    with threads(n_threads):
        return readers.window_means(_answering(model, n_threads), windows, model.reader.windows.marks.filling)


def _to_onnx(models: Sequence[Model], graph: Graph, x: TextTensors) -> str:
    raws = []
    for model in models:
        vectors = _add_vectors(model, graph, x.texts)
        raws.append(add_linear([model.linear], graph, graph.node("Concat", vectors, x.others, axis=1)))
    return raws[0] if len(raws) == 1 else graph.node("Mean", *raws)


def _add_vectors(model: Model, graph: Graph, texts: str) -> str:
    if not model.tensors:
        return model.reader.add(graph, texts)
    return readers.add_vectors(graph, texts, model.reader, network.exported(_changed(model)))


PART = Algorithm(
    name="fine_tuned_encoder",
    title="Fine-tuned encoder",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="texts",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Devlin et al. 2019; begun with linear scores: Kumar et al. 2022.",
    kinds=frozenset({"huggingface", "pytorch"}),
    is_refitted=True,
    with_rounds_of=lambda config, model: config | {"epochs": model.epochs},
    time_share=3.0,
    requires="transformers",
    preload=("torch", "transformers"),
    lacks=lacks_weights,
)
