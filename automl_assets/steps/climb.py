"""climb: how much of a table one trial learns from where its time is scarce. A sample and one fold first, then as many
rows as time allows, then more folds: each rung is measured by those before it, so that one has ended whatever comes.

Here belongs how large the next rung is. Not here: fitting it (`search`).
"""

from dataclasses import dataclass, replace

CELLS_A_SECOND = (
    100_000  # rows x columns x outputs that every algorithm has learnt from in a second, also on a busy machine
)
LEAST_ROWS, ROWS_A_CLASS = 500, 5  # of the first rung
FIRST_TIME = 0.4  # of the time, at most, for the first rung while there is a larger one
SAFETY = 0.6  # of the time that is left is planned with
LEAST_GAIN = 1.5  # times as many rows, else the next rung is not worth its time


@dataclass(frozen=True)
class Rung:
    """One step of the climb."""

    n_rows: int  # of those of a fold
    n_folds: int
    is_top: bool = False  # nothing is larger


@dataclass(frozen=True)
class Climb:
    """What there is to learn from, and by how many cores."""

    n_rows: int  # of the largest fold
    n_folds: int
    n_cells_a_row: int  # columns x outputs
    n_classes: int
    n_cores: int
    is_refitted: bool  # one more fit beside those of the folds, of all rows

    def is_short(self, seconds: float) -> bool:
        """Whether all rows and folds may take longer than this."""
        n_cells = self.n_rows * self.n_cells_a_row * (self.n_folds + self.is_refitted)
        return n_cells / self.n_cores > seconds * CELLS_A_SECOND

    def first(self) -> Rung:
        """The smallest rung: rows of every class in one fold."""
        least = max(LEAST_ROWS, ROWS_A_CLASS * self.n_classes)
        return self._rung(least if self.n_rows > LEAST_GAIN * least else self.n_rows, 1)

    def next(self, rung: Rung, core_seconds: float, seconds_left: float) -> Rung | None:
        """The largest rung that is likely to end in time; None where it would tell hardly more than the last.

        `core_seconds` are those of one fit of the rung before.

        >>> climb = Climb(n_rows=8_000, n_folds=8, n_cells_a_row=10, n_classes=2, n_cores=2, is_refitted=False)
        >>> climb.next(climb.first(), 0.125, 1.25), climb.next(climb.first(), 0.125, 3.0)
        (Rung(n_rows=6000, n_folds=1, is_top=False), Rung(n_rows=8000, n_folds=1, is_top=False))
        >>> climb.next(Rung(8_000, 1), 2.0, 6.0), climb.next(Rung(8_000, 1), 2.0, 1.0)
        (Rung(n_rows=8000, n_folds=3, is_top=False), None)
        """
        affordable = SAFETY * seconds_left * self.n_cores / max(core_seconds, 1e-9)  # fits like the last
        if rung.n_rows < self.n_rows:
            n_rows = min(self.n_rows, int(rung.n_rows * affordable / (1 + self.is_refitted)))
            return self._rung(n_rows, 1) if n_rows >= min(LEAST_GAIN * rung.n_rows, self.n_rows) else None
        n_folds = min(self.n_folds, int(affordable) - self.is_refitted)
        return self._rung(self.n_rows, n_folds) if n_folds > rung.n_folds else None

    def _rung(self, n_rows: int, n_folds: int) -> Rung:
        return replace(Rung(n_rows, n_folds), is_top=n_rows == self.n_rows and n_folds == self.n_folds)
