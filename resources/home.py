"""Where everything a run leaves behind lies: Dagster's storage, artifacts, journals, the MLflow database.

All of it in one folder, the home, until environment variables name services that keep parts of it: a database for what is
noted, an object store for what is made. `deploy/automl.env` explains each of them.
"""

import contextlib
import fcntl
import importlib.util
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from automl_assets.errors import SettingError
from automl_assets.former_names import MODULES
from automl_assets.masking import is_written

if TYPE_CHECKING:
    import dagster as dg

DEFAULT = ".automl"
DATABASE = "AUTOML_DATABASE"  # environment variable: URL of a PostgreSQL database, in the place of SQLite in the home
ARTIFACTS = (
    "AUTOML_ARTIFACTS"  # environment variable: a folder or URL, in the place of the home, for all that runs make
)
KEY = "AUTOML_KEY"  # environment variable: the key of the installation, where several machines share what they make
KEY_BYTES = 32
RESTORE = (
    "Bring the file back from a copy, since no other key opens the models that are there; or move it away, and a new one is "
    "made for models to come"
)
NAMED = "AUTOML_NAMED_HOME"  # environment variable, our own: a home that a command had to name
_in_use: ContextVar[Path | None] = ContextVar("_in_use", default=None)
EVENT_BATCH = "DAGSTER_EVENT_BATCH_SIZE"  # Dagster's own: so many materialisations are written together


def home() -> Path:
    """The one in use, else `DAGSTER_HOME` when set, else `.automl` in the current folder; absolute."""
    return _in_use.get() or Path(os.environ.get("DAGSTER_HOME") or DEFAULT).resolve()


@contextlib.contextmanager
def use_home(folder: Path) -> Iterator[None]:
    """Another home for as long as the body runs, in this thread alone."""
    token = _in_use.set(folder)
    try:
        yield
    finally:
        _in_use.reset(token)


def place(folder: str) -> UPath:
    """A folder of what runs make: in the home, or where AUTOML_ARTIFACTS says."""
    root = os.environ.get(ARTIFACTS) or str(home())
    fresh: dict[str, Any] = (
        {"use_listings_cache": False} if "://" in root else {}
    )  # what other machines write is seen at once
    return UPath(root, **fresh).absolute() / folder


def database() -> str:
    """URL of the database that Dagster and MLflow share; empty where each has a file in the home."""
    return os.environ.get(DATABASE, "")


