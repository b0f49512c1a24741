"""Around every request where traces are wanted: one span, as part of whoever asked's own trace."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relu_landscape.jobs import tracing
from relu_landscape.jobs.tracing import Span

#: From this status on the service is to blame.
_OURS = 500


class Trace:
    """A span for each request (ASGI), outside of all other layers.

    It goes on from ``traceparent`` of the request (W3C Trace Context) and says in ``traceresponse``
    of the answer which span it was. Its name has the route, never the address, whose query may hold
    what is nobody else's business.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = str(scope["method"]) if scope["method"] in _METHODS else "_OTHER"
        parent = Headers(scope=scope).get("traceparent", "")
        with tracing.span(method, parent, "SERVER", http__request__method=method) as span:

            async def answered(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note(span, message)
                await send(message)

            try:
                await self._app(scope, receive, answered)
            finally:
                route = str(scope.get("state", {}).get("route", "unmatched"))
                span.name(f"{method} {route}")
                span.say(http__route=route)


def _note(span: Span, message: Message) -> None:
    status = int(message["status"])
    span.say(http__response__status_code=status)
    if status >= _OURS:
        span.fail(str(status))
    MutableHeaders(scope=message)["traceresponse"] = tracing.carried()


#: What other methods are called is the caller's invention.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
