"""Networks for images with random weights: tiny ones in a folder as transformers writes them, and known ones as they are kept."""

from pathlib import Path

import pytest

from automl_assets.backbones.inverted_residuals import KINDS, Form, InvertedResiduals
from automl_assets.weights.known import WEIGHTS, Member, Weights
from automl_assets.weights.places import sha256_of

SIDE = 32
FORMS: dict[str, Form] = {"EfficientNet-Lite0": "efficientnet_lite0", "MobileNetV2": "mobilenet_v2"}


def save_known(name: str, cache: Path, patch: pytest.MonkeyPatch) -> str:
    """Saves weights of chance where those of a known network are kept, as its own are, with a classifier's behind."""
    import torch

    torch.manual_seed(0)
    made = InvertedResiduals(KINDS[FORMS[name]])
    stored = {f"features.{number}": tensor for number, tensor in enumerate(made.state_dict().values())}
    member = WEIGHTS[name].members[0]
    file = cache / name / member.name
    file.parent.mkdir(parents=True)
    torch.save(stored | {"classifier.1.weight": torch.zeros(3, 1280)}, file)
    content = Member(member.wheel, member.path, member.name, file.stat().st_size, sha256_of(file))
    patch.setitem(WEIGHTS, name, Weights(**{**vars(WEIGHTS[name]), "members": (content,)}))
    return name


def save_tiny_resnet(folder: Path) -> Path:
    """Maps of two depths."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[12, 16], depths=[1, 1], layer_type="basic", image_size=SIDE)
    ResNetModel(config).save_pretrained(folder)
    return folder


def save_tiny_vit(folder: Path) -> Path:
    """Tokens, the first of which stands for the class; says itself how images are prepared."""
    import torch
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(image_size=SIDE, patch_size=16, **sizes), add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(
        folder
    )
    return folder
