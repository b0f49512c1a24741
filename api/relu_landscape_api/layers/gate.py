"""Who may ask, what, and how often: before anything under ``/v1`` or ``/ogc`` is read."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relu_landscape.analyses import Registry
from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.identity import allows, holds_a_key
from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.identity import Scope as KeyScope
from relu_landscape_api.answering.problems import Row, landscape_error_response, problem_response
from relu_landscape_api.exposure import GUARDED
from relu_landscape_api.layers.door import Door, Identity, Refused
from relu_landscape_api.layers.rates import Exceeded, Rates
from relu_landscape_api.reading.negotiation import header

_UNAUTHORISED = Row(401, "unauthorised", "An API key is needed")
_SCOPE = Row(403, "scope", "The key does not allow this")
_TOO_MANY = Row(429, "too-many-requests", "Too many requests")

#: What people call a key in a query string. No call of ours has such a parameter.
_CALLED_KEY = re.compile(r"(?:^|&)(?:api[_-]?key|access_token|key|token)=", re.IGNORECASE)
#: What says more than a key that only looks may hear.
_FOR_ADMINS = ("/v1/audit",)
#: What is removed for everybody, and for ever.
_REMOVED = re.compile(r"/v1/jobs/[^/]+")


class Gate:
    """Key, scope and rate limit (ASGI); probes and pages stay free.

    Sets ``asker`` in ``scope["state"]``, the name of the key or ``anyone``, and ``identity``.
    """

    def __init__(self, app: ASGIApp, *, door: Door, rates: Rates, registry: Registry) -> None:
        self._app = app
        self._door = door
        self._rates = rates
        self._computing = {call.path for call in registry.calls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            refusal = await self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """The answer for whoever does not get in."""
        scope["state"]["asker"] = ANYONE
        try:
            if _has_key_in_query(scope):
                raise Refused("missing", _NOT_IN_ADDRESS)
            keys = scope["app"].state.service.keys
            identity = await self._door.identify(keys, _presented(scope))
        except Refused as error:
            # Counted, so that guessing keys is limited too.
            exceeded = await self._rates.exceeded(None, scope)
            if exceeded is not None:
                return _too_many(scope, None, exceeded)
            return _unauthorised(scope, error)
        except StoreUnavailable as error:
            return landscape_error_response(scope, error)
        scope["state"]["asker"] = identity.name
        scope["state"]["identity"] = identity
        exceeded = await self._rates.exceeded(identity, scope)
        if exceeded is not None:
            return _too_many(scope, identity, exceeded)
        needed = self._needed(scope)
        if not allows(identity.scope, needed):
            return wrong_scope(scope, needed)
        return None

    def _needed(self, scope: Scope) -> KeyScope:
        """What a key must allow; what only the route can tell, it tells."""
        if scope["path"] in _FOR_ADMINS:
            return "admin"
        if scope["method"] == "DELETE" and _REMOVED.fullmatch(scope["path"]):
            return "admin"
        reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not reads or (scope["path"] in self._computing and scope["method"] != "OPTIONS"):
            return "submit"
        return "read"


_HOW = "Send a key of this service in the header 'Authorization: Bearer KEY'."
_NOT_IN_ADDRESS = (
    "A key must not stand in the address of a request: addresses are kept in logs and histories. "
    "Revoke the key if it was a real one."
)


def identity_of(scope: Scope) -> Identity:
    """Who asks, behind the gate."""
    identity: Identity = scope["state"]["identity"]
    return identity


def wrong_scope(scope: Scope, needed: KeyScope) -> Response:
    """403 for whoever may not do this, with what it would take."""
    identity = identity_of(scope)
    detail = (
        f"This needs a key with the scope {needed!r}; the key {identity.name!r} has "
        f"{identity.scope!r}."
    )
    extra = {"needed_scope": needed, "scope": identity.scope}
    return problem_response(scope, _SCOPE, detail, extra=extra)


def _unauthorised(scope: Scope, refused: Refused) -> Response:
    challenge = 'Bearer realm="relu-landscape"'
    if refused.fault != "missing":
        challenge += ', error="invalid_token"'  # RFC 6750, section 3
    return problem_response(
        scope,
        _UNAUTHORISED,
        f"{refused} {_HOW}",
        headers={"WWW-Authenticate": challenge},
        extra={"key": refused.fault},
    )


def _too_many(scope: Scope, identity: Identity | None, exceeded: Exceeded) -> Response:
    quota = exceeded.quota
    who = (
        "This address"
        if identity is None or identity.is_anybody
        else f"Whoever has the key {identity.name!r}"
    )
    return problem_response(
        scope,
        _TOO_MANY,
        f"{who} asked too often: {quota.quota} requests in {quota.window_seconds} s are allowed. "
        f"Ask again in {exceeded.seconds} s.",
        headers=exceeded.headers,
        extra={"violated-policies": [quota.policy]},
    )


def all_spent(scope: Scope, exceeded: Exceeded) -> Response:
    """429 for whoever's jobs have used the cores of a day."""
    quota = exceeded.quota
    return problem_response(
        scope,
        _TOO_MANY,
        f"Jobs of {identity_of(scope).name!r} have used the {quota.quota} core-seconds of a day; "
        "what was let in goes on, and what is known is answered. Ask again in "
        f"{exceeded.seconds} s, at midnight UTC.",
        headers=exceeded.headers,
        extra={"violated-policies": [quota.policy]},
    )


def _presented(scope: Scope) -> str | None:
    """The key in the header; None where there is none."""
    said = header(scope, b"authorization")
    if said is None:
        return None
    scheme, _, given = said.partition(" ")
    return (given.strip() or None) if scheme.lower() == "bearer" else None


def _has_key_in_query(scope: Scope) -> bool:
    query = scope["query_string"].decode("latin-1")
    if not query:
        return False
    return _CALLED_KEY.search(query) is not None or holds_a_key(query)
