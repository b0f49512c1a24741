"""Who can reach the service, and what the settings say about that."""

from __future__ import annotations

import ipaddress
import socket

from relu_landscape.errors import ConfigurationError
from relu_landscape_api.settings import ApiSettings

#: Names of this machine for itself, as browsers and tools write them.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
#: How paths begin that take keys, scopes and limits; probes and pages do not.
GUARDED = ("/v1/", "/ogc")


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
    """Whether whoever can connect from elsewhere may use it, unless the store has a key."""
    return settings.api_key is None and not is_loopback(settings.host)


def require_consent(settings: ApiSettings, *, has_keys: bool) -> None:
    """Raise ``ConfigurationError`` where the service would be open to others and nobody said so.

    ``has_keys``: whether the store has any key.
    """
    if settings.insecure or has_keys or not is_open(settings):
        return
    raise ConfigurationError(
        f"On {settings.host}, others reach this service, and without a key whoever can connect may "
        "start, read and cancel jobs. Write one of these lines:\n"
        "  relu-landscape keys create NAME   a key of its own for everyone who shall ask\n"
        "  RELU_LANDSCAPE_API_KEY=...        one key of 8 characters or more, that all present\n"
        "  RELU_LANDSCAPE_INSECURE=true      (or --insecure) where everybody on the network may\n"
        "  RELU_LANDSCAPE_HOST=127.0.0.1     for this machine alone"
    )


def warnings(settings: ApiSettings, *, has_keys: bool) -> list[str]:
    """What an operator should know, one sentence each. ``has_keys``: whether the store has any."""
    if has_keys or not is_open(settings):
        return []
    return [
        f"The service listens on {settings.host} without a key: whoever can connect may start, "
        "read and cancel jobs. Make keys with: relu-landscape keys create NAME"
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
