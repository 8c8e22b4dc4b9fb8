"""What Dagster has running beside the log of a step, `PARENT TAIL`: ends the process TAIL once PARENT is gone.

Ctrl-C reaches it as well, and Dagster's own would answer with a stack trace. A script: it is started by its path, and
loads nothing that takes long.
"""

import os
import signal
import sys
import time
from contextlib import suppress

SECONDS = 1.0  # between two looks


def watch(parent: int, tail: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    with suppress(OSError):
        os.kill(tail, signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(*map(int, sys.argv[1:3]))
