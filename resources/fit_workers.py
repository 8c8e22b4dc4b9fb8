"""Where the fits of a candidate run: in processes of this machine, or of the machines of a Dask cluster.

A worker of the cluster does one fit at a time, with all its threads, in a process that can be stopped (`execution.processes`): a fit
that crashes or never ends costs itself, not the worker. When a worker is lost another one does its fit again. The data
goes to each worker once for every candidate.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from automl_assets.errors import SettingError
from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import Job, Outcome, run_jobs, wait_until_warm
from automl_assets.parts import FitContext
from automl_assets.steps.search import RunJobs

FITS = "AUTOML_FITS"  # environment variable: address of the scheduler of a Dask cluster
CONNECT_SECONDS = 5
GRACE_SECONDS = 5  # after a fit's deadline, at which its worker stops it
LOOK_SECONDS = 0.02
MEMORY_SHARE = 0.8  # of a worker's memory may be used by its fit


class FitWorkers(dg.ConfigurableResource):
    """A Dask cluster that does the fits of tables' candidates; without an address this machine does them."""

    address: str = ""

    @contextmanager
    def hired(self, budget: Budget, modules: Iterable[str] = ()) -> Iterator[tuple[Budget, RunJobs]]:
        """What a candidate may use where its fits, which need `modules`, run, and what runs them. Raises SettingError where nobody works."""
        if not self.address:
            yield budget, run_jobs
            return
        with _client(self.address) as client:
            workers = _workers(client)
            if not workers:
                raise SettingError(
                    f"{FITS}: no worker has joined {self.address}; start one: dask worker {self.address}"
                )
            _warm_up(client, workers, modules)
            yield _budget(budget, list(workers.values())), partial(_run, client)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client

        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except ImportError as error:
        raise SettingError(
            f"{FITS} needs a package that is missing ({error}); pip install 'automl-assets[dask]'"
        ) from None
    except (OSError, ValueError) as error:
        raise SettingError(f"{FITS}: no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client


def _workers(client: Any) -> dict[str, dict[str, Any]]:
    """What the scheduler knows of each worker, by its address."""
    return dict(client.scheduler_info(n_workers=-1)["workers"])


def _warm_up(client: Any, workers: Iterable[str], modules: Iterable[str]) -> None:
    """Has every worker load its libraries before the first fit's deadline is told."""
    anew = {"allow_other_workers": True, "pure": False}
    asked = [client.submit(wait_until_warm, *modules, workers=[one], **anew) for one in workers]
    client.gather(asked, errors="skip")


def _budget(budget: Budget, workers: list[dict[str, Any]]) -> Budget:
    """The cores of all workers, and the memory of the smallest; a limit of 0 is none."""
    limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
    return replace(
        budget,
        n_cores=sum(worker["nthreads"] for worker in workers),
        n_processes=len(workers),
        memory_bytes=int(MEMORY_SHARE * min(limits)) if limits else None,
    )


def _run(client: Any, jobs: Iterable[Job], n_processes: int, memory_bytes: int | None) -> Iterator[Outcome]:
    """As `processes.run_jobs`, by the workers of a cluster, of jobs whose first argument is the folder of their data."""
    fits, waiting = _Fits(client, memory_bytes), iter(jobs)
    try:
        while True:
            while len(fits.running) < n_processes and (job := next(waiting, None)) is not None:
                fits.start(job)
            if not fits.running:
                return
            yield from fits.finished()
    finally:
        fits.end()


@dataclass
class _Fits:
    """What the workers are at, from the side of those who asked for it."""

    client: Any
    memory_bytes: int | None
    running: dict[Any, tuple[Job, str]] = field(default_factory=dict)  # future -> job, and the worker it was given to
    data: dict[str, Any] = field(default_factory=dict)  # folder here -> its files, which every worker has

    def start(self, job: Job) -> None:
        """Gives a job to a worker that has none; Dask gives it to another one when that one is lost."""
        folder = job.arguments[0]
        if folder not in self.data:
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
            (self.data[folder],) = self.client.scatter([files], broadcast=True, hash=False)
        busy = {worker for _, worker in self.running.values()}
        idle = next((worker for worker in _workers(self.client) if worker not in busy), None)
        asked = (job, self.data[folder], time.monotonic(), self.memory_bytes)
        chosen = {"workers": [idle], "allow_other_workers": True} if idle else {}
        self.running[self.client.submit(fit_there, *asked, pure=False, **chosen)] = job, idle or ""

    def finished(self) -> list[Outcome]:
        """What became of jobs that have ended or are past their deadline; waits until there is one."""
        while True:
            late = time.monotonic() - GRACE_SECONDS
            ended = [future for future, (job, _) in self.running.items() if future.done() or job.deadline < late]
            if ended:
                return [_outcome(future, self.running.pop(future)[0]) for future in ended]
            time.sleep(LOOK_SECONDS)

    def end(self) -> None:
        """Takes back what nobody waits for, and the data."""
        self.client.cancel(list(self.running))
        for folder in self.data:
            self.client.run(_clear, folder, on_error="ignore")  # a worker that was lost has no folder to clear


def _outcome(future: Any, job: Job) -> Outcome:
    if not future.done():
        future.cancel()
        return Outcome(job.key, "out of time", reason="its worker gave no answer")
    try:
        return future.result()
    except Exception as error:  # of Dask's: the outcome of a fit is no exception
        return Outcome(job.key, "crashed", reason=f"its worker was lost ({type(error).__name__}: {error})")


# On a worker


def fit_there(job: Job, files: dict[str, bytes], asked: float, memory_bytes: int | None) -> Outcome:
    """Does a job; `asked` is the time.monotonic() there when it was asked for, since each machine has a clock of its own."""
    shift = time.monotonic() - asked
    wait_until_warm()
    folder, *others = job.arguments
    arguments = (str(_laid_out(folder, files)), *(_shifted(one, shift) for one in others))
    (outcome,) = run_jobs([replace(job, arguments=arguments, deadline=job.deadline + shift)], 1, memory_bytes)
    return outcome


def _shifted(argument: Any, shift: float) -> Any:
    return replace(argument, deadline=argument.deadline + shift) if isinstance(argument, FitContext) else argument


def _laid_out(folder: str, files: dict[str, bytes]) -> Path:
    """The files in a folder of this worker's, the same for every fit of a candidate."""
    from distributed import get_worker

    place = _place(folder, get_worker())
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=place.parent))
        for name, content in files.items():
            (made / name).write_bytes(content)
        made.rename(place)
    return place


def _place(folder: str, worker: Any) -> Path:
    return Path(worker.local_directory) / "automl" / Path(folder).name


def _clear(folder: str, dask_worker: Any) -> None:
    shutil.rmtree(_place(folder, dask_worker), ignore_errors=True)
