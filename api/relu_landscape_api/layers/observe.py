"""Around every request: its id, its time, its line in the log, and the security headers."""

from __future__ import annotations

import logging
import random
import re
import secrets
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relu_landscape_api.answering.problems import CLIENT_CLOSED_REQUEST, unknown_error_response
from relu_landscape_api.metrics import Metrics
from relu_landscape_api.reading.negotiation import header

#: A request id of the caller is taken over if it cannot break a log line or a header.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: JSON has no business loading anything; pages bring their own, wider policy.
_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}

_access = logging.getLogger("relu_landscape.access")
#: Of ids that tell requests apart and guard nothing: asking the system for each one's bits takes as
#: long as all of a key's checks.
_ids = random.Random(secrets.randbits(128))  # noqa: S311


class Observe:
    """The outermost layer (ASGI).

    Puts ``request_id`` into ``scope["state"]``, answers exceptions that nobody foresaw with a
    fixed text, and counts, times and logs every request. The latency is the time until the answer
    began, since an event stream may last for hours.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._metrics)
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            response = unknown_error_response(scope, error)
            if exchange.status is not None:
                raise  # too late for an answer; the server must break the connection off
            await response(scope, receive, exchange.send)
        finally:
            exchange.log()


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, metrics: Metrics) -> None:
        self._scope = scope
        self._send = send
        self._metrics = metrics
        self._method: str = scope["method"]  # before HEAD becomes GET further in
        self._started = perf_counter()
        self._sent_bytes = 0
        self.status: int | None = None
        state = scope.setdefault("state", {})
        given = header(scope, b"x-request-id") or ""
        chosen = given if _REQUEST_ID.fullmatch(given) else f"{_ids.getrandbits(128):032x}"
        state["request_id"] = chosen
        state["timings"] = {}
        self._state = state

    @property
    def _route(self) -> str:
        return str(self._state.get("route", "unmatched"))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        elif message["type"] == "http.response.body":
            self._sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def _begin(self, message: Message) -> None:
        seconds = perf_counter() - self._started
        self.status = message["status"]
        timings = {**self._state["timings"], "total": seconds}
        shown = ", ".join(f"{name};dur={1000 * duration:.1f}" for name, duration in timings.items())
        # The list itself: Starlette's mapping searches it once for every header that is set.
        given = list(message.get("headers", ()))
        names = {name for name, _ in given}
        message["headers"] = [
            *given,
            (b"x-request-id", self._state["request_id"].encode()),
            (b"server-timing", shown.encode()),
            *((name, value) for name, value in _HEADERS.items() if name not in names),
        ]
        method = self._method if self._method in _METHODS else "OTHER"
        self._metrics.answered(method, self._route, message["status"], seconds)

    def log(self) -> None:
        if not _access.isEnabledFor(logging.INFO):
            return
        client = self._scope.get("client")
        _access.info(
            "%s %s",
            self._method,
            self._scope["path"],
            extra={
                "request_id": self._state["request_id"],
                "method": self._method,
                "path": self._scope["path"],
                "route": self._route,
                "status": self.status or CLIENT_CLOSED_REQUEST,
                "milliseconds": round(1000 * (perf_counter() - self._started), 1),
                "bytes": self._sent_bytes,
                "client": client[0] if client else None,
                "asker": self._state.get("asker"),
            },
        )


#: Any other method is counted under one label, so that a caller cannot invent time series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
