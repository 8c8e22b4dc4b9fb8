"""Real services, started by the first test that asks for one, on this machine alone: PostgreSQL, S3, Redis."""

import getpass
import glob
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import free_port, wait

PASSWORD = "s3cret:pass/word"


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server in a folder of its own, and the account it runs under."""

    binaries: Path
    folder: Path
    account: str
    port: int

    @property
    def url(self) -> str:
        """The address as SQLAlchemy takes it; the password needs quoting."""
        return f"postgresql+psycopg2://owner:s3cret%3Apass%2Fword@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        identity = ["-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}"]
        self._run("initdb", "--no-sync", "-E", "UTF8", *identity)

    def start(self) -> None:
        settings = f"-F -p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", settings)

    def stop(self, mode: str) -> None:
        """`fast` ends all connections, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def restart(self) -> None:
        self.stop("fast")
        self.start()

    def ensure_started(self) -> None:
        """For whoever comes next, after a test that stopped it and failed."""
        try:
            self._run("pg_ctl", "status")
        except subprocess.CalledProcessError:
            self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.binaries / program, *arguments, "-D", self.folder / "data"]
        surroundings = {"LC_ALL": "C.UTF-8"}
        subprocess.run(command, check=True, capture_output=True, user=self.account, cwd=self.folder, env=surroundings)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server that lives as long as the tests."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries (initdb, pg_ctl) on this machine")
    account, folder = _account(), Path(tempfile.mkdtemp(prefix="automl_postgres_"))
    shutil.chown(folder, account)
    server = Postgres(binaries, folder, account, free_port())
    try:
        server.make()
        server.start()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # a test has left it stopped
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> str:
    """Its SQLAlchemy URL."""
    return postgres_server.url


def _server_binaries() -> Path | None:
    places = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True), *os.get_exec_path()]
    return next((Path(place) for place in places if os.access(Path(place) / "initdb", os.X_OK)), None)


def _account() -> str:
    """initdb refuses to run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture
def database(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database of its own, which the home is told to use."""
    url = new_database(postgres)
    monkeypatch.setenv("AUTOML_DATABASE", url)
    return url


def new_database(postgres: str) -> str:
    from sqlalchemy import create_engine, text

    name = f"automl_{secrets.token_hex(4)}"
    with create_engine(postgres, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"create database {name}"))
    return f"{postgres.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that speaks S3, for as long as the tests last."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("s3fs") is None:
        pytest.skip("no S3 server: the packages moto and s3fs are not installed")
    log, port = tmp_path_factory.mktemp("s3") / "log", free_port()
    with log.open("w") as file:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait(f"http://127.0.0.1:{port}/moto-api/", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, as a URL; the environment says where its server is."""
    for name, value in s3_settings(s3).items():
        monkeypatch.setenv(name, value)
    return new_bucket(s3)


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """Address of a Redis server that keeps nothing on the disk."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server on this machine")
    port = free_port()
    process = subprocess.Popen(
        [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.PIPE
    )
    try:
        assert any(b"Ready to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.communicate()


def s3_settings(s3: str) -> dict[str, str]:
    """Environment variables that lead to the server."""
    own = {"ENDPOINT_URL": s3, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}
    return {f"AWS_{name}": value for name, value in own.items()}


def new_bucket(s3: str) -> str:
    name = f"automl-{secrets.token_hex(4)}"
    urllib.request.urlopen(urllib.request.Request(f"{s3}/{name}", method="PUT")).close()
    return f"s3://{name}"


@contextmanager
def started(folder: Path, *command: str | Path, **settings: str) -> Iterator[subprocess.Popen]:
    """A process with all that it starts, ended with the block; what it says is in the file `log` in `folder`."""
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=os.environ | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


__all__ = ["bucket", "database", "postgres", "postgres_server", "redis", "s3"]
