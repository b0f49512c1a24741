"""``tag``: what somebody says of a job on a server."""

from __future__ import annotations

from typing import Annotated

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.ids import whole_id
from relu_landscape_cli.remote import DEFAULT_SERVER, ApiKey, AsJson, Id, Server, connect


def tag(
    job_id: Id,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TAG]...", help="Tags to add.", show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A tag to remove; may be repeated.", show_default="none"),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option(
            help="A note in place of the one it had; an empty one removes it.",
            show_default="as it is",
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Add tags and a note to a job of any kind, or show those it has.

    They are of one's own key: nobody else sees them but administrators. A tag has letters, digits
    and signs, no spaces or commas.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json), connect(server, api_key) as client:
        status = client.job(whole_id(client, job_id))
        wanted = (set(status.tags) | set(tags or ())) - set(remove or ())
        changed = sorted(wanted) if wanted != set(status.tags) else None
        if changed is not None or note is not None:
            status = client.tag(status, changed, note)
        if as_json:
            tables.print_json(tables.status_document(status))
            return
        typer.echo(f"{status.id[: tables.ID_DIGITS]}: {', '.join(status.tags) or 'no tags'}")
        if status.note:
            typer.echo(status.note)
