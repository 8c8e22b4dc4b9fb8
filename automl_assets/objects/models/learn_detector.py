"""Learning a network that finds objects: squares by chance as they might have been, in batches, until the plan or the time is over."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.torch_training import AdamW, Schedule, threads
from automl_assets.objects.models.augment import View
from automl_assets.objects.models.layers import TorchLayers
from automl_assets.objects.models.network import head, trunk
from automl_assets.objects.models.pretrained_trunk import PretrainedTrunk
from automl_assets.objects.models.targets import grid, loss, targets_of
from automl_assets.parts import Config, FitContext, Rows

BATCH = 8  # images


@dataclass(frozen=True)
class Learnt:
    """A network as arrays, and how often it saw every image."""

    weights: dict[str, np.ndarray]
    epochs: float


def learn_detector(
    config: Config, training: Rows, context: FitContext, pretrained: PretrainedTrunk | None = None
) -> Learnt:
    """`training.x` are squares uint8 [n_images, side, side, 3], `training.y` packed objects. Ends before the deadline. A
    pretrained trunk goes on learning in its own tensors."""
    with threads(context.n_threads):
        learning = _Learning(config, training, context, pretrained)
        learning.run()
        return Learnt(learning.layers.folded(), learning.schedule.n_done * BATCH / len(training.y))


class _Learning:
    """One run of AdamW over batches."""

    def __init__(self, config: Config, rows: Rows, context: FitContext, pretrained: PretrainedTrunk | None):
        import torch

        self.config, self.rows, self.n_classes = config, rows, context.problem.n_classes
        self.pretrained = pretrained
        self.random = np.random.default_rng(context.seed)
        self.points = torch.from_numpy(grid(rows.x.shape[1]))
        self.layers = TorchLayers(torch.Generator().manual_seed(context.seed))
        n_steps = max(config["least_steps"], round(config["epochs"] * len(rows.y) / BATCH))
        self.schedule = Schedule(n_steps, context.deadline)
        self._answers(torch.zeros((1, 3, *rows.x.shape[1:3])))  # makes the weights
        for weights in self.layers.weights.values():
            weights.requires_grad_()
        decay = {name: config["weight_decay"] if name.endswith(".kernel") else 0.0 for name in self.layers.weights}
        self.optimizers = [(AdamW(self.layers.weights, decay), 1.0)]
        if pretrained:
            kept = dict.fromkeys(pretrained.learnt, 0.0)  # no decay: they are good as they are
            self.optimizers.append((AdamW(pretrained.learnt, kept), config["trunk_rate"]))

    def run(self) -> None:
        order = np.zeros(0, np.int64)
        while not self.schedule.is_over():
            if len(order) < BATCH:
                order = np.concatenate([order, self._drawn()])
            batch, order = order[:BATCH], order[BATCH:]
            self._step(batch)

    def _drawn(self) -> np.ndarray:
        """As many images as there are, by chance: each once, or as often as it weighs."""
        n_images, weight = len(self.rows.y), self.rows.weight
        if weight is None:
            return self.random.permutation(n_images)
        return self.random.choice(n_images, n_images, p=weight / weight.sum())

    def _step(self, batch: np.ndarray) -> None:
        import torch

        view = View.drawn(len(batch), self.config["is_mirrored_down"], self.random)
        targets = targets_of(view.objects(self.rows.y[batch]), self.rows.x.shape[1])
        made = loss(*self._answers(view.pixels(self.rows.x[batch])), targets, self.points)
        rate = self.config["learning_rate"] * self.schedule.next_rate()
        tensors = [optimizer.tensors for optimizer, _ in self.optimizers]
        slopes = iter(torch.autograd.grad(made, [one for some in tensors for one in some]))
        with torch.no_grad():
            for optimizer, share in self.optimizers:
                optimizer.step([next(slopes) for _ in optimizer.tensors], share * rate)

    def _answers(self, x: Any) -> tuple[Any, Any]:
        """Log-odds [n_images, n_points, n_classes] and sides [n_images, n_points, 4]."""
        features = self.pretrained.features(x) if self.pretrained else trunk(self.layers, x)
        odds, sides = head(self.layers, features, self.n_classes)
        flat = (one.flatten(2).permute(0, 2, 1) for one in (odds, sides))
        return next(flat), next(flat)
