"""Who asks, what they may, and what they did."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from relu_landscape.wire.base import Wire

#: What a key allows. Each includes those before it.
Scope: TypeAlias = Literal["read", "submit", "admin"]
#: What is kept of who did what.
Action: TypeAlias = Literal[
    "submitted",
    "cancelled",
    "pinned",
    "unpinned",
    "labelled",
    "deleted",
    "created key",
    "revoked key",
    "forgot key",
]


class Quota(Wire):
    """One limit on requests or on what is computed, and what is left of it."""

    policy: str = Field(description="its name in the header RateLimit-Policy")
    quota: int = Field(
        description="requests that it allows in one window; of core-seconds-per-day, seconds of "
        "cores that jobs may use"
    )
    window_seconds: int = Field(description="length of the window")
    remaining: int | None = Field(
        description="what is left of it now; null: whoever counts does not answer"
    )
    reset_seconds: int | None = Field(
        description="until there is more again; null: whoever counts does not answer"
    )


class Me(Wire):
    """Whoever asks, as the service knows them."""

    name: str = Field(
        description="of the key; setting: the key of RELU_LANDSCAPE_API_KEY; anonymous: no key"
    )
    scope: Scope = Field(
        description="read: looking; submit: also what computes or cancels; admin: everything"
    )
    expires_at: str | None = Field(description="when the key ends; null: never")
    limits: list[Quota] = Field(
        description="requests that may be made, and core-seconds-per-day; empty: any number"
    )


class AuditEntry(Wire):
    """One thing that somebody did."""

    id: str = Field(description="grows from one entry to the next")
    at: str = Field(description="when, by the store's clock")
    who: str = Field(description="name of a key, setting, anyone, or command line")
    action: str = Field(
        description="submitted, cancelled, pinned, unpinned, labelled or deleted a job; created, "
        "revoked or forgot a key"
    )
    what: str = Field(description="id of a job, or name of a key")
    kind: str | None = Field(description="kind of the job; null for a key")
    address: str | None = Field(
        description="where it came from: an address, or user and host of a command line"
    )
    request_id: str | None = Field(description="as in the log; null where there was no request")


class AuditPage(Wire):
    """One page of what was done, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None = Field(description="pass it to get the next page; null: the last one")
