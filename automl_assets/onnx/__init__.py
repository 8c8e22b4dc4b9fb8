"""Building ONNX graphs, and timing them. Not here: what a family's graph computes."""
