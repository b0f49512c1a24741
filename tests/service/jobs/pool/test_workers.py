"""Worker processes of this machine, killed faster than Dask replaces them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from dask.utils import key_split
from distributed import Status
from distributed.spans import Span

from relu_landscape.errors import PoolUnavailable
from relu_landscape.jobs.pool import dask, workers
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.processes import server_of, workers_of
from tests.service.jobs.helpers import PATIENCE_SECONDS, until
from tests.service.jobs.toy_engine import TOY, Sample

BACKEND = ChosenBackend("numpy", "a test", "the test wants it")
WORK = Work(TOY.analyses[0].composition, LandscapeRequest(student_width=2, teacher_width=2))


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskPool]:
    """Two workers; one that is missing for a second counts as lost."""
    monkeypatch.setattr(dask, "REFRESH_SECONDS", 0.2)
    monkeypatch.setattr(workers, "LOST_SECONDS", 5.0)
    # What Dask logs about the killings is its own business.
    for name in ("distributed.nanny", "distributed.core", "distributed.scheduler"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    opened = DaskPool(Settings.load(workers=2), TOY, BACKEND)
    opened.open()
    yield opened
    opened.close()


def processes() -> list[psutil.Process]:
    """Worker processes of this process, those that are only starting included."""
    return workers_of(os.getpid())


def works(pool: DaskPool) -> bool:
    """Whether a chunk comes back from the pool."""
    lane = pool.lane(WORK)
    lane.put([Sample(key="a", first=0, last=1)])
    returned = lane.next(PATIENCE_SECONDS)
    pool.close_lane(lane)
    return returned is not None and returned.answer is not None


@pytest.mark.parametrize("giving_up", ["closes", "waits for ever"])
def test_workers_that_dask_gives_up_on_are_replaced(pool: DaskPool, giving_up: str) -> None:
    """A worker was killed, and its replacement while it started: in one case of five Dask's nanny
    gave up, and the pool stayed smaller for good; at zero workers every job waited for ever."""
    assert pool._local is not None
    cluster = pool._local.cluster
    given_up = list(cluster.workers.values())
    for nanny in given_up:
        if giving_up == "closes":
            cluster.sync(nanny.close)
        else:
            # What a nanny is left with whose worker died before it had registered.
            nanny.status = Status.starting
            nanny.process.process._process.kill()
    until(lambda: pool.threads < 2, "the workers are missed")
    until(lambda: pool.threads == 2, "as many are there as were asked for")
    assert pool.problem is None
    assert not set(given_up) & set(cluster.workers.values())
    assert works(pool)


def test_workers_may_be_killed_again_and_again(pool: DaskPool) -> None:
    for _ in range(4):
        for process in processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        until(lambda: bool(processes()), "a replacement starts")
    until(lambda: pool.threads == 2, "both workers are there again")
    assert works(pool)


def own(pool: DaskPool) -> list[psutil.Process]:
    """Worker processes of this pool alone: other tests may have left theirs in this process."""
    local = pool._local
    assert local is not None
    found = []
    for nanny in list(local.cluster.workers.values()):
        with contextlib.suppress(psutil.Error):
            if nanny.pid is not None:  # psutil would take that for this process
                found.append(psutil.Process(nanny.pid))
    return found


def test_the_server_that_workers_are_forked_from_may_be_killed(pool: DaskPool) -> None:
    """Nobody else knows of what was forked: it ends with the server, and others begin."""
    before, server = own(pool), server_of(os.getpid())
    assert len(before) == 2
    assert server is not None
    server.kill()
    until(lambda: not any(each.is_running() for each in before), "the workers are gone")
    until(lambda: pool.threads == 2, "two others are there")
    assert works(pool)
    assert not {each.pid for each in before} & {each.pid for each in own(pool)}


def test_processes_are_forked_from_one_with_one_thread(pool: DaskPool) -> None:
    """The threads of a process that is forked are not in the other, with whatever they hold."""
    server = server_of(os.getpid())
    assert server is not None
    assert server.num_threads() == 1
    assert [each.ppid() for each in own(pool)] == [server.pid, server.pid]


def test_workers_have_the_environment_of_whoever_begins_them(
    pool: DaskPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are forked from a server that began before, for others."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("TOY_TRACE", str(trace))
    second = DaskPool(Settings.load(workers=1), TOY, BACKEND)
    second.open()
    try:
        assert works(second)
    finally:
        second.close()
    assert trace.read_text().split()[1] == "a"


async def test_nobody_waits_for_a_nanny_that_is_replaced() -> None:
    """One took four seconds to close, in which no chunk of a cancelled job was ended anywhere."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def close(timeout: float) -> None:  # noqa: ASYNC109 - as Dask has it
        del timeout
        begun.set()
        await may_end.wait()
        raise OSError("it does not like that")

    nanny = SimpleNamespace(worker_address="a", status=Status.failed, pid=None, close=close)
    asked: list[int] = []
    local = workers.LocalWorkers(2)
    local.cluster = SimpleNamespace(workers={0: nanny}, scale=asked.append)
    await asyncio.wait_for(local._mend(frozenset()), PATIENCE_SECONDS)
    assert (local.cluster.workers, asked) == ({}, [2])
    (closing,) = local._closing
    await begun.wait()
    may_end.set()
    await closing
    await asyncio.sleep(0)
    assert not local._closing


