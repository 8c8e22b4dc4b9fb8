"""A backbone as torch and as ONNX: planes of an image in, a vector of what it shows out.

The vector holds the means of maps of several depths: textures are told by early layers, things by late ones (Lin et al.
2017 for detection; Chatfield et al. 2014 for classes). Read without code of others: safetensors, or known files.
"""

import json
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from automl_assets.backbones.reference import SETTING, Reference, weights_of
from automl_assets.errors import SettingError
from automl_assets.weights.exported import kept, traced
from automl_assets.weights.known import WEIGHTS

EXPORTED = 1  # what is written down of exported networks; another number for other content
SIDE = 224  # pixels of the square that networks see unless they say otherwise
FIRST_STAGE = 3  # of the known networks, whose maps count from there on
STRIDES, MAP_STAGES = (8, 16, 32), (2, 4, 6)  # of maps for objects: pixels from one place to the next, and their stages
DEPTHS = (1 / 2, 3 / 4, 1.0)  # of the layers of others
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green and blue
LITE_MEAN, LITE_DEVIATION = (127 / 255,) * 3, (128 / 255,) * 3


@dataclass(frozen=True)
class Preparation:
    """What a backbone wants of an image: a square of so many pixels, whose colours from 0 to 1 are shifted and scaled."""

    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def preparation_of(backbone: Reference) -> Preparation:
    """As the network learnt it."""
    if backbone.kind != "known":
        return _of_folder(backbone)
    if WEIGHTS[backbone.name].form == "efficientnet_lite0":
        return Preparation(SIDE, LITE_MEAN, LITE_DEVIATION)
    return Preparation(SIDE, IMAGENET_MEAN, IMAGENET_DEVIATION)


def _of_folder(backbone: Reference) -> Preparation:
    """As preprocessor_config.json says, or config.json where that is silent."""
    folder = weights_of(backbone)
    said, file = {}, folder / "preprocessor_config.json"
    if file.is_file():
        said = json.loads(file.read_text("utf-8"))
    size = said.get("crop_size") or said.get("size") or json.loads((folder / "config.json").read_text("utf-8"))
    side = _side(size.get("image_size", size) if isinstance(size, dict) else size)
    if not said.get("do_normalize", True):
        return Preparation(side, (0.0,) * 3, (1.0,) * 3)
    mean, deviation = said.get("image_mean", IMAGENET_MEAN), said.get("image_std", IMAGENET_DEVIATION)
    return Preparation(side, tuple(map(float, mean)), tuple(map(float, deviation)))


def _side(size: Any) -> int:
    """Of any form that transformers writes.

    >>> _side(384), _side({"height": 32, "width": 32}), _side({"shortest_edge": 256}), _side({"hidden_size": 8})
    (384, 32, 256, 224)
    """
    if isinstance(size, dict):
        size = next((size[name] for name in ("height", "shortest_edge") if name in size), SIDE)
    return int(size[0] if isinstance(size, list) else size)


def read(backbone: Reference) -> Any:
    """The network as a torch module: planes [n, 3, side, side], shifted and scaled, to vectors [n, n_dims]."""
    if backbone.kind == "known":
        return _pooling(_read_known(backbone))
    return _pooling_layers(_read_folder(backbone))


def _read_known(backbone: Reference) -> Any:
    from automl_assets.backbones import inverted_residuals

    form = WEIGHTS[backbone.name].form
    assert form in inverted_residuals.KINDS
    return inverted_residuals.read(form, weights_of(backbone))  # type: ignore[arg-type]  # one of KINDS


def _read_folder(backbone: Reference) -> Any:
    try:
        from transformers import AutoModel
    except ImportError:
        raise SettingError(f"{SETTING}: needs the package transformers; pip install 'automl-assets[vision]'") from None
    try:
        loaded = AutoModel.from_pretrained(
            weights_of(backbone), use_safetensors=True, trust_remote_code=False, attn_implementation="eager"
        )
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{SETTING}: {backbone.name!r} cannot be read by transformers ({str(error).strip().splitlines()[0]})"
        ) from error
    if loaded.main_input_name != "pixel_values":
        raise SettingError(f"{SETTING}: {backbone.name!r} reads {loaded.main_input_name}, and no images")
    return loaded.float().eval()


def read_maps(backbone: Reference) -> Any:
    """A known network as a torch module: planes [n, 3, height, width], shifted and scaled, to maps at strides 8, 16 and 32."""
    import torch

    network = _read_known(backbone)

    class Maps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, planes: Any) -> tuple[Any, ...]:
            maps = self.network(planes)
            return tuple(maps[stage] for stage in MAP_STAGES)

    return Maps().eval()


def exported_maps(network: Any, side: int) -> Any:
    """A network as `read_maps` gives it, as an onnx.ModelProto for planes of this side."""
    import torch

    names = [f"stride_{stride}" for stride in STRIDES]
    axes = {name: {0: "n_images"} for name in ("planes", *names)}
    return traced(network, (torch.zeros((2, 3, side, side)),), ("planes",), names, axes)


def model_of(backbone: Reference) -> Any:
    """The network of `read` as an onnx.ModelProto."""
    import onnx

    return onnx.load_from_string(kept(f"{backbone.sha256}_{EXPORTED}_vectors", partial(_export, backbone)))


@cache
def n_dims(backbone: Reference) -> int:
    """Of a vector."""
    model = model_of(backbone)
    return int(model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def _export(backbone: Reference) -> bytes:
    return exported(read(backbone), preparation_of(backbone).side)


def exported(network: Any, side: int) -> bytes:
    """A network as `read` gives it, as the content of an ONNX file."""
    import torch

    planes = torch.zeros((2, 3, side, side))
    axes = {"planes": {0: "n_images"}, "vectors": {0: "n_images"}}
    model = traced(network, (planes,), ("planes",), ("vectors",), axes)
    with torch.inference_mode():
        width = model.graph.output[0].type.tensor_type.shape.dim[1]
        width.dim_value = network(planes).shape[1]  # tracing loses it where tokens are put together
    content: bytes = model.SerializeToString()
    return content


def _pooling(network: Any) -> Any:
    import torch

    class Pooling(torch.nn.Module):
        """Means of the maps of an `InvertedResiduals`; the last stage is left out for the head, which sees more in it."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, planes: Any) -> Any:
            maps = self.network(planes)
            return torch.cat([one.mean((2, 3)) for one in (*maps[FIRST_STAGE - 1 : -2], maps[-1])], 1)

    return Pooling().eval()


def _pooling_layers(network: Any) -> Any:
    import torch

    class Layers(torch.nn.Module):
        """Means of layers of transformers' network, and the first token of the last where there is one for the class."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.has_class_token = any(name.endswith("cls_token") for name, _ in network.named_parameters())

        def forward(self, planes: Any) -> Any:
            answer = self.network(pixel_values=planes, output_hidden_states=True)
            states = [*answer.hidden_states[1:]]
            chosen = dict.fromkeys(max(0, round(depth * len(states)) - 1) for depth in DEPTHS)
            vectors = [_mean(states[number]) for number in chosen]
            if self.has_class_token:
                vectors.append(answer.last_hidden_state[:, 0])
            return torch.cat(vectors, 1)

    return Layers().eval()


def _mean(states: Any) -> Any:
    """Over places [n, width, height, width], or tokens [n, n_tokens, width]."""
    return states.mean((2, 3)) if states.ndim == 4 else states.mean(1)
