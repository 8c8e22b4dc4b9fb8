"""A clock that tests move, in the place of sleeping."""

import time


class Clock:
    """Stands in for the module `time`; its hands can be moved on, and `monotonic` stays that of the machine."""

    def __init__(self) -> None:
        self.moved = 0.0

    def move(self, seconds: float) -> None:
        self.moved += seconds

    def time(self) -> float:
        return time.time() + self.moved

    @staticmethod
    def monotonic() -> float:
        return time.monotonic()
