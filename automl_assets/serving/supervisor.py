"""supervisor: starts the workers of `automl serve`, another one for each that dies, and ends them all.

python -m automl_assets.serving.supervisor FILE_DESCRIPTOR MODEL
"""

import os
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

from automl_assets.errors import SettingError
from automl_assets.serving.limits import limits_here
from automl_assets.serving.worker import NO_MODEL

PAUSE_SECONDS = 0.2  # between two looks at the workers
SHORT_SECONDS = 10.0  # a worker that dies sooner is followed by another only after a while
WAIT_SECONDS = 5.0
GRACE_SECONDS = 5.0  # beyond the seconds that a request may take


def listener(host: str, port: int) -> socket.socket:
    """A socket at this address, bound and inherited by child processes. Raises SettingError where it cannot be had."""
    try:
        if not 0 <= port < 2**16:
            raise OverflowError("a port is a number up to 65535")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(socket.SOMAXCONN)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingError(
            f"--host {host} --port {port}: {reason}; give another with --port, from 1024 to 65535, or end what listens there"
        ) from None
    found.set_inheritable(True)
    return found


class Supervisor:
    """Keeps as many workers as the limits say."""

    def __init__(self, descriptor: int, address: str):
        self.limits = limits_here()
        self.command = [sys.executable, "-m", "automl_assets.serving.worker", str(descriptor), address]
        self.descriptor, self.is_ending = descriptor, False
        self.workers: list[tuple[subprocess.Popen[bytes], float]] = []  # each with the moment it was started

    def run(self) -> int:
        """Until a signal ends it; returns the exit code, which is not 0 where no worker can load the model."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        while not self.is_ending:
            if self.workers and all(worker.poll() == NO_MODEL for worker, _ in self.workers):
                self._stop()
                return 1
            self._replace()
            time.sleep(PAUSE_SECONDS)
        self._stop()
        return 0

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.is_ending = True

    def _replace(self) -> None:
        """Starts what is missing. One that died at once is not followed at once."""
        now = time.monotonic()
        for place in range(self.limits.n_workers):
            if place == len(self.workers):
                self.workers.append((self._start(), now))
            worker, since = self.workers[place]
            if worker.poll() is not None and now - since > (WAIT_SECONDS if now - since < SHORT_SECONDS else 0):
                print(
                    f"worker {worker.pid} ended ({worker.returncode}); another is started", file=sys.stderr, flush=True
                )
                self.workers[place] = self._start(), now

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self.command, stdin=subprocess.PIPE, pass_fds=[self.descriptor])

    def _stop(self) -> None:
        """Requests that have come are answered; who takes too long is killed."""
        for worker, _ in self.workers:
            worker.terminate()
        until = time.monotonic() + self.limits.seconds + GRACE_SECONDS
        for worker, _ in self.workers:
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()


if __name__ == "__main__":
    os._exit(Supervisor(int(sys.argv[1]), sys.argv[2]).run())
