"""Who did what, in the store: a capped stream ``p:audit``."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from relu_landscape.errors import RequestError
from relu_landscape.jobs.identity import AUDIT_KEPT, Deed
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.settings import Settings
from relu_landscape.wire.identity import AuditEntry, AuditPage

_CONNECTIONS = 8
_ENTRY = re.compile(r"([0-9]{1,16})-([0-9]{1,16})")


class StoredTrail:
    """``jobs.identity.Trail`` over the store."""

    def __init__(self, target: Target, settings: Settings) -> None:
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(_CONNECTIONS, patience)
        self._patience = Patience(patience, why=target.why)
        self._stream = f"{settings.redis_prefix}:audit"

    async def close(self) -> None:
        await self._patience.end()
        await self._client.aclose()

    async def add(self, deed: Deed) -> None:
        fields = {name: value for name, value in asdict(deed).items() if value is not None}
        # "~": to whole blocks of the stream, which costs the store nothing.
        await self._patience.call_async(
            lambda: self._client.xadd(self._stream, fields, maxlen=AUDIT_KEPT, approximate=True)
        )

    async def page(self, cursor: str | None, limit: int) -> AuditPage:
        newest = "+" if cursor is None else before(cursor)
        answer = await self._patience.call_async(
            lambda: self._client.xrevrange(self._stream, newest, "-", count=limit + 1)
        )
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", answer)
        items = [_entry(name.decode(), fields) for name, fields in entries[:limit]]
        return AuditPage(items=items, next_cursor=items[-1].id if len(entries) > limit else None)


def before(cursor: str) -> str:
    """The last id before that of an entry; servers below 6.2 know no open ranges."""
    found = _ENTRY.fullmatch(cursor)
    if found is None:
        raise RequestError("cursor", cursor, "the next_cursor of an earlier page")
    milliseconds, sequence = int(found[1]), int(found[2])
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return str(max(0, milliseconds - 1))  # without a sequence: the last one of that millisecond


def _entry(id: str, fields: dict[bytes, bytes]) -> AuditEntry:  # noqa: A002 - as in the contract
    at = datetime.fromtimestamp(int(id.partition("-")[0]) / 1000, UTC)
    said = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    # A later release may keep more.
    known = {name: value for name, value in said.items() if name in AuditEntry.model_fields}
    return AuditEntry.model_validate(
        {"id": id, "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        | {"kind": None, "address": None, "request_id": None}
        | known
    )
