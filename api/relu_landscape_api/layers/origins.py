"""Pages of other origins: a browser that shows one must not compute, or read, on its behalf.

A browser sends a page's requests wherever the page says, also to a service that only this machine
can reach. It says from where: in ``Sec-Fetch-Site`` and, where it sends that to trustworthy
addresses alone, in ``Origin``. Programs send neither and are not concerned.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from relu_landscape.analyses import Registry
from relu_landscape_api.answering.problems import Row, problem_response
from relu_landscape_api.exposure import GUARDED, LOOPBACK_NAMES, trusted_hosts
from relu_landscape_api.reading.echo import shown
from relu_landscape_api.reading.negotiation import header
from relu_landscape_api.settings import ApiSettings

_FORBIDDEN = Row(403, "forbidden", "Not from there")
#: ``none``: the person typed the address or used a bookmark.
_OWN_SITES = ("same-origin", "none")


class Origins:
    """Refuses what a page of another origin would start, and names that are not ours (ASGI)."""

    def __init__(self, app: ASGIApp, *, settings: ApiSettings, registry: Registry) -> None:
        self._app = app
        self._hosts = trusted_hosts(settings)
        self._computing = {call.path for call in registry.calls} | {
            f"/v1/{each.noun}" for each in registry.analyses if each.has_short_form
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = None
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            detail = self._why_not(scope)
        if detail is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(scope, _FORBIDDEN, detail)(scope, receive, send)

    def _why_not(self, scope: Scope) -> str | None:
        host = _name(f"//{header(scope, b'host') or ''}")
        if not self._is_trusted(host):
            return (
                f"This service is not known as {shown(host)!r}. If it should be, add the name to "
                "RELU_LANDSCAPE_TRUSTED_HOSTS."
            )
        reads = scope["method"] in ("GET", "HEAD") and scope["path"] not in self._computing
        if reads or scope["method"] == "OPTIONS" or self._is_own(Headers(scope=scope)):
            return None
        return "A page of another origin may not start or cancel computations here."

    def _is_trusted(self, host: str | None) -> bool:
        if self._hosts is None or not host:  # a browser always names the host
            return True
        # Browsers look names below .localhost up nowhere.
        return host in self._hosts or host.endswith(".localhost")

    def _is_own(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site.strip().lower() in _OWN_SITES
        origin = headers.get("origin")
        if origin is None:
            return True
        # Without the scheme: a proxy may speak TLS for us.
        if _place(origin) == _place(f"//{headers.get('host', '')}"):
            return True
        # A proxy may also have changed the host; then only the setting knows our name.
        # Names of this machine do not count: another port of it could call itself so.
        return self._hosts is not None and _name(origin) in self._hosts - LOOPBACK_NAMES


@lru_cache(maxsize=256)
def _name(address: str) -> str | None:
    """The host of an address, without its port; None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _place(address: str) -> tuple[str | None, int | None]:
    """Host and port of an address; the ports that browsers leave out count as left out."""
    try:
        parts = urlsplit(address)
        return parts.hostname, None if parts.port in (80, 443) else parts.port
    except ValueError:
        return None, -1
