"""Vectors that were read lately, in the memory of one process: the members of an ensemble ask for the same texts one after
another. What many processes need lies in files, which `reader` and `words` know of.
"""

from collections.abc import Sequence

import numpy as np

FEWEST_KEPT = (
    64  # texts that are put down in files: what servers and explanations ask, a few at a time, nobody asks again
)
MOST_FILES = 5_000  # of a folder, which is looked through with every question
MOST_NUMBERS = 10_000_000  # in memory, beside those of the last question
MOST_AT_ALL = 100_000_000  # with those: in a notebook a question may be about all rows there are


class Recent:
    """Vectors by the keys of their texts; old ones are forgotten when there are many, so that a server stays as it is."""

    def __init__(self) -> None:
        self.held: dict[bytes, np.ndarray] = {}
        self.n_numbers = 0

    def among(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Those of some texts that are known."""
        held = self.held
        found = {key: held[key] for key in keys if key in held}
        if self.n_numbers > MOST_NUMBERS:
            self.held = dict(found)
            self.n_numbers = sum(one.size for one in found.values())
        return found

    def add(self, vectors: dict[bytes, np.ndarray]) -> None:
        """Of further texts, while there is room."""
        n_numbers = self.n_numbers + sum(one.size for one in vectors.values())
        if n_numbers <= MOST_AT_ALL:
            self.held, self.n_numbers = self.held | vectors, n_numbers
