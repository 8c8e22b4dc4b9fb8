"""One look at the source of an experiment: has it changed, and has the change come to rest?

A change is noticed by one look and acted upon by a later one, so that the moment at which it was noticed lies in the
cursor. Files are looked at from outside. A database without a watermark is read whole: the longer that takes, the
rarer it is done (`steps.detect_changes`).
"""

import time
from dataclasses import replace

import dagster as dg

from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.notifications import Notice, tell
from automl_assets.steps.detect_changes import REST_SECONDS, Seen, looked, seconds_to_pause, seconds_to_wait
from automl_assets.steps.read_source import may_be_half_written, write_stamp


def look(experiment: Experiment, before: Seen, debounce: float) -> tuple[Seen, str]:
    """What is there, and why it is left alone for now; nothing where there is a change that has come to rest.

    Raises AutomlError for a source that cannot be looked at.
    """
    now = time.time()
    if pause := seconds_to_pause(before, now):
        return before, f"to look takes {before.look_seconds:.0f} s; it is done again in {pause:.0f} s"
    seen, is_first = _looked(experiment, replace(before, told=""), now), not before.stamp
    if not seen.since:
        return seen, f"nothing has changed since {seen.asked or seen.stamp}"
    rest = REST_SECONDS if may_be_half_written(experiment) else 0
    wait = seconds_to_wait(seen, debounce, rest, now)
    if wait or not before.since:
        what = "this is the first look at the source" if is_first else "the source was written to"
        return seen, f"{what}; it is read when it has rested, for {wait:.0f} s more"
    return seen, ""


def look_after_reading(experiment: Experiment, seen: Seen) -> tuple[Seen, str]:
    """What is there once files have been read, and why that is left alone; nothing where it is still the same."""
    stamp = write_stamp(experiment) if may_be_half_written(experiment) else seen.stamp
    if stamp == seen.stamp:
        return seen, ""
    return looked(seen, stamp, time.time()), "the source was written to while it was read; it is left alone again"


def _looked(experiment: Experiment, before: Seen, now: float) -> Seen:
    began = time.monotonic()
    seen = looked(before, write_stamp(experiment), now)
    return replace(seen, looked_at=now, look_seconds=time.monotonic() - began)


def skipped(seen: Seen, reason: str) -> dg.SensorResult:
    """What comes of a look that leads to nothing."""
    return dg.SensorResult(skip_reason=reason, cursor=seen.as_cursor())


def troubled(context: dg.SensorEvaluationContext, experiment: Experiment, seen: Seen, trouble: str) -> dg.SensorResult:
    """Tells a trouble once, however its words change until it is over, and leaves all else to the next look."""
    text = f"{experiment.name}: the data cannot be read: {trouble}"
    if not seen.told:
        tell(Notice("source_unreadable", experiment.name, text), context.log)
    return skipped(replace(seen, told=trouble), text)
