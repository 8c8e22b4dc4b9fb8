"""Pace: how long a model took for what it was asked so far, and so of how many more rows it can be asked in time."""

import time
import warnings
from collections.abc import Callable
from typing import Any

from automl_assets.errors import TimeUpWarning

MOST_TOGETHER = 6_000  # rows of one question


LEAST_EXPLAINED = 4  # rows, or entities, that are explained in no time


def tell_of_rest(n_done: int, n_asked: int, what: str, seconds: float) -> None:
    """Warns where the time was up before all was explained."""
    if n_done < n_asked:
        text = f"{n_done} of {n_asked} {what} were explained in {seconds:g} seconds; give more seconds, or fewer rows"
        warnings.warn(text, TimeUpWarning, stacklevel=2)


class Pace:
    """Counts what is asked about, in whatever takes the time: rows, or tokens."""

    def __init__(self, most: int = MOST_TOGETHER) -> None:
        self.most, self.n_asked, self.seconds = most, 0, 0.0

    def timed(self, n_rows: int, ask: Callable[[], Any]) -> Any:
        """The answer to a question about so many rows."""
        started = time.monotonic()
        found = ask()
        self.seconds += time.monotonic() - started
        self.n_asked += n_rows
        return found

    def rows_until(self, deadline: float) -> int:
        """Of how many rows it can be asked until then (time.monotonic), at most `most`."""
        left = deadline - time.monotonic()
        if left <= 0:
            return 0
        return int(min(self.most, left / self.seconds_for(1) if self.seconds else self.most))

    def seconds_for(self, n_rows: int) -> float:
        """What so many rows take, by those that were asked about so far."""
        return n_rows * self.seconds / max(1, self.n_asked)
