"""No library telephones home: neither while models are made, nor while they answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

from automl_assets.telemetry import OFF

ANSWER = """
import json, os, sys, threading, time
asked = []
sys.addaudithook(lambda event, given: asked.append([event, repr(given)]) if event in (
    "socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "urllib.Request") else None)
import automl_assets
{load}
import numpy as np
from onnx import TensorProto, helper
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])]
outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", inputs, outputs)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
from automl_assets.onnx.session import *
import onnxruntime
session = onnxruntime.InferenceSession(model.SerializeToString())
assert session.run(None, {{"x": np.ones(1, np.float32)}})[0] == 1
time.sleep(0.2)
print(json.dumps({{"asked": asked, "threads": [one.name for one in threading.enumerate()], **dict(os.environ)}}))
"""


def silent(folder: Path, load: str) -> dict[str, str]:
    """What a new process, which nobody has told anything, has asked the network for; its environment."""
    bare = {name: value for name, value in os.environ.items() if name not in OFF}
    command = [sys.executable, "-c", ANSWER.format(load=load)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**bare, "TMPDIR": str(folder)}, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_an_import_and_a_prediction_ask_the_network_nothing(tmp_path: Path) -> None:
    """ONNX Runtime asks from native code, where no Python sees it, and leaves a file `.ses` where it does."""
    found = silent(tmp_path, "")
    assert found["asked"] == []
    assert list(tmp_path.iterdir()) == []
    assert {name: found[name] for name in OFF} == OFF


def test_what_serves_asks_the_network_nothing(tmp_path: Path) -> None:
    """Nor do MLflow and its server's part, beside which a model answers."""
    found = silent(tmp_path, "import mlflow.pyfunc, mlflow.pyfunc.scoring_server, automl_assets.resources.serving")
    assert found["asked"] == []
    assert not [name for name in found["threads"] if "elemetry" in name]
    assert not (tmp_path / ".ses").exists()


def test_a_served_model_is_silent_wherever_it_is_served(tmp_path: Path) -> None:
    """The file that MLflow copies knows nothing of this package, and speaks for itself."""
    import automl_assets.resources.serving as served

    bare = {name: value for name, value in os.environ.items() if name not in OFF}
    code = f"import os, runpy; runpy.run_path({served.__file__!r}); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=bare, check=False)
    assert ended.stdout.splitlines()[-1] == "1", ended.stderr
