"""Tiny networks for images with random weights, in a folder as transformers writes them."""

from pathlib import Path

SIDE = 32


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
