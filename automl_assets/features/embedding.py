"""Free text as the mean of a language model's last hidden states (Reimers & Gurevych 2019): an option, for who has one.

The model stays where it is, a local folder or the Hugging Face hub; the recipe holds its name. Not in the ONNX graph.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import SettingError
from automl_assets.stored import stored_as

MAX_TOKENS = 128  # of a text; what follows is cut off, as in Azure
BATCH_TEXTS = 64


@stored_as("tabular.TextEmbedding")
@dataclass(frozen=True)
class Embedding:
    """Which model reads a text column, and how many columns it makes of it."""

    column: str
    model: str  # local folder, or name on the hub
    n_dims: int


def fit_embedding(column: pl.Series, model: str) -> Embedding:
    """Raises SettingError when the model cannot be loaded."""
    return Embedding(column.name, model, int(_loaded(model)[1].config.hidden_size))


def embedding_columns(column: pl.Series, embedding: Embedding) -> np.ndarray:
    """Float32 [n_rows, n_dims]; every different text is read once, a missing one as an empty one."""
    texts, place = np.unique(column.cast(pl.String).fill_null("").to_numpy().astype(str), return_inverse=True)
    batches = [texts[i : i + BATCH_TEXTS].tolist() for i in range(0, len(texts), BATCH_TEXTS)]
    read = [_mean_states(batch, embedding.model) for batch in batches]
    return np.vstack(read)[place] if read else np.empty((0, embedding.n_dims), np.float32)


def _mean_states(texts: list[str], name: str) -> np.ndarray:
    import torch

    tokenizer, model = _loaded(name)
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state  # [n_texts, n_tokens, n_dims]
    is_token = tokens["attention_mask"][:, :, None].to(states.dtype)
    return ((states * is_token).sum(1) / is_token.sum(1).clamp(min=1)).float().numpy()


@cache
def _loaded(name: str) -> tuple[Any, Any]:
    """Tokenizer and model."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise SettingError(
            "featurization.text_embedding: needs the package transformers; pip install 'automl-assets[text]'"
        ) from None
    try:
        return AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise SettingError(
            f"featurization.text_embedding: got {name!r}, from where no model can be loaded "
            f"({str(error).strip().splitlines()[0]}); it is a local folder or a name on the Hugging Face hub"
        ) from error
