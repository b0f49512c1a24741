"""The store's results within a number of bytes: what was not read for longest is forgotten first.

Looked at by a thread of its own, from time to time: the store may hold more for a moment. Where
there is an archive, only what that has is forgotten, and what is asked for again comes back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: How long the store may hold more than it should.
LOOK_SECONDS = 60.0


class Retention:
    """Forgets finished jobs of one store, down to ``limit_bytes`` of results and parts.

    ``is_kept`` says whether a job may go; it may raise ``StoreUnavailable``. ``closing`` is set by
    ``close``, and ends the patience of ``shelf``.
    """

    def __init__(
        self,
        shelf: Shelf,
        limit_bytes: int,
        closing: threading.Event,
        is_kept: Callable[[str], bool] | None = None,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._shelf = shelf
        self._limit_bytes = limit_bytes
        self._closing = closing
        self._is_kept = is_kept
        self._look_seconds = look_seconds
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Look now, and then from time to time."""
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._shelf.close()

    def trim(self) -> list[str]:
        """Have the store forget what is too much, with the next sweep; the ids of those.

        Raises ``StoreUnavailable``.
        """
        sizes = self._shelf.sizes()
        excess = sum(sizes.values()) - self._limit_bytes
        if excess <= 0:
            return []
        used, gone = self._shelf.last_used(sizes), []
        for job in sorted(sizes, key=lambda each: (used[each], each)):
            if excess <= 0:
                break
            if self._shelf.is_pinned(job):
                continue
            if self._is_kept is None or self._is_kept(job):
                self._shelf.forget(job)
                excess -= sizes[job]
                gone.append(job)
        return gone

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                gone = self.trim()
                if gone:
                    logger.info("%d results are forgotten to make room", len(gone))
            except StoreUnavailable as error:
                logger.warning("no room is made for now: %s", error)
            except Exception:
                logger.exception("making room")
            self._closing.wait(self._look_seconds)


def open_retention(
    settings: Settings, target: Target, is_kept: Callable[[str], bool] | None
) -> Retention | None:
    """That of these settings, not started yet; None where there is no limit."""
    if settings.results_bytes is None:
        return None
    closing = threading.Event()
    shelf = Shelf(target, settings, patience=settings.request_patience_seconds, stop=closing)
    return Retention(shelf, settings.results_bytes, closing, is_kept)
