"""How networks descend with torch: the optimiser and the threads. Not here: networks, losses, batches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

MAX_NORM = 1.0  # of all gradients together
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
