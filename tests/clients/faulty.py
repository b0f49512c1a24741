"""A line between client and server on which things go wrong, as a test says.

The line is a transport around the real one, for the plain client and for the asynchronous one: what
it does not spoil is the real server's.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

#: A test's word on a request: an answer in the server's stead, or None to let it through.
Instead = Callable[[httpx2.Request], httpx2.Response | None]

_ID = re.compile(r"\b[0-9a-f]{64}\b")
_EVENT = re.compile(rb"^id: ", re.M)


def name_of(request: httpx2.Request) -> str:
    """Such as ``GET /v1/landscapes/ID/events``."""
    return f"{request.method} {_ID.sub('ID', request.url.path)}"


@dataclass
class Line:
    """What goes wrong, and what was sent.

    ``refuse_first``: answers given before anything reaches the server; ``lose_first``: so many
    answers of the server to this call are lost on their way back. ``break_after``: for each event
    stream in turn, after how many events the line breaks, in the middle of a line of text (None:
    it holds). ``prelude``: bytes in front of each stream in turn. ``instead`` answers in the
    server's stead, ``before`` is told of every request that reaches the server.
    """

    refuse_first: list[httpx2.Response] = field(default_factory=list)
    lose_first: dict[str, int] = field(default_factory=dict)
    break_after: list[int | None] = field(default_factory=list)
    prelude: list[bytes] = field(default_factory=list)
    instead: Instead = lambda request: None
    before: Callable[[httpx2.Request], None] = lambda request: None
    requests: list[httpx2.Request] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Every request by name, in order."""
        return [name_of(request) for request in self.requests]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted, in order."""
        return [json.loads(each.content) for each in self.requests if each.method == "POST"]

    @property
    def last_event_ids(self) -> list[str | None]:
        """Behind which event each stream was asked for."""
        streams = [each for each in self.requests if each.url.path.endswith("/events")]
        return [each.headers.get("Last-Event-ID") for each in streams]

    def plain(self) -> httpx2.BaseTransport:
        """For ``Client(transport=...)``."""
        return _Plain(self)

    def asynchronous(self) -> httpx2.AsyncBaseTransport:
        """For ``AsyncClient(transport=...)``."""
        return _Asynchronous(self)

    def spoiled(self, request: httpx2.Request) -> httpx2.Response | None:
        """The answer that never came from the server, if there is one."""
        self.requests.append(request)
        if self.refuse_first:
            return self.refuse_first.pop(0)
        answer = self.instead(request)
        if answer is None:
            self.before(request)
        return answer

    def delivered(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """The server's answer, as much of it as arrives."""
        name = name_of(request)
        stream: Any = response.stream
        if self.lose_first.get(name, 0) > 0:
            self.lose_first[name] -= 1
            stream = _Lost(stream)
        elif response.headers.get("Content-Type", "").startswith("text/event-stream"):
            limit = self.break_after.pop(0) if self.break_after else None
            stream = _Events(stream, self.prelude.pop(0) if self.prelude else b"", limit)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream,
            extensions=response.extensions,
        )  # fmt: skip


class _Plain(httpx2.BaseTransport):
    def __init__(self, line: Line) -> None:
        self._line = line
        # No TLS is spoken here, and reading a machine's certificates takes a tenth of a second.
        self._real = httpx2.HTTPTransport(verify=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        spoiled = self._line.spoiled(request)
        if spoiled is not None:
            return spoiled
        return self._line.delivered(request, self._real.handle_request(request))

    def close(self) -> None:
        self._real.close()


class _Asynchronous(httpx2.AsyncBaseTransport):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._real = httpx2.AsyncHTTPTransport(verify=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        spoiled = self._line.spoiled(request)
        if spoiled is not None:
            return spoiled
        return self._line.delivered(request, await self._real.handle_async_request(request))

    async def aclose(self) -> None:
        await self._real.aclose()


class _Stream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Bytes on their way; ``_pass`` says what arrives of each piece, or raises."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def _pass(self, piece: bytes) -> Iterator[bytes]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pass(b"")
        for piece in self._real:
            yield from self._pass(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._pass(b""):
            yield part
        async for piece in self._real:
            for part in self._pass(piece):
                yield part

    def close(self) -> None:
        self._real.close()

    async def aclose(self) -> None:
        await self._real.aclose()


class _Lost(_Stream):
    """An answer of which nothing arrives."""

    def _pass(self, piece: bytes) -> Iterator[bytes]:
        raise httpx2.ReadError("connection reset by peer")


class _Events(_Stream):
    """Events, cut where it hurts: in the middle of a line; and at an end, perhaps, broken off."""

    def __init__(self, real: Any, prelude: bytes, limit: int | None) -> None:
        super().__init__(real)
        self._prelude = prelude
        self._limit = limit
        self._held = b""
        self._passed = 0

    def _pass(self, piece: bytes) -> Iterator[bytes]:
        if self._prelude:
            yield self._prelude
            self._prelude = b""
        *blocks, self._held = (self._held + piece).split(b"\n\n")
        for block in blocks:
            yield from self._break()
            yield block[:7]
            yield block[7:] + b"\n\n"
            self._passed += bool(_EVENT.search(block))
        yield from self._break()

    def _break(self) -> Iterator[bytes]:
        if self._passed == self._limit:
            yield b": pi"
            raise httpx2.ReadError("connection reset by peer")


def problem(status: int, title: str, detail: str, **headers: str) -> httpx2.Response:
    """An error as a server words it (problem+json, RFC 9457)."""
    return httpx2.Response(
        status,
        json={"type": "about:blank", "title": title, "status": status, "detail": detail},
        headers=headers | {"Content-Type": "application/problem+json"},
    )
