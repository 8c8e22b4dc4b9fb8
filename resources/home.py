"""Where everything a run leaves behind lies: Dagster's storage, artifacts, journals, the MLflow database."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

DEFAULT = ".automl"
SETTINGS = ("dagster.yaml", "workspace.yaml")


def home() -> Path:
    """`DAGSTER_HOME` when set, else `.automl` in the current folder; absolute."""
    return Path(os.environ.get("DAGSTER_HOME") or DEFAULT).resolve()


def prepare(folder: str | Path | None = None) -> Path:
    """Makes the home ready and points Dagster at it. Settings that are there already are left as they are."""
    path = Path(folder).resolve() if folder else home()
    path.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(path)
    for name in SETTINGS:
        if not (path / name).exists():
            shutil.copyfile(Path(__file__).parent / name, path / name)
    return path


def installation_key() -> bytes:
    """The secret this installation signs its models with; made when first needed, readable by its owner alone."""
    path = home() / "installation.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # never replaces the key of another process that was faster
        temporary.unlink()
    return bytes.fromhex(path.read_text())
