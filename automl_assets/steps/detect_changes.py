"""detect_changes: what a source looked like from one look to the next, and when a change of it may be acted upon.

A change is acted upon once, when nothing more has been written for a while; where writing never ends, after a multiple
of that. A source that is slow to look at is looked at less often. What is known from look to look is a `Seen`. Times are
seconds since 1970.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

GIVEN_WAY = "a run that gave way"  # in the place of the content that it was asked for
PATIENCE = 10  # debounces, after which a source that never comes to rest is read between two writes
REST_SECONDS = 10  # for which a file is left alone whatever is asked for, lest it be read half-written
LOOK_SHARE = 0.05  # of the time, at most, goes into looking at a source
QUICK_SECONDS = 1.0  # a look that takes no longer may be had at any time
LONGEST_PAUSE = 3600.0  # seconds, however long a look takes


@dataclass(frozen=True)
class Seen:
    """What the last look left behind."""

    stamp: str = ""
    stamp_since: float = 0.0  # when it was first seen
    since: float = 0.0  # when a change was noticed that has not been acted upon; 0 where there is none
    fingerprint: str = ""  # of the content, once it has come to rest under that stamp
    asked: str = ""  # fingerprint of the content that a run was last asked for, or that was found learnt
    request: str = ""  # by which it was asked for; empty where it was found learnt
    n_given_way: int = 0  # runs in a row that made nothing, as the content had changed before they came to read it
    told: str = ""  # trouble that people know of
    looked_at: float = 0.0
    look_seconds: float = 0.0  # that this took: to read everything, of a database that has no watermark

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """What a cursor holds; nothing, where it is none of ours."""
        try:
            return cls(**json.loads(cursor or "{}"))
        except (TypeError, ValueError):
            return cls()

    def as_cursor(self) -> str:
        return json.dumps(asdict(self))


def looked(seen: Seen, stamp: str, now: float) -> Seen:
    """Takes note of a stamp. A clock that was set back makes the wait begin again, instead of lasting for hours."""
    if stamp == seen.stamp:
        return replace(seen, stamp_since=min(seen.stamp_since, now))
    return replace(seen, stamp=stamp, stamp_since=now, since=seen.since or now, fingerprint="")


def seconds_to_pause(seen: Seen, now: float) -> float:
    """How long a source that is slow to look at is not looked at again.

    >>> slow = Seen(looked_at=100.0, look_seconds=6.0)
    >>> seconds_to_pause(slow, now=130.0), seconds_to_pause(slow, now=220.0)
    (90.0, 0.0)
    """
    if seen.look_seconds <= QUICK_SECONDS or now < seen.looked_at:
        return 0.0
    return max(0.0, seen.looked_at + min(seen.look_seconds / LOOK_SHARE, LONGEST_PAUSE) - now)


def settled(seen: Seen, request: str = "") -> Seen:
    """The change has been acted upon by a `request`, or was none."""
    return replace(seen, asked=seen.fingerprint, since=0.0, request=request)


def unsettled(seen: Seen) -> Seen:
    """The run that was asked for has made nothing: whatever is there now is new."""
    return replace(seen, stamp="", asked=GIVEN_WAY, request="", n_given_way=seen.n_given_way + 1)


def seconds_to_wait(seen: Seen, debounce: float, rest: float, now: float) -> float:
    """How long a change must still be left alone; `rest` is how long a file must not have been written to, even with a
    shorter `debounce`.

    >>> change = Seen(stamp="b", stamp_since=100.0, since=100.0)
    >>> seconds_to_wait(change, debounce=60, rest=10, now=120.0), seconds_to_wait(change, debounce=60, rest=10, now=160.0)
    (40.0, 0.0)
    """
    quiet, debounce = now - seen.stamp_since, max(debounce, rest)
    patient = max(PATIENCE * debounce - (now - seen.since), rest - quiet)
    return max(0.0, min(debounce - quiet, patient))
