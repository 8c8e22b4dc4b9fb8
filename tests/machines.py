"""A machine of made-up speed: what it runs takes as long as a test says, by a clock that stands still otherwise."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from automl_assets.execution.processes import Job, Outcome


class Machine:
    """Runs the fits of a search in this process, in the place of `processes.run_jobs`; stands in for the module `time`.

    `seconds_of` says how long a fit takes; one that would go past its deadline is not run, and ends there.
    """

    def __init__(self, seconds_of: Callable[[Job], float]):
        self.now, self.seconds_of = 1_000.0, seconds_of
        self.jobs: list[Job] = []

    def monotonic(self) -> float:
        return self.now

    def run(self, jobs: Iterable[Job], n_processes: int, memory_bytes: int | None) -> Iterator[Outcome]:
        for job in jobs:
            self.jobs.append(job)
            seconds, left = self.seconds_of(job), job.deadline - self.now
            self.now += min(seconds, max(left, 0.0)) / n_processes
            if seconds > left:
                yield Outcome(job.key, "out of time", reason=f"stopped after {left:.0f} s", seconds=left)
            else:
                yield Outcome(job.key, "done", job.function(*_without_end(job)), seconds=seconds)


def _without_end(job: Job) -> tuple:
    """The arguments of a fit, whose deadline is one of the made-up clock."""
    *given, context = job.arguments
    return (*given, replace(context, deadline=float("inf")))
