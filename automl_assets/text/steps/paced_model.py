"""PacedModel: an ensemble that is asked about texts again and again within a time. What it took so far says of how many more
rows it can be asked; a fast one is asked about thousands, an encoder about dozens.

Not here: what is asked, and what its answers say.
"""

import numpy as np
import polars as pl

from automl_assets.explanation.pace import Pace
from automl_assets.records import Ensemble, Problem
from automl_assets.text.steps.predict import answer

FIRST_ROWS = 16  # that are always asked about, and tell how long a row takes


class PacedModel(Pace):
    """The first row of all is asked once without being counted: what it loads is not loaded again."""

    def __init__(self, ensemble: Ensemble):
        super().__init__()
        self.ensemble = ensemble
        self._is_warm = False

    @property
    def problem(self) -> Problem:
        return self.ensemble.problem

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that hold texts."""
        return self.ensemble.featurizer.texts

    def answers(self, table: pl.DataFrame) -> np.ndarray:
        """Probabilities [n_rows, n_classes]; of rows that are the same the model is asked once."""
        if not self._is_warm:
            answer(self.ensemble, table[:1])
            self._is_warm = True
        places, firsts = _distinct(table)
        return self.timed(len(firsts), lambda: answer(self.ensemble, table[firsts]))[places]

    def first_answers(self, table: pl.DataFrame, deadline: float) -> np.ndarray:
        """Probabilities of as many rows, from the first on, as there is time for; of FIRST_ROWS always."""
        found = [self.answers(table[:FIRST_ROWS])]
        n_found = len(found[0])
        while n_found < table.height and (n_more := min(n_found, self.rows_until(deadline))):
            found.append(self.answers(table[n_found : n_found + n_more]))
            n_found += len(found[-1])
        return np.concatenate(found)


def _distinct(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the place of its like among all that differ, int64 [n_rows], and the first row of each of these."""
    seen: dict[tuple, int] = {}
    places = np.array([seen.setdefault(row, len(seen)) for row in table.rows()], np.int64)
    return places, np.unique(places, return_index=True)[1]
