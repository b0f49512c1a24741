"""Keeps every finished job in the archive, in a thread of its own, and brings it back from there.

A job is finished when the store has its result: nobody waits for the archive, and while that is
away nothing is lost, because the store forgets no finished job that the archive has not. Whatever
was missed, by a process that was killed between the two or while the archive did not answer, is
found by comparing the two: at the start, then every hour, and after each failure.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.store.archive import Archive, open_archive
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: Jobs that other processes finished and did not archive, because they died, wait so long at most.
COMPARE_SECONDS = 3600.0
#: So long it is noted that a job was deleted: writing one into the archive takes no so long.
DELETION_SECONDS = 3600.0
#: After a failure the two are compared again.
RETRY_SECONDS = 10.0


class Archivist:
    """One archive beside one store. Several processes may have one each: all do the same.

    ``closing`` is set by ``close``, and ends the patience of ``shelf``.
    """

    def __init__(
        self,
        archive: Archive,
        shelf: Shelf,
        closing: threading.Event,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._archive = archive
        self._shelf = shelf
        self._retry_seconds = retry_seconds
        self._ended: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = closing
        self._problem: str | None = None
        self._damaged = 0
        self._thread = threading.Thread(target=self._run, name="archivist", daemon=True)

    def start(self) -> None:
        """Compare archive and store, then keep what ends."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the job that is just being written; the next start sees to the others."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._shelf.close()

    @property
    def warnings(self) -> list[str]:
        """What an operator should know, one sentence each."""
        found = [] if self._problem is None else [self._problem]
        if self._damaged:
            found.append(
                f"{self._damaged} damaged files of the archive {self._archive.where} were moved "
                "into its folder 'damaged'; what they held is computed again when it is asked for."
            )
        return found

    def ended(self, job: str) -> None:
        """A job of this process came to an end: it is kept soon, if it has a result."""
        self._ended.append(job)
        self._wake.set()

    def bring_back(self, job: str) -> Bundle | None:
        """Put the job into the store, as finished, if the archive has it. Blocks.

        Raises ``StoreUnavailable`` where one of them does not answer or the store has no room.
        """
        bundle = self._archive.get(job)
        if bundle is None:
            return None
        state = self._shelf.restore(bundle, undoes=False)
        if state == "restored":
            logger.info("%s came back from the archive", job)
        return None if state == "deleted" else bundle

    def keep(self, job: str) -> None:
        """Write the job as it is now, in place of what is kept of it. Raises ``StoreUnavailable``.

        Of two such calls for one job the later one may be overtaken. What is then told wrongly, and
        by the archive alone, is whether the job was pinned; the archive itself forgets nothing.
        """
        self._keep(job)

    def remove(self, job: str) -> None:
        """Drop what is kept of a job that the store has deleted. Raises ``StoreUnavailable``."""
        self._archive.remove(job)

    def has(self, job: str) -> bool:
        """Whether the archive has it, whole. Raises ``StoreUnavailable``."""
        return self._archive.get(job) is not None

    def compare(self) -> int:
        """Keep every finished job that is not kept yet; how many those were.

        Raises ``StoreUnavailable``.
        """
        self._archive.tidy()
        self._finish_deletions()
        kept, count = set(self._archive.jobs()), 0
        for job in self._shelf.finished():
            if self._closing.is_set():
                break
            if job in kept:
                self._shelf.expire(job)
            else:
                count += self._keep(job)
        self._damaged = self._archive.damaged()
        return count

    def _finish_deletions(self) -> None:
        """Remove what was deleted by callers who died before they came to the archive."""
        now = time.time()
        for job in self._shelf.deleted():
            self._archive.remove(job)
        self._shelf.drop_deletions(now - DELETION_SECONDS)

    def _keep(self, job: str) -> bool:
        try:
            bundle = self._shelf.bundle(job)
            if bundle is None:
                return False
            self._archive.put(bundle)
            if self._shelf.is_deleted(job):  # while it was written
                self._archive.remove(job)
                return False
        except StoreUnavailable:
            raise
        except Exception:  # of one job, which must not keep the others from the archive
            logger.exception("archiving %s", job)
            return False
        # Not before: the store forgets nothing that is not kept.
        self._shelf.expire(job)
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._compare_and_follow()
            except StoreUnavailable as error:
                logger.warning("nothing is archived for now: %s", error)
                self._problem = f"Nothing is archived for now: {error}"
            except Exception:
                logger.exception("archiving")
            self._closing.wait(self._retry_seconds)

    def _compare_and_follow(self) -> None:
        """The comparison, then an hour of keeping what ends here. Raises what they raise."""
        self._ended.clear()  # the comparison finds them
        count = self.compare()
        if count:
            logger.info("%d finished jobs were missing in the archive", count)
        self._problem = None
        compare_at = time.monotonic() + COMPARE_SECONDS
        while not self._closing.is_set() and (left := compare_at - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            while self._ended and not self._closing.is_set():
                self._keep(self._ended.popleft())


def open_archivist(settings: Settings, target: Target) -> Archivist | None:
    """That of these settings, not started yet. Raises ``ConfigurationError``."""
    archive = open_archive(settings.archive)
    if archive is None:
        return None
    closing = threading.Event()
    patience = settings.request_patience_seconds
    return Archivist(archive, Shelf(target, settings, patience=patience, stop=closing), closing)