def test_a_missing_worker_is_said(pool: DaskPool) -> None:
    pool._threads = 1
    assert pool.warning == "Of 2 worker processes 1 are there; others are started."
    pool._threads = 0
    assert pool.warning is None, "that there is none at all is a problem, no warning"


def test_a_start_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was killed while it started made ``serve`` leave at once."""
    starts: list[int] = []

    def broken(**options: Any) -> Any:
        starts.append(options["n_workers"])
        if len(starts) < workers.STARTS:
            raise RuntimeError("Worker failed to start.")
        scheduler = SimpleNamespace(extensions={})
        return SimpleNamespace(close=lambda timeout: None, scheduler=scheduler)

    monkeypatch.setattr(workers, "LocalCluster", broken)
    local = workers.LocalWorkers(3)
    local.open()
    assert starts == [3] * workers.STARTS
    monkeypatch.setattr(workers, "STARTS", 1)
    starts.clear()
    monkeypatch.setattr(workers, "LocalCluster", _never)
    with pytest.raises(PoolUnavailable, match="do not start: never"):
        DaskPool(Settings.load(workers=1), TOY, BACKEND).open()


def _never(**_: Any) -> Any:
    raise RuntimeError("never")


#: A chunk of the toy takes so many seconds: for ever, as far as a test can tell.
FOR_EVER = Work(
    TOY.analyses[0].composition,
    LandscapeRequest(student_width=2, teacher_width=2, init_scale=1000.0),
)


def test_a_worker_computes_for_others_soon_after_its_job_was_cancelled(pool: DaskPool) -> None:
    """With chunks of minutes, the cores of a cancelled job were busy for minutes."""
    lane = pool.lane(FOR_EVER)
    lane.put(Sample(key=f"a{number}", first=0, last=1) for number in range(8))
    until(lambda: len(pool._watch.computing()) == 2, "both workers are busy")
    lane.withdraw()
    until(lambda: lane.is_idle, "nothing of the job computes")
    assert pool._watch.computing() == {}
    assert works(pool)


def test_closing_does_not_wait_for_what_computes(
    pool: DaskPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask asks a worker to end and waits four seconds; one that computes does not listen."""
    lane = pool.lane(FOR_EVER)
    lane.put(Sample(key=f"a{number}", first=0, last=1) for number in range(2))
    until(lambda: len(pool._watch.computing()) == 2, "both workers are busy")
    assert pool._local is not None
    cluster = pool._local.cluster
    there = {nanny.pid for nanny in cluster.workers.values()}
    done: list[object] = []
    kill, close = os.kill, cluster.close

    def killed(pid: int, number: int) -> None:
        done.append((pid, number))
        kill(pid, number)

    def closed(**options: Any) -> None:
        done.append("closed")
        close(**options)

    monkeypatch.setattr(os, "kill", killed)
    monkeypatch.setattr(cluster, "close", closed)
    pool.close()
    assert set(done[:2]) == {(pid, signal.SIGKILL) for pid in there}
    assert done[2] == "closed"
    assert not any(psutil.pid_exists(pid) for pid in there)


def test_workers_give_way_to_the_process_that_answers(pool: DaskPool) -> None:
    """With every core at work, a probe of 1 ms waited for its turn among the workers."""
    client = pool._client
    # Each in the thread that computes, where a niceness counts: on Linux it is a thread's own.
    asked = [client.submit(os.nice, 0, workers=[each], pure=False) for each in client.nthreads()]
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [min(19, os.nice(0) + 5)] * 2


def test_nothing_is_kept_of_what_was_computed(pool: DaskPool) -> None:
    """Dask's scheduler kept a span, with a page of figures, for each pause between two jobs."""
    for _ in range(3):
        assert works(pool)
    assert pool._local is not None
    there = pool._local.cluster.scheduler.workers.values()
    over = time.time()
    until(lambda: all(each.last_seen > over for each in there), "no worker told its figures")
    assert [each for each in gc.get_objects() if isinstance(each, Span)] == []
    until(lambda: key_split.cache_info().currsize == 0, "the names of chunks were kept")
