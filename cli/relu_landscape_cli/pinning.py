"""``pin`` and ``unpin``: results that a server keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.ids import whole_id
from relu_landscape_cli.remote import DEFAULT_SERVER, ApiKey, AsJson, Id, Server, connect

if TYPE_CHECKING:
    from relu_landscape_client import Status


def pin(
    job_id: Id, server: Server = DEFAULT_SERVER, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Have a server keep a finished result of any kind.

    It is then forgotten neither for its age nor to make room. Again is the same.
    """
    with reporting(as_json=as_json), connect(server, api_key) as client:
        _tell(client.pin(whole_id(client, job_id)), as_json=as_json)


def unpin(
    job_id: Id, server: Server = DEFAULT_SERVER, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Let a server forget a result like any other; its time begins anew."""
    with reporting(as_json=as_json), connect(server, api_key) as client:
        _tell(client.unpin(whole_id(client, job_id)), as_json=as_json)


def _tell(status: Status, *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json(tables.status_document(status))
    else:
        word = "pinned" if status.pinned else "not pinned"
        typer.echo(f"{status.id[: tables.ID_DIGITS]}: {word}")
