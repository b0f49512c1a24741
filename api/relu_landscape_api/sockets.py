"""Connections: how many there may be, how long a request may take to come, and how they end.

uvicorn waits for ever for the rest of a request, and closes a connection whose body it has not
read, which resets it: the answer that says why is lost on the way. Both are mended here, below the
application, which never sees such requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Literal, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relu_landscape_api.answering.problems import MEDIA_TYPE
from relu_landscape_api.logs import Seldom
from relu_landscape_api.settings import ApiSettings

#: Descriptors that are not for connections: the store, the workers, the log, libraries at work.
_RESERVED_DESCRIPTORS = 128
#: More connections than this no single process should have, whatever the system allows.
_MOST_CONNECTIONS = 8192
#: Connections beyond the limit that are told so before they are closed; the rest is cut off.
_MOST_REFUSALS = 32
#: What is read on of a body that nobody wants, so that its sender reads the answer: several times
#: what is accepted. A reset would be shown in place of the answer.
_LINGER_BYTES = 64 * 1024 * 1024
_LINGER_SECONDS = 10.0
#: The line and the headers of a request; the parser itself would take any number.
_HEAD_BYTES = 64 * 1024
_TOO_LONG = f"The line and headers are longer than {_HEAD_BYTES} bytes."
#: A connection that is refused has hardly anything on its way.
_REFUSAL_SECONDS = 1.0

_refusals = Seldom("relu_landscape.api")


@dataclass(frozen=True)
class Bounds:
    """What a connection may cost."""

    connections: int
    head_seconds: float
    body_seconds: float


def bounds(settings: ApiSettings) -> Bounds:
    """Those of the settings; the number of connections from the limit of open files if need be."""
    connections = settings.connections_limit
    if connections is None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        # Two each: an event stream has a connection to the store as well.
        room = (files - _RESERVED_DESCRIPTORS) // 2 if files > 0 else _MOST_CONNECTIONS
        connections = min(_MOST_CONNECTIONS, max(8, room))
    return Bounds(connections, settings.head_seconds, settings.body_seconds)


def bounded_protocol(bounds: Bounds) -> type[HttpToolsProtocol]:
    """A protocol for uvicorn within these bounds."""
    return type("BoundedProtocol", (_Protocol,), {"bounds": bounds})


class _Lingering:
    """A transport whose ``close`` is the protocol's to decide."""

    def __init__(self, transport: asyncio.Transport, protocol: _Protocol) -> None:
        self.real = transport
        self.write = transport.write  # what an answer calls most
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def close(self) -> None:
        self._protocol.finish()

    def is_closing(self) -> bool:
        return self._protocol.is_lingering or self.real.is_closing()


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 with deadlines, a limit of connections, and an end that lets answers arrive."""

    bounds: ClassVar[Bounds]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_lingering = False
        self._is_ending = False
        self._unwanted_bytes = 0
        #: What is to come of a request that is not whole; None between two requests.
        self._part: Literal["head", "body"] | None = "head"
        self._head_bytes = 0
        self._heads = 0
        self._pieces: list[bytes] = []
        self.url = b""
        self._awaited: str | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def _real(self) -> asyncio.Transport:
        return cast(_Lingering, self.transport).real

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Lingering(transport, self)))
        beyond = len(self.connections) - self.bounds.connections
        if beyond <= 0:
            self._watch()
            return
        _refusals.warning("more than %d connections: refusing some", self.bounds.connections)
        if beyond > _MOST_REFUSALS:
            transport.abort()
        else:
            self._refuse(503, "Too many connections are open; try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None, 0.0)
        self.is_lingering = False
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_lingering or self._is_answered:
            self._unwanted_bytes += len(data)
            if self._unwanted_bytes > _LINGER_BYTES:
                self._real.abort()
                return
        if self.is_lingering:
            return
        before, self._heads = self._part, 0
        super().data_received(data)
        self._hand_on()
        if self._part == "head":
            # Where this head began within the data, after the end of a request, it began a moment
            # ago; otherwise all of them belong to it.
            is_all = not self._heads or (self._heads == 1 and before != "body")
            self._head_bytes += len(data) if is_all else 1
        if self._part == "head" and self._head_bytes > _HEAD_BYTES and not self.is_lingering:
            self._refuse(431, _TOO_LONG)
        self._watch()

    @property
    def _is_answered(self) -> bool:
        """Whether a body goes on coming to which the answer has gone out already."""
        return self._part == "body" and self.cycle is not None and self.cycle.response_complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._part = "head"
        self._heads += 1
        self._head_bytes, self._unwanted_bytes = 0, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._part = "body"

    def on_body(self, body: bytes) -> None:
        # uvicorn adds each piece to what it has by copying both. A body can come in pieces of one
        # byte, a hundred thousand in one read, which would take a third of a second.
        self._pieces.append(body)

    def _hand_on(self) -> None:
        """Give uvicorn what has come of a body."""
        if self._pieces:
            whole = b"".join(self._pieces)
            self._pieces.clear()
            super().on_body(whole)

    def on_message_complete(self) -> None:
        self._hand_on()
        super().on_message_complete()
        self._part = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - in our words
        if len(self.url) >= _HEAD_BYTES - 1:  # the parser's own limit
            self._refuse(431, _TOO_LONG)
        else:
            self._refuse(400, "This is not an HTTP request that can be read.")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def shutdown(self) -> None:
        self._is_ending = True
        if self.is_lingering:
            self._real.close()
        else:
            super().shutdown()

    def finish(self) -> None:
        """Close: at once where the request has come whole, else after the rest of it.

        This side is closed meanwhile, so that the other one knows that the answer is complete.
        Where no request has begun there is no answer, and nobody to wait for: browsers open
        connections that they may need, and one of them held an ending process for ten seconds.
        """
        if self.is_lingering or self._real.is_closing():
            self._real.close()
        elif self._part is not None and self.cycle is not None:
            self._linger(_REFUSAL_SECONDS if self._is_ending else _LINGER_SECONDS)
        else:
            self._real.close()

    def _linger(self, seconds: float) -> None:
        self.is_lingering = True
        self._unset_keepalive_if_required()
        self._set_deadline("end", seconds)
        self.flow.resume_reading()
        with contextlib.suppress(OSError):  # the other side has gone already
            self._real.write_eof()

    def _watch(self) -> None:
        """Have the deadline of what is awaited now, if anything is."""
        if self.is_lingering or self._real.is_closing():
            return
        if self._part == "body":
            # The application answers by itself when its time is over; this is for when it does not
            # read the body at all.
            self._set_deadline("body", self.bounds.body_seconds + _LINGER_SECONDS)
        elif self._part == "head":
            self._set_deadline("head", self.bounds.head_seconds)
        else:
            self._set_deadline(None, 0.0)  # between requests, uvicorn's own limit holds

    def _set_deadline(self, awaited: str | None, seconds: float) -> None:
        if awaited == self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited = awaited
        self._deadline = None if awaited is None else self.loop.call_later(seconds, self._is_late)

    def _is_late(self) -> None:
        if self._awaited == "head" and self._head_bytes:
            self._refuse(408, f"The request did not arrive within {self.bounds.head_seconds:g} s.")
        else:
            self._real.abort()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what has not been read, and close."""
        phrase = HTTPStatus(status).phrase
        problem = {
            "type": f"urn:relu-landscape:problem:{phrase.lower().replace(' ', '-')}",
            "title": phrase,
            "status": status,
            "detail": detail,
            "instance": "",
            "request_id": "",
        }
        body = orjson.dumps(problem)
        retry = "Retry-After: 5\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n"
        )
        self._real.write(head.encode() + body)
        self._linger(_REFUSAL_SECONDS)
