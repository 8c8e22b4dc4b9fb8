"""What tests of servers have in common: a free port, waiting until one answers, asking it."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import psutil

START_SECONDS = 240  # a bound, not a wait: a busy machine takes its time
OTHER_HOST = "127.0.0.2"  # of this machine as well, which shows that a server listens where it is told to
SECRET = "s3cret"  # in an address, to be found in no log
Server = TypeVar("Server", bound=socketserver.BaseServer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(address: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def stop(process: subprocess.Popen) -> None:
    """Ends a server that has a session of its own, with those whom it started: some of them wait for each other."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(200)


def listens(process: subprocess.Popen) -> set[str]:
    """Addresses of this machine at which a server takes connections, with all whom it started."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    sockets = [one for member in family for one in member.net_connections("inet")]
    return {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}


def post(address: str, content: Any, kind: str = "application/json") -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(address, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted to it; answers with the codes given, the last one for ever."""

    def __init__(self, *codes: int):
        super().__init__(("127.0.0.1", 0), _Posted)
        self.codes, self.posted = list(codes), list[tuple[dict[str, str], Any]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/{SECRET}"


class _Posted(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.codes.pop(0) if len(self.server.codes) > 1 else self.server.codes[0])
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing on the console."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
