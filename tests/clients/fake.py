"""A server in this process that speaks the contract, and misbehaves where a test asks it to.

It counts what is asked of it: how often, in which order, and how many computations it began.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.clients import documents

#: What a stream of one landscape says, in order: (name, data).
SCRIPT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("state", {"state": "running", "error": None}),
    ("progress", documents.progress(1)),
    ("findings", documents.findings("m1")),
    ("progress", documents.progress(3)),
    ("findings", documents.findings("m1", "m2")),
    ("state", {"state": "finished", "error": None}),
)


class Stream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Bytes that may end in a broken connection."""

    def __init__(self, chunks: list[bytes], breaks: bool, done: Callable[[], None]) -> None:
        self._chunks = chunks
        self._breaks = breaks
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks[:-1]
        if not self._breaks:
            self._done()  # a server finishes before it says so
        yield self._chunks[-1]
        if self._breaks:
            raise httpx2.ReadError("connection reset by peer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


@dataclass
class FakeServer:
    """One landscape, known under ``documents.ID``, that finishes when its events were heard.

    ``break_after``: for each stream in turn, after how many events it breaks (None: it goes to
    the end). ``streams`` False: there are none to be had. ``polls_to_finish``: so many looks at
    the status finish it too. ``refuse_first``: answers given before anything else.
    """

    result: dict[str, Any] = field(default_factory=documents.landscape)
    script: tuple[tuple[str, dict[str, Any]], ...] = SCRIPT
    break_after: list[int | None] = field(default_factory=list)
    streams: bool = True
    polls_to_finish: int | None = None
    refuse_first: list[httpx2.Response] = field(default_factory=list)
    is_known: bool = False
    info: dict[str, Any] = field(
        default_factory=lambda: {"algorithm": "1", "backend": {"class": "cpu"}, "version": "0.1.0"}
    )
    final: dict[str, Any] | None = None
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    last_event_ids: list[str | None] = field(default_factory=list)
    headers: list[httpx2.Headers] = field(default_factory=list)
    computations: int = 0

    def transport(self) -> httpx2.MockTransport:
        """For ``Client(transport=...)`` and ``AsyncClient(transport=...)`` alike."""
        return httpx2.MockTransport(self.answer)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one call."""
        path = request.url.path
        self.asked.append(f"{request.method} {path.replace(documents.ID, 'ID')}")
        self.headers.append(request.headers)
        if self.refuse_first:
            return self.refuse_first.pop(0)
        if request.method == "POST" and path == "/v1/landscapes":
            return self._submit(request)
        if path == "/v1/service-info":
            return httpx2.Response(200, json=self.info)
        if path == "/v1/landscapes":
            return self._page(request)
        if path == f"/v1/landscapes/{documents.ID}/events" and self.streams:
            return self._events(request)
        if path.startswith(f"/v1/landscapes/{documents.ID}/fixed-points/"):
            return httpx2.Response(200, json=documents.fixed_point("m2", "minimum", 0.0125, 2))
        if path == f"/v1/landscapes/{documents.ID}":
            return self._status(request)
        return problem(404, "Not found", f"There is nothing at {path}.")

    def _submit(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(json.loads(request.content))
        if self.is_known:
            return httpx2.Response(200, json=self.result)
        # Single flight: however often it is handed in, it is computed once.
        self.computations = 1
        return httpx2.Response(
            202, json=documents.status("queued"), headers={"Retry-After": "1"}
        )  # fmt: skip

    def _status(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            return httpx2.Response(202, json=documents.status("cancelling"))
        if self.polls_to_finish is not None:
            self.polls_to_finish -= 1
            self.is_known = self.is_known or self.polls_to_finish <= 0
        if not self.is_known:
            return httpx2.Response(200, json=documents.status("running"))
        return httpx2.Response(200, json=self.final or self.result)

    def _events(self, request: httpx2.Request) -> httpx2.Response:
        last = request.headers.get("Last-Event-ID")
        self.last_event_ids.append(last)
        begin = int(last.partition("-")[0]) if last else 0
        limit = self.break_after.pop(0) if self.break_after else None
        chunks = [b": connected\n\n"]
        for number, (name, data) in enumerate(self.script, start=1):
            if number > begin and (limit is None or number <= begin + limit):
                text = f"id: {number}-0\nevent: {name}\ndata: {json.dumps(data)}\n\n"
                # Cut where it hurts: in the middle of a line.
                chunks += [text[:7].encode(), text[7:].encode()]
        return httpx2.Response(
            200, headers={"Content-Type": "text/event-stream; charset=utf-8"},
            stream=Stream(chunks, limit is not None, self._finish),
        )  # fmt: skip

    def _finish(self) -> None:
        self.is_known = True

    def _page(self, request: httpx2.Request) -> httpx2.Response:
        items = [documents.status("finished", f"{number:064x}") for number in range(250)]
        begin = int(request.url.params.get("cursor", 0))
        end = begin + int(request.url.params["limit"])
        return httpx2.Response(
            200,
            json={
                "items": items[begin:end],
                "next_cursor": str(end) if end < len(items) else None,
            },
        )


def problem(status: int, title: str, detail: str, **more: Any) -> httpx2.Response:
    """An error as the server words it (problem+json, RFC 9457)."""
    headers = more.pop("headers", {})
    return httpx2.Response(
        status,
        json={"type": "about:blank", "title": title, "status": status, "detail": detail} | more,
        headers=headers | {"Content-Type": "application/problem+json"},
    )
