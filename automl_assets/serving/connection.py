"""One connection of the server: HTTP as uvicorn reads it, but nobody keeps it open without a whole request."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from automl_assets.serving.limits import Limits
from automl_assets.serving.refusal import Refusal
from automl_assets.serving.request_rows import JSON

HEAD_SECONDS = 10.0  # from the first moment of a connection, and between requests, until a head has arrived
SEND_SECONDS = 30.0  # until a client has taken its answer


class Connection(H11Protocol):
    """Uvicorn's own has no limit for the time in which a head arrives, nor for who does not read."""

    head_seconds = HEAD_SECONDS
    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        limits: Limits = self.config.app.limits  # type: ignore[union-attr]
        self.head_seconds = min(HEAD_SECONDS, limits.seconds)
        if len(self.connections) > limits.n_connections:
            self._refuse(Refusal(503, "too many connections", "try again in a few seconds"))
        else:
            self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._is_answering:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """What was asked meanwhile begins at once."""
        super().on_response_complete()
        if not self._is_answering:
            self._wait(SEND_SECONDS if self.transport.get_write_buffer_size() else self.head_seconds)

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP, in the shape of all errors."""
        self._refuse(Refusal(400, "this is no HTTP request that can be read", "HTTP/1.1 with a head of up to 16 kB"))

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        content = refusal.text.encode("utf-8", "replace")
        headers = [("content-type", JSON), ("content-length", str(len(content))), ("connection", "close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            events: list[Any] = [h11.Response(status_code=refusal.status, headers=headers), h11.Data(content)]
            for event in [*events, h11.EndOfMessage()]:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._wait(SEND_SECONDS)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self.late = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None

    def _give_up(self) -> None:
        """Without an answer: to write one to somebody who does not read would keep the connection."""
        self.transport.abort()
