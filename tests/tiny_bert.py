"""A tiny BERT with random weights, in a folder as transformers writes them; its words are those of the texts it is for."""

from collections.abc import Sequence
from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def save_tiny_bert(folder: Path, texts: Sequence[str], positions: int = 40) -> Path:
    """Whole words, and single letters for all others, so that words are cut into pieces too."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = sorted({word for text in texts for word in text.lower().split()})
    letters = sorted({letter for word in words for letter in word})
    vocabulary = [*SPECIAL, *dict.fromkeys([*words[::2], *letters, *(f"##{letter}" for letter in letters)])]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=positions, **SIZES)
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
