"""Pretrained networks that read images: which are here, their layers as torch, and what they say of an image as ONNX."""
