"""What flows between steps of letters alone."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Letters:
    """The recipe: which column is read, and which letters are looked for."""

    column: str
    alphabet: str

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class LetterInputs:
    """Which letters occur in each text."""

    occurs: np.ndarray  # float32 [n_rows, n_letters]

    def take(self, rows: np.ndarray) -> "LetterInputs":
        return LetterInputs(self.occurs[rows])

    @property
    def sizes(self) -> dict[str, int]:
        return {"n_letters": self.occurs.shape[1]}
