"""An ONNX file asked where nothing else is: no file beside it, and no package but ONNX Runtime with its extensions."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

BARRED = ("automl_assets", "transformers", "tokenizers", "torch", "polars")
ASK = f"""
import json, sys
sys.modules |= dict.fromkeys({BARRED!r})
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
if b"ai.onnx.contrib" in open("model.onnx", "rb").read():
    from onnxruntime_extensions import get_library_path
    options.register_custom_ops_library(get_library_path())
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
types = {{"tensor(string)": object, "tensor(float)": np.float32, "tensor(double)": np.float64}}
given = json.load(open("rows.json"))
feeds = {{one.name: np.array(given[one.name], types[one.type]).reshape(len(given["texts"]), -1) for one in session.get_inputs()}}
print(json.dumps(session.run(None, feeds)[0].tolist()))
"""


def answers_alone(content: bytes, feeds: dict[str, np.ndarray], folder: Path) -> np.ndarray:
    """The first output of a model for raw strings in `texts` and other columns."""
    (folder / "model.onnx").write_bytes(content)
    rows: dict[str, Any] = {name: values.tolist() for name, values in feeds.items()}
    (folder / "rows.json").write_text(json.dumps(rows))
    asked = [sys.executable, "-c", ASK]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr[-3000:]
    return np.array(json.loads(done.stdout))
