"""Entity tags for every answer to a GET under /v1 or /ogc that has none of its own."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relu_landscape_api.exposure import GUARDED
from relu_landscape_api.reading.negotiation import matches_etag

#: Headers of an answer that its 304 has as well (RFC 9110, 15.4.5), and ours for people.
_KEPT = {"cache-control", "content-location", "etag", "expires", "link", "notice", "vary"}


class Conditional:
    """Weak tags from an answer's bytes, and 304 where the caller has them (ASGI).

    Weak, because what is compressed later has other bytes. A stream, which has no end of its own,
    passes; so does what has a tag already.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] == "GET"
        if not is_read or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Tagged(scope, send))


class _Tagged:
    """Holds the beginning of an answer back until its bytes are known."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._asked = Headers(scope=scope).get("if-none-match")
        self._send = send
        self._begun: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _can_be_tagged(message):
            self._begun = message
            return
        begun, self._begun = self._begun, None
        if begun is None:
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(begun)
            await self._send(message)
            return
        headers = MutableHeaders(raw=begun["headers"])
        headers["ETag"] = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        if matches_etag(self._asked, headers["ETag"]):
            kept = [pair for pair in headers.raw if pair[0].decode("latin-1").lower() in _KEPT]
            begun = {**begun, "status": 304, "headers": kept}
            message = {"type": "http.response.body", "body": b""}
        await self._send(begun)
        await self._send(message)


def _can_be_tagged(begun: Message) -> bool:
    headers = Headers(raw=begun["headers"])
    is_stream = headers.get("content-type", "").startswith("text/event-stream")
    return begun["status"] == 200 and "etag" not in headers and not is_stream
