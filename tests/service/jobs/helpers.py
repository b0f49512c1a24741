"""What several tests of this room need."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson

from relu_landscape.analyses import LANDSCAPE, Registry
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.jobs.desk import StoreDesk
from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.keeping import Keeper
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.running.archiving import open_archivist
from relu_landscape.jobs.running.coordinator import Coordinator
from relu_landscape.jobs.running.sealing import seal
from relu_landscape.jobs.running.short import ShortCalls
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.asking import STATES, AskingStore
from relu_landscape.jobs.store.audit import StoredTrail
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.keys import StoredKeys
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.scripts import queue_name
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import Provenance
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs import toy_engine
from tests.service.jobs.toy_engine import TOY

#: Generous: the machine that runs the tests may be busy with others.
PATIENCE_SECONDS = 180.0

_seeds = itertools.count(1)

PROVENANCE = Provenance(
    version="0", algorithm="0", backend="numpy", device="", libraries={}, seconds=0.0
)


#: What the toy computes.
KIND = "landscape"
QUEUES = [queue_name(KIND, "cpu")]
#: A request as the store sees it.
REQUEST: JsonObject = LandscapeRequest(student_width=2, teacher_width=2, starts=3).canonical()


async def by_state(asking: AskingStore) -> dict[str, float]:
    """How many jobs are in each state."""
    figures = await asking.figures()
    return {state: figures[state] for state in STATES}


async def submitted(asking: AskingStore, claims: ClaimingStore, job: str = "a") -> Claim:
    assert await asking.submit(job, KIND, REQUEST) == "queued"
    claim = claims.claim(QUEUES)
    assert claim is not None
    return claim


def lapse(watcher: ClaimingStore, job: str) -> None:
    """Take ``job`` from its holder, as a process does that saw no renewal for a whole term."""
    assert job in watcher.reclaim(watcher.look())


def request(
    starts: int = 30, seconds: float = 1.0, misbehave: str | None = None, seed: int | None = None
) -> LandscapeRequest:
    """A request of its own for every call; the toy reads ``seconds`` per chunk, 1.0 for none."""
    return LandscapeRequest(
        student_width=2,
        teacher_width=2,
        starts=starts,
        seed=next(_seeds) if seed is None else seed,
        init_scale=seconds,
        structures=None if misbehave is None else (misbehave,),
    )


def expected_digest(asked: LandscapeRequest, chunk_starts: int | None = None) -> str:
    """Digest of the result as one thread computes it, without store, pool or coordinator."""
    model = LandscapeRequest.model_validate(asked.canonical())

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            assert isinstance(task, toy_engine.Sample | toy_engine.Judge)
            answer = encode_answer(task.compute(model))
            yield task, decode_answer(cast("Task[Any, Any]", task), answer)

    composed = toy_engine.compose(
        model, run=run, monitor=SilentMonitor(), chunk_starts=chunk_starts
    )
    sealed = seal(LANDSCAPE, asked.content_id("cpu"), model, composed.result, PROVENANCE)
    digest: str = orjson.loads(sealed)["digest"]
    return digest


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until ``condition`` holds; fail with ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


async def until_async(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Poll until ``condition`` holds; fail with ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def attached(
    server: EmbeddedServer, pool: DaskPool, **settings: Any
) -> AsyncIterator[AnalysisService]:
    """A service as another API process would be, on a store and workers that run already."""
    chosen = Settings.load(data_dir=server.paths.folder.parent, **settings)
    async with on_store(server.target, chosen, pool, server) as service:
        yield service


@asynccontextmanager
async def on_store(
    target: Target,
    chosen: Settings,
    pool: DaskPool,
    server: EmbeddedServer | None = None,
    registry: Registry = TOY,
) -> AsyncIterator[AnalysisService]:
    """The same on any store."""
    backend = ChosenBackend("numpy", "a test", "the test wants it")
    asking = AskingStore(target, chosen, registry, "cpu")
    archivist = open_archivist(chosen, target)
    intake = Intake(asking, chosen, registry, archivist)
    desk = StoreDesk(intake, asking, "cpu")
    ended = None if archivist is None else archivist.ended
    coordinator = Coordinator(chosen, target, pool, registry, backend, desk, ended)
    functions = ShortCalls(registry, chosen)
    keys, trail = StoredKeys(target, chosen), StoredTrail(target, chosen)
    keeping = KeepingStore(target, chosen)
    lists = ListingStore(target, chosen, registry)
    coordinator.start()
    if archivist is not None:
        archivist.start()
    try:
        yield AnalysisService(
            chosen,
            backend,
            asking,
            pool,
            coordinator,
            server,
            functions,
            registry,
            intake,
            keys,
            trail,
            Keeper(keeping, intake),
            lists,
        )
    finally:
        await asyncio.to_thread(coordinator.close)
        if archivist is not None:
            await asyncio.to_thread(archivist.close)
        await asyncio.to_thread(functions.close)
        for each in (asking, keys, trail, keeping, lists):
            await each.close()
