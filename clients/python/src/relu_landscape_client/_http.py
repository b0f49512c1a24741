"""What both drivers share: which answers are errors, and which calls to repeat."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from relu_landscape_client import __version__
from relu_landscape_client._steps import Answer, Call, Event, Listen
from relu_landscape_client.errors import (
    AddressError,
    AnswerError,
    Busy,
    ConnectionFailed,
    NotAuthorised,
    NotFound,
    ProtocolError,
    RequestRefused,
    ServerAbsent,
    ServerError,
)

#: Statuses of gateways and of a server that is starting, stopping or full: asking again may help.
REPEATABLE = frozenset({429, 502, 503, 504})
#: A stream that is silent for so long is taken for broken. The server sends a heartbeat at least
#: every 15 s (the default of its event library), so three of them are missing.
STREAM_SILENCE_SECONDS = 45.0
#: A machine that is there takes a connection at once; one that is switched off never does.
CONNECT_SECONDS = 10.0

_KINDS: dict[int, type[AnswerError]] = {
    400: RequestRefused,
    401: NotAuthorised,
    403: NotAuthorised,
    404: NotFound,
    410: NotFound,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: Busy,
    503: Busy,
}


def base_options(url: str, api_key: str | None, timeout_seconds: float) -> dict[str, Any]:
    """Keyword arguments for either httpx2 client; ``AddressError`` where ``url`` is no address."""
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise AddressError(f"{url!r} is no address: {error}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressError(f"{url!r} is no address: write http://HOST:PORT or https://HOST")
    headers = {"User-Agent": f"relu-landscape-client/{__version__}", "Accept": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    # The base path is kept, so that a server behind a proxy's prefix works.
    timeout = httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS))
    return {"base_url": address, "headers": headers, "timeout": timeout}


@contextmanager
def translated(
    what: str, base: httpx2.URL | None = None, why: Callable[[], str | None] = lambda: None
) -> Iterator[None]:
    """Turn every httpx2 exception into ours; ``what`` says what was tried, ``base`` where.

    ``why`` may know more of a server that is absent than the network does.
    """
    try:
        yield
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise AddressError(f"{what}: {error}") from error
    except (httpx2.DecodingError, httpx2.TooManyRedirects, httpx2.HTTPStatusError) as error:
        raise ProtocolError(f"{what}: {error}") from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        reason = why() or str(error) or type(error).__name__
        raise ServerAbsent(what, str(base or "").rstrip("/"), reason) from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        reason = str(error) or type(error).__name__
        raise ConnectionFailed(f"{what}: {reason}") from error
    except httpx2.CookieConflict as error:
        raise ProtocolError(f"{what}: {error}") from error


def request_options(call: Call) -> dict[str, Any]:
    """Keyword arguments of ``httpx2``'s ``request`` for ``call``."""
    headers = dict(call.headers)
    content = None
    if call.json is not None:
        content = json.dumps(call.json, allow_nan=False).encode()
        headers["Content-Type"] = "application/json"
    elif call.archive is not None:
        content = call.archive
        headers["Content-Type"] = "application/x-npz"
    params = {name: value for name, value in call.params.items() if value is not None}
    return {
        "method": call.method, "url": call.path, "params": params or None,
        "headers": headers, "content": content,
    }  # fmt: skip


def answer(response: httpx2.Response) -> Answer:
    """The answer of a successful ``response``, read whole; anything else raises."""
    if response.is_success or response.status_code == 304:
        return Answer(response.status_code, response.content, response.headers)
    if response.is_redirect:
        target = response.headers.get("Location", "elsewhere")
        raise ProtocolError(f"the server sends us to {target}: give the client that address")
    raise error_of(response)


def error_of(response: httpx2.Response) -> AnswerError:
    """The exception for an unsuccessful ``response``, read whole, problem+json or not."""
    status = response.status_code
    try:
        problem = json.loads(response.content)
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    kind = _KINDS.get(status, ServerError if status >= 500 else AnswerError)
    errors = problem.get("errors")
    return kind(
        status,
        str(problem.get("title") or response.reason_phrase or "error"),
        str(problem.get("detail") or ""),
        errors=[entry for entry in errors if isinstance(entry, dict)]
        if isinstance(errors, list)
        else (),
        request_id=problem.get("request_id") or response.headers.get("X-Request-Id"),
        retry_after_seconds=retry_after(response.headers.get("Retry-After")),
    )


