"""Keys with names, and what is remembered of who did what; the store keeps both.

A key is ``rlk_`` with eight digits that name it, and 256 random bits::

    rlk_0123abcd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

It is looked up by its digits, and compared by SHA-256. Nobody finds 256 random bits by trying, with
however fast a digest: a slow one, as passwords need, would only make every request slow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field

from relu_landscape.errors import InputError, NotFound
from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.identity import Action, AuditPage, Scope

#: Whoever has the key of the settings; without a key one is ``words.ANYONE``.
SETTING = "setting"
#: What a key begins with, for people and for programs that look for lost secrets.
PREFIX = "rlk_"
#: Entries of the audit that are kept, the latest.
AUDIT_KEPT = 10_000

_KEY = re.compile(r"(rlk_[0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_RESERVED = (ANYONE, SETTING, "anonymous")
_SCOPES: tuple[str, ...] = get_args(Scope)


def allows(scope: Scope, needed: Scope) -> bool:
    """Whether what one scope allows includes the other."""
    return _SCOPES.index(scope) >= _SCOPES.index(needed)


class Key(BaseModel):
    """A key as it is kept: everything but the key itself.

    ``prefix`` is its beginning, which names it and gives nothing away. Times are in UTC.
    ``core_seconds_today`` is what its name has used since midnight.
    """

    # A later release may keep more of a key.
    model_config = ConfigDict(frozen=True, extra="ignore")

    prefix: str
    name: str
    scope: Scope
    digest: str = Field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    rate: str | None = None
    core_seconds_per_day: int | None = None
    last_used_at: datetime | None = None
    core_seconds_today: float = 0.0

    def is_of(self, text: str) -> bool:
        """Whether this is the key ``text``; takes as long whatever is wrong with it."""
        return hmac.compare_digest(self.digest, _digest(text))

    def why_not(self, now: datetime) -> str | None:
        """``revoked`` or ``expired on DATE``, where it opens nothing any more."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return f"expired on {self.expires_at.date().isoformat()}"
        return None


@dataclass(frozen=True)
class Wanted:
    """What somebody wants a key to be; ``InputError`` where it cannot be."""

    name: str
    scope: Scope = "submit"
    expires_at: datetime | None = None
    rate: str | None = None
    core_seconds_per_day: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.startswith(PREFIX):
            raise InputError(
                f"{self.name!r} cannot be the name of a key: write 1 to 64 letters, digits, dots, "
                "dashes, underscores and @, the first a letter or digit."
            )
        if self.name in _RESERVED:
            raise InputError(f"{self.name!r} is what this service calls somebody else.")


def make_key(wanted: Wanted, now: datetime) -> tuple[Key, str]:
    """A new key, and the text that opens: the only time that anybody sees it."""
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InputError(f"A key that expires on {wanted.expires_at.date()} would open nothing.")
    prefix = PREFIX + secrets.token_hex(4)
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    key = Key(
        prefix=prefix,
        name=wanted.name,
        scope=wanted.scope,
        digest=_digest(text),
        created_at=now,
        expires_at=wanted.expires_at,
        rate=wanted.rate,
        core_seconds_per_day=wanted.core_seconds_per_day,
    )
    return key, text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def prefix_of(text: str) -> str | None:
    """The prefix of what may be a key; ``None`` for what cannot be one."""
    found = _KEY.fullmatch(text)
    return None if found is None else found[1]


def holds_a_key(text: str) -> bool:
    """Whether a key stands anywhere in the text."""
    return _KEY.search(text) is not None


def check_free(wanted: Key, others: list[Key]) -> None:
    """``InputError`` where another key has the name and still opens."""
    for other in others:
        if other.name == wanted.name and other.why_not(wanted.created_at) is None:
            raise InputError(
                f"There is a key called {wanted.name!r} ({other.prefix}); revoke it first, or "
                "choose another name."
            )


def chosen(which: str, keys: list[Key], now: datetime, *, living: bool) -> Key:
    """The key of that name or prefix that still opens (``living``), or that does no more.

    Of several that do no more, the one that was made last. Raises ``NotFound``.
    """
    found = [key for key in keys if which in (key.name, key.prefix)]
    fitting = [key for key in found if (key.why_not(now) is None) is living]
    if fitting:
        return max(fitting, key=lambda key: key.created_at)
    if not found:
        raise NotFound(f"No key is called {which!r}; list them with: relu-landscape keys list")
    if living:
        raise NotFound(f"The key {which!r} is {found[0].why_not(now)} already.")
    raise NotFound(f"The key {which!r} still opens; revoke it first.")


@dataclass(frozen=True)
class Spent:
    """Seconds of cores that somebody has used since midnight (UTC), and seconds to the next one."""

    core_seconds: float
    resets_in: int


class KeyRing(Protocol):
    """The keys of a service. Every method may raise ``StoreUnavailable``."""

    async def exist(self) -> bool:
        """Whether there is any key, be it revoked or expired: then nobody gets in without one."""

    async def find(self, prefix: str) -> Key | None:
        """The key whose text begins like this."""

    async def all(self) -> list[Key]:
        """Every key, the oldest first."""

    async def create(self, wanted: Wanted, now: datetime) -> tuple[Key, str]:
        """Make a key; it and its text. ``InputError`` where its name is taken by one that opens."""

    async def revoke(self, which: str, now: datetime) -> Key:
        """Let the key of that name or prefix open nothing any more. Raises ``NotFound``."""

    async def forget(self, which: str, now: datetime) -> Key:
        """Drop what is kept of a key that opens nothing any more. Raises ``NotFound``."""

    async def note_use(self, prefix: str, now: datetime) -> None:
        """Remember when the key was used last."""

    async def spent(self, name: str) -> Spent:
        """What jobs on the account of this name have used today."""


@dataclass(frozen=True)
class Deed:
    """One thing that somebody did; the fields are those of ``wire.identity.AuditEntry``."""

    who: str
    action: Action
    what: str
    kind: str | None = None
    address: str | None = None
    request_id: str | None = None


class Trail(Protocol):
    """Who did what. Every method may raise ``StoreUnavailable``."""

    async def add(self, deed: Deed) -> None:
        """Remember it, with the time; the oldest beyond ``AUDIT_KEPT`` are forgotten."""

    async def page(self, cursor: str | None, limit: int) -> AuditPage:
        """What was done, newest first. ``RequestError`` for a cursor that no page gave."""


def utc_now() -> datetime:
    """The time of the wall, to the second: what keys are made and expire by."""
    return datetime.now(UTC).replace(microsecond=0)


#: How a key is refused; ``expired`` and ``revoked`` are said to whoever has the key alone.
Fault = Literal["missing", "unknown", "expired", "revoked"]
