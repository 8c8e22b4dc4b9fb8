"""A pretrained network whose upper layers go on learning with the classes. It begins with the scores that are linear in its
vectors, so that few steps suffice; lower layers, which see edges and textures, stay as they are."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.backbones import network
from automl_assets.backbones.network import preparation_of
from automl_assets.backbones.reference import Reference, lacks_weights
from automl_assets.backbones.vectors import add_prepared
from automl_assets.data.image_cells import pixels_at
from automl_assets.errors import LearningError, SettingError
from automl_assets.learning.linear_scores import Linear, add_linear
from automl_assets.learning.odds_fit import score_targets
from automl_assets.learning.standardised_odds import TINY, learn_scores
from automl_assets.learning.torch_training import AdamW, Schedule, threads
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.pixels import add_square
from automl_assets.onnx.session import open_session
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.vision.models.augmented import Augmentation

HEAD_STRENGTH = 0.003  # C of the scores that it begins with
SMOOTHING = 0.05  # of answers that exclude one another (Szegedy et al. 2016)
BATCH_READ = 32  # images that are read together
SHARE_OF_STEPS = 0.8  # of the time that is left after reading; the rest is for what comes after the last step
FEWEST_EPOCHS = 1.0

_SESSIONS: dict[str, Any] = {}  # what answers for the model that was asked last, by its key


@stored_as("vision.FineTunedBackbone")
@dataclass(frozen=True)
class Model:
    """What became of the network, and the scores of its vectors."""

    backbone: Reference
    side: int  # pixels of the square that it sees
    tensors: dict[str, np.ndarray]  # those that were learnt, by their name in the network: float16
    linear: Linear
    epochs: float  # that there was time for
    key: str  # tells it from others in a process


def _portfolio(problem: Problem) -> Sequence[Config]:
    default = {"learning_rate": 3e-4, "epochs": 6.0, "side": 128, "frozen": 0.3, "is_turned": False}
    return [default, default | {"is_turned": True}, default | {"side": 192, "epochs": 8.0}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 5e-5, 1e-3, log=True),
        "epochs": trial.suggest_float("epochs", 3.0, 12.0),
        "side": trial.suggest_categorical("side", (96, 128, 160, 192, 224)),
        "frozen": trial.suggest_categorical("frozen", (0.3, 0.5, 0.7)),
        "is_turned": trial.suggest_categorical("is_turned", (False, True)),
        "batch_rows": trial.suggest_categorical("batch_rows", (16, 32)),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.1, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Model:
    if not context.backbones:
        raise SettingError("skipped: no pretrained network reads the images of these features")
    backbone = context.backbones[0]
    wanted = preparation_of(backbone)
    side = config["side"] if backbone.kind == "known" else wanted.side  # others count on their own
    pixels = _squares(training.x, side)
    with threads(context.n_threads):
        return _Training(config, backbone, side, context).run(pixels, training)


class _Training:
    """A network while it learns."""

    def __init__(self, config: Config, backbone: Reference, side: int, context: FitContext):
        import torch

        torch.manual_seed(context.seed)
        self.config, self.backbone, self.side, self.context = config, backbone, side, context
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.read(backbone).to(self.device)  # and stays in the mode of answering: so does its norm
        wanted = preparation_of(backbone)
        self.shift, self.scale = (self._tensor(np.array(one)[:, None, None]) for one in (wanted.mean, wanted.deviation))
        self.random = np.random.default_rng(context.seed)
        self.augmented = Augmentation(config["is_turned"], self.random)
        self.learnt = self._upper(config["frozen"])

    def run(self, pixels: np.ndarray, rows: Rows) -> Model:
        """Learns for as many epochs as are asked for, or as there is time for. Raises LearningError where that is none."""
        import torch

        targets, is_exclusive = score_targets(rows, self.context)
        weight = np.ones(len(targets)) if rows.weight is None else rows.weight / rows.weight.mean()
        self.targets, self.weight = self._tensor(targets), self._tensor(weight)
        self.is_exclusive, self.pixels = is_exclusive, pixels
        self._begin(self._vectors(), rows)
        n_rows, batch = len(pixels), self.config.get("batch_rows", 32)
        n_batches, now = max(1, n_rows // batch), time.monotonic()
        n_steps = round(self.config["epochs"] * n_batches)
        schedule = Schedule(n_steps, now + SHARE_OF_STEPS * (self.context.deadline - now))
        decay = self.config.get("weight_decay", 0.02)
        weights = {**self.learnt, "head": self.coefficients, "intercept": self.intercept}
        optimizer = AdamW(weights, {name: decay if tensor.ndim > 1 else 0.0 for name, tensor in weights.items()})
        order = np.empty(0, np.int64)
        while not schedule.is_over():
            order = self.random.permutation(n_rows) if len(order) < min(batch, n_rows) else order
            chosen, order = order[:batch], order[batch:]
            slopes = self._slopes(chosen, [*weights.values()])
            with torch.no_grad():
                optimizer.step(slopes, self.config["learning_rate"] * schedule.next_rate())
        if schedule.n_done < min(n_steps, FEWEST_EPOCHS * n_batches):
            raise LearningError(
                f"there was time for {schedule.n_done} steps of fine-tuning, and one look at every image takes {n_batches}; "
                "give the run more time or fewer images"
            )
        return self._model(schedule.n_done * batch / n_rows)

    def _upper(self, share: float) -> dict[str, Any]:
        """The tensors that learn: all but the first share of them, in the order of the layers."""
        named = [*self.network.named_parameters()]
        for number, (_, tensor) in enumerate(named):
            tensor.requires_grad_(number >= share * len(named))
        return {name: tensor for name, tensor in named if tensor.requires_grad}

    def _begin(self, vectors: np.ndarray, rows: Rows) -> None:
        """The scores that are linear in the vectors as they are, on standardised columns."""
        head = learn_scores(vectors.astype(np.float64), rows, HEAD_STRENGTH, self.context)
        self.centre = self._tensor(vectors.mean(axis=0))
        self.spread = self._tensor(np.maximum(vectors.std(axis=0), TINY))
        spread = self.spread.cpu().numpy()
        self.coefficients = self._tensor(head.coefficients * spread[:, None]).requires_grad_()
        intercept = head.intercept + self.centre.cpu().numpy() @ head.coefficients
        self.intercept = self._tensor(intercept).requires_grad_()

    def _slopes(self, chosen: np.ndarray, tensors: list[Any]) -> list[Any]:
        """Of the mean loss of a batch, by what is learnt."""
        import torch

        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            vectors = self.network(self.augmented(self._planes(chosen)))
        raw = (vectors.float() - self.centre) / self.spread @ self.coefficients + self.intercept
        slopes = torch.autograd.grad(self._loss(raw, chosen), tensors, allow_unused=True)
        return [torch.zeros_like(one) if slope is None else slope for one, slope in zip(tensors, slopes, strict=True)]

    def _loss(self, raw: Any, chosen: np.ndarray) -> Any:
        from torch.nn import functional

        targets = self.targets[chosen]
        if self.is_exclusive:
            smooth = targets * (1 - SMOOTHING) + SMOOTHING / targets.shape[1]
            each = -(functional.log_softmax(raw, 1) * smooth).sum(1)
        else:
            each = functional.binary_cross_entropy_with_logits(raw, targets, reduction="none").sum(1)
        return (each * self.weight[chosen]).mean()

    def _vectors(self) -> np.ndarray:
        """Of all images as they are, float32 [n_images, n_dims]."""
        import torch

        parts = np.array_split(np.arange(len(self.pixels)), -(-len(self.pixels) // BATCH_READ))
        with torch.inference_mode():
            return np.concatenate([self.network(self._planes(part)).cpu().numpy() for part in parts])

    def _planes(self, chosen: np.ndarray) -> Any:
        return (self._tensor(self.pixels[chosen]) / 255 - self.shift) / self.scale

    def _tensor(self, values: np.ndarray) -> Any:
        import torch

        return torch.tensor(np.asarray(values, np.float32), device=self.device)

    def _model(self, epochs: float) -> Model:
        learnt = {name: one.detach().cpu().numpy().astype(np.float16) for name, one in self.learnt.items()}
        coefficients = (self.coefficients.detach() / self.spread[:, None]).double()
        intercept = self.intercept.detach().double() - self.centre.double() @ coefficients
        linear = Linear(coefficients.cpu().numpy(), intercept.cpu().numpy())
        return Model(self.backbone, self.side, learnt, linear, epochs, _digest(linear, learnt))


def _digest(linear: Linear, tensors: dict[str, np.ndarray]) -> str:
    """Of all that was learnt."""
    digest = hashlib.sha256(linear.coefficients.tobytes())
    for name, values in sorted(tensors.items()):
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()


def _squares(cells: Sequence[str], side: int) -> np.ndarray:
    """Images brought to one size by the very nodes that do so in ONNX, uint8 [n_images, 3, side, side]."""
    graph = Graph()
    image = graph.input("image", np.uint8, [None, None, None, 3])
    graph.output("planes", add_square(graph, image, side), np.float32, [None, 3, side, side])
    session = open_session(graph.build().SerializeToString())
    found = np.empty((len(cells), 3, side, side), np.uint8)
    for number, cell in enumerate(cells):
        (planes,) = session.run(None, {"image": pixels_at(cell)[None]})
        found[number] = np.clip(np.round(planes[0] * 255), 0, 255)
    return found


def _changed(model: Model) -> Any:
    """The network as it became, as an onnx.ModelProto."""
    import onnx
    import torch

    made = network.read(model.backbone)
    made.load_state_dict(
        {name: torch.from_numpy(values.astype(np.float32)) for name, values in model.tensors.items()}, strict=False
    )
    return onnx.load_from_string(network.exported(made, model.side))


def _predict(model: Model, x: Sequence[str]) -> np.ndarray:
    """Raw scores [n_rows, n_scores] of cells."""
    if model.key not in _SESSIONS:
        graph = Graph()
        image = graph.input("image", np.uint8, [None, None, None, 3])
        graph.output("scores", _to_onnx([model], graph, image), np.float32, [None, None])
        _SESSIONS.clear()
        _SESSIONS[model.key] = open_session(graph.build().SerializeToString())
    answers = [_SESSIONS[model.key].run(None, {"image": pixels_at(cell)[None]})[0] for cell in x]
    return np.concatenate([*answers, np.empty((0, len(model.linear.intercept)))])


def _to_onnx(models: Sequence[Model], graph: Graph, x: str) -> str:
    raws = []
    for model in models:
        wanted = network.Preparation(model.side, *_colours(model.backbone))
        (vectors,) = graph.include(_changed(model), {"planes": add_prepared(graph, x, wanted)})
        raws.append(add_linear([model.linear], graph, vectors))
    return raws[0] if len(raws) == 1 else graph.node("Mean", *raws)


def _colours(backbone: Reference) -> tuple[tuple[float, ...], tuple[float, ...]]:
    wanted = preparation_of(backbone)
    return wanted.mean, wanted.deviation


PART = Algorithm(
    name="fine_tuned_backbone",
    title="Fine-tuned backbone",
    tasks=frozenset({"image_classification", "image_classification_multilabel"}),
    view="images",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Yosinski et al. 2014; begun with linear scores: Kumar et al. 2022.",
    kinds=frozenset({"pytorch"}),
    is_refitted=True,
    with_rounds_of=lambda config, model: config | {"epochs": model.epochs},
    time_share=4.0,
    requires="torch",
    preload=("torch",),
    lacks=lacks_weights,
)
