"""How networks descend with torch: the optimiser, its rate over time and the threads. Not here: networks, losses, batches."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

MAX_NORM = 1.0  # of all gradients together
FIRST_STEPS = 10  # that say nothing of how fast the others are
WARM_UP = 0.05  # of the schedule
SETTINGS: dict[str, Any] = {
    **{"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0},  # not every tensor decays: see `AdamW.step`
    **{"fused": True, "amsgrad": False, "maximize": False},
}


class AdamW:
    """Loshchilov and Hutter 2019, on clipped gradients; `decay` of each tensor by name.

    torch's own, but as a function: its class loads the whole compiler, two seconds in every process that fits.
    """

    def __init__(self, weights: Mapping[str, Any], decay: Mapping[str, float]):
        import torch

        self.tensors = list(weights.values())
        self.decay = [decay[name] for name in weights]
        self.means = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.squares = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.counts = [torch.zeros((), device=tensor.device) for tensor in self.tensors]  # of steps

    @property
    def n_steps(self) -> int:
        return int(self.counts[0])

    def step(self, gradients: Sequence[Any], rate: float) -> None:
        """Moves the weights. The gradients may be overwritten."""
        from torch.nn.utils import get_total_norm
        from torch.optim.adamw import adamw

        for tensor, decay in zip(self.tensors, self.decay, strict=True):
            if decay:
                tensor.mul_(1 - rate * decay)
        adamw(
            *(self.tensors, list(gradients), self.means, self.squares, [], self.counts),
            **SETTINGS,
            lr=rate,
            grad_scale=(get_total_norm(gradients) / MAX_NORM).clamp(min=1.0),
        )


class Schedule:
    """Warm-up, then a cosine to zero over the planned steps. The plan is cut, never stretched, where time would be up
    before: while there is time enough the clock has no say, and the same rows give the same network."""

    def __init__(self, n_steps: int, deadline: float):
        self.n_steps, self.deadline = n_steps, deadline
        self.n_done, self.first_done = 0, math.nan

    def next_rate(self) -> float:
        """Of the step about to be made, as a share of the learning rate."""
        progress = self.n_done / self.n_steps
        self.n_done += 1
        if self.n_done == FIRST_STEPS:
            self.first_done = time.monotonic()
        elif self.n_done > FIRST_STEPS:
            self._fit_plan()
        return min(1.0, (progress + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * progress))

    def _fit_plan(self) -> None:
        now = time.monotonic()
        seconds = (now - self.first_done) / (self.n_done - FIRST_STEPS)  # a step
        if now + (self.n_steps - self.n_done) * seconds > self.deadline:
            self.n_steps = self.n_done + max(0, int((self.deadline - now) / seconds))

    def is_over(self) -> bool:
        return self.n_done >= self.n_steps or time.monotonic() >= self.deadline


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Runs torch on so many threads. Sums over another number of them differ in their last digit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