def prepare(folder: str | Path | None = None) -> Path:
    """Makes the home ready and points Dagster at it. Settings that are there already are left as they are, but for
    modules of ours that have moved since they were written.

    Raises SettingError for a service that cannot be used, or that the settings contradict.
    """
    path = Path(folder).resolve() if folder else home()
    _check_database()
    _check_artifacts()
    _name_in_hints(path, is_given=folder is not None)
    os.environ["DAGSTER_HOME"] = str(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        _write_settings(path)
        _follow_moved_modules(path / "dagster.yaml")
    except OSError as error:
        raise _not_writable(path, error) from error
    _check_settings(path / "dagster.yaml")
    if database():
        os.environ.setdefault(EVENT_BATCH, "100")  # one statement for so many, where many groups are made
    return path


def is_there(folder: str | Path | None = None) -> bool:
    """Whether anything may have run: a home, or services that keep what others have made."""
    return (Path(folder) if folder else home()).is_dir() or bool(database() or os.environ.get(ARTIFACTS))


def command(text: str) -> str:
    """A command as a person types it to reach the home in use."""
    here, bare = home(), Path(os.environ.get("DAGSTER_HOME") or DEFAULT).resolve()
    is_bare = here == bare and os.environ.get(NAMED) != str(here)
    return text if is_bare else f"{text} --home {shlex.quote(str(here))}"


def _name_in_hints(path: Path, is_given: bool) -> None:
    """Takes note, for all processes of a command, of a home that the same command would not find without its name."""
    bare = Path(os.environ.get("DAGSTER_HOME") or DEFAULT).resolve()
    if is_given and path != bare:
        os.environ[NAMED] = str(path)


def _not_writable(path: Path, error: OSError) -> SettingError:
    return SettingError(
        f"the home {path} cannot be made, or written to: {error.strerror or error}. Name another folder with --home, or let "
        "this user write there"
    )


def open_instance() -> "dg.DagsterInstance":
    """Dagster's instance of the home. One process at a time: two that make its databases at once would both number them."""
    import dagster as dg

    with alone("dagster"):
        return dg.DagsterInstance.from_config(str(home()))


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One process of a machine at a time; others that ask under the same name wait."""
    try:
        file = (home() / f"{name}.lock").open("w")
    except OSError as error:
        raise _not_writable(home(), error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        yield


def _write_settings(path: Path) -> None:
    """Writes those files of settings that are missing; how Dagster stores what it notes depends on the database."""
    shipped = Path(__file__).parent
    if not (path / "workspace.yaml").exists():
        shutil.copyfile(shipped / "workspace.yaml", path / "workspace.yaml")
    if not (path / "dagster.yaml").exists():
        storage = "storage_postgres.yaml" if database() else "storage_sqlite.yaml"
        texts = [(shipped / name).read_text("utf-8") for name in ("dagster.yaml", storage)]
        (path / "dagster.yaml").write_text("\n".join(texts), "utf-8")


def _follow_moved_modules(file: Path) -> None:
    """Puts today's names of our modules into settings that an earlier version wrote."""
    before = file.read_text("utf-8")
    after = re.sub(r"(?<=module: )[\w.]+", lambda match: MODULES.get(match[0], match[0]), before)
    if after != before:
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        temporary.write_text(after, "utf-8")
        os.replace(temporary, file)  # another process may be reading it


def _check_settings(file: Path) -> None:
    """Dagster reads the file alone: it must not store elsewhere than MLflow does, without anybody noticing."""
    settings = file.read_text("utf-8")
    if database() and "postgres" not in settings:
        raise SettingError(
            f"{DATABASE} is set, but {file} names no PostgreSQL: Dagster would go on writing to SQLite. Remove the file, "
            f"and it is written anew; or put in it\nstorage:\n  postgres:\n    postgres_url: {{env: {DATABASE}}}"
        )
    if DATABASE in settings and not database():
        raise SettingError(
            f"{file} names {DATABASE}, which is not set; set it, or remove the file to go back to SQLite"
        )


def _check_database() -> None:
    if not database():
        return
    if not database().startswith(("postgresql://", "postgresql+psycopg2://")):
        got = database().partition(":")[0]
        raise SettingError(
            f"{DATABASE}: got an address of {got!r}; possible: postgresql://user:password@host:5432/name"
        )
    if importlib.util.find_spec("dagster_postgres") is None:
        raise SettingError(f"{DATABASE}: needs the package dagster-postgres; pip install 'automl-assets[postgres]'")


def _check_artifacts() -> None:
    import fsspec

    if is_written(os.environ.get(ARTIFACTS, "")):
        raise SettingError(
            f"{ARTIFACTS}: got an address with a user, a password or a query, which MLflow would note in clear; possible: "
            "s3://bucket/prefix, and its keys in the environment variables of the store, such as AWS_SECRET_ACCESS_KEY"
        )
    try:
        fsspec.get_filesystem_class(place("").protocol)
    except (ImportError, ValueError) as error:
        raise SettingError(
            f"{ARTIFACTS}: {error}. Possible: a folder, or a URL that fsspec knows, such as s3://bucket/prefix after "
            "pip install 'automl-assets[s3]'"
        ) from None


def installation_key() -> bytes:
    """The secret this installation signs its models with: that of AUTOML_KEY, or of a file in the home that is made when
    first needed, readable by its owner alone."""
    given = os.environ.get(KEY)
    return _given_key(given) if given else _own_key()


def _given_key(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) == KEY_BYTES:
            return key
    raise SettingError(
        f"{KEY}: got {len(text)} characters that are no key; it is {2 * KEY_BYTES} hexadecimal digits, "
        f"as `openssl rand -hex {KEY_BYTES}` makes them"
    )


def _own_key() -> bytes:
    path = home() / "installation.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # never replaces the key of another process that was faster
        temporary.unlink()
    return _read_key(path)


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text("utf-8").strip()
        key = bytes.fromhex(text)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}; {RESTORE}") from None
    except ValueError:
        raise SettingError(f"{path} holds no key; it is {2 * KEY_BYTES} hexadecimal digits. {RESTORE}") from None
    if len(key) != KEY_BYTES:
        raise SettingError(f"{path} holds {len(text)} hexadecimal digits; a key is {2 * KEY_BYTES}. {RESTORE}")
    return key
