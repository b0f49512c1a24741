"""Reaching a server: its address, its key, and landscapes by id or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relu_landscape_cli.ids import whole_id

if TYPE_CHECKING:
    from relu_landscape_client import Client, Landscape

DEFAULT_SERVER = "http://127.0.0.1:8000"
#: A person waits at the prompt: long enough for a server that restarts, not for one that is gone.
PATIENCE_SECONDS = 10.0

Server = Annotated[
    str,
    typer.Option(
        "--server", envvar="RELU_LANDSCAPE_SERVER", metavar="URL", help="Address of a server."
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="RELU_LANDSCAPE_API_KEY", metavar="KEY", show_default=False,
        help="The server's key, where it asks for one.",
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, no tables.")]
Which = Annotated[
    str,
    typer.Argument(metavar="ID|FILE", help="Id of a landscape, or its first digits, or a file."),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a landscape, or its first digits.")]


def connect(server: str, api_key: str | None) -> Client:
    """A client for people at a prompt."""
    from relu_landscape_client import Client, silence_repeats

    # A try that will be repeated is no news at a prompt; how the last one ended is.
    silence_repeats()
    return Client(server, api_key, patience_seconds=PATIENCE_SECONDS, waits_for_start=False)


def fetch(which: str, server: str, api_key: str | None) -> Landscape:
    """The landscape in a file of that name, else the one under that id, waited for."""
    from relu_landscape_client import FileError, Landscape, ProtocolError

    if Path(which).is_file():
        try:
            return Landscape.load(which)
        except ProtocolError as error:
            raise FileError(f"{which}: {error}") from error
    with connect(server, api_key) as client:
        return client.result(whole_id(client, which), progress=False)
