"""What flows between steps of texts alone."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

PARTS = ("texts", "words", "characters")
OF_VIEW = {"texts": ("texts",), "words": ("words",), "characters": ("characters",), "terms": ("words", "characters")}


@dataclass(frozen=True)
class TextInputs:
    """Every row as the algorithms of texts take it. Fits get the parts that the algorithm's view names; others are None.

    The views: `words`, `characters`, `terms` (both of these) and `texts`; the other columns come with every one of them.
    """

    others: np.ndarray  # float32 [n_rows, n_others]: the columns beside the texts, imputed, coded and standardised
    texts: np.ndarray | None = None  # object [n_rows] of str: the text columns of a row, joined by line ends
    words: Any = None  # scipy csr_matrix float32 [n_rows, n_words]: TF-IDF of words, pairs and triples of words
    characters: Any = None  # scipy csr_matrix float32 [n_rows, n_characters]: TF-IDF of 2 to 5 characters

    def __len__(self) -> int:
        return len(self.others)

    def __getitem__(self, rows: np.ndarray) -> "TextInputs":
        parts = {name: getattr(self, name) for name in PARTS}
        some: dict[str, Any] = {name: None if part is None else part[rows] for name, part in parts.items()}
        return replace(self, others=self.others[rows], **some)

    def take(self, rows: np.ndarray) -> "TextInputs":
        """Some of the rows, by number or mask."""
        return self[rows]

    def view(self, name: str) -> "TextInputs":
        """With the parts alone that an algorithm asks for."""
        without: dict[str, Any] = {part: None for part in PARTS if part not in OF_VIEW[name]}
        return replace(self, **without)

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        terms = {"n_words": self.words, "n_characters": self.characters}
        sizes = {name: part.shape[1] for name, part in terms.items() if part is not None}
        return sizes | {"n_others": self.others.shape[1]}


@dataclass(frozen=True)
class TextTensors:
    """The names of the same in an ONNX graph, for `Algorithm.to_onnx`; the terms are dense there."""

    others: str  # float [n_rows, n_others]
    texts: str  # string [n_rows, 1]
    words: str = ""
    characters: str = ""
