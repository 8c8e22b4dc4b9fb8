"""Clocks that no stall of the machine touches: one that tests move, in the place of sleeping, and one that counts."""

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


class Ticking:
    """Stands in for the module `time` where a fit looks at the clock: every look takes as long, however busy the machine."""

    def __init__(self, seconds_a_look: float) -> None:
        self.seconds_a_look, self.now = seconds_a_look, time.monotonic()

    def monotonic(self) -> float:
        self.now += self.seconds_a_look
        return self.now

    perf_counter = monotonic
