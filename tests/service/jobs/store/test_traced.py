"""Which trace a job is a part of: carried with it until it is over, and no longer."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from relu_landscape.analyses import LANDSCAPE
from relu_landscape.jobs import tracing
from relu_landscape.jobs.desk import StoreDesk
from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.lanes import Chunk, DaskLane
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.settings import Settings
from relu_landscape.wire import shortened
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, lapse, request
from tests.service.jobs.store.contents import Contents
from tests.service.jobs.toy_engine import TOY, Sample

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is around whoever submits: the last of these."""
    given = [""]
    monkeypatch.setattr(tracing, "carried", lambda: given[-1])
    monkeypatch.setattr(tracing, "part", tracing.span)
    return given


async def test_a_job_carries_its_trace_to_whoever_claims_it(
    asking: AskingStore,
    claims: ClaimingStore,
    watcher: ClaimingStore,
    contents: Contents,
    around: list[str],
) -> None:
    around.append(ONE)
    await asking.submit("a", KIND, REQUEST)
    around.append(OTHER)
    await asking.submit("a", KIND, REQUEST)  # who asks for what waits already shares it
    first = claims.claim(QUEUES)
    assert first is not None
    assert first.trace == ONE
    lapse(watcher, "a")
    second = watcher.claim(QUEUES)
    assert second is not None
    assert second.trace == ONE, "it goes on where another process died"
    watcher.finish(second, b"{}", {})
    assert "trace" not in contents.all()["job:a"]


async def test_a_job_that_is_asked_for_again_is_part_of_the_new_one(
    asking: AskingStore, claims: ClaimingStore, around: list[str]
) -> None:
    around.append(ONE)
    await asking.submit("a", KIND, REQUEST)
    assert await asking.cancel("a") == "cancelled"
    around.append(OTHER)
    await asking.submit("a", KIND, REQUEST)
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claim.trace == OTHER


async def test_one_that_is_too_long_to_be_shown_has_both(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, around: list[str]
) -> None:
    around.append(ONE)
    await asking.submit("a", KIND, REQUEST, shown=shortened.Shown({"name": "short"}, ["all"]))
    stored = contents.all()["job:a"]
    assert (stored["trace"], stored["request"]) == (ONE, '{"name":"short"}')
    assert stored["left_out"] == '["all"]'
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert (claim.trace, claim.request) == (ONE, REQUEST)


async def test_without_traces_nothing_is_stored(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    assert "trace" not in contents.all()["job:a"]
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claim.trace == ""


@pytest.mark.parametrize("trace", ["", ONE])
def test_a_worker_hears_of_a_trace_only_where_there_is_one(trace: str) -> None:
    """Workers of a release without traces take five words, and get no more."""
    asked = LandscapeRequest(student_width=2, teacher_width=2, starts=3)
    pool: Any = None
    lane = DaskLane(pool, Work(LANDSCAPE.composition, asked, trace=trace))
    told = Chunk(lane, Sample(key="sample:0", first=0, last=3)).arguments("numpy")
    assert told[3:] == (("numpy", trace) if trace else ("numpy",))


async def test_what_a_sweep_asks_for_is_part_of_its_trace(
    asking: AskingStore, claims: ClaimingStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks from the thread that runs it; what is around there goes along into the loop."""
    around: ContextVar[str] = ContextVar("around", default="")
    monkeypatch.setattr(tracing, "carried", around.get)
    monkeypatch.setattr(tracing, "part", tracing.span)
    desk = StoreDesk(Intake(asking, settings, TOY, None), asking, "cpu")

    def ask() -> None:
        around.set(ONE)
        desk.submit(request(), "sweep:a")

    await asyncio.to_thread(ask)
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claim.trace == ONE
