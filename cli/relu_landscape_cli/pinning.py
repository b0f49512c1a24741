"""``pin``, ``unpin`` and ``delete``: results that a server keeps, or keeps no longer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from relu_landscape.errors import InputError
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.ids import job_of, whole_id
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


def delete(
    job_id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete a job of any kind that is over from a server, with its result, for ever.

    Asks first, where somebody can answer. One that waits or is computed has to be cancelled first,
    one that is pinned unpinned. It takes a key with the scope admin, where the server needs keys.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json), connect(server, api_key) as client:
        job = job_of(client, job_id)
        short = job.id[: tables.ID_DIGITS]
        if not yes:
            if not is_a_person_there():
                raise InputError("nobody is there to say whether this is meant: write --yes")
            typer.confirm(f"Delete {short} ({job.kind}, {job.state})?", abort=True, err=True)
        client.delete(job)
        if as_json:
            tables.print_json({"id": job.id, "deleted": True})
        else:
            typer.echo(f"{short}: deleted")


def is_a_person_there() -> bool:
    """Whether somebody can answer a question."""
    return sys.stdin.isatty()


def _tell(status: Status, *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json(tables.status_document(status))
    else:
        word = "pinned" if status.pinned else "not pinned"
        typer.echo(f"{status.id[: tables.ID_DIGITS]}: {word}")
