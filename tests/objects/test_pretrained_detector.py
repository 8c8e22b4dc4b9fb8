"""A detector over a known network, whose weights are of chance here: learnt, stored, and alike in Python and in ONNX."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.backbones.reference import wished
from automl_assets.boxes import farthest_apart, packed
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import parse
from automl_assets.objects.features.squares import SquareFeaturizer, cells_of, squares_of
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows
from automl_assets.resources.model_codec import read_models, write_models
from tests.tiny_backbone import save_known

TASK = registry.tasks()["image_object_detection"]
SHORT = {"epochs": 1, "least_steps": 3}


@pytest.fixture(scope="module")
def algorithm():
    return registry.algorithms("objects")["pretrained_detector"]


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, FitContext]:
    table, target = TASK.sample(0)
    table = table.head(12)
    problem = TASK.problem(table[target], "mean_average_precision", None)
    squares = squares_of(SquareFeaturizer("image", 64), cells_of("image", table))
    return Rows(squares, TASK.encode_target(table[target], problem)), FitContext(problem)


def test_it_learns_in_its_upper_layers_and_answers_alike_in_onnx(
    algorithm, rows: tuple[Rows, FitContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path))
    save_known("MobileNetV2", tmp_path, monkeypatch)
    training, context = rows[0], replace(rows[1], backbones=wished(None))
    model = algorithm.fit(algorithm.portfolio(context.problem)[0] | SHORT, training, None, context)
    names = [*model.tensors]
    assert names and not any(".stem." in name or ".head." in name for name in names)
    assert any(".stages.6." in name for name in names) and not any(name.startswith("trunk") for name in model.weights)
    (read,) = read_models(write_models((model,)))
    found = algorithm.predict(read, training.x)
    np.testing.assert_array_equal(found, algorithm.predict(model, training.x))
    graph = Graph()
    square = graph.input("square", np.uint8, [1, 64, 64, 3])
    graph.output("objects", algorithm.to_onnx([model], graph, square), np.float32, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    alone = [session.run(None, {"square": one[None]})[0] for one in training.x]
    assert farthest_apart(packed(alone, context.problem.most_objects), found) < 1e-5


def test_without_a_known_network_it_is_left_out(algorithm, rows: tuple[Rows, FitContext]) -> None:
    with pytest.raises(SettingError, match="^skipped: no known network reads the images"):
        algorithm.fit(algorithm.portfolio(rows[1].problem)[0], rows[0], None, rows[1])


def test_settings_that_say_nothing_of_detectors_are_refused(tmp_path: Path) -> None:
    given = {"task": TASK.name, "source": str(tmp_path / "rows.csv"), "target": "things"}
    pl.DataFrame({"image": ["a.png"], "things": ["[]"]}).write_csv(tmp_path / "rows.csv")
    with pytest.raises(SettingError, match=r"featurization.language: not for images; possible: mode, image_embedding"):
        parse(given | {"featurization": {"language": "eng"}}, "things")
    with pytest.raises(
        SettingError, match=r"image_embedding: detectors learn over EfficientNet-Lite0, MobileNetV2; got 'a/b'"
    ):
        parse(given | {"featurization": {"image_embedding": "a/b"}}, "things")
