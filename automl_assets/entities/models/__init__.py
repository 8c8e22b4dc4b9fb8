"""Models that several algorithms of entities learn: what they are, how they answer and how they become ONNX."""
