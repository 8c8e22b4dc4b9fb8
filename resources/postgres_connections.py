"""Connections to a PostgreSQL that goes away and comes back: a restart, an update, another machine taking over.

Who connects waits; what a broken connection left open is asked again, where that does no harm.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, CreateEnginePlugin, Engine, Insert, RootTransaction, event
from sqlalchemy.dialects import plugins
from sqlalchemy.exc import DBAPIError

from automl_assets.errors import ServiceError, SettingError

WAIT = "AUTOML_DATABASE_SECONDS"  # environment variable: how long the server may be away before that is an error
DEFAULT_WAIT_SECONDS = 120.0
RETRY_SECONDS = 0.5
MOST_REPEATS = 5  # of what finds its connection broken
PATIENT = "automl_patient"  # `plugin=automl_patient` in an address, or `plugins=[PATIENT]`: engines that wait
T = TypeVar("T")
P = ParamSpec("P")


class PatientEngine(CreateEnginePlugin):
    """For engines that others make of an address, such as MLflow."""

    def update_url(self, url: URL) -> URL:
        return url

    def engine_created(self, engine: Engine) -> None:
        Patience().teach(engine)


plugins.register(PATIENT, __name__, PatientEngine.__name__)


class Patience:
    """Waits for a server, as long as the environment says since it answered last."""

    def __init__(self) -> None:
        self._seconds = _wait_seconds()
        self._away_since: float | None = None

    def teach(self, engine: Engine) -> None:
        """From now on the engine waits where it would fail to connect."""
        event.listen(engine, "do_connect", self._connected)

    def _connected(self, dialect: Any, _: Any, arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        while True:
            try:
                connection = dialect.connect(*arguments, **settings)
            except dialect.loaded_dbapi.OperationalError as error:
                self._wait(error)
            else:
                self._away_since = None
                return connection

    def _wait(self, error: Exception) -> None:
        now = time.monotonic()
        if self._away_since is None:
            logging.getLogger(__name__).warning("waiting up to %.0f s for PostgreSQL: %s", self._seconds, reason(error))
            self._away_since = now
        if now - self._away_since > self._seconds:
            raise ServiceError(f"PostgreSQL has been away for {self._seconds:.0f} s: {reason(error)}") from error
        time.sleep(RETRY_SECONDS)


class SteadyConnection(Connection):
    """Sends a statement again, over a new connection, when the server went away before it answered.

    For engines of which every statement commits by itself (isolation level AUTOCOMMIT). A statement of a transaction that
    somebody began, and one that would add a second row, are left to who sent them.
    """

    _implied: RootTransaction | None = None  # SQLAlchemy begins one with the first statement; nobody asked for it

    def execute(self, statement: Any, *given: Any, **options: Any) -> Any:
        answer = self._answered(statement, partial(super().execute, statement, *given, **options))
        if not answer.returns_rows or answer.is_insert:  # whose key is asked for at once, and frozen would be lost
            return answer
        return answer.freeze()()  # a later statement that breaks would close it

    def scalar(self, statement: Any, *given: Any, **options: Any) -> Any:
        return self._answered(statement, partial(super().scalar, statement, *given, **options))

    def _answered(self, statement: Any, ask: Callable[[], T]) -> T:
        if self.get_transaction() is not self._implied or _adds(statement):
            return ask()
        answer = unbroken(ask, between=self._forget)
        self._implied = self.get_transaction()
        return answer

    def _forget(self) -> None:
        """SQLAlchemy connects anew once it is told that nothing hangs on the broken connection."""
        self.rollback()
        self._implied = None


def _adds(statement: Any) -> bool:
    return isinstance(statement, Insert) and statement._post_values_clause is None  # that is ON CONFLICT


def unbroken(do: Callable[[], T], between: Callable[[], None] = lambda: None) -> T:
    """Does it, and again where the connection breaks; `between` clears away what an attempt may have left."""
    for _ in range(MOST_REPEATS):
        try:
            return do()
        except Exception as error:
            if not _is_break(error):
                raise
            between()
    return do()


def resumable(function: Callable[P, T]) -> Callable[P, T]:
    """A function that begins anew where the connection breaks: it looks first for what an attempt has left."""

    @wraps(function)
    def resumed(*given: P.args, **options: P.kwargs) -> T:
        return unbroken(partial(function, *given, **options))

    return resumed


class SteadyClient:
    """MLflow's client, which asks again where the connection breaks; what it would create twice is left to the caller."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return method if name.startswith("create_") else resumable(method)


def _is_break(error: Exception) -> bool:
    """Whether the connection broke, also where MLflow tells it in its own words."""
    causes = (error, error.__cause__)
    return any(isinstance(cause, DBAPIError) and cause.connection_invalidated for cause in causes)


def _wait_seconds() -> float:
    text = os.environ.get(WAIT) or str(DEFAULT_WAIT_SECONDS)
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{WAIT}: got {text!r}; it is a number of seconds") from None


def reason(error: BaseException | None) -> str:
    """What the driver says, in one line.

    >>> reason(OSError("connection refused\\n\\tIs the server running?"))
    'connection refused'
    """
    said = getattr(error, "orig", None) or error
    return str(said).strip().partition("\n")[0]
