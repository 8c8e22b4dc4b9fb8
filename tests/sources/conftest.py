"""Real services for the tests of sources: a PostgreSQL server, a web server, an object store in memory."""

import getpass
import glob
import http.server
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest

PASSWORD = "s3cret:pass/word"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without writing to the console, with an ETag as object stores send one."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        if self.path.endswith("with_etag.csv"):
            self.send_header("ETag", '"0123abcd"')
        super().end_headers()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server: its URL and the folder that it serves."""
    folder = tmp_path / "web"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store in memory, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL server that lives as long as the tests; its password needs quoting."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries (initdb, pg_ctl) on this machine")
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="automl_postgres_"))
    shutil.chown(folder, account)
    run = partial(subprocess.run, check=True, capture_output=True, user=account, cwd=folder, env={"LC_ALL": "C.UTF-8"})
    port = _free_port()
    try:
        _start(binaries, folder, port, run)
        yield f"postgresql+psycopg2://owner:s3cret%3Apass%2Fword@127.0.0.1:{port}/postgres"
    finally:
        run([binaries / "pg_ctl", "stop", "-D", folder / "data", "-m", "immediate"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _start(binaries: Path, folder: Path, port: int, run: partial) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = folder / "data"
    identity = ["-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}"]
    run([binaries / "initdb", "-D", data, "--no-sync", "-E", "UTF8", *identity])
    settings = f"-F -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run([binaries / "pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", settings])


def _server_binaries() -> Path | None:
    places = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True), *os.get_exec_path()]
    return next((Path(place) for place in places if os.access(Path(place) / "initdb", os.X_OK)), None)


def _account() -> str:
    """initdb refuses to run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
