"""batches: many small pieces of work in few child processes.

Pieces are put together into jobs of seconds, so that ten thousand of them cost little more than their own work. A child
writes each result down as it is made: when it crashes or is stopped, only the piece it was at is lost, and that one is
tried once more, alone. Not here: what a piece does.
"""

import pickle
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.errors import told
from automl_assets.execution.budget import SOFT_SHARE, Budget
from automl_assets.execution.processes import Job, Outcome, run_jobs, wait_until_warm

PRELOAD = "automl_assets.forecasting.preload"  # what the server of child processes loads for forecasts
BUNDLE_SECONDS = 2.0  # of work in one job; after twice as many a child hands back what it has not begun
FIRST_SIZE = 4  # pieces of a bundle before it is known how long one takes
N_REMEMBERED = 64  # pieces from whose seconds the next bundle's size is told
GENEROSITY = 3.0  # a piece may take so many times its fair share of the time that is left
RANK_SHARE = 0.5  # of the time that is left, at most, for one piece while pieces of a higher rank wait
LEAST_SECONDS = 2.0  # that a piece may take, however many wait


@dataclass(frozen=True)
class Piece:
    """A module-level function; it gets the arguments, and last the time.monotonic() by which it must have returned."""

    key: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    rank: int = 0  # pieces of a lower one come first, and those of higher ones get what they leave
    is_suspect: bool = False  # its process ended while it ran: it gets one of its own


def run_pieces(pieces: Iterable[Piece], budget: Budget) -> Iterator[Outcome]:
    """What became of every piece, as soon as its bundle has ended; those that time did not allow are told last."""
    waiting = deque(sorted(pieces, key=lambda piece: piece.rank))
    if not waiting:
        return
    wait_until_warm(PRELOAD)
    deadline = time.monotonic() + budget.seconds
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        bundles = _Bundles(waiting, Path(folder), budget, deadline)
        for outcome in run_jobs(bundles, bundles.n_processes, budget.memory_bytes):
            yield from bundles.settle(outcome)
    left = max(0.0, deadline - time.monotonic())
    for piece in waiting:
        yield Outcome(piece.key, "out of time", reason=f"not started: {left:.0f} s left")


class _Bundles:
    """An iterator over jobs; what a job has not done goes back to those that wait."""

    def __init__(self, waiting: deque[Piece], folder: Path, budget: Budget, deadline: float):
        self.waiting, self.folder, self.budget, self.deadline = waiting, folder, budget, deadline
        self.n_processes = max(1, min(budget.n_cores, len(waiting)))
        self.n_threads = max(1, budget.n_cores // self.n_processes)
        self.seconds: deque[float] = deque(maxlen=N_REMEMBERED)
        self.bundles: dict[Path, tuple[Piece, ...]] = {}
        self.numbers = count()

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        now = time.monotonic()
        if not self.waiting or now + self._usual_seconds >= self.deadline:
            raise StopIteration  # what cannot end is not begun
        limit = self._limit(now)
        bundle = self._bundle()
        path = self.folder / str(next(self.numbers))
        self.bundles[path] = bundle
        hard = min(self.deadline, now + 2 * BUNDLE_SECONDS + limit)
        return Job(path, _work, (path, bundle, limit, hard, self.n_threads), hard)

    @property
    def _usual_seconds(self) -> float:
        """Of one piece, by those that are done."""
        return float(np.median(self.seconds)) if self.seconds else 0.0

    def _limit(self, now: float) -> float:
        """Seconds that one piece may take."""
        left, rank = self.deadline - now, self.waiting[0].rank
        n_alike = sum(piece.rank == rank for piece in self.waiting)
        most = left * (RANK_SHARE if n_alike < len(self.waiting) else 1.0)
        limit = max(LEAST_SECONDS, min(most, GENEROSITY * left * self.n_processes / n_alike))
        return limit if self.budget.trial_seconds is None else min(limit, self.budget.trial_seconds)

    def _bundle(self) -> tuple[Piece, ...]:
        if self.waiting[0].is_suspect:
            return (self.waiting.popleft(),)
        wished = BUNDLE_SECONDS / max(float(np.mean(self.seconds)), 1e-6) if self.seconds else FIRST_SIZE
        size = max(1, min(int(wished), -(-len(self.waiting) // self.n_processes)))
        bundle: list[Piece] = []
        while self.waiting and len(bundle) < size and not self.waiting[0].is_suspect:
            bundle.append(self.waiting.popleft())
        return tuple(bundle)

    def settle(self, ended: Outcome) -> list[Outcome]:
        """Outcomes of the pieces of a bundle that has ended; the others wait again."""
        bundle = self.bundles.pop(ended.key)
        done = _read(ended.key)
        self.seconds.extend(outcome.seconds for outcome in done)
        rest = bundle[len(done) :]
        if ended.status != "done" and rest:
            culprit, rest = rest[0], rest[1:]
            if len(bundle) == 1 or time.monotonic() >= self.deadline:
                done.append(replace(ended, key=culprit.key))
            else:
                self.waiting.append(replace(culprit, is_suspect=True))
        self.waiting.extendleft(reversed(rest))
        return done


def _work(path: Path, bundle: tuple[Piece, ...], limit: float, hard: float, n_threads: int) -> None:
    """Body of a child: does one piece after the other, and writes down what each gave."""
    from threadpoolctl import threadpool_limits

    started = time.monotonic()
    with threadpool_limits(n_threads), path.open("wb") as file:
        for number, piece in enumerate(bundle):
            now = time.monotonic()
            if number and now > started + 2 * BUNDLE_SECONDS:
                return
            seconds = min(limit, hard - now)
            file.write(_written(piece, now, now + SOFT_SHARE * seconds))
            file.flush()


def _written(piece: Piece, started: float, deadline: float) -> bytes:
    try:
        outcome = Outcome(piece.key, "done", piece.function(*piece.arguments, deadline))
        return pickle.dumps(replace(outcome, seconds=time.monotonic() - started), protocol=5)
    except MemoryError:
        outcome = Outcome(piece.key, "out of memory", reason="needs more than there is")
    except Exception as error:
        outcome = Outcome(piece.key, "error", reason=told(error))
    return pickle.dumps(replace(outcome, seconds=time.monotonic() - started))


def _read(path: Path) -> list[Outcome]:
    """What a child wrote down before it ended, in its order; a result cut off by the end does not count."""
    found: list[Outcome] = []
    if not path.exists():
        return found
    with path.open("rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except (EOFError, pickle.UnpicklingError):
                break
    path.unlink()
    return found
