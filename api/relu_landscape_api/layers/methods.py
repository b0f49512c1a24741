"""HEAD, OPTIONS and 405 for every path, from the table of routes.

FastAPI's own 405 names the methods of one route only, and HEAD is a 405 there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relu_landscape_api.answering.problems import problem_response, status_row

#: How the pattern of a template names what it catches.
_NAMED = re.compile(r"\(\?P<\w+>")


class Methods:
    """Knows which methods each path template has (ASGI).

    Sets ``scope["state"]["route"]`` to the template, for the metrics, and ``is_head`` for streams,
    which have no end of their own.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        table: dict[str, tuple[str, set[str]]] = {}
        for route in routes:
            if isinstance(route, Route):
                _, methods = table.setdefault(route.path, (route.path_regex.pattern, set()))
                methods |= route.methods or set()
        for _, methods in table.values():
            if "GET" in methods:
                methods.add("HEAD")
            methods.add("OPTIONS")
        self._known = [(template, methods) for template, (_, methods) in table.items()]
        # One expression for all: a loop over them would be a twentieth of a short answer.
        each = (f"({_NAMED.sub('(?:', pattern)})" for pattern, _ in table.values())
        self._any = re.compile("|".join(each))

    def find(self, path: str) -> tuple[str, set[str]] | None:
        """Template and methods of a path; the first template that matches, as when routing."""
        found = self._any.match(path)
        return (
            None if found is None or found.lastindex is None else self._known[found.lastindex - 1]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        template, methods = found
        scope["state"]["route"] = template
        method = scope["method"]
        allow = {"Allow": ", ".join(sorted(methods))}
        if method not in methods:
            detail = f"This path answers to {allow['Allow']}, not to {method}."
            response = problem_response(scope, status_row(405), detail, headers=allow)
            await response(scope, receive, send)
        elif method == "OPTIONS":
            await Response(status_code=204, headers=allow)(scope, receive, send)
        elif method == "HEAD":
            scope["method"] = "GET"
            scope["state"]["is_head"] = True
            await self._app(scope, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def send_headers(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_headers
