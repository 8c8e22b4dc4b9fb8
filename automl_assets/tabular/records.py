"""What flows between steps of tables alone: the rows as numbers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TableInputs:
    """Every row as numbers, in the two views algorithms ask for.

    `codes` keeps missing values as NaN and categories as whole numbers, for trees;
    `dense` is imputed with missing markers, one-hot encoded and standardised, for everything else.
    """

    codes: np.ndarray  # float32 [n_rows, n_codes]
    dense: np.ndarray  # float32 [n_rows, n_dense]

    def view(self, name: str) -> np.ndarray:
        """The rows as an algorithm asks for them: `codes` or `dense`."""
        return self.dense if name == "dense" else self.codes

    def take(self, rows: np.ndarray) -> "TableInputs":
        """Some of the rows, by number."""
        return TableInputs(self.codes[rows], self.dense[rows])

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        return {"n_codes": self.codes.shape[1], "n_dense": self.dense.shape[1]}
