"""Chunks that are wanted no longer, and chunks that do not end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from distributed import KilledWorker

from relu_landscape.jobs.pool import dask as module
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.lanes import (
    LARGEST_OVERDUE,
)
from tests.service.jobs.helpers import until
from tests.service.jobs.pool.played import (
    COMPOSITION,
    REQUEST,
    WORK,
    Scheduler,
    played_pool,
    returned,
    tasks,
)


def test_chunks_of_a_cancelled_job_that_wait_with_a_worker_are_called_back(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    """They were computed to their end, with the cores that the cancelled job had."""
    lane = pool.lane(WORK)
    lane.put(tasks("a", 2))
    scheduler.names(2)
    begun = scheduler.begin("a0", "tcp://one")
    waits = scheduler.open[1]
    lane.withdraw()
    until(lambda: waits.called_back == 1, "it is called back")
    scheduler.end("a1", RuntimeError("cancelled"), "cancelled")
    assert not lane.is_idle  # the other one computes
    assert begun.called_back == 0
    scheduler.end("a0")
    assert returned(lane).answer == b'"a0"'  # what ended in time is kept
    assert lane.is_idle


def test_a_worker_that_computes_for_a_cancelled_job_is_ended(
    pool: DaskPool, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk of minutes held its core for minutes after its job was cancelled."""
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.05)
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    begun = scheduler.begin("a0", "tcp://one")
    assert scheduler.restarted == []
    lane.withdraw()
    until(lambda: scheduler.restarted == ["tcp://one"], "its worker is ended")
    until(lambda: lane.is_idle, "nothing computes")
    assert begun.called_back == 1  # or Dask would have another worker try it
    assert pool.figures()["chunks_in_flight"] == 0


def test_a_chunk_that_began_while_it_was_called_back_is_ended_too(
    pool: DaskPool, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.05)
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    scheduler.names(1)
    future = scheduler.open[0]
    lane.withdraw()
    until(lambda: future.called_back == 1, "it is called back")
    scheduler.begin("a0", "tcp://one")  # Dask forgets a chunk that runs, and lets it run
    scheduler.end("a0", RuntimeError("cancelled"), "cancelled")
    until(lambda: scheduler.restarted == ["tcp://one"], "its worker is ended")


def test_a_chunk_that_takes_too_long_is_tried_again_and_then_fails_its_job(
    scheduler: Scheduler,
) -> None:
    """Nothing ended it: its job computed for ever, and so did the worker."""
    pool = played_pool(chunk_seconds=1.0)
    pool.open()
    lane = pool.lane(WORK)
    lane.put(tasks("slow", 1) + tasks("other", 1))
    scheduler.names(2)
    for attempt in range(LARGEST_OVERDUE):
        future = scheduler.begin("slow0", f"tcp://{attempt}")
        until(
            lambda count=attempt + 1: len(scheduler.restarted) == count,  # type: ignore[misc]
            "its worker is ended",
        )
        scheduler.open.remove(future)
        if attempt == 0:  # what waited behind it is not blamed
            dead: Any = SimpleNamespace(address="tcp://0")
            scheduler.end("other0", KilledWorker("key", dead, 0), "error")
            until(lambda: len(scheduler.open) == 2, "both are sent again, side by side")
    failed = returned(lane)
    assert failed.task.key == "slow0"
    assert failed.error is not None
    assert "chunk slow0 did not end within 1 s, 2 times" in failed.error
    scheduler.end("other0")
    assert returned(lane).answer == b'"other0"'
    assert lane.is_idle
    pool.close()


def test_what_others_compute_on_the_same_scheduler_is_theirs(
    pool: DaskPool, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.05)
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    scheduler.names(1)
    theirs = {"chunk": "relu-landscape-chunk-theirs-1", "worker": "tcp://theirs", "begins": True}
    scheduler._hear((0.0, theirs))
    scheduler.begin("a0", "tcp://one")
    lane.withdraw()
    until(lambda: bool(scheduler.restarted), "our worker is ended")
    assert scheduler.restarted == ["tcp://one"]


def test_the_request_is_encoded_once_for_all_chunks() -> None:
    work = Work(COMPOSITION, WORK.request)
    assert work.encoded is work.encoded
    assert work.encoded == REQUEST
