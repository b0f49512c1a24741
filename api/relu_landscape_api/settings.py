"""Settings of the HTTP side, beside those of the service behind it."""

from __future__ import annotations

import ipaddress
from typing import Literal

from limits import parse_many
from pydantic import Field, SecretStr, field_validator

from relu_landscape.settings import Settings


class ApiSettings(Settings):
    """Everything that can be set; ``ApiSettings.load`` gives readable errors."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 takes a free one")
    body_limit_bytes: int = Field(
        1_048_576, ge=1024, le=268_435_456, description="largest request body that is read"
    )
    connections_limit: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="open connections that one process accepts; left out: what the limit of open "
        "files allows",
    )
    head_seconds: float = Field(
        10.0, ge=0.1, le=600.0, description="how long the line and headers of a request may take"
    )
    body_seconds: float = Field(
        60.0, ge=0.1, le=3600.0, description="how long the body of a request may take"
    )
    results_at_hand_bytes: int = Field(
        67_108_864,
        ge=0,
        description="memory for finished results that are sent again without asking the store",
    )
    rate_limit: str | None = Field(
        None,
        description="requests per key, or per client address where there is no key, in the "
        "syntax of the package limits, for example 60/minute;1000/day",
    )
    api_key: SecretStr | None = Field(
        None,
        min_length=8,
        description="a key that may everything; when it is set, or relu-landscape keys create has "
        "made one, every call under /v1 must present a key",
    )
    insecure: bool = Field(
        False,
        description="true: listen where others can connect although there is no key",
    )
    trusted_hosts: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.:_*\[\], -]{1,2000}$",
        description="names under which the service may be asked besides localhost, with commas; "
        "*: any; left out: localhost alone where only this machine can connect, else any",
    )
    trusted_proxies: str | None = Field(
        None,
        max_length=2000,
        description="addresses and networks of proxies, with commas, that are believed when they "
        "say for whom they ask (X-Forwarded-For), for example 127.0.0.1,10.0.0.0/8; left out: none",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is logged"
    )

    @field_validator("rate_limit")
    @classmethod
    def _rate_limit_parses(cls, value: str | None) -> str | None:
        if value is not None:
            parse_many(value)  # ValueError becomes a validation error that names this field
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: str | None) -> str | None:
        for each in proxies_in(value):
            ipaddress.ip_network(each)  # ValueError becomes a validation error, as above
        return value


def proxies_in(setting: str | None) -> list[str]:
    """The addresses and networks that the setting ``trusted_proxies`` names."""
    return [each.strip() for each in (setting or "").split(",") if each.strip()]
