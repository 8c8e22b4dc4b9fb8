"""time_shares: the time of one step, shared out among its parts; what the clock forbids is left out, and told."""

import time
from collections.abc import Mapping


class TimeShares:
    """When each part is to end, as a share of the step's time; what one part leaves over is the next one's.

    >>> shares = TimeShares(0.0, {"pictures": 1.0})
    >>> shares.allows("pictures"), shares.left_out
    (False, ['pictures'])
    """

    def __init__(self, seconds: float, ends: Mapping[str, float]):
        self.started, self.seconds, self.ends = time.monotonic(), seconds, ends
        self.left_out: list[str] = []

    def end_of(self, part: str) -> float:
        """In the time of `time.monotonic`."""
        return self.started + self.ends[part] * self.seconds

    def seconds_for(self, part: str) -> float:
        """What is left of a part's time; negative when it is over."""
        return self.end_of(part) - time.monotonic()

    def allows(self, part: str, needed: float = 0.0, name: str = "") -> bool:
        """Whether there are `needed` seconds for a part; if not, it is noted, under its `name` where it has one."""
        if self.seconds_for(part) > needed:
            return True
        self.left_out.append(name or part)
        return False
