"""The two loops that carry a conversation out: one plain, one asynchronous."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx2

from relu_landscape_client import _http
from relu_landscape_client._steps import (
    Answer,
    Call,
    Conversation,
    Event,
    Listen,
    NextEvent,
    Now,
    Pause,
    Step,
)
from relu_landscape_client.errors import ClientError, ConnectionFailed

T = TypeVar("T")


class SyncDriver:
    """Carries conversations out, one at a time per call, over one ``httpx2.Client``."""

    def __init__(
        self, options: dict[str, Any], patience: _http.Patience,
        transport: httpx2.BaseTransport | None,
    ) -> None:  # fmt: skip
        self._http = httpx2.Client(transport=transport, **options)
        self._patience = patience

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, conversation: Conversation[T]) -> T:
        """Carry ``conversation`` out and return what it returns."""
        stream = _SyncStream(self._http)
        reply: Any = None
        error: ClientError | None = None
        try:
            while True:
                try:
                    step = conversation.throw(error) if error else conversation.send(reply)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                reply, error = None, None
                try:
                    reply = self._perform(step, stream)
                except ClientError as caught:
                    error = caught
        finally:
            conversation.close()
            stream.close()

    def _perform(self, step: Step, stream: _SyncStream) -> Any:
        match step:
            case Call():
                return self._call(step)
            case Listen():
                return stream.open(step)
            case NextEvent():
                return stream.next()
            case Pause():
                time.sleep(max(0.0, step.seconds))
                return None
            case Now():
                return time.monotonic()

    def _call(self, call: Call) -> Answer:
        import stamina

        base, options = self._http.base_url, _http.request_options(call)
        why = self._patience.ended
        for attempt in stamina.retry_context(**self._patience.options()):
            with attempt, _http.translated(_http.what(base, call), base, why):
                return self._patience.answer(self._http.request(**options))
        raise AssertionError("stamina either returns or raises")


class _SyncStream:
    """At most one open event stream."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self._response: httpx2.Response | None = None
        self._events: Iterator[httpx2.ServerSentEvent] = iter(())

    def open(self, listen: Listen) -> bool:
        self.close()
        request = self._http.build_request(**_http.stream_request(listen, time.monotonic()))
        try:
            with _http.translated("events"):
                self._response = self._http.send(request, stream=True)
        except ConnectionFailed:
            return False
        if not _http.is_stream(self._response):
            self.close()
            return False
        self._events = iter(_http.events_of(self._response, listen.until))
        return True

    def next(self) -> Event | None:
        try:
            with _http.translated("events"):
                return _http.event(next(self._events))
        except (StopIteration, ClientError):
            self.close()
            return None

    def close(self) -> None:
        self._events = iter(())
        if self._response is not None:
            self._response.close()
            self._response = None


class AsyncDriver:
    """Carries conversations out over one ``httpx2.AsyncClient``."""

    def __init__(
        self, options: dict[str, Any], patience: _http.Patience,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:  # fmt: skip
        self._http = httpx2.AsyncClient(transport=transport, **options)
        self._patience = patience

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, conversation: Conversation[T]) -> T:
        """Carry ``conversation`` out and return what it returns."""
        stream = _AsyncStream(self._http)
        reply: Any = None
        error: ClientError | None = None
        try:
            while True:
                try:
                    step = conversation.throw(error) if error else conversation.send(reply)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                reply, error = None, None
                try:
                    reply = await self._perform(step, stream)
                except ClientError as caught:
                    error = caught
        finally:
            conversation.close()
            await stream.close()

    async def _perform(self, step: Step, stream: _AsyncStream) -> Any:
        match step:
            case Call():
                return await self._call(step)
            case Listen():
                return await stream.open(step)
            case NextEvent():
                return await stream.next()
            case Pause():
                await asyncio.sleep(max(0.0, step.seconds))
                return None
            case Now():
                return time.monotonic()

    async def _call(self, call: Call) -> Answer:
        import stamina

        base, options = self._http.base_url, _http.request_options(call)
        why = self._patience.ended
        async for attempt in stamina.retry_context(**self._patience.options()):
            with attempt, _http.translated(_http.what(base, call), base, why):
                return self._patience.answer(await self._http.request(**options))
        raise AssertionError("stamina either returns or raises")


class _AsyncStream:
    """At most one open event stream."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._response: httpx2.Response | None = None
        self._events: AsyncIterator[httpx2.ServerSentEvent] | None = None

    async def open(self, listen: Listen) -> bool:
        await self.close()
        request = self._http.build_request(**_http.stream_request(listen, time.monotonic()))
        try:
            with _http.translated("events"):
                self._response = await self._http.send(request, stream=True)
        except ConnectionFailed:
            return False
        if not _http.is_stream(self._response):
            await self.close()
            return False
        self._events = aiter(_http.events_of(self._response, listen.until))
        return True

    async def next(self) -> Event | None:
        if self._events is None:
            return None
        try:
            with _http.translated("events"):
                return _http.event(await anext(self._events))
        except (StopAsyncIteration, ClientError):
            await self.close()
            return None

    async def close(self) -> None:
        self._events = None
        if self._response is not None:
            await self._response.aclose()
            self._response = None
