"""Who may ask, and how often: an optional key and an optional rate limit on ``/v1``."""

from __future__ import annotations

import hmac
import logging
import math
import time

from limits import parse_many
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from relu_landscape_api.answering.problems import Row, problem_response
from relu_landscape_api.settings import ApiSettings

_UNAUTHORISED = Row(401, "unauthorised", "An API key is needed")
_TOO_MANY = Row(429, "too-many-requests", "Too many requests")

_log = logging.getLogger("relu_landscape.api")


class RateLimiter:
    """A moving window per client, in memory or in the shared Redis."""

    def __init__(self, limits: str, redis_url: str | None, prefix: str) -> None:
        self._limits = parse_many(limits)
        uri = "async+memory://"
        if redis_url is not None:
            uri = f"async+{redis_url.replace('unix://', 'redis+unix://', 1)}"
        options = {} if redis_url is None else {"implementation": "redispy", "key_prefix": prefix}
        storage = storage_from_string(uri, wrap_exceptions=True, **options)
        self._strategy = MovingWindowRateLimiter(storage)

    async def seconds_to_wait(self, client: str) -> int | None:
        """Count one request; None if it is allowed, else whole seconds until one would be.

        A store that does not answer lets the request pass: a limit is a courtesy, not a lock.
        """
        try:
            for item in self._limits:
                if not await self._strategy.hit(item, client):
                    window = await self._strategy.get_window_stats(item, client)
                    return max(1, math.ceil(window.reset_time - time.time()))
        except StorageError as error:
            _log.warning("rate limit not counted: %s", error)
        return None


class Gate:
    """Key and rate limit before anything under ``/v1`` is read (ASGI); probes stay free."""

    def __init__(self, app: ASGIApp, *, settings: ApiSettings) -> None:
        self._app = app
        key = settings.api_key
        self._key = None if key is None else key.get_secret_value().encode()
        self._limiter = (
            None
            if settings.rate_limit is None
            else RateLimiter(settings.rate_limit, settings.redis_url, settings.redis_prefix)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        # Counted first, so that guessing keys is limited too.
        seconds = await self._seconds_to_wait(scope)
        if seconds is not None:
            response = problem_response(
                scope,
                _TOO_MANY,
                f"This address asked too often; ask again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )
            await response(scope, receive, send)
            return
        if self._key is not None and not self._presents_key(scope):
            response = problem_response(
                scope,
                _UNAUTHORISED,
                "Send the key of this service in the header 'Authorization: Bearer KEY'.",
                headers={"WWW-Authenticate": 'Bearer realm="relu-landscape"'},
            )
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _presents_key(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        # Starlette reads headers as Latin-1, which gives the bytes back that came.
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), self._key or b""
        )

    async def _seconds_to_wait(self, scope: Scope) -> int | None:
        if self._limiter is None:
            return None
        client = scope.get("client")
        return await self._limiter.seconds_to_wait(client[0] if client else "unknown")
