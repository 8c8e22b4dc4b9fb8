"""How networks descend with torch: the optimiser and the threads. Not here: networks, losses, batches."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

BETAS, MAX_NORM = (0.9, 0.99), 1.0  # of AdamW, and of the gradient it is given


class AdamW:
    """Loshchilov and Hutter 2019, on clipped gradients; `decay` of each tensor by name.

    Not torch's own, which loads the whole compiler: 1.3 s in every process that fits.
    """

    def __init__(self, weights: Mapping[str, Any], decay: Mapping[str, float]):
        import torch

        self.tensors = list(weights.values())
        self.decay = [decay[name] for name in weights]
        self.means = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.squares = [torch.zeros_like(tensor) for tensor in self.tensors]
        self.n_steps = 0

    def step(self, gradients: Sequence[Any], rate: float) -> None:
        self.n_steps += 1
        norm = math.sqrt(sum(float((gradient * gradient).sum()) for gradient in gradients))
        shrink = min(1.0, MAX_NORM / max(norm, 1e-12))
        unbiased = [1 - beta**self.n_steps for beta in BETAS]
        for tensor, gradient, mean, square, decay in zip(
            self.tensors, gradients, self.means, self.squares, self.decay, strict=True
        ):
            clipped = gradient * shrink
            mean.lerp_(clipped, 1 - BETAS[0])
            square.lerp_(clipped * clipped, 1 - BETAS[1])
            tensor.mul_(1 - rate * decay)
            tensor.addcdiv_(mean, (square / unbiased[1]).sqrt_().add_(1e-8), value=-rate / unbiased[0])


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
