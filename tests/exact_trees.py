"""What a library's trees are tried on, and whether they answer as it does: exact at thresholds, beside them, and for
missing values."""

import numpy as np
import onnxruntime
import pytest

from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, Trees, add_trees, scores

N_ROWS = 400
GAPS = {"no_gaps": 0.0, "gaps": 0.15}
N_CLASSES = {"regression": 0, "binary": 2, "four_classes": 4}
every_problem = pytest.mark.parametrize("n_classes", N_CLASSES.values(), ids=N_CLASSES)
every_share = pytest.mark.parametrize("missing", GAPS.values(), ids=GAPS)


def data(n_classes: int, missing: float, n_rows: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(n_rows, 4)).astype(np.float32)
    x[:, 2] = random.integers(-2, 3, n_rows)
    signal = x[:, 0] + x[:, 1] * x[:, 2] + random.normal(scale=0.5, size=n_rows)
    x[random.random(x.shape) < missing] = np.nan
    y = np.digitize(signal, np.linspace(-1, 1, n_classes + 1)[1:-1]) if n_classes else signal
    return x, y


def probes_of(x: np.ndarray, trees: Trees) -> np.ndarray:
    """Rows whose values are missing, or a threshold of that feature, or its neighbours in float32."""
    random = np.random.default_rng(4)
    probes = x[random.integers(0, len(x), 2000)].copy()
    for feature in range(x.shape[1]):
        at = trees.threshold[(trees.feature == feature) & (trees.left != LEAF)]
        at = at[np.abs(at) < 1e37]  # not the borders that only part missing values from all others
        near = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
        near = np.concatenate([near, np.float32([np.nan, 0.0, -0.0, 1e30, -1e30])])
        chosen = random.random(len(probes)) < 0.8
        probes[chosen, feature] = random.choice(near, chosen.sum())
    return probes


def onnx_scores(trees: Trees, x: np.ndarray) -> np.ndarray:
    graph = Graph()
    name = graph.input("x", np.float32, [None, x.shape[1]])
    graph.output("y", add_trees(graph, name, trees), np.float32, [None, len(trees.base)])
    return onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": x})[0]


def assert_exact(x: np.ndarray, trees: Trees, predict) -> None:
    """A row that takes a wrong turn anywhere is off by far more than rounding."""
    probes = probes_of(x, trees)
    expected = np.reshape(predict(probes), (len(probes), -1))
    tolerance = 2e-6 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(scores(trees, probes), expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(onnx_scores(trees, probes), expected, atol=tolerance, rtol=0)
