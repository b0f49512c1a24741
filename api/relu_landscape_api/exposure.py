"""Who can reach the service, and what the settings say about that."""

from __future__ import annotations

import ipaddress
import socket

from relu_landscape.errors import ConfigurationError
from relu_landscape_api.settings import ApiSettings

#: Names of this machine for itself, as browsers and tools write them.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there; a name that is none is not known to."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(each[4][0])).is_loopback for each in found)


def is_open(settings: ApiSettings) -> bool:
    """Whether whoever can connect from elsewhere may use it."""
    return settings.api_key is None and not is_loopback(settings.host)


def require_consent(settings: ApiSettings) -> None:
    """Raise ``ConfigurationError`` where the service would be open to others and nobody said so."""
    if settings.insecure or not is_open(settings):
        return
    raise ConfigurationError(
        f"On {settings.host}, others reach this service, and without a key whoever can connect may "
        "start, read and cancel jobs. Write one of these lines:\n"
        "  RELU_LANDSCAPE_API_KEY=...        a key of 8 characters or more, that callers present\n"
        "  RELU_LANDSCAPE_INSECURE=true      (or --insecure) where everybody on the network may\n"
        "  RELU_LANDSCAPE_HOST=127.0.0.1     for this machine alone"
    )


def warnings(settings: ApiSettings) -> list[str]:
    """What an operator should know, one sentence each."""
    if not is_open(settings):
        return []
    return [
        f"The service listens on {settings.host} without a key: whoever can connect may start, "
        "read and cancel jobs. Set RELU_LANDSCAPE_API_KEY."
    ]


def trusted_hosts(settings: ApiSettings) -> frozenset[str] | None:
    """Names under which the service may be asked; ``None`` for any.

    A page elsewhere can give its own name the address of this machine, and is then of one origin
    with the service. Where only this machine is listened to, its names are known; elsewhere only
    the setting can tell them.
    """
    if settings.trusted_hosts is None:
        if not is_loopback(settings.host):
            return None
        return LOOPBACK_NAMES | {settings.host.lower()}
    named = {name.strip().lower().strip("[]") for name in settings.trusted_hosts.split(",")}
    return None if "*" in named else LOOPBACK_NAMES | named