def retry_after(header: str | None) -> float | None:
    """Seconds that ``Retry-After`` asks for, in either of its two forms (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        if header.strip().isdigit():
            return float(header)
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class Patience:
    """For how long one client's calls are repeated; ``seconds`` 0: never.

    Unless it ``waits_for_start``, a server that has not answered yet and cannot be reached is
    absent: that is said at once. One that has answered is missed for as long as the patience lasts,
    unless it is known that it has ``ended``: a sentence then, else None.
    """

    def __init__(self, seconds: float, *, waits_for_start: bool) -> None:
        self._seconds = seconds
        self._misses_server = waits_for_start
        self.ended: Callable[[], str | None] = lambda: None

    def answer(self, response: httpx2.Response) -> Answer:
        """``answer``, having noted that there is a server."""
        self._misses_server = True
        return answer(response)

    def _misses(self, absent: ServerAbsent) -> bool:
        return self._misses_server and absent.reason != self.ended()

    def options(self) -> dict[str, Any]:
        """Arguments of ``stamina.retry_context``; waits 0.1 s at first, then up to 5 s."""
        rule = repeat_rule(self._seconds)
        return {
            "on": lambda error: (
                (not isinstance(error, ServerAbsent) or self._misses(error)) and rule(error)
            ),
            "attempts": None if self._seconds > 0 else 1,
            "timeout": self._seconds or None,
        }


def silence_repeats() -> None:
    """Log nothing about calls that are repeated, in the whole process.

    By default stamina tells ``logging``, or ``structlog`` where that is installed.
    """
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks([])


def repeat_rule(
    patience_seconds: float, clock: Callable[[], float] = time.monotonic
) -> Callable[[Exception], bool | float]:
    """The backoff hook for stamina: shall this error be followed by another try, and when?

    ``Retry-After`` is obeyed to the second where it fits into the patience left; where it does
    not, the error goes to the caller at once, who can read it there.
    """
    deadline = clock() + patience_seconds

    def hook(error: Exception) -> bool | float:
        if isinstance(error, ConnectionFailed):
            return True
        if not isinstance(error, AnswerError) or error.status not in REPEATABLE:
            return False
        if error.retry_after_seconds is None:
            return True
        if clock() + error.retry_after_seconds > deadline:
            return False
        return error.retry_after_seconds

    return hook


def stream_request(listen: Listen, now: float) -> dict[str, Any]:
    """Keyword arguments of ``httpx2``'s ``build_request`` for an event stream."""
    silence = max(0.001, min(STREAM_SILENCE_SECONDS, listen.until - now))
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if listen.last_event_id:
        headers["Last-Event-ID"] = listen.last_event_id
    return {
        "method": "GET", "url": listen.path, "headers": headers,
        "timeout": httpx2.Timeout(CONNECT_SECONDS, read=silence),
    }  # fmt: skip


def is_stream(response: httpx2.Response) -> bool:
    """True where the server does answer with events (a proxy or an old server may not)."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and bool(kind == "text/event-stream")


class PunctualStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The bytes of ``response`` until a moment of the clock.

    A heartbeat keeps a silent stream from timing out, and gives no event to look at the clock by;
    so the clock is looked at here, with every chunk of bytes.
    """

    def __init__(self, response: httpx2.Response, until: float) -> None:
        self._response = response
        self._until = until

    def _look(self) -> None:
        if time.monotonic() > self._until:
            raise httpx2.ReadTimeout("the time given is over")

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response.iter_raw():
            yield chunk
            self._look()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_raw():
            yield chunk
            self._look()


def events_of(response: httpx2.Response, until: float) -> httpx2.EventSource:
    """The events of an open stream, until a moment of the monotonic clock."""
    return httpx2.EventSource(
        httpx2.Response(
            response.status_code, headers=response.headers, request=response.request,
            stream=PunctualStream(response, until),
        )
    )  # fmt: skip


def event(raw: httpx2.ServerSentEvent) -> Event:
    """Our event from httpx2's; data that is no JSON becomes None and thereby changes nothing."""
    try:
        data = json.loads(raw.data)
    except (ValueError, RecursionError):
        data = None
    return Event(raw.id, raw.event, data)


def what(base: httpx2.URL, call: Call) -> str:
    """What was tried, for the message of an exception."""
    return f"{call.method} {base.join(call.path)}"
