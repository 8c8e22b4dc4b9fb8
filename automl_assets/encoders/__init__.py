"""Pretrained networks that read: texts become vectors, in Python and in ONNX. Not here: where weights come from
(`weights`), what is learnt on the vectors (algorithms)."""
