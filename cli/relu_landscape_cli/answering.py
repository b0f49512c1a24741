"""What commands do whose question a server answers, or this machine: ask, write, show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from relu_landscape_cli.computing import computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import connect
from relu_landscape_cli.saving import check

if TYPE_CHECKING:
    from rich.console import RenderableType

    from relu_landscape.wire.requests import AnalysisRequest
    from relu_landscape_client import Client


class Result(Protocol):
    """What the client makes of an answer."""

    @property
    def document(self) -> Any: ...
    def to_json(self, path: str | Path) -> object: ...


Found = TypeVar("Found", bound=Result)


@dataclass(frozen=True)
class Way:
    """Where a question is answered and what becomes of the answer: options that commands share."""

    server: str | None
    api_key: str | None
    workers: int | None
    timeout: float | None
    output: Path | None
    quiet: bool
    as_json: bool


def answer(
    way: Way, asked: Mapping[str, Any], *, ask: Callable[[Client], Callable[..., Found]],
    request: Callable[[], type[AnalysisRequest]], read: Callable[[Any], Found],
    tables: Callable[[Found], list[RenderableType]],
) -> None:  # fmt: skip
    """Ask the server if there is one, otherwise compute here; write and show what is found.

    Parameters: ``asked`` the request's fields; ``ask`` the client's method for it; ``request`` its
    model and ``read`` the client's reader of the result, for an answer from here; ``tables`` what
    is shown of it.
    """
    from relu_landscape_cli import tables as shown

    with reporting(as_json=way.as_json):
        if way.output is not None:
            check(way.output, [".json"])
        if way.server is not None:
            found = _by_server(way, way.server, asked, ask)
        else:
            found = _here(way, asked, request, read)
        if way.output is not None:
            found.to_json(way.output)
        if way.as_json:
            shown.print_json(found.document)
        else:
            shown.show(*tables(found))


def _by_server(
    way: Way, server: str, asked: Mapping[str, Any], ask: Callable[[Client], Callable[..., Found]]
) -> Found:
    from relu_landscape_cli import tables

    with connect(server, way.api_key) as client, tables.bar(is_quiet=way.quiet) as watch:
        return ask(client)(**asked, progress=watch or False, timeout_seconds=way.timeout)


def _here(
    way: Way, asked: Mapping[str, Any], request: Callable[[], type[AnalysisRequest]],
    read: Callable[[Any], Found],
) -> Found:  # fmt: skip
    from relu_landscape_cli.questions import validated

    question = validated(request(), asked)
    return read(computed(question, is_quiet=way.quiet, asked=asked, workers=way.workers))
