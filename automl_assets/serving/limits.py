"""How much one request may be, and how much there may be at once: environment variables with their defaults."""

import os
from dataclasses import dataclass
from typing import Any

from automl_assets.errors import SettingError


@dataclass(frozen=True)
class Limits:
    """What a server takes. Each field is set by AUTOML_SERVE_ and its name in capitals."""

    n_bytes: int = 16 * 2**20  # AUTOML_SERVE_BYTES: of the body of a request
    n_rows: int = 100_000  # AUTOML_SERVE_ROWS: of a request
    seconds: float = 60  # AUTOML_SERVE_SECONDS: until a request has arrived, and from then on until it is answered
    n_connections: int = 200  # AUTOML_SERVE_CONNECTIONS: at once, of each worker
    n_workers: int = 1  # AUTOML_SERVE_WORKERS: processes, each with the model in memory


VARIABLES = {
    "n_bytes": "AUTOML_SERVE_BYTES",
    "n_rows": "AUTOML_SERVE_ROWS",
    "seconds": "AUTOML_SERVE_SECONDS",
    "n_connections": "AUTOML_SERVE_CONNECTIONS",
    "n_workers": "AUTOML_SERVE_WORKERS",
}


def limits_here() -> Limits:
    """As the environment says. Raises SettingError for what is no number above zero."""
    given = {name: os.environ[variable] for name, variable in VARIABLES.items() if os.environ.get(variable)}
    return Limits(**{name: _number(VARIABLES[name], text, name != "seconds") for name, text in given.items()})


def _number(variable: str, text: str, is_whole: bool) -> Any:
    try:
        number = int(text) if is_whole else float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise SettingError(f"{variable}={text}: give a {'whole number' if is_whole else 'number'} above 0")
    return number
