"""When results were last read, for whoever makes room in the store."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from cachetools import TTLCache
from redis.exceptions import RedisError

from relu_landscape.jobs.store.scripts import Keys
from relu_landscape.settings import Settings

#: A read is noted once in this time, which is how exactly "not read for longest" is known; of so
#: many results at once.
USE_SECONDS = 600
USES_NOTED = 10_000


class Uses:
    """Notes reads where the bytes of results are limited; else does nothing."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._key = Keys(settings.redis_prefix).used
        self._is_wanted = settings.results_bytes is not None
        self._noted: TTLCache[str, None] = TTLCache(USES_NOTED, USE_SECONDS)

    async def note(self, job: str) -> None:
        """The result was read just now. Never raises: a full store still answers what it has."""
        if not self._is_wanted or job in self._noted:
            return
        self._noted[job] = None
        with contextlib.suppress(RedisError, OSError):
            await self._client.zadd(self._key, {job: time.time()})
