"""What is at hand is sent before the router is asked: finished results, and a sign of life."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from relu_landscape.analyses import Registry
from relu_landscape_api.answering.answers import Answers, alive


class Shortcut:
    """The innermost layer (ASGI): the plain GET of a result by its id, as its route would answer.

    Most of what a server is asked for are results that it has just sent; FastAPI's routing and
    injection would take three times as long as the answer. So they would for ``/livez``, whose
    asker restarts a process that is slow to answer. Anything else passes, a ``Prefer`` header
    included.
    """

    def __init__(self, app: ASGIApp, *, registry: Registry, answers: Mapping[str, Answers]) -> None:
        self._app = app
        self._answers = {each.plural: answers[each.kind] for each in registry.analyses}
        plurals = "|".join(re.escape(plural) for plural in self._answers)
        self._path = re.compile(rf"/v1/({plurals})/([0-9a-f]{{64}})")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            if scope["path"] == "/livez":
                await alive()(scope, receive, send)
                return
            found = self._path.fullmatch(scope["path"])
            if found is not None and not _prefers(scope):
                answer = self._answers[found[1]].known(scope, found[2])
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _prefers(scope: Scope) -> bool:
    return any(name == b"prefer" for name, _ in scope["headers"])
