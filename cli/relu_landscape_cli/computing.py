"""Computing here, without a server: what every command that can do so has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli.interrupts import ending_processes

if TYPE_CHECKING:
    from relu_landscape.wire.base import JsonObject
    from relu_landscape.wire.requests import AnalysisRequest

ServerIfAny = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="RELU_LANDSCAPE_SERVER", metavar="URL",
        help="Ask this server; left out: compute here, without any.",
    ),
]  # fmt: skip
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes, without a server; one per core.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0, help="Seconds to wait for a server's answer.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


def computed(
    request: AnalysisRequest,
    *,
    is_quiet: bool,
    asked: Mapping[str, Any] | None = None,
    **how: Any,
) -> JsonObject:
    """The result, as JSON, computed in processes that end at once with Ctrl+C.

    Parameters: ``asked`` the question as the bar tells it; ``how``: what ``solve_locally`` takes.
    """
    from relu_landscape.jobs import local
    from relu_landscape_cli import tables
    from relu_landscape_client import Status

    with tables.bar(is_quiet=is_quiet) as watch:
        status = Status("", request.kind, "running", asked or {})

        def tell(kind: str, data: Any) -> None:
            nonlocal status
            status = status.after(kind, data)
            if watch is not None:
                watch(status)

        with ending_processes():
            return local.solve_locally(request, watch=tell, **how).result
