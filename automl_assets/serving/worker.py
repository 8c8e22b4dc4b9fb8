"""worker: a process that loads a model and answers from a socket that its parent has opened.

    python -m automl_assets.serving.worker FILE_DESCRIPTOR MODEL

It ends when its parent does: its standard input is a pipe that nobody writes to, and that closes then.
"""

import logging
import os
import socket
import sys
import threading
from typing import Any

from automl_assets.serving.limits import Limits, limits_here

NO_MODEL = 3  # exit code: another worker could not load it either


def main() -> None:
    """Runs until SIGTERM, or until the parent is gone; requests that have come are answered before."""
    descriptor, address = int(sys.argv[1]), sys.argv[2]
    limits = limits_here()
    server = _server(_loaded(address), limits)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run([socket.socket(fileno=descriptor)])
    sys.stdout.flush()
    os._exit(0)  # a thread that still answers, though nobody waits for it any more, would be waited for


def _loaded(address: str) -> Any:
    """The model; ends this process with a message where it cannot be loaded."""
    import mlflow.pyfunc

    try:
        return mlflow.pyfunc.load_model(address)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        print(f"the model {address} cannot be loaded: {reason}", file=sys.stderr, flush=True)
        os._exit(NO_MODEL)


def _server(model: Any, limits: Limits) -> Any:
    import uvicorn
    from mlflow.version import VERSION

    from automl_assets.serving.connection import Connection
    from automl_assets.serving.web_app import WebApp

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    config = uvicorn.Config(
        WebApp(model, VERSION, limits),
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16 * 1024,
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    return uvicorn.Server(config)


def _end_with_parent(server: Any) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
