"""How often somebody may ask: so many requests per key, or per address where there is no key.

And how long jobs on somebody's account may compute in a day; without a key all count as one.

The headers are those of draft-ietf-httpapi-ratelimit-headers (version 10).
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.types import Scope

from relu_landscape.jobs.identity import KeyRing
from relu_landscape.wire.identity import Quota
from relu_landscape_api.layers.door import Identity
from relu_landscape_api.settings import ApiSettings

_log = logging.getLogger("relu_landscape.api")

#: Name of the quota of what a key's jobs may compute in a day.
CORES = "core-seconds-per-day"
#: Nobody waits for more: what was asked by a clock that ran ahead, and was set back, is forgotten.
#: Two processes whose clocks differ by less than a window are not taken for that.
MOST_WINDOWS = 2


@dataclass(frozen=True)
class Exceeded:
    """A limit that leaves no request, and whole seconds until it does."""

    quota: Quota
    policies: tuple[Quota, ...]
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """``Retry-After`` and both fields of the draft."""
        return {
            "Retry-After": str(self.seconds),
            "RateLimit-Policy": ", ".join(
                f'"{each.policy}";q={each.quota};w={each.window_seconds}' for each in self.policies
            ),
            "RateLimit": f'"{self.quota.policy}";r=0;t={self.seconds}',
        }


class Rates:
    """Moving windows, in memory or in the shared Redis."""

    def __init__(self, settings: ApiSettings) -> None:
        self._usual = settings.rate_limit
        self._core_seconds = settings.core_seconds_per_day
        url = settings.redis_url
        uri = "async+memory://"
        if url is not None:
            uri = f"async+{url.replace('unix://', 'redis+unix://', 1)}"
        options = (
            {}
            if url is None
            else {"implementation": "redispy", "key_prefix": settings.redis_prefix}
        )
        storage = storage_from_string(uri, wrap_exceptions=True, **options)
        self._strategy = MovingWindowRateLimiter(storage)

    async def exceeded(self, identity: Identity | None, scope: Scope) -> Exceeded | None:
        """Count one request of somebody, or of an address without a key; None if it is allowed.

        A store that does not answer lets the request pass: a limit is a courtesy, not a lock.
        """
        items, who = self._limits_of(identity, scope)
        try:
            for item in items:
                if not await self._strategy.hit(item, *who):
                    window = await self._strategy.get_window_stats(item, *who)
                    seconds = max(1, math.ceil(window.reset_time - time.time()))
                    if seconds > MOST_WINDOWS * item.get_expiry():  # the clock was set back
                        await self._strategy.clear(item, *who)
                        await self._strategy.hit(item, *who)
                        continue
                    policies = tuple(_quota(each) for each in items)
                    return Exceeded(_quota(item), policies, seconds)
        except StorageError as error:
            _log.warning("rate limit not counted: %s", error)
        return None

    async def quotas(self, identity: Identity, scope: Scope, keys: KeyRing) -> list[Quota]:
        """What somebody may ask and compute, and what is left of it."""
        items, who = self._limits_of(identity, scope)
        found = []
        for item in items:
            remaining = reset = None
            try:
                window = await self._strategy.get_window_stats(item, *who)
                remaining = window.remaining
                reset = max(0, math.ceil(window.reset_time - time.time()))
            except StorageError as error:
                _log.warning("rate limit not read: %s", error)
            found.append(_quota(item, remaining, reset))
        cores = await self._cores(identity, keys)
        return found if cores is None else [*found, cores]

    async def spent(self, identity: Identity, keys: KeyRing) -> Exceeded | None:
        """The day's seconds of cores, where none are left. Raises ``StoreUnavailable``."""
        quota = await self._cores(identity, keys)
        if quota is None or quota.remaining != 0 or quota.reset_seconds is None:
            return None
        return Exceeded(quota, (quota,), quota.reset_seconds)

    async def _cores(self, identity: Identity, keys: KeyRing) -> Quota | None:
        """What somebody's jobs may compute in a day, and what is left of it."""
        key = identity.key
        own = None if key is None else key.core_seconds_per_day
        limit = own or self._core_seconds
        if limit is None:
            return None
        spent = await keys.spent(identity.name)
        return Quota(
            policy=CORES,
            quota=limit,
            window_seconds=86_400,
            remaining=max(0, math.ceil(limit - spent.core_seconds)),
            reset_seconds=spent.resets_in,
        )

    def _limits_of(
        self, identity: Identity | None, scope: Scope
    ) -> tuple[list[RateLimitItem], tuple[str, str]]:
        """The limits that hold for somebody, and under which name they are counted."""
        key = None if identity is None else identity.key
        limits = self._usual if key is None or key.rate is None else key.rate
        items = [] if limits is None else _parsed(limits)
        if identity is None or identity.is_anybody:
            return items, ("address", address_of(scope) or "unknown")
        return items, ("key", identity.name)


@lru_cache(maxsize=256)
def _parsed(limits: str) -> list[RateLimitItem]:
    return parse_many(limits)


def _quota(item: RateLimitItem, remaining: int | None = None, reset: int | None = None) -> Quota:
    every = f"{item.multiples}-" if item.multiples > 1 else ""
    return Quota(
        policy=f"{item.amount}-per-{every}{item.GRANULARITY.name}",
        quota=item.amount,
        window_seconds=item.get_expiry(),
        remaining=remaining,
        reset_seconds=reset,
    )


def address_of(scope: Scope) -> str | None:
    """Where a request came from, as far as trusted proxies tell."""
    client = scope.get("client")
    return client[0] if client else None
