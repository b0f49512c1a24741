"""``audit``: who did what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import AsJson
from relu_landscape_cli.stored import DataDir, Stored, with_store

if TYPE_CHECKING:
    from relu_landscape.wire.identity import AuditEntry

#: Entries that are read at once.
_PAGE = 500


def audit(
    limit: Annotated[int, typer.Option(min=1, help="How many to list at the most.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List who submitted and cancelled which job, and made or revoked which key, newest first.

    Read from the store of the settings; a server far away answers GET /v1/audit.
    """
    from relu_landscape_cli import tables
    from relu_landscape_cli.fitting import Column, Fitted

    async def read(stored: Stored) -> list[AuditEntry]:
        found: list[AuditEntry] = []
        cursor = None
        while len(found) < limit:
            page = await stored.trail.page(cursor, min(_PAGE, limit - len(found)))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    with reporting(as_json=as_json):
        found = with_store(data_dir, read)
        if as_json:
            tables.print_json([each.model_dump() for each in found])
            return
        if not found:
            typer.echo("nothing was done yet", err=True)
            return
        ids = tables.ID_DIGITS
        tables.show(Fitted([
            Column("when (UTC)", [each.at[:19].replace("T", " ") for each in found]),
            Column("who", [each.who for each in found]),
            Column("action", [each.action for each in found]),
            Column("what", [each.what if each.kind is None else each.what[:ids] for each in found]),
            Column("kind", [each.kind or "–" for each in found], dropped=2),
            Column("from", [each.address or "–" for each in found], dropped=1),
        ]))  # fmt: skip
