"""Keys in the store: one hash of what is kept of each, one of when each was used last.

p:keys        hash: JSON of a ``jobs.identity.Key`` by its prefix
p:keys:used   hash: seconds since 1970 by prefix
p:spent:<day> hash: seconds of cores by name (``scripts``), by the store's clock
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import redis
from pydantic import ValidationError

from relu_landscape.jobs.identity import Key, Spent, Wanted, check_free, chosen, make_key
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.settings import Settings

#: A look-up takes well under a millisecond, so a few connections serve many requests.
_CONNECTIONS = 8

_DAY_SECONDS = 86_400


class StoredKeys:
    """``jobs.identity.KeyRing`` over the store."""

    def __init__(self, target: Target, settings: Settings) -> None:
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(_CONNECTIONS, patience)
        self._patience = Patience(patience, why=target.why)
        self._keys = f"{settings.redis_prefix}:keys"
        self._used = f"{settings.redis_prefix}:keys:used"
        self._spent = f"{settings.redis_prefix}:spent"

    async def close(self) -> None:
        await self._patience.end()
        await self._client.aclose()

    async def exist(self) -> bool:
        count = await self._patience.call_async(lambda: self._client.hlen(self._keys))
        return bool(count)

    async def find(self, prefix: str) -> Key | None:
        found = await self._patience.call_async(lambda: self._client.hget(self._keys, prefix))
        return None if found is None else _read(found)

    async def all(self) -> list[Key]:
        async def read() -> tuple[dict[bytes, bytes], dict[bytes, bytes], dict[bytes, bytes]]:
            day, _ = await self._today()
            return (
                await self._client.hgetall(self._keys),
                await self._client.hgetall(self._used),
                await self._client.hgetall(day),
            )

        stored, used, spent = await self._patience.call_async(read)
        found = _in_order(stored, used)
        today = {key.name: float(spent.get(key.name.encode(), 0.0)) for key in found}
        return [key.model_copy(update={"core_seconds_today": today[key.name]}) for key in found]

    async def spent(self, name: str) -> Spent:
        async def read() -> Spent:
            day, left = await self._today()
            return Spent(float(await self._client.hget(day, name) or 0.0), left)

        return await self._patience.call_async(read)

    async def _today(self) -> tuple[str, int]:
        """The key of what was spent today, and seconds that are left of it."""
        seconds, _ = await self._client.time()
        return f"{self._spent}:{seconds // _DAY_SECONDS}", _DAY_SECONDS - seconds % _DAY_SECONDS

    async def create(self, wanted: Wanted, now: datetime) -> tuple[Key, str]:
        key, text = make_key(wanted, now)

        def add(keys: list[Key]) -> Key:
            # A call whose answer was lost is made again, and finds its own key.
            check_free(key, [each for each in keys if each.prefix != key.prefix])
            return key

        return await self._change(add), text

    async def revoke(self, which: str, now: datetime) -> Key:
        def end(keys: list[Key]) -> Key:
            return chosen(which, keys, now, living=True).model_copy(update={"revoked_at": now})

        return await self._change(end)

    async def forget(self, which: str, now: datetime) -> Key:
        key = chosen(which, await self.all(), now, living=False)

        async def drop() -> None:
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hdel(self._keys, key.prefix)
                pipeline.hdel(self._used, key.prefix)
                await pipeline.execute()

        # What opens nothing never opens again, so nobody can have changed it meanwhile.
        await self._patience.call_async(drop)
        return key

    async def note_use(self, prefix: str, now: datetime) -> None:
        seconds = int(now.timestamp())
        await self._patience.call_async(lambda: self._client.hset(self._used, prefix, seconds))

    async def _change(self, change: Callable[[list[Key]], Key]) -> Key:
        """Write the key that ``change`` makes of all there are, unless they change meanwhile."""

        async def tried() -> Key:
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    await pipeline.watch(self._keys)
                    key = change(_in_order(await pipeline.hgetall(self._keys), {}))
                    pipeline.multi()
                    pipeline.hset(self._keys, key.prefix, key.model_dump_json())
                    try:
                        await pipeline.execute()
                    except redis.WatchError:
                        continue
                    return key

        return await self._patience.call_async(tried)


def _read(stored: bytes) -> Key | None:
    """A stored key; ``None`` for one of a release that words it differently: it opens nothing."""
    try:
        return Key.model_validate_json(stored)
    except ValidationError:
        return None


def _in_order(stored: dict[bytes, bytes], used: dict[bytes, bytes]) -> list[Key]:
    found = []
    for prefix, text in stored.items():
        key = _read(text)
        if key is not None:
            last = used.get(prefix)
            at = None if last is None else datetime.fromtimestamp(int(last), UTC)
            found.append(key.model_copy(update={"last_used_at": at}))
    return sorted(found, key=lambda key: (key.created_at, key.prefix))
