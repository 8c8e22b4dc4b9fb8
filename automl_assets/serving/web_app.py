"""The service as an ASGI application: routes, limits of what is read and how long, and answers beside the event loop."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from automl_assets.serving.limits import Limits
from automl_assets.serving.refusal import Refusal
from automl_assets.serving.request_rows import JSON, check_size
from automl_assets.serving.respond import Response, respond

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTES = {"/ping": "GET", "/health": "GET", "/version": "GET", "/invocations": "POST"}
POSSIBLE = "POST rows to /invocations; GET /ping, /health and /version"
N_ANSWERS = 4  # at once; ONNX Runtime shares the cores among them
MOST_HELD = 8  # bodies of the largest size in memory, until answers come
LOG = logging.getLogger(__name__)
STALL_SECONDS = 10.0  # without a byte of a body that has begun


class WebApp:
    """Answers with one model, as MLflow's scoring server does."""

    def __init__(self, model: Any, version: str, limits: Limits):
        self.model, self.version, self.limits = model, version, limits
        self.threads = ThreadPoolExecutor(N_ANSWERS, "answer")
        self.n_held = 0  # bytes of bodies
        self.late: set[Future[Response]] = set()  # given up, but at work

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            found = await self._answer(scope, receive)
        except Refusal as refusal:
            found = Response(refusal.status, refusal.text)
        await self._send(scope, found, send)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Response:
        """Raises Refusal."""
        path, method = scope["path"], scope["method"]
        if path not in ROUTES:
            raise Refusal(404, "there is nothing at this path", POSSIBLE)
        if method != ROUTES[path] and (method, ROUTES[path]) != ("HEAD", "GET"):
            raise Refusal(405, f"{path} takes {ROUTES[path]} alone", POSSIBLE)
        if path == "/invocations":
            return await self._invoke(dict(scope["headers"]), receive)
        return Response(200, self.version if path == "/version" else "\n")

    async def _invoke(self, headers: dict[bytes, bytes], receive: Receive) -> Response:
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"", b"identity"):
            raise Refusal(415, "the body is compressed", "send it as it is, without a content encoding")
        check_size(int(headers.get(b"content-length", b"0")), self.limits)
        body = bytearray()
        try:
            await self._read(body, receive)
            kind = headers.get(b"content-type", b"").decode("latin-1")
            return await self._in_time(self.threads.submit(respond, bytes(body), kind, self.model, self.limits))
        finally:
            self.n_held -= len(body)

    async def _in_time(self, work: "Future[Response]") -> Response:
        """Nobody can end a thread: where all of them answer requests that were given up, the process ends, and its parent
        starts another."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self.limits.seconds)
        except TimeoutError:
            if not work.cancel():
                self.late.add(work)
                work.add_done_callback(self.late.discard)
            if sum(not one.done() for one in self.late) >= N_ANSWERS:
                LOG.error("All threads are busy with requests that were given up; this worker ends")
                asyncio.get_running_loop().call_later(1, os._exit, 1)
            told = f"there was no answer within {self.limits.seconds:g} seconds (AUTOML_SERVE_SECONDS)"
            raise Refusal(504, told, "send fewer rows, or try again later") from None

    async def _read(self, body: bytearray, receive: Receive) -> None:
        """Raises Refusal for what is too slow, too large or too much at once."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                has_more = True
                while has_more:
                    message = await asyncio.wait_for(receive(), min(STALL_SECONDS, self.limits.seconds))
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the connection was closed before the body had arrived", POSSIBLE)
                    self._keep(body, message.get("body", b""))
                    has_more = message.get("more_body", False)
        except TimeoutError:
            seconds = f"{self.limits.seconds:g} seconds in all, {STALL_SECONDS:g} between its parts"
            raise Refusal(408, "the body came too slowly", f"it may take {seconds} (AUTOML_SERVE_SECONDS)") from None

    def _keep(self, body: bytearray, part: bytes) -> None:
        body += part
        self.n_held += len(part)
        check_size(len(body), self.limits)
        if self.n_held > MOST_HELD * self.limits.n_bytes:
            raise Refusal(503, "too many requests at once", "try again in a few seconds")

    async def _send(self, scope: MutableMapping[str, Any], found: Response, send: Send) -> None:
        content = found.text.encode("utf-8", "replace")
        headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode())]
        headers += [(b"x-content-type-options", b"nosniff")]
        if found.status == 405:
            allowed = ROUTES[scope["path"]]
            headers += [(b"allow", {"GET": b"GET, HEAD"}.get(allowed, allowed.encode()))]
        if found.status in (408, 503):
            headers += [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
