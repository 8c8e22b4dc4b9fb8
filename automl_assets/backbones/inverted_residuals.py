"""EfficientNet-Lite0 and MobileNetV2 as torch: the same inverted residual blocks (Sandler et al. 2018; Tan and Le 2019), in
other numbers and widths.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

Form = Literal["efficientnet_lite0", "mobilenet_v2"]
CLASSIFIERS = ("_fc", "classifier")  # of ImageNet's classes; they say nothing of others
STEM, HEAD = 32, 1280  # channels


@dataclass(frozen=True)
class Stage:
    """Blocks of the same width; the first makes the map smaller by the stride."""

    width: int
    n_blocks: int
    stride: int
    kernel: int
    expansion: int = 6


@dataclass(frozen=True)
class Kind:
    """What tells one network from the other."""

    stages: tuple[Stage, ...]
    epsilon: float  # of normalisation
    pads_after: bool  # with a stride it pads more at the right and below, as TensorFlow does


KINDS: dict[Form, Kind] = {
    "efficientnet_lite0": Kind(
        (
            Stage(16, 1, 1, 3, expansion=1),
            Stage(24, 2, 2, 3),
            Stage(40, 2, 2, 5),
            Stage(80, 3, 2, 3),
            Stage(112, 3, 1, 5),
            Stage(192, 4, 2, 5),
            Stage(320, 1, 1, 3),
        ),
        epsilon=1e-3,
        pads_after=True,
    ),
    "mobilenet_v2": Kind(
        (
            Stage(16, 1, 1, 3, expansion=1),
            Stage(24, 2, 2, 3),
            Stage(32, 3, 2, 3),
            Stage(64, 4, 2, 3),
            Stage(96, 3, 1, 3),
            Stage(160, 3, 2, 3),
            Stage(320, 1, 1, 3),
        ),
        epsilon=1e-5,
        pads_after=False,
    ),
}


def read(form: Form, file: Path) -> "InvertedResiduals":
    """The network with the weights of a file, whose tensors come in the order of its layers."""
    network = InvertedResiduals(KINDS[form])
    stored = torch.load(file, map_location="cpu", weights_only=True)
    tensors = [tensor for name, tensor in stored.items() if not name.startswith(CLASSIFIERS)]
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    return network.eval()


class InvertedResiduals(nn.Module):
    """Planes [n, 3, height, width] to maps of several depths."""

    def __init__(self, kind: Kind):
        super().__init__()
        self.stem = _Convolution(kind, 3, STEM, 3, stride=2)
        stages, width = [], STEM
        for stage in kind.stages:
            blocks = []
            for number in range(stage.n_blocks):
                blocks.append(_Block(kind, width, stage, stage.stride if number == 0 else 1))
                width = stage.width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = _Convolution(kind, width, HEAD, 1)

    def forward(self, planes: Any) -> list[Any]:
        """What each stage and the head make of it, [n, width, height, width] each."""
        maps = [self.stem(planes)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [*maps[1:], self.head(maps[-1])]


class _Convolution(nn.Module):
    """A convolution, normalised and cut off at 0 and 6."""

    def __init__(self, kind: Kind, n_in: int, n_out: int, kernel: int, *, stride: int = 1, is_bent: bool = True):
        super().__init__()
        groups = n_in if n_in == n_out and kernel > 1 else 1  # each channel by itself: of all layers as wide as before
        self.after = kind.pads_after and stride > 1
        self.margins = ((kernel - stride) // 2, (kernel - stride + 1) // 2) * 2
        padding = 0 if self.after else kernel // 2
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out, kind.epsilon)
        self.is_bent = is_bent

    def forward(self, x: Any) -> Any:
        x = functional.pad(x, self.margins) if self.after else x
        x = self.norm(self.convolution(x))
        return functional.relu6(x) if self.is_bent else x


class _Block(nn.Module):
    """Widens, looks around in each channel by itself, narrows; what came in is added where the shape stays."""

    def __init__(self, kind: Kind, n_in: int, stage: Stage, stride: int):
        super().__init__()
        wide = n_in * stage.expansion
        layers = [
            _Convolution(kind, wide, wide, stage.kernel, stride=stride),
            _Convolution(kind, wide, stage.width, 1, is_bent=False),
        ]
        if stage.expansion > 1:
            layers = [_Convolution(kind, n_in, wide, 1), *layers]
        self.layers = nn.Sequential(*layers)
        self.is_added = stride == 1 and n_in == stage.width

    def forward(self, x: Any) -> Any:
        made = self.layers(x)
        return x + made if self.is_added else made
