"""Columns as numbers, in Python and in ONNX."""
