"""The server of `automl serve` as clients meet it, friendly ones and others: real processes, real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from automl_assets.errors import SettingError
from automl_assets.forecasting.serving.model_folder import forecast_model
from automl_assets.forecasting.steps.export import export
from automl_assets.serving.limits import VARIABLES, limits_here
from automl_assets.serving.supervisor import listener
from tests import forecasts
from tests.processes import until
from tests.servers import post, wait

SETTINGS = {"n_bytes": "200000", "n_rows": "1000", "n_connections": "30"}
WAITS = 120  # seconds: a bound, not a wait
GROUP = forecasts.group((40,))
MADE = export(GROUP, forecasts.ensemble(GROUP))
BODY = json.dumps({"inputs": MADE.example}).encode()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with forecast_model([MADE], ("region",)) as found:
        yield found


@contextmanager
def started(folder: Path, log: Path, **settings: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """A server with its port, from the socket on."""
    found = listener("127.0.0.1", 0)
    command = [sys.executable, "-m", "automl_assets.serving.supervisor", str(found.fileno()), str(folder)]
    environment = os.environ | {VARIABLES[name]: value for name, value in settings.items()}
    with log.open("wb") as output, found:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, pass_fds=[found.fileno()])
        port = found.getsockname()[1]
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(200)


Served = tuple[subprocess.Popen, int]


@contextmanager
def _answering(folder: Path, log: Path, seconds: int) -> Iterator[Served]:
    with started(folder, log, **SETTINGS, seconds=str(seconds)) as (process, port):
        wait(f"http://127.0.0.1:{port}/ping", process, log)
        yield process, port


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It has time, however busy the machine; the last test that asks for it ends it."""
    with _answering(folder, tmp_path_factory.mktemp("server") / "log", seconds=WAITS) as served:
        yield served


@pytest.fixture
def port(server: Served) -> int:
    return server[1]


