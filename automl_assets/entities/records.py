"""What flows between steps of tokens alone."""

from dataclasses import dataclass

import numpy as np

from automl_assets.encoders.reference import Reference
from automl_assets.tagging import Texts

OUTPUTS = ("probabilities", "tags", "probability", "row", "start", "end")  # of the ONNX file, beside its one input


@dataclass(frozen=True)
class Tokenizer:
    """The recipe: which column is read, and what parts its tokens."""

    column: str
    is_parted_by_blanks: bool  # as texts are that come with a tag for each token; else words and marks are tokens
    encoder: Reference | None = None  # the pretrained network that reads the texts, where one is named or here
    is_exported: bool = False  # whether models become part of an ONNX file

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class TokenInputs:
    """Tokens of texts, a row each; those of a text stand together."""

    tokens: np.ndarray  # object [n_tokens] of str
    text: np.ndarray  # int64 [n_tokens], the number of the text

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: np.ndarray) -> "TokenInputs":
        return TokenInputs(self.tokens[rows], self.text[rows])

    def take(self, rows: np.ndarray) -> "TokenInputs":
        """Some of the tokens, by number or mask; of a text as many as are named."""
        return self[rows]

    @property
    def texts(self) -> Texts:
        """Which tokens follow each other."""
        return Texts(self.text)

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        return {"n_tokens": len(self.tokens), "n_texts": len(self.texts.starts)}
