"""map_groups: one group after the other, where none stops another; where pictures take long, many groups side by side."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from automl_assets.errors import LearningError, told
from automl_assets.execution.batches import PRELOAD
from automl_assets.execution.processes import Job, run_jobs, wait_until_warm

MOST_DRAWN = 100  # groups of a run that get pictures: each takes a third of a second, and room in the event log
LEAST_APART = 24  # groups that are drawn side by side: fewer are done before processes have started
TOGETHER = 8  # groups that one process draws: its first picture takes twice as long as the others

Made = Iterator[tuple[str, Any]]  # keys, each with its record or the error that kept it from being one


def map_groups(keys: Iterable[str], make: Callable[[str], Any]) -> Made:
    """What is made of each key."""
    for key in keys:
        try:
            record = make(key)
        except Exception as error:
            record = error
        yield key, record


def draw_groups(
    keys: Sequence[str], make: Callable[..., Any], given: Callable[[str], tuple[Any, ...]], n_cores: int
) -> Made:
    """What a function of a module makes of what is given for each key, and of whether it shall draw that; of many groups
    in the order in which processes are done with them."""
    make = partial(make, is_drawn=len(keys) <= MOST_DRAWN)
    if n_cores == 1 or not LEAST_APART <= len(keys) <= MOST_DRAWN:
        yield from map_groups(keys, lambda key: make(*given(key)))
        return
    wait_until_warm(PRELOAD)
    parts = [keys[start : start + TOGETHER] for start in range(0, len(keys), TOGETHER)]
    jobs = (Job(part, _made, (make, dict(map_groups(part, given))), float("inf")) for part in parts)
    for outcome in run_jobs(jobs, n_cores):
        lost = dict.fromkeys(outcome.key, LearningError(f"{outcome.status}: {outcome.reason}"))
        yield from (outcome.value if outcome.status == "done" else lost).items()


def _made(make: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:  # runs in a child process
    """Errors, also those given, become ours: others may not survive the way back."""

    def one(key: str) -> Any:
        if isinstance(given[key], Exception):
            raise given[key]
        return make(*given[key])

    return {
        key: LearningError(told(made)) if isinstance(made, Exception) else made for key, made in map_groups(given, one)
    }
