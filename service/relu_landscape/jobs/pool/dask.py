"""A service's compute pool: Dask, used as a pool of processes that survives a worker's death.

Jobs put their chunks in lanes. A dispatcher sends a few chunks per worker at a time, of whoever has
used least (``sharing``), one from each of hers in turn, so no large job and nobody's many keep
another waiting for more than a chunk. Processes that share a scheduler tell it, as a chunk's
priority, what its payer had used. Dask keeps nothing that matters: a chunk that comes to grief is
sent again from its lane.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson
from dask.utils import key_split
from distributed import Client, Future, KilledWorker
from distributed.utils import LoopRunner

from relu_landscape import ALGORITHM
from relu_landscape.analyses import Registry
from relu_landscape.errors import PoolUnavailable
from relu_landscape.jobs.pool import lanes, steady, worker
from relu_landscape.jobs.pool.base import Returned, Work, line_up
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.pool.lanes import Chunk, DaskLane
from relu_landscape.jobs.pool.sharing import Shares
from relu_landscape.jobs.pool.warming import Warming
from relu_landscape.jobs.pool.watch import TOPIC, Computing, Watch
from relu_landscape.jobs.pool.workers import local_workers, restart_external
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: Chunks of a job that was cancelled may end by themselves for so long, then their workers are
#: ended. How often that is looked at.
CANCEL_SECONDS, LOOK_SECONDS = 1.0, 0.2
#: How often the number of workers is looked up, and a lost scheduler is tried again.
REFRESH_SECONDS = 2.0
CONNECT_SECONDS = 5.0
#: An answer whose worker died before we had it is computed again by Dask meanwhile.
GATHER_SECONDS = 60.0


class DaskPool:
    """Workers on this machine, or those of an external Dask scheduler."""

    def __init__(self, settings: Settings, registry: Registry, backend: ChosenBackend) -> None:
        self._settings = settings
        self._compositions = tuple(each.composition for each in registry.analyses)
        self._backend = backend
        self.pace = backend.pace
        self._local = local_workers(settings)
        self._loop: Any = None
        self._client: Any = None
        self.changed = threading.Condition()
        self._shares = Shares()
        self._ring: deque[DaskLane] = deque()
        self._suspects: deque[Chunk] = deque()
        self._flying: dict[str, tuple[Chunk, Any]] = {}
        self._called_back: set[str] = set()
        self._watch = Watch(time.monotonic)
        self._ended: set[str] = set()  # addresses of workers that we ended
        self.warming = Warming()
        self._isolated = False
        self._closing = False
        self._threads = 0
        self._next_refresh = 0.0
        self._dispatcher = threading.Thread(target=self._dispatch, name="dispatcher", daemon=True)
        self.problem: str | None = "not connected yet"

    @property
    def kind(self) -> Literal["embedded", "external"]:
        return "embedded" if self._settings.dask_scheduler is None else "external"

    @property
    def threads(self) -> int:
        """Worker threads that are there now."""
        return self._threads

    @property
    def warning(self) -> str | None:
        """What an operator should know although work goes on."""
        asked = self._threads if self._local is None else self._local.count
        if 0 < self._threads < asked:
            return f"Of {asked} worker processes {self._threads} are there; others are started."
        return None

    def open(self) -> None:
        """Start the workers, or begin to connect. Raises ``PoolUnavailable``."""
        steady.go_by_it()
        if self._local is not None:
            try:
                self._local.open()
                self._refresh()
                self.warming.begin(self._client, self._compositions)
            except Exception as error:
                self.close()
                raise PoolUnavailable(f"The worker processes do not start: {error}.") from error
        else:
            # It may come up after us: the dispatcher goes on trying, with one loop for every
            # trial, because a client that fails to connect would leave a loop of its own running.
            self._loop = LoopRunner()
            self._loop.start()
        self._dispatcher.start()

    def close(self) -> None:
        """Stop the workers; what they compute is lost, and computed again after a restart."""
        with self.changed:
            self._closing = True
            self._flying.clear()
            self.warming.forget()
            self.changed.notify_all()
        if self._dispatcher.is_alive():
            self._dispatcher.join()
        for part in (self._client, self._local):
            if part is not None:
                try:
                    part.close()
                except Exception as error:  # closing must go on whatever Dask says
                    logger.warning("closing the pool: %s", error)
        self._client = None
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def lane(self, work: Work) -> DaskLane:
        """A new lane for a job's chunks. ``close_lane`` ends it."""
        lane = DaskLane(self, work)
        with self.changed:
            self._ring.append(lane)
        return lane

    def close_lane(self, lane: DaskLane) -> None:
        """Forget the lane; answers of chunks in flight are dropped."""
        with self.changed:
            self._take_back(lane)
            if lane in self._ring:
                self._ring.remove(lane)

    def learn(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Hear anew what everybody has used, in all processes together."""
        self._shares.learn(read)

    def figures(self) -> dict[str, float]:
        """Workers, and chunks of this process's jobs: that wait, compute, and were computed."""
        wanted = 0 if self._local is None else self._local.count
        workers = {"worker_threads": self._threads, "workers_wanted": wanted}
        with self.changed:
            chunks = lanes.figures(self._ring, self._suspects, self._flying)
        return {**chunks, **workers, **self._watch.figures()}

    def add(self, lane: DaskLane, chunks: list[Chunk]) -> None:
        """Have these sent when it is their turn."""
        with self.changed:
            line_up(lane.waiting, chunks, lambda chunk: chunk.task)
            self.changed.notify_all()

    def withdraw(self, lane: DaskLane) -> None:
        """Send nothing more of this lane, and end what is in flight."""
        with self.changed:
            self._take_back(lane)
            self.changed.notify_all()

    def _take_back(self, lane: DaskLane) -> None:
        lane.withdrawn_at = time.monotonic() if lane.withdrawn_at is None else lane.withdrawn_at
        lane.waiting.clear()
        for chunk in [each for each in self._suspects if each.lane is lane]:
            self._suspects.remove(chunk)
            lane.in_flight -= 1

    def _dispatch(self) -> None:
        chunks: list[Chunk] = []
        while not self._closing:
            try:
                if self._is_refresh_due():
                    self._refresh()
                self._look_after()
                with self.changed:
                    self.changed.wait_for(self._is_something_due, timeout=self._patience())
                    chunks = [] if self._is_refresh_due() else self._choose()
                while chunks:
                    self._send(chunks[0])
                    chunks.pop(0)
            except Exception as error:
                for chunk in chunks:  # chosen, and not sent
                    self._again("", chunk)
                # Whatever Dask raises here means that the scheduler is not there now.
                self._threads = 0
                self.problem = f"The Dask scheduler does not answer: {error or repr(error)}"
                logger.warning("%s", self.problem)
                logger.debug("why", exc_info=True)
                with self.changed:
                    self.changed.wait_for(lambda: self._closing, timeout=REFRESH_SECONDS)

    def _is_something_due(self) -> bool:
        return self._is_refresh_due() or self._can_send() or bool(self._unwanted())

    def _patience(self) -> float:
        """Seconds until the next look: soon, where something is to be ended."""
        withdrawn = any(chunk.lane.withdrawn_at for chunk, _ in self._flying.values())
        if withdrawn or not self._watch.computing().keys() <= self._flying.keys():
            return min(LOOK_SECONDS, REFRESH_SECONDS)
        return REFRESH_SECONDS

    def _is_refresh_due(self) -> bool:
        return time.monotonic() >= self._next_refresh

    def _refresh(self) -> None:
        """Connect if need be, and count the workers."""
        if self._client is None or self._client.status in ("closed", "closing", "failed"):
            self._client = Client(  # type: ignore[no-untyped-call]
                self._settings.dask_scheduler if self._local is None else self._local.cluster,
                loop=None if self._loop is None else self._loop.loop,
                timeout=CONNECT_SECONDS,
                set_as_default=False,
            )
            self._client.subscribe_topic(TOPIC, self._watch.hear)
        threads = self._client.nthreads(callback_timeout=CONNECT_SECONDS)
        self._threads = sum(threads.values())
        self.problem = None if self._threads else "The Dask scheduler has no workers"
        self._next_refresh = time.monotonic() + REFRESH_SECONDS
        if self._local is not None and self._threads < self._local.count:
            self._local.mend(threads)
        # Dask remembers the names of the last 100,000 chunks, of which none is ever sent again.
        key_split.cache_clear()

    def _capacity(self) -> int:
        if self._isolated and self._flying:
            return 0
        self._isolated = False
        return self._threads * self._settings.chunks_in_flight_per_worker - len(self._flying)

    def _can_send(self) -> bool:
        if self._closing:
            return True
        if self._suspects:
            return not self._flying and self._threads > 0
        return self._capacity() > 0 and any(lane.waiting for lane in self._ring)

    def _choose(self) -> list[Chunk]:
        """A suspect alone, or one chunk after another of who needs it most while there is room."""
        if self._closing or not self._can_send():
            return []
        if self._suspects:
            self._isolated = True
            return [self._suspects.popleft()]
        flying = [chunk for chunk, _ in self._flying.values()]
        return lanes.chosen(self._ring, self._shares, flying, self._capacity())

    def _send(self, chunk: Chunk) -> None:
        name = self._watch.new_name()
        future = self._client.submit(
            worker.execute,
            ALGORITHM,
            *chunk.arguments(self._backend.computes),
            key=name,
            pure=False,
            priority=-chunk.used,
        )
        with self.changed:
            self._flying[name] = (chunk, future)
        future.add_done_callback(self._done)

    def _unwanted(self) -> list[str]:
        return lanes.unwanted(self._flying, self._watch.computing(), self._called_back)

    def _look_after(self) -> None:
        """Call back what nobody wants, and end the workers of what goes on regardless."""
        now = time.monotonic()
        with self.changed:
            unwanted = [(name, self._flying[name][1]) for name in self._unwanted()]
            self._called_back.update(name for name, _ in unwanted)
            flying = dict(self._flying)
        for _, future in unwanted:
            future.cancel()
        for name, here in self._watch.computing().items():
            # A chunk that is not in flight began while it was called back.
            withdrawn_at = flying[name][0].lane.withdrawn_at if name in flying else here.began
            limit = self._settings.chunk_seconds if withdrawn_at is None else CANCEL_SECONDS
            if now - max(withdrawn_at or here.began, here.began) > limit:
                self._end(name, here)

    def _end(self, name: str, here: Computing) -> None:
        """End the worker that computes this chunk; others that it had are sent again."""
        with self.changed:
            chunk, future = self._flying.pop(name, (None, None))
            self._ended.add(here.worker)
        self._watch.forget(name)
        if future is not None:
            future.cancel()  # before the worker is gone: Dask would have another one try it
        if chunk is not None and chunk.lane.withdrawn_at is None:
            logger.warning("%s takes too long; ending its worker", chunk.task.key)
            chunk.overdue += 1
        if self._local is not None:
            self._local.kill(here.worker)
        else:
            restart_external(self._client, here.worker)
        if chunk is None:
            return
        if chunk.overdue < lanes.LARGEST_OVERDUE:
            self._again(name, chunk)
            return
        self._return(name, lanes.overdue(chunk, self._settings.chunk_seconds), chunk)

    def _done(self, future: Future[Any]) -> None:
        """Called by Dask in a thread of its own when a chunk came to an end of some kind."""
        name = str(future.key)
        with self.changed:
            chunk, _ = self._flying.get(name, (None, None))
        if chunk is None:  # closed or ended meanwhile
            return
        try:
            kind, payload = future.result(timeout=GATHER_SECONDS)
        except KilledWorker as error:
            self._killed(name, chunk, error)
        except Exception as error:
            # Lost with the scheduler, or a worker that cannot even import our function.
            self._raised(name, chunk, error, lost=future.status in ("cancelled", "lost"))
        except BaseException as error:  # Dask's and asyncio's CancelledError
            self._raised(name, chunk, error, lost=True)
        else:
            seconds = self._watch.took(name)  # kept there until somebody asks
            if kind == "answer":
                self._shares.took(chunk.lane.work.payer, seconds)
                self._return(name, Returned(chunk.task, payload, seconds=seconds), chunk)
            elif kind == "unknown":  # that worker was not told the request
                chunk.carries = True
                self._again(name, chunk, alone=chunk.is_alone)
            else:
                self._failed(name, chunk, orjson.loads(payload))

    def _return(self, name: str, returned: Returned, chunk: Chunk) -> None:
        with self.changed:
            self._forget(name)
            # First into the inbox: the lane must not look idle in between.
            chunk.lane.inbox.put(returned)
            chunk.lane.in_flight -= 1
            self.changed.notify_all()

    def _again(self, name: str, chunk: Chunk, *, alone: bool = False) -> None:
        with self.changed:
            self._forget(name)
            if chunk.lane.withdrawn_at is not None:
                chunk.lane.in_flight -= 1
            elif alone:
                chunk.is_alone = True
                self._suspects.append(chunk)
            else:
                chunk.lane.in_flight -= 1
                chunk.lane.waiting.appendleft(chunk)
            self.changed.notify_all()

    def _forget(self, name: str) -> None:
        self._flying.pop(name, None)
        self._called_back.discard(name)

    def _killed(self, name: str, chunk: Chunk, error: KilledWorker) -> None:
        self._watch.forget(name)
        if error.last_worker.address in self._ended:  # for another chunk's sake
            self._again(name, chunk)
            return
        if chunk.is_alone:
            # An external scheduler has tried it several times before it says so.
            chunk.deaths_alone += error.allowed_failures + 1
        logger.warning("chunk %s lost its worker: %s", chunk.task.key, error)
        if chunk.deaths_alone < lanes.LARGEST_DEATHS_ALONE:
            self._again(name, chunk, alone=True)
            return
        self._return(name, lanes.deadly(chunk), chunk)

    def _failed(self, name: str, chunk: Chunk, error: dict[str, Any]) -> None:
        chunk.raises += 1
        if error["traceback"]:
            logger.error("chunk %s failed:\n%s", chunk.task.key, error["traceback"])
        if not error["final"] and chunk.raises < lanes.LARGEST_RAISES:
            self._again(name, chunk)
            return
        sentence = f"The chunk {chunk.task.key} failed: {error['text']}"
        self._return(name, Returned(chunk.task, None, sentence), chunk)

    def _raised(self, name: str, chunk: Chunk, error: BaseException, *, lost: bool) -> None:
        if lost:
            if name not in self._called_back:  # else it may have begun meanwhile: it is watched on
                self._watch.forget(name)
                self._next_refresh = 0.0  # look at the scheduler before sending again
            self._again(name, chunk)
        else:
            text = f"{type(error).__name__}: {error}"
            self._failed(name, chunk, {"text": text, "final": False, "traceback": ""})
