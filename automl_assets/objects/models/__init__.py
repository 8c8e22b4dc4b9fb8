"""Networks that find objects: what they compute, in torch and in ONNX, and how they learn."""
