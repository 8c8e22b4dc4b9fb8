"""What networks are made of, in torch and in ONNX: a network is described once, over either.

Weights are made when a layer is first met. While a network learns, what a layer gives is normalised by the batch; afterwards
that is part of the kernels. Not here: networks (`network`).
"""

import math
from typing import Any, Protocol

import numpy as np

from automl_assets.onnx.graph import Graph

MOMENTUM = 0.05  # of the statistics by which a finished network normalises
SMALLEST = 1e-5  # variance
Weights = dict[str, Any]  # name -> torch tensor while learning, numpy array afterwards


class Layers(Protocol):
    """Tensors are [n_images, n_channels, height, width]."""

    def scaled(self, x: Any, times: float, plus: float) -> Any:
        """x * times + plus"""
        ...

    def convolved(self, name: str, x: Any, n_channels: int, size: int = 3, stride: int = 1) -> Any:
        """A convolution of size x size, normalised."""
        ...

    def scores(self, name: str, x: Any, n_channels: int, begin: float) -> Any:
        """A convolution of 3 x 3 whose channels begin with the same value."""
        ...

    def rectified(self, x: Any) -> Any:
        """What is above zero."""
        ...

    def added(self, x: Any, other: Any) -> Any: ...

    def doubled(self, x: Any) -> Any:
        """Twice as high and wide."""
        ...


class TorchLayers:
    """Layers that compute at once. `weights` are learnt by gradients, `statistics` are not."""

    def __init__(self, generator: Any):
        self.generator = generator
        self.weights: Weights = {}
        self.statistics: Weights = {}

    def scaled(self, x: Any, times: float, plus: float) -> Any:
        return x * times + plus

    def convolved(self, name: str, x: Any, n_channels: int, size: int = 3, stride: int = 1) -> Any:
        import torch
        from torch.nn import functional

        if f"{name}.kernel" not in self.weights:
            self.weights[f"{name}.kernel"] = self._drawn(x.shape[1], n_channels, size, math.sqrt(2.0))
            self.weights |= {f"{name}.gain": torch.ones(n_channels), f"{name}.bias": torch.zeros(n_channels)}
            self.statistics |= {f"{name}.mean": torch.zeros(n_channels), f"{name}.variance": torch.ones(n_channels)}
        kernel, gain, bias = (self.weights[f"{name}.{part}"] for part in ("kernel", "gain", "bias"))
        made = functional.conv2d(x, kernel, None, stride, size // 2)
        mean, variance = (self.statistics[f"{name}.{part}"] for part in ("mean", "variance"))
        return functional.batch_norm(made, mean, variance, gain, bias, True, MOMENTUM, SMALLEST)

    def scores(self, name: str, x: Any, n_channels: int, begin: float) -> Any:
        import torch
        from torch.nn import functional

        if f"{name}.kernel" not in self.weights:
            self.weights[f"{name}.kernel"] = self._drawn(x.shape[1], n_channels, 3, 0.1)
            self.weights[f"{name}.bias"] = torch.full((n_channels,), begin)
        return functional.conv2d(x, self.weights[f"{name}.kernel"], self.weights[f"{name}.bias"], 1, 1)

    def rectified(self, x: Any) -> Any:
        return x.relu()

    def added(self, x: Any, other: Any) -> Any:
        return x + other

    def doubled(self, x: Any) -> Any:
        from torch.nn import functional

        return functional.interpolate(x, scale_factor=2.0, mode="nearest")

    def _drawn(self, n_from: int, n_to: int, size: int, gain: float) -> Any:
        import torch

        deviation = gain / math.sqrt(n_from * size * size)
        drawn = torch.randn((n_to, n_from, size, size), generator=self.generator) * deviation
        return drawn.contiguous(memory_format=torch.channels_last)

    def folded(self) -> dict[str, np.ndarray]:
        """Kernels and biases, float32, in which the normalisation is contained."""
        found: dict[str, np.ndarray] = {}
        for name in (key.removesuffix(".kernel") for key in self.weights if key.endswith(".kernel")):
            kernel, bias = (self.weights[f"{name}.{part}"].detach().numpy() for part in ("kernel", "bias"))
            if f"{name}.gain" in self.weights:
                mean, variance = (self.statistics[f"{name}.{part}"].numpy() for part in ("mean", "variance"))
                times = self.weights[f"{name}.gain"].detach().numpy() / np.sqrt(variance + SMALLEST)
                kernel, bias = kernel * times[:, None, None, None], bias - mean * times
            found |= {f"{name}.kernel": np.ascontiguousarray(kernel), f"{name}.bias": bias.copy()}
        return found


class GraphLayers:
    """Layers of a finished network as ONNX nodes."""

    def __init__(self, graph: Graph, weights: dict[str, np.ndarray]):
        self.graph, self.weights = graph, weights

    def scaled(self, x: str, times: float, plus: float) -> str:
        multiplied = self.graph.node("Mul", x, self.graph.constant(np.float32(times)))
        return str(self.graph.node("Add", multiplied, self.graph.constant(np.float32(plus))))

    def convolved(self, name: str, x: str, n_channels: int, size: int = 3, stride: int = 1) -> str:
        kernel, bias = (self.graph.constant(self.weights[f"{name}.{part}"]) for part in ("kernel", "bias"))
        return str(self.graph.node("Conv", x, kernel, bias, pads=[size // 2] * 4, strides=[stride] * 2))

    def scores(self, name: str, x: str, n_channels: int, begin: float) -> str:
        return self.convolved(name, x, n_channels)

    def rectified(self, x: str) -> str:
        return str(self.graph.node("Relu", x))

    def added(self, x: str, other: str) -> str:
        return str(self.graph.node("Add", x, other))

    def doubled(self, x: str) -> str:
        scales = self.graph.constant(np.array([1, 1, 2, 2], np.float32))
        ways: dict[str, Any] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return str(self.graph.node("Resize", x, "", scales, **ways))
