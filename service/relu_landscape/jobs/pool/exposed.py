"""Whether what is said to an external Dask scheduler crosses a network in the open."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from relu_landscape.errors import ConfigurationError
from relu_landscape.settings import Settings

#: Of Dask's protocols those that encrypt, and that show each side who the other is.
PRIVATE = ("tls", "wss")


def is_exposed(settings: Settings) -> bool:
    """Whether the scheduler is elsewhere and is spoken to without TLS."""
    if settings.dask_scheduler is None:
        return False
    address = urlsplit(settings.dask_scheduler)
    return address.scheme not in PRIVATE and not _is_here(address.hostname or "")


def require_private(settings: Settings) -> None:
    """Raise ``ConfigurationError`` where that is so and nobody said that it may be."""
    if is_exposed(settings) and not settings.dask_insecure:
        raise ConfigurationError(
            f"The Dask scheduler {settings.dask_scheduler} is on another machine and is asked "
            "without TLS: whoever reaches it, its workers or the network between may run code as "
            "their user. Write one of these lines:\n"
            "  RELU_LANDSCAPE_DASK_SCHEDULER=tls://...   and DASK_DISTRIBUTED__COMM__TLS__...\n"
            "  RELU_LANDSCAPE_DASK_INSECURE=true         where nobody else is on that network"
        )


def warnings(settings: Settings) -> list[str]:
    """What an operator should know, one sentence each."""
    if not is_exposed(settings):
        return []
    return [
        f"The Dask scheduler {settings.dask_scheduler} is asked without TLS: whoever reaches it or "
        "its workers may run code as their user."
    ]


def _is_here(host: str) -> bool:
    """Whether every address of the name is a loopback one; not where it has none (yet)."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(each[4][0])).is_loopback for each in found)
