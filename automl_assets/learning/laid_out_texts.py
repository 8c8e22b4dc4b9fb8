"""Texts in a folder that fits read: all of them in one file, and where each ends in another."""

from pathlib import Path

import numpy as np

CONTENT, ENDS = "texts_bytes.npy", "texts_ends.npy"
HALVES = "surrogatepass"  # half a character is kept as it came


def write_texts(folder: Path, texts: np.ndarray) -> None:
    """Writes an object array [n] of str."""
    encoded = [text.encode("utf-8", HALVES) for text in texts]
    np.save(folder / CONTENT, np.frombuffer(b"".join(encoded), np.uint8))
    np.save(folder / ENDS, np.cumsum([len(one) for one in encoded], dtype=np.int64))


def read_texts(folder: Path) -> np.ndarray | None:
    """What `write_texts` wrote; None where it wrote nothing."""
    if not (folder / ENDS).exists():
        return None
    content, ends = np.load(folder / CONTENT).tobytes(), np.load(folder / ENDS).tolist()
    texts = [content[start:end].decode("utf-8", HALVES) for start, end in zip([0, *ends], ends, strict=False)]
    return np.array([*texts, None], object)[:-1]  # of one dimension, also where there is a single text
