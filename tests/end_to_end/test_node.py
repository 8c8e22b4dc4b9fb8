"""The ONNX file answers in another language: Node's ONNX Runtime is fed raw columns and says what Python says."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.api.table_result import Result
from automl_assets.experiment.experiment import load

PACKAGE = "onnxruntime-node@1"
SCRIPT = """
const ort = require("onnxruntime-node");
const { file, rows, types } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const column = (name, type) => {
  const values = rows.map((row) => row[name]);
  if (type === "string") return new ort.Tensor("string", values.map((value) => value ?? ""), [rows.length, 1]);
  const numbers = values.map((value) => (value === null ? NaN : type === "double" ? Date.parse(value) / 1000 : value));
  const array = type === "double" ? Float64Array.from(numbers) : Float32Array.from(numbers);
  return new ort.Tensor(type === "double" ? "float64" : "float32", array, [rows.length, 1]);
};
ort.InferenceSession.create(file).then(async (session) => {
  const feeds = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, column(name, type)]));
  const { label, probabilities } = await session.run(feeds);
  console.log(JSON.stringify({ label: label.data, probabilities: Array.from(probabilities.data) }));
});
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds its ONNX Runtime; the package brings the binaries, so that no script need run."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"{' and '.join(lacking)} is not installed")
    folder = tmp_path_factory.mktemp("node")
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    soon_told = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]  # where nobody answers
    command = ["npm", "install", *quiet, *soon_told, "--prefix", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm cannot fetch {PACKAGE} in two minutes")
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def result(scripted: Path) -> Iterator[Result]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(scripted / "home"))
        yield Result(load(scripted / "flowers.yaml"), scripted / "home", 1.0, {})


@pytest.mark.slow
def test_node_answers_as_python_does(node: Path, scripted: Path, result: Result) -> None:
    rows = pl.read_csv(scripted / "unlabelled.csv", try_parse_dates=True)
    strange = {"size": [None, 1e30, 0.5], "colour": ["grün", None, "ultraviolet"], "bought": ["1899-12-31", None, None]}
    rows = pl.concat([rows, pl.DataFrame(strange).with_columns(pl.col("bought").str.to_date())], how="diagonal")
    asked = {
        "file": str(result.onnx_path),
        "rows": json.loads(rows.with_columns(pl.col("bought").cast(pl.String)).to_pandas().to_json(orient="records")),
        "types": result.onnx.inputs,
    }
    answer = subprocess.run(
        ["node", "-e", SCRIPT],
        cwd=node,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    told, expected = json.loads(answer.stdout), result.predict(rows)
    found = np.array(told["probabilities"]).reshape(rows.height, -1)
    assert found[:, 1] == pytest.approx(expected["probability_yes"].to_numpy(), abs=1e-4)
    assert told["label"] == list(expected["prediction"])
