"""Keys and the memory of who did what, in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from relu_landscape.errors import RequestError
from relu_landscape.jobs.identity import (
    AUDIT_KEPT,
    Deed,
    Key,
    Spent,
    Wanted,
    check_free,
    chosen,
    make_key,
)
from relu_landscape.wire.identity import AuditEntry, AuditPage

#: Seconds to midnight, at any time.
RESETS_IN = 3600


class MemoryKeys:
    """``jobs.identity.KeyRing``; ``check`` raises what every call shall raise."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._kept: dict[str, Key] = {}
        self.lookups = 0
        self.used_today: dict[str, float] = {}

    async def exist(self) -> bool:
        self._check()
        self.lookups += 1
        return bool(self._kept)

    async def find(self, prefix: str) -> Key | None:
        self._check()
        self.lookups += 1
        return self._kept.get(prefix)

    async def all(self) -> list[Key]:
        self._check()
        used = self.used_today
        return [
            key.model_copy(update={"core_seconds_today": used.get(key.name, 0.0)})
            for key in self._kept.values()
        ]

    async def create(self, wanted: Wanted, now: datetime) -> tuple[Key, str]:
        self._check()
        key, text = make_key(wanted, now)
        check_free(key, list(self._kept.values()))
        self._kept[key.prefix] = key
        return key, text

    async def revoke(self, which: str, now: datetime) -> Key:
        key = chosen(which, await self.all(), now, living=True)
        self._kept[key.prefix] = key.model_copy(update={"revoked_at": now})
        return self._kept[key.prefix]

    async def forget(self, which: str, now: datetime) -> Key:
        return self._kept.pop(chosen(which, await self.all(), now, living=False).prefix)

    async def note_use(self, prefix: str, now: datetime) -> None:
        self._check()
        if prefix in self._kept:
            self._kept[prefix] = self._kept[prefix].model_copy(update={"last_used_at": now})

    async def spent(self, name: str) -> Spent:
        self._check()
        return Spent(self.used_today.get(name, 0.0), RESETS_IN)


class MemoryTrail:
    """``jobs.identity.Trail``; ``check`` raises what every call shall raise."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._kept: list[AuditEntry] = []
        self._count = 0

    async def add(self, deed: Deed) -> None:
        self._check()
        self._count += 1
        entry = AuditEntry(
            id=f"{self._count}-0",
            at="2026-01-02T03:04:05.678Z",
            who=deed.who,
            action=deed.action,
            what=deed.what,
            kind=deed.kind,
            address=deed.address,
            request_id=deed.request_id,
        )
        self._kept = [*self._kept, entry][-AUDIT_KEPT:]

    async def page(self, cursor: str | None, limit: int) -> AuditPage:
        self._check()
        known = {entry.id: place for place, entry in enumerate(self._kept)}
        if cursor is not None and cursor not in known:
            raise RequestError("cursor", cursor, "the next_cursor of an earlier page")
        end = len(self._kept) if cursor is None else known[cursor]
        items = self._kept[max(0, end - limit) : end][::-1]
        return AuditPage(items=items, next_cursor=items[-1].id if end > limit else None)
