"""What is computed of series before a forecaster learns, in Python and in ONNX."""
