"""The network of an encoder as torch and as ONNX: windows of tokens in, one vector for each window or each token out.

A window's vector is the mean of the last hidden states (Reimers & Gurevych 2019); a token's are its states in layers of
several depths (Peters et al. 2018). Read as safetensors, never with code of others.
"""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.encoders.reference import Files, Reference, files_of
from automl_assets.encoders.tokens import Marks
from automl_assets.encoders.windows import TRAINING_TOKENS, Windows
from automl_assets.errors import SettingError
from automl_assets.weights import four_bits
from automl_assets.weights.exported import kept, traced

EXPORTED = 1  # what is written down of exported networks; another number for other content
DEPTHS = (
    1 / 6,
    1 / 2,
    5 / 6,
)  # of layers: words, their forms, what they mean here; the last says most of the whole text


def read(encoder: Reference) -> Any:
    """The encoder as a torch module of transformers, ready to answer. Raises SettingError where transformers is missing."""
    try:
        from transformers import AutoModel
    except ImportError:
        raise SettingError(
            "featurization.text_embedding: needs the package transformers; pip install 'automl-assets[text]'"
        ) from None
    files = files_of(encoder)
    if files.four_bits:
        return _of_four_bits(files)
    try:
        loaded = AutoModel.from_pretrained(
            files.folder, use_safetensors=True, trust_remote_code=False, attn_implementation="eager"
        )
    except (OSError, ValueError) as error:
        raise SettingError(
            f"featurization.text_embedding: {encoder.name!r} cannot be read by transformers ({_first_line(error)})"
        ) from error
    return loaded.float().eval()


def _of_four_bits(files: Files) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    assert files.four_bits
    header, tensors = four_bits.read(files.four_bits)
    made = BertModel(BertConfig(**header.config | {"attn_implementation": "eager"}), add_pooling_layer=False)
    made.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()}, strict=False)
    return made.eval()


@cache
def tokenizer_content(encoder: Reference) -> str:
    """Its tokenizer.json."""
    files = files_of(encoder)
    if files.tokenizer.is_file():
        return files.tokenizer.read_text("utf-8")
    from transformers import AutoTokenizer

    try:
        return str(AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False).backend_tokenizer.to_str())
    except (OSError, ValueError, AttributeError) as error:
        raise SettingError(
            f"featurization.text_embedding: {encoder.name!r} has no tokenizer that is known ({_first_line(error)})"
        ) from error


def windows_of(encoder: Reference, marks: Marks, most: int) -> Windows:
    """How texts are cut into windows for an encoder: no longer than it can read."""
    files = files_of(encoder)
    config = {} if files.four_bits else json.loads((files.folder / "config.json").read_text("utf-8"))
    positions = config.get("max_position_embeddings") or 512
    filling = config.get("pad_token_id") or 0  # RoBERTa counts positions from there
    return Windows(marks, min(encoder.window, positions - filling - 1), most)


def model_of(encoder: Reference) -> Any:
    """The encoder as `exported`."""
    import onnx

    return onnx.load_from_string(model_bytes(encoder))


def states_model_of(encoder: Reference) -> Any:
    """The encoder as `exported_states`."""
    import onnx

    return onnx.load_from_string(kept(f"{encoder.sha256}_{EXPORTED}_states", partial(_of_states, encoder)))


def model_bytes(encoder: Reference) -> bytes:
    """The encoder as `exported`, as the content of a file."""
    if encoder.is_int8:
        return kept(f"{encoder.sha256}_{EXPORTED}_int8", partial(_of_8_bits, replace(encoder, is_int8=False)))
    return kept(f"{encoder.sha256}_{EXPORTED}", partial(_of_32_bits, encoder))


def _of_states(encoder: Reference) -> bytes:
    content: bytes = exported_states(read(encoder)).SerializeToString()
    return content


def _of_32_bits(encoder: Reference) -> bytes:
    content: bytes = exported(read(encoder)).SerializeToString()
    return content


def _of_8_bits(encoder: Reference) -> bytes:
    """Weights of 8 bits, one scale for each column, and what they are multiplied with as well. One of the bits is left
    free: sums of all of them overflow on some processors, and answers would differ from one to the next."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        packed = Path(folder) / "int8.onnx"
        quantize_dynamic(
            onnx.load_from_string(model_bytes(encoder)),
            packed,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return packed.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without advice to the authors of networks, which is given on the root of all logs."""
    root = logging.getLogger()
    root.addFilter(_is_grave)
    try:
        yield
    finally:
        root.removeFilter(_is_grave)


def _is_grave(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING


def pooled(states: Any, mask: Any) -> Any:
    """Mean of the states of a window's tokens, [n_windows, n_dims]."""
    weight = mask[:, :, None].to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


def exported(network: Any) -> Any:
    """The network with its pooling as an onnx.ModelProto: tokens and mask [n, n_tokens] in, vectors [n, n_dims] out."""
    return _traced(_pooling(network), {"vectors": {0: "n_windows"}})


def exported_states(network: Any) -> Any:
    """The network as an onnx.ModelProto: tokens and mask [n, n_tokens] in, states of the layers at `DEPTHS` side by side
    out, [n, n_tokens, n_dims]."""
    return _traced(_layers(network), {"states": {0: "n_windows", 1: "n_tokens"}})


def _traced(module: Any, outputs: dict[str, dict[int, str]]) -> Any:
    import torch

    tokens = torch.ones((2, 5), dtype=torch.long)
    axes = {name: {0: "n_windows", 1: "n_tokens"} for name in ("tokens", "mask")} | outputs
    return traced(module, (tokens, tokens), ("tokens", "mask"), [*outputs], axes)


class Answering:
    """A network in torch that answers as an ONNX session of what `exported` makes of it, on the device where it lies."""

    batch_tokens = TRAINING_TOKENS

    def __init__(self, network: Any):
        self.network = network.eval()

    def run(self, names: None, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The vectors [n_windows, n_dims] of tokens and mask."""
        import torch

        device = next(self.network.parameters()).device
        tokens, mask = (torch.from_numpy(feeds[name]).to(device) for name in ("tokens", "mask"))
        with torch.inference_mode():
            states = self.network(input_ids=tokens, attention_mask=mask).last_hidden_state
            return [pooled(states, mask).cpu().numpy()]


def on_gpu(network: Any) -> Answering | None:
    """The network where it answers many times as fast; None where there is no GPU."""
    import torch

    return Answering(network.to("cuda")) if torch.cuda.is_available() else None


def _pooling(network: Any) -> Any:
    import torch

    class Pooling(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, tokens: Any, mask: Any) -> Any:
            return pooled(self.network(input_ids=tokens, attention_mask=mask).last_hidden_state, mask)

    return Pooling()


def _layers(network: Any) -> Any:
    import torch

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, tokens: Any, mask: Any) -> Any:
            states = self.network(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
            numbers = dict.fromkeys(round(depth * (len(states) - 1)) for depth in DEPTHS)
            return torch.cat([states[number] for number in numbers], dim=2)

    return Layers()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
