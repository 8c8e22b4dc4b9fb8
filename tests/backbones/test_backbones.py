"""What pretrained networks say of images: read from known files and from folders, alike in torch and in ONNX."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from automl_assets.backbones import network
from automl_assets.backbones.inverted_residuals import KINDS
from automl_assets.backbones.network import Preparation, n_dims, preparation_of
from automl_assets.backbones.reference import Reference, lacks_weights, weights_of, wished
from automl_assets.backbones.vectors import add_vectors
from automl_assets.errors import ArtifactError, SettingError
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session
from tests.tiny_backbone import FORMS, SIDE, save_known, save_tiny_resnet, save_tiny_vit
from tests.tiny_bert import save_tiny_bert


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder of weights."""
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def _vectors(backbones: tuple[Reference, ...], pixels: np.ndarray) -> np.ndarray:
    graph = Graph()
    image = graph.input("image", np.uint8, [None, None, None, 3])
    graph.output("vectors", add_vectors(graph, image, backbones), np.float32, [None, None])
    answer: np.ndarray = open_session(graph.build().SerializeToString()).run(None, {"image": pixels})[0]
    return answer


def _by_torch(backbone: Reference, pixels: np.ndarray) -> np.ndarray:
    """Of pixels that have the right size already."""
    wanted = preparation_of(backbone)
    shift, scale = (np.array(values)[:, None, None] for values in (wanted.mean, wanted.deviation))
    planes = ((pixels.transpose(0, 3, 1, 2) / 255 - shift) / scale).astype(np.float32)
    with torch.inference_mode():
        answer: np.ndarray = network.read(backbone)(torch.from_numpy(planes)).numpy()
    return answer


def _pixels(n_images: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n_images, height, width, 3)).astype(np.uint8)


@pytest.fixture
def known(cache: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A known network whose weights are of chance."""
    return save_known(request.param, cache, monkeypatch)


@pytest.mark.parametrize("known", FORMS, indirect=True)
def test_a_known_network_answers_alike_in_onnx(known: str) -> None:
    (backbone,) = wished(None)
    assert backbone == wished(known)[0] and backbone.name == known
    pixels = _pixels(2, 224, 224)
    made = _vectors((backbone,), pixels)
    assert made.shape == (2, n_dims(backbone)) and np.ptp(made, axis=0).max() > 0
    np.testing.assert_allclose(made, _by_torch(backbone, pixels), atol=1e-4 * np.abs(made).max())


@pytest.mark.parametrize("kernel", [3, 5])
def test_with_a_stride_it_pads_as_tensorflow_does(kernel: int) -> None:
    """ "Same" padding puts the odd pixel behind: the last window of an even side ends one pixel beyond it for 3."""
    from automl_assets.backbones.inverted_residuals import _Convolution

    layer = _Convolution(KINDS["efficientnet_lite0"], 1, 2, kernel, stride=2).eval()
    torch.nn.init.ones_(layer.convolution.weight)
    seen = torch.zeros(1, 1, 8, 8)
    seen[..., 0, 0] = 1.0
    first = layer(seen)[0, 0, 0, 0]
    seen = seen.roll((-1, -1), (2, 3))  # to the last row and column
    answer = layer(seen)[0, 0]
    assert answer.shape == (4, 4) and first > 0.9 and answer[-1, -1] > 0.9 and answer[0, 0] == 0


@pytest.mark.parametrize("save", [save_tiny_resnet, save_tiny_vit])
def test_networks_of_transformers_answer_alike_in_onnx_whatever_the_size(save, tmp_path: Path) -> None:
    (backbone,) = wished(str(save(tmp_path / "network")))
    assert preparation_of(backbone).side == SIDE
    pixels = _pixels(3, SIDE, SIDE)
    made = _vectors((backbone,), pixels)
    np.testing.assert_allclose(made, _by_torch(backbone, pixels), atol=1e-5)
    assert _vectors((backbone, backbone), _pixels(1, 50, 20)).shape == (1, 2 * n_dims(backbone))


def test_how_images_are_prepared_is_read_from_the_folder(tmp_path: Path) -> None:
    (vit,), (resnet,) = wished(str(save_tiny_vit(tmp_path / "vit"))), wished(str(save_tiny_resnet(tmp_path / "resnet")))
    assert preparation_of(vit) == Preparation(SIDE, (0.5,) * 3, (0.5,) * 3)
    assert preparation_of(resnet).mean == network.IMAGENET_MEAN


def test_without_weights_it_is_said_what_to_do() -> None:
    said = SimpleNamespace(featurization=SimpleNamespace(image_embedding=None))
    assert wished(None) == ()
    assert lacks_weights(said).startswith(
        "skipped: no pretrained backbone is here; get them by `automl weights get Eff"
    )
    with pytest.raises(SettingError, match="MobileNetV2 are not here; get them by `automl weights get MobileNetV2`$"):
        wished("MobileNetV2")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MobileNetV3", "^featurization.image_embedding: no backbone is called 'MobileNetV3'; known: .* Did you mean"),
        ("./nowhere", "^featurization.image_embedding: './nowhere' is no folder"),
    ],
)
def test_what_is_no_network_is_refused(name: str, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        wished(name)


def test_a_network_of_texts_is_refused(tmp_path: Path) -> None:
    (backbone,) = wished(str(save_tiny_bert(tmp_path / "bert", ["a text"])))
    with pytest.raises(SettingError, match=r"^featurization.image_embedding: .* reads input_ids, and no images$"):
        network.read(backbone)


def test_a_network_that_changed_is_noticed(tmp_path: Path) -> None:
    (backbone,) = wished(str(save_tiny_resnet(tmp_path / "network")))
    with (tmp_path / "network" / "model.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ArtifactError, match="^the backbone .* is another than the model learnt with"):
        weights_of(backbone)
