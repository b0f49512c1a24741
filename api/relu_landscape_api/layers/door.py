"""Whom a key belongs to, and whether anybody gets in without one."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cachetools import LRUCache

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.identity import (
    SETTING,
    Fault,
    Key,
    KeyRing,
    prefix_of,
    utc_now,
)
from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.identity import Scope
from relu_landscape_api.exposure import is_open
from relu_landscape_api.settings import ApiSettings

#: For so long a process believes what it read of a key, and that there are keys or none. So a key
#: that is revoked may open for so long still.
KEY_SECONDS = 5.0
#: Keys that a process remembers for so long.
_KEYS_AT_HAND = 4096
#: How often the store is told that a key is used, at the most.
_NOTE_SECONDS = 60.0
#: A process that knows whether there are keys waits no longer than this to hear it again.
_GLANCE_SECONDS = 1.0

_log = logging.getLogger("relu_landscape.api")


@dataclass(frozen=True)
class Identity:
    """Who asks: ``key`` is None for whoever needs none and for the key of the settings."""

    name: str
    scope: Scope
    key: Key | None = None

    @property
    def is_anybody(self) -> bool:
        """Whether nothing is known of them but where they are."""
        return self.name == ANYONE


#: Where nobody needs a key, everybody may everything.
NOBODY = Identity(ANYONE, "admin")
_SETTING = Identity(SETTING, "admin")


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """There is no entry; the message says why, ``fault`` in one word."""

    def __init__(self, fault: Fault, sentence: str) -> None:
        self.fault = fault
        super().__init__(sentence)


class Door:
    """Knows the key of the settings, and asks the store for all others.

    A key of the settings opens whatever the store does. For every other key the store must have
    answered within ``KEY_SECONDS``. Whether a key is needed at all is remembered longer while the
    store is away: an outage neither opens the door nor shuts it.
    """

    def __init__(
        self,
        settings: ApiSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        key = settings.api_key
        self._setting = None if key is None else key.get_secret_value().encode()
        self._is_always_shut = is_open(settings) and not settings.insecure
        self._clock, self._now = clock, now
        self._known: LRUCache[str, tuple[Key, float]] = LRUCache(_KEYS_AT_HAND)
        self._noted: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self._exist: bool | None = None
        self._looked = -KEY_SECONDS
        self._looking = asyncio.Lock()

    async def identify(self, keys: KeyRing, given: str | None) -> Identity:
        """Who presents this key, or none. Raises ``Refused``, ``StoreUnavailable``."""
        # Starlette reads headers as Latin-1, which gives the bytes back that came.
        shown = (given or "").encode("latin-1")
        if self._setting is not None and hmac.compare_digest(shown, self._setting):
            return _SETTING
        if not await self._is_shut(keys):
            return NOBODY
        if given is None:
            raise Refused("missing", "No key came with this request.")
        prefix = prefix_of(given)
        key = None if prefix is None else await self._find(keys, prefix)
        if key is None or not key.is_of(given):
            raise Refused("unknown", "This service does not know that key.")
        why = key.why_not(self._now())
        if why is not None:
            fault: Fault = "revoked" if why == "revoked" else "expired"
            sentence = f"The key {key.name!r} ({key.prefix}) "
            raise Refused(fault, sentence + ("was revoked." if why == "revoked" else f"{why}."))
        self._note(keys, key)
        return Identity(key.name, key.scope, key)

    def forget(self) -> None:
        """Believe nothing that was read before: the next request asks the store."""
        self._known.clear()
        self._exist = None

    async def _is_shut(self, keys: KeyRing) -> bool:
        return self._setting is not None or self._is_always_shut or await self._keys_exist(keys)

    async def _keys_exist(self, keys: KeyRing) -> bool:
        async with self._looking:  # one looks for all who come meanwhile
            asked = self._clock()
            if self._exist is None:
                self._exist = await keys.exist()
                self._looked = asked
            elif asked - self._looked >= KEY_SECONDS:
                try:
                    async with asyncio.timeout(_GLANCE_SECONDS):
                        self._exist = await keys.exist()
                    self._looked = asked
                except (StoreUnavailable, TimeoutError):
                    # As it was; until the next look nobody waits for it.
                    self._looked = self._clock()
            return self._exist

    async def _find(self, keys: KeyRing, prefix: str) -> Key | None:
        asked = self._clock()
        known = self._known.get(prefix)
        if known is not None and asked - known[1] < KEY_SECONDS:
            return known[0]
        found = await keys.find(prefix)
        if found is not None:
            self._known[prefix] = (found, asked)  # an answer may have been long on its way
        return found

    def _note(self, keys: KeyRing, key: Key) -> None:
        """Have the store told, once in a while, behind the back of whoever asks."""
        now = self._clock()
        if now - self._noted.get(key.prefix, -_NOTE_SECONDS) < _NOTE_SECONDS:
            return
        self._noted[key.prefix] = now

        async def note() -> None:
            try:
                await keys.note_use(key.prefix, self._now())
            except StoreUnavailable as error:
                _log.warning("that a key is used could not be noted: %s", error)

        task = asyncio.get_running_loop().create_task(note())
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)
