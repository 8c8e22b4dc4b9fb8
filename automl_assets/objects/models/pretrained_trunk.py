"""A pretrained network in place of `network.trunk`: its maps at strides 8, 16 and 32, in torch and in ONNX."""

from typing import Any

import numpy as np

from automl_assets.backbones.network import STRIDES, exported_maps, preparation_of, read_maps
from automl_assets.backbones.reference import Reference
from automl_assets.objects.models.network import Features
from automl_assets.onnx.graph import Graph


class PretrainedTrunk:
    """The network while it learns: all but the first share of its tensors, which see edges and textures. It normalises as it
    was taught to, since batches are small."""

    def __init__(self, backbone: Reference, frozen: float):
        import torch

        self.network = read_maps(backbone)
        named = self._reached()
        self.learnt = {name: tensor for number, (name, tensor) in enumerate(named) if number >= frozen * len(named)}
        for name, tensor in self.network.named_parameters():
            tensor.requires_grad_(name in self.learnt)
        wanted = preparation_of(backbone)
        self.shift, self.scale = (torch.tensor(one)[:, None, None] for one in (wanted.mean, wanted.deviation))

    def _reached(self) -> list[tuple[str, Any]]:
        """Tensors that the maps come from; the head of classes is none of them."""
        return [(name, one) for name, one in self.network.named_parameters() if ".head." not in name]

    def features(self, x: Any) -> Features:
        """Of shares of full brightness [n_images, 3, side, side]."""
        return dict(zip(STRIDES, self.network((x - self.shift) / self.scale), strict=True))

    def tensors(self) -> dict[str, np.ndarray]:
        """What was learnt, float16."""
        return {name: one.detach().numpy().astype(np.float16) for name, one in self.learnt.items()}


def add_features(graph: Graph, square: str, side: int, backbone: Reference, tensors: dict[str, np.ndarray]) -> Features:
    """Adds the maps of shares of full brightness [1, 3, side, side] by a network that holds what was learnt."""
    import torch

    network, wanted = read_maps(backbone), preparation_of(backbone)
    learnt = {name: torch.from_numpy(values.astype(np.float32)) for name, values in tensors.items()}
    network.load_state_dict(learnt, strict=False)
    shift, scale = (np.array(one, np.float32)[:, None, None] for one in (wanted.mean, wanted.deviation))
    planes = graph.node("Div", graph.node("Sub", square, graph.constant(shift)), graph.constant(scale))
    maps = graph.include(exported_maps(network, side), {"planes": planes})
    return dict(zip(STRIDES, maps, strict=True))