@pytest.fixture(scope="module")
def hurried(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It gives two seconds to each; the last test that asks for it ends it."""
    with _answering(folder, tmp_path_factory.mktemp("hurried") / "log", seconds=2) as served:
        yield served


def ask(port: int, *parts: bytes) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAITS) as connection:
        for part in parts:
            connection.sendall(part)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def head(more: str = "", method: str = "POST", path: str = "/invocations") -> bytes:
    kind = "Content-Type: application/json\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n{kind}{more}\r\n".encode()


def refused(answer: bytes) -> tuple[int, str]:
    """Status and message of an error, in the shape that all have."""
    start, _, content = answer.partition(b"\r\n\r\n")
    told = json.loads(content)
    assert list(told) == ["status", "error_code", "message", "possible"], told
    assert start.startswith(f"HTTP/1.1 {told['status']} ".encode())
    return told["status"], told["message"]


ROUTES = [
    *(("GET", path, 200) for path in ("/ping", "/health", "/version")),
    *(("HEAD", path, 200) for path in ("/ping", "/health", "/version")),
    *((method, "/invocations", 405) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")),
    *(
        ("GET", path, 404)
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/../MLmodel", "/%2e%2e/MLmodel", "//ping")
    ),
    ("POST", "/ping", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
def test_there_are_four_routes_and_no_other(port: int, method: str, path: str, status: int) -> None:
    answer = ask(port, head("Connection: close\r\n", method, path))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"\r\nallow: " in answer) == (status == 405)
    if method == "HEAD":
        assert answer.endswith(b"\r\n\r\n")
    elif status != 200:
        assert refused(answer)[0] == status


def test_four_clients_at_once_get_what_one_gets(port: int) -> None:
    address = f"http://127.0.0.1:{port}/invocations"
    alone = post(address, BODY)
    assert alone[0] == 200 and len(alone[1]["predictions"]) == len(MADE.example["sold"]) - 12
    with ThreadPoolExecutor(4) as clients:
        assert all(answer == alone for answer in clients.map(lambda _: post(address, BODY), range(40)))


SLOW = {
    "a connection without a word": [],
    "half a head": [b"POST /invocations HTTP/1.1\r\nHost: he"],
    "a head and nothing more": [head("Content-Length: 100\r\n")],
    "half a body": [head("Content-Length: 100\r\n"), b"{"],
    "half a chunk": [head("Transfer-Encoding: chunked\r\n"), b"10\r\n{"],
    "half a second request": [head(method="GET", path="/ping"), b"GET /pi"],
    "a body that nobody asked for": [head("Content-Length: 100000000\r\n"), b"x" * 1000],
}


@pytest.mark.parametrize("parts", SLOW.values(), ids=SLOW)
def test_who_stalls_is_left(hurried: Served, parts: list[bytes]) -> None:
    begun = time.monotonic()
    answer = ask(hurried[1], *parts)
    assert time.monotonic() - begun < WAITS - 1, "the connection stayed open"
    if parts and parts[0].startswith(b"POST") and parts[0].endswith(b"\r\n\r\n"):
        assert refused(answer)[0] in (408, 413)


def test_who_sends_byte_by_byte_is_left(hurried: Served) -> None:
    with socket.create_connection(("127.0.0.1", hurried[1]), timeout=WAITS) as connection:
        connection.sendall(head("Content-Length: 100000\r\n"))
        begun = time.monotonic()
        with pytest.raises(OSError):  # the system has several words for a closed connection
            while time.monotonic() - begun < WAITS:
                connection.sendall(b" ")
                time.sleep(0.05)


RUDE = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "no HTTP request"),
    "a head without an end": (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000, 400, "no HTTP request"),
    "a hundred thousand headers": (head("X: 1\r\n" * 100_000), 400, "no HTTP request"),
    "two lengths": (head("Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "no HTTP request"),
    "a length that is none": (head("Content-Length: -1\r\n"), 400, "no HTTP request"),
    "a chunk that is none": (head("Transfer-Encoding: chunked\r\n") + b"zz\r\n", 400, "no HTTP request"),
    "a large body": (head("Content-Length: 200001\r\nConnection: close\r\n"), 413, "larger than 200000 bytes"),
    "large chunks": (
        head("Transfer-Encoding: chunked\r\n") + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 4,
        413,
        "larger than 200000 bytes",
    ),
    "a compressed body": (head("Content-Length: 2\r\nContent-Encoding: gzip\r\nConnection: close\r\n") + b"xx", 415, "is compressed"),
    "a web socket": (head("Upgrade: websocket\r\nConnection: upgrade, close\r\n", "GET", "/ws"), 404, "nothing at this path"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "told"), RUDE.values(), ids=RUDE)
def test_rude_requests_are_refused_in_the_same_shape(port: int, sent: bytes, status: int, told: str) -> None:
    found = refused(ask(port, sent))
    assert found[0] == status and told in found[1]


def test_requests_in_a_row_are_answered_in_their_order(port: int) -> None:
    pings = head(method="GET", path="/ping") * 50
    answer = ask(port, pings, head("Connection: close\r\n", "GET", "/version"))
    assert answer.count(b"HTTP/1.1 200 OK") == 51 and answer.rpartition(b"\r\n\r\n")[2].count(b".") == 2


def test_too_many_connections_are_refused_and_the_service_goes_on(port: int) -> None:
    many = [socket.create_connection(("127.0.0.1", port), timeout=WAITS) for _ in range(60)]
    status, told = refused(rest(many[-1]))
    assert (status, told) == (503, "too many connections")
    for connection in many:
        connection.close()
    address = f"http://127.0.0.1:{port}/invocations"
    assert until(lambda: post(address, BODY)[0] == 200, WAITS)


def test_another_worker_follows_one_that_was_killed(server: Served) -> None:
    process, port = server
    (first,) = psutil.Process(process.pid).children()
    first.kill()
    status, _ = post(f"http://127.0.0.1:{port}/invocations", BODY)  # waits in the queue of the socket
    (second,) = psutil.Process(process.pid).children()
    assert status == 200 and second.pid != first.pid


def test_a_worker_that_only_does_what_was_given_up_is_replaced(hurried: Served) -> None:
    """Each row is a series of its own, so that a small body takes long."""
    process, port = hurried
    address = f"http://127.0.0.1:{port}/invocations"
    (first,) = psutil.Process(process.pid).children()
    row = {name: values[0] for name, values in MADE.example.items()}
    series = [{**row, "month": month, "shop": i, "sold": sold} for i in range(400)
              for month, sold in (("2023-06-01", 1), ("2023-07-01", None))]  # fmt: skip

    def send(_: int) -> int:
        try:
            return post(address, {"inputs": series})[0]
        except ConnectionError:  # it came as the worker ended
            return 0

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(send, range(8))) <= {504, 0}
    first.wait(WAITS)
    assert until(lambda: post(address, BODY)[0] == 200, WAITS)


def test_what_has_come_is_answered_before_the_end(server: Served) -> None:
    process, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=WAITS) as connection:
        connection.sendall(head(f"Content-Length: {len(BODY)}\r\n") + BODY[:10])
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(BODY[10:])
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK") and b'"predictions"' in answer
    assert process.wait(WAITS) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_no_worker_outlives_a_server_that_was_killed(hurried: Served) -> None:
    process, _ = hurried
    workers = psutil.Process(process.pid).children()
    process.kill()
    assert workers and psutil.wait_procs(workers, timeout=WAITS)[1] == []


def test_a_folder_that_is_no_model_ends_the_server_with_a_message(tmp_path: Path) -> None:
    with started(tmp_path / "nothing", tmp_path / "log") as (process, _):
        assert process.wait(WAITS) == 1
    log = (tmp_path / "log").read_text()
    assert f"the model {tmp_path / 'nothing'} cannot be loaded: " in log and "Traceback" not in log


def test_a_port_in_use_is_told() -> None:
    with listener("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with pytest.raises(SettingError, match=f"--port {taken}: Address already in use; give another with --port"):
            listener("127.0.0.1", taken)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99_999), ("no.such.host.invalid", 5001), ("192.0.2.1", 5001)])
def test_an_address_that_cannot_be_had_is_told(host: str, port: int) -> None:
    with pytest.raises(SettingError, match=f"--host {host} --port {port}: .*; give another"):
        listener(host, port)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "inf"])
def test_limits_are_numbers_above_zero(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AUTOML_SERVE_ROWS", text)
    with pytest.raises(SettingError, match=f"AUTOML_SERVE_ROWS={text}: give a whole number above 0"):
        limits_here()
