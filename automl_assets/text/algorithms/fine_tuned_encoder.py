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
from automl_assets.encoders.windows import batches
from automl_assets.errors import LearningError
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.torch_training import AdamW, threads
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.models.odds_fit import score_targets
from automl_assets.text.models.vector_scores import joined, learn_scores
from automl_assets.text.records import TextInputs, TextTensors

SCHEDULES = ("linear", "cosine", "constant")
MOST_WINDOWS = 2  # of a text: each costs as much as a text
HEAD_STRENGTH = 0.3  # C of the scores that it begins with
SHARE_OF_READING = 0.4  # of the time at most, for the vectors that it begins with
SHARE_OF_STEPS = 0.85  # of what is left then; the rest is for what comes after the last step
FULL_EPOCHS = 1.0  # as many must fit into the time, else the lower half of the layers stays as it is
PATIENCE = 3  # looks without a better loss

_SESSIONS: dict[str, Any] = {}  # of a model, by its key


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
        self.best: tuple[float, float, dict[str, Any], dict[str, Any]] | None = None

    def run(self, training: Rows, validation: Rows | None) -> Model:
        """Learns until the epochs, the time or the patience end, and gives the best that was seen."""
        rows, judged = self._prepared(training), None if validation is None else self._prepared(validation)
        n_batches = -(-len(training.y) // self.config["batch_rows"])
        self._look(judged, 0.0)
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

    def _steps(self, rows: "_Prepared", n_steps: int, n_batches: int) -> Iterator[tuple[int, bool]]:
        """One step after another: how many are done, and whether no more are planned. What the first takes shows how many
        there is time for."""
        self._learn_all()
        started, order = time.monotonic(), self._order(len(rows.answers))
        end = started + SHARE_OF_STEPS * (self.context.deadline - started)
        n_planned = n_steps
        for step in range(n_steps):
            self._step(rows, next(order), self._rate(step, n_planned))
            if step == 0 and np.isfinite(end):
                n_planned = self._planned(n_steps, n_batches, time.monotonic() - started, end)
            is_last = step + 1 >= n_planned or time.monotonic() >= end
            yield step + 1, is_last
            if is_last:
                return

    def _planned(self, n_steps: int, n_batches: int, seconds: float, end: float) -> int:
        """How many steps there is time for; where they are few, half the layers stay as they are from now on."""
        affordable = max(1, int((end - time.monotonic()) / seconds))
        if affordable < FULL_EPOCHS * n_batches and affordable < n_steps:
            self._learn_upper_half()
            affordable = int(1.5 * affordable)
        return min(n_steps, 1 + affordable)

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

        tensors = [*self.learnt.values(), *self.head.values()]
        for tensor in self.head.values():
            tensor.requires_grad_(True)
        self.network.train()
        total: Any = None
        for part in np.array_split(chosen, min(len(chosen), self.config.get("accumulation", 1))):
            loss = self._loss(self._raw(rows, part), rows, part) * (len(part) / len(chosen))
            slopes = torch.autograd.grad(loss, tensors, allow_unused=True)
            found = [
                torch.zeros_like(one) if slope is None else slope for one, slope in zip(tensors, slopes, strict=True)
            ]
            total = found if total is None else [one + other for one, other in zip(total, found, strict=True)]
        with torch.no_grad():
            self.optimizers[0].step(total[: len(self.learnt)], rate)
            self.optimizers[1].step(total[len(self.learnt) :], rate)

    def _raw(self, rows: "_Prepared", chosen: np.ndarray) -> Any:
        """Raw scores of rows, [n, n_scores]: linear in the mean over their windows."""
        import torch

        vectors = torch.zeros(
            (len(chosen), self.head["coefficients"].shape[0] - rows.others.shape[1]), device=self.device
        )
        windows = [rows.windows[row] for row in chosen]
        for tokens, mask, text in batches(windows, self.read.windows.marks.filling):
            on_device = [torch.from_numpy(one).to(self.device) for one in (tokens, mask)]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                states = self.network(input_ids=on_device[0], attention_mask=on_device[1]).last_hidden_state
            weight = torch.tensor([1 / len(windows[one][0]) for one in text], dtype=torch.float32, device=self.device)
            made = network.pooled(states.float(), on_device[1]) * weight[:, None]
            vectors = vectors.index_add(0, torch.from_numpy(text).to(self.device), made)
        others = torch.from_numpy(rows.others[chosen]).to(self.device)
        return torch.cat([vectors, others], 1) @ self.head["coefficients"] + self.head["intercept"]

    def _loss(self, raw: Any, rows: "_Prepared", chosen: np.ndarray) -> Any:
        import torch
        from torch.nn import functional

        answers = torch.from_numpy(rows.answers[chosen]).to(self.device)
        if rows.is_exclusive:
            each = -(functional.log_softmax(raw, 1) * answers).sum(1)
        else:
            each = functional.binary_cross_entropy_with_logits(raw, answers, reduction="none").sum(1)
        return (each * torch.from_numpy(rows.weight[chosen]).to(self.device)).mean()

    # The best that was seen

    def _look(self, judged: "_Prepared | None", epochs: float) -> bool:
        """Keeps what there is now when no loss on validation rows was lower; without such rows the last is kept."""
        loss = float("inf") if judged is None else self._mean_loss(judged)
        is_better = self.best is None or judged is None or loss < self.best[0]
        if is_better:
            kept = {name: tensor.detach().clone() for name, tensor in getattr(self, "learnt", {}).items()}
            before = self.best[2] if self.best else {}
            self.best = (loss, epochs, before | kept, {name: one.detach().clone() for name, one in self.head.items()})
        return is_better

    def _mean_loss(self, judged: "_Prepared") -> float:
        import torch

        self.network.eval()
        parts = np.array_split(np.arange(len(judged.answers)), -(-len(judged.answers) // 64))
        with torch.inference_mode():
            losses = [float(self._loss(self._raw(judged, part), judged, part)) * len(part) for part in parts]
        return sum(losses) / len(judged.answers)

    def _model(self) -> Model:
        if self.best is None:
            raise LearningError("no step of fine-tuning ended in time")
        _, epochs, tensors, head = self.best
        learnt = {name: tensor.cpu().numpy().astype(np.float16) for name, tensor in tensors.items()}
        linear = Linear(head["coefficients"].cpu().numpy(), head["intercept"].cpu().numpy())
        return Model(self.read, learnt, linear, epochs, _digest(linear, learnt))

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


def _exported(model: Model) -> Any:
    """The network as it became, as an onnx.ModelProto."""
    import torch

    changed = network.read(model.reader.encoder)
    learnt = {name: torch.from_numpy(values.astype(np.float32)) for name, values in model.tensors.items()}
    changed.load_state_dict(learnt, strict=False)
    return network.exported(changed.eval())


def _session(model: Model) -> Any:
    """Kept for the model that was asked last: each takes as much memory as the encoder."""
    if model.key not in _SESSIONS:
        _SESSIONS.clear()
        _SESSIONS[model.key] = open_session(_exported(model).SerializeToString())
    return _SESSIONS[model.key]


def _predict(model: Model, x: TextInputs) -> np.ndarray:
    assert x.texts is not None
    windows = model.reader.tokens(x.texts.tolist())
    vectors = readers.window_means(_session(model), windows, model.reader.windows.marks.filling)
    return linear_scores(model.linear, joined(vectors, x))


def _to_onnx(models: Sequence[Model], graph: Graph, x: TextTensors) -> str:
    raws = []
    for model in models:
        vectors = readers.add_vectors(graph, x.texts, model.reader, _exported(model))
        raws.append(add_linear([model.linear], graph, graph.node("Concat", vectors, x.others, axis=1)))
    return raws[0] if len(raws) == 1 else graph.node("Mean", *raws)


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
    lacks=lacks_weights,
)
