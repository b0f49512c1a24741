"""Worker processes on this machine: as many as were asked for, however often they die.

Dask's nannies restart a worker that dies, but give up on one whose replacement dies while it starts
(measured: one time in five where the replacement is killed within a second), and the cluster never
asks for another. So what is there is compared with what was asked for, and made up for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Collection
from typing import Any

import dask
from distributed import LocalCluster, Status, utils

from relu_landscape.jobs.pool import forking, giving_way, prctl, steady
from relu_landscape.jobs.pool.giving_way import NICENESS
from relu_landscape.jobs.pool.threads import ONE_THREAD
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: What Dask notes for its dashboard, which is not there: of the machine twice a second, for an
#: hour; up to 10,000 events of each kind; samples of the stack. It would all be kept in memory. Nor
#: is it asked, fifty times a second in each of its processes, whether a loop is late.
WITHOUT_DASHBOARD = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.log-length": 2,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.log-length": 100,
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.profile.enabled": False,
}
#: A worker that has been missing for so long will not come by itself: it starts within 2 s on a
#: quiet machine and 15 s on one with eight times its load. One whose nanny says that it gave up is
#: not waited for.
LOST_SECONDS = 30.0
#: A worker that is killed while it starts, perhaps for want of memory, fails the start of all.
STARTS = 3
CLOSE_SECONDS = 5.0


class NoSpans:
    """In the place of what Dask's scheduler keeps for its dashboard: one span for each time that it
    began to work after a pause, with its figures, for ever. That was some kilobytes a job."""

    def __bool__(self) -> bool:
        return False

    def heartbeat(self, worker: Any, figures: Any) -> None:
        """What a worker says of its spans is let go."""


class LocalWorkers:
    """A Dask cluster of ``count`` processes, one thread each, bound to this machine alone.

    ``niceness``: by how much they give way to other processes, the one that answers first of all.
    """

    def __init__(self, count: int, niceness: int = 0) -> None:
        self.count = count
        self._environment = {**ONE_THREAD, NICENESS: str(niceness)}
        self.cluster: Any = None
        self._missing: dict[Any, float] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Start the scheduler and the workers. Raises whatever Dask raises, after some tries."""
        self._fork_them()
        for attempt in range(1, STARTS + 1):
            try:
                self.cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=self.count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    # Without a dashboard Dask still opens its port 8787; this takes a free one.
                    # A dead worker is reported at once: we judge ourselves whose fault it was.
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "allowed_failures": 0},
                    # Their server may have begun for others, in another environment.
                    env={**os.environ, **self._environment},
                    preload=[prctl.__name__, giving_way.__name__, steady.__name__],
                )
            except Exception as error:
                if attempt == STARTS:
                    raise
                logger.warning("the worker processes do not start, trying again: %s", error)
            else:
                self.cluster.scheduler.extensions["spans"] = NoSpans()
                return

    def _fork_them(self) -> None:
        """Have Dask fork workers, whenever it begins one, from the server of ``forking``."""
        dask.config.set(
            {"distributed.worker.multiprocessing-method": forking.METHOD, **WITHOUT_DASHBOARD}
        )
        # Dask would have the server import whatever of pandas and others is installed: that takes
        # long, and some have threads, which do not survive a fork.
        utils._forkserver_preload_set = True
        forking.begin()

    def mend(self, alive: Collection[str]) -> None:
        """Replace the workers that are gone for good; ``alive``: addresses the scheduler knows."""
        self.cluster.sync(self._mend, frozenset(alive))

    async def _mend(self, alive: frozenset[str]) -> None:
        now = time.monotonic()
        lost = []
        for name, nanny in self.cluster.workers.items():
            if nanny.worker_address in alive:
                self._missing.pop(name, None)
                continue
            since = self._missing.setdefault(name, now)
            gave_up = nanny.status in (Status.closed, Status.failed)
            if gave_up or now - since > LOST_SECONDS:
                lost.append(name)
        for name in lost:
            logger.warning("worker %s is gone for good; starting another", name)
            del self._missing[name]
            nanny = self.cluster.workers.pop(name)
            _kill(nanny)
            if nanny.status is not Status.closed:
                # Nobody waits for it: meanwhile chunks that nobody wants are to be ended elsewhere.
                closing = asyncio.create_task(_close(nanny))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        if len(self.cluster.workers) < self.count:
            self.cluster.scale(self.count)  # opens whatever is wanted and not there

    def kill(self, address: str) -> None:
        """End the worker at this address now, whatever it computes; its nanny starts another."""
        for nanny in list(self.cluster.workers.values()):
            if nanny.worker_address == address:
                _kill(nanny)

    def close(self) -> None:
        """Stop the workers and the scheduler at once; what they compute is lost."""
        if self.cluster is not None:
            # Dask would wait some seconds for workers that compute.
            for nanny in list(self.cluster.workers.values()):
                nanny.auto_restart = False
                _kill(nanny)
            self.cluster.close(timeout=CLOSE_SECONDS)
            self.cluster = None


def local_workers(settings: Settings) -> LocalWorkers | None:
    """Those that the settings ask for; none where somebody else's scheduler has them."""
    if settings.dask_scheduler is not None:
        return None
    return LocalWorkers(settings.workers, settings.worker_niceness)


async def _close(nanny: Any) -> None:
    """See a nanny out that has been replaced."""
    try:
        await nanny.close(timeout=CLOSE_SECONDS)
    except Exception as error:  # whatever Dask says, another one does its work
        logger.warning("a nanny that was replaced does not close: %s", error)


def _kill(nanny: Any) -> None:
    pid = nanny.pid
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def restart_external(client: Any, address: str) -> None:
    """Have the nanny of an external worker replace it; does not wait, logs where there is none."""

    def restart() -> None:
        try:
            client.restart_workers([address], timeout=CLOSE_SECONDS, raise_for_error=False)
        except Exception as error:  # whatever Dask says, the chunk was given up already
            logger.warning("the worker %s is not restarted: %s", address, error)

    threading.Thread(target=restart, name="restart-worker", daemon=True).start()
