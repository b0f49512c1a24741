"""What a service promises, held against the real one and the one in memory.

Whatever stands before a service is tested over ``InMemoryService``; these tests say that it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio

from relu_landscape import ALGORITHM
from relu_landscape.errors import NotFound, RequestError, WrongState
from relu_landscape.jobs.interface import Service
from relu_landscape.jobs.listing import Wanted
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.testing import InMemoryService
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.labels import LabelChange
from relu_landscape.wire.landscape import FixedPointInFull, Landscape
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import PATIENCE_SECONDS, request
from tests.service.jobs.toy_engine import TOY, Pair, Total, add

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNKNOWN = "0" * 64


@dataclass
class Candidate:
    """A service, a request that it answers soon, and one that it works at until it is told."""

    service: Service
    hold: Callable[[], LandscapeRequest]
    release: Callable[[], None]


def _in_memory() -> Candidate:
    memory = InMemoryService(Settings.load(), registry=TOY)
    memory.answers_to_calls["add"] = lambda query: add(query)

    def hold() -> LandscapeRequest:
        memory.holds_jobs = True
        return request()

    return Candidate(memory, hold, memory.release)


@pytest_asyncio.fixture(params=["memory", "real"], loop_scope="session")
async def candidate(
    request: pytest.FixtureRequest, service: AnalysisService
) -> AsyncIterator[Candidate]:
    if request.param == "memory":
        yield _in_memory()
    else:
        yield Candidate(service, _long, lambda: None)


def _long() -> LandscapeRequest:
    return request(starts=2000, seconds=0.1)


async def finished(service: Service, asked: LandscapeRequest) -> AnyStatus:
    status = await service.submit(asked)
    status = await service.wait(status.id, PATIENCE_SECONDS)
    assert status.state == "finished", status
    return status


async def test_a_request_becomes_a_result_of_its_kind(candidate: Candidate) -> None:
    asked = request(starts=12)
    status = await finished(candidate.service, asked)
    assert (status.id, status.kind, status.request) == (
        asked.content_id(candidate.service.info().backend.backend_class),
        "landscape",
        asked,
    )
    assert (status.attempts, status.error, status.is_over) == (1, None, True)
    assert status.needs.algorithm == ALGORITHM
    assert status.needs.backend_class == candidate.service.info().backend.backend_class
    assert status.started_at is not None
    assert status.finished_at is not None
    body = await candidate.service.result(status.id)
    landscape = Landscape.model_validate_json(body)
    assert (landscape.id, landscape.request) == (status.id, asked)
    assert landscape.digest == digest(orjson.loads(body))
    assert await candidate.service.result(status.id) == body


async def test_the_same_request_is_the_same_job(candidate: Candidate) -> None:
    asked = request()
    first, second = await asyncio.gather(*(candidate.service.submit(asked) for _ in range(2)))
    assert first.id == second.id
    await finished(candidate.service, asked)
    again = await candidate.service.submit(asked)
    assert (again.state, again.attempts) == ("finished", 1)


async def test_a_finished_result_is_pinned_and_let_go(candidate: Candidate) -> None:
    service = candidate.service
    job = (await finished(service, request(starts=21))).id
    assert not (await service.status(job)).pinned
    for _ in range(2):
        assert (await service.pin(job)).pinned
        assert (await service.status(job)).pinned
    page = await service.list(kind="landscape", cursor=None, limit=1)
    assert [(each.id, each.pinned) for each in page.items] == [(job, True)]
    for _ in range(2):
        assert not (await service.unpin(job)).pinned
        assert not (await service.status(job)).pinned
    for call in (service.pin, service.unpin):
        with pytest.raises(NotFound, match="no job 000"):
            await call(UNKNOWN)


async def test_what_is_not_finished_cannot_be_pinned(candidate: Candidate) -> None:
    job = (await candidate.service.submit(candidate.hold())).id
    with pytest.raises(WrongState, match="only a finished one can be pinned"):
        await candidate.service.pin(job)
    assert not (await candidate.service.unpin(job)).pinned
    await candidate.service.cancel(job)
    candidate.release()
    assert (await candidate.service.wait(job, PATIENCE_SECONDS)).state == "cancelled"
    with pytest.raises(WrongState, match="is cancelled; only a finished"):
        await candidate.service.pin(job)


async def test_what_is_over_is_deleted_and_computed_anew_when_it_is_asked_for_again(
    candidate: Candidate,
) -> None:
    service, asked = candidate.service, request(starts=22)
    job = (await finished(service, asked)).id
    await service.pin(job)
    with pytest.raises(WrongState, match="is pinned; unpin it"):
        await service.delete(job)
    await service.unpin(job)
    result = await service.result(job)
    await service.delete(job)
    for call in (service.status, service.result, service.delete, service.cancel, service.pin):
        with pytest.raises(NotFound):
            await call(job)
    with pytest.raises(NotFound):
        await service.part(job, "m1")
    page = await service.list(kind=None, cursor=None, limit=200)
    assert job not in [each.id for each in page.items]
    assert (await finished(service, asked)).attempts == 1
    assert digest(orjson.loads(await service.result(job))) == digest(orjson.loads(result))
    with pytest.raises(NotFound, match="no job 000"):
        await service.delete(UNKNOWN)


async def test_what_is_not_over_is_not_deleted(candidate: Candidate) -> None:
    job = (await candidate.service.submit(candidate.hold())).id
    with pytest.raises(WrongState, match="cancel it before it is deleted"):
        await candidate.service.delete(job)
    await candidate.service.cancel(job)
    candidate.release()
    await candidate.service.wait(job, PATIENCE_SECONDS)
    await candidate.service.delete(job)
    with pytest.raises(NotFound):
        await candidate.service.status(job)


async def test_parts_come_in_full(candidate: Candidate) -> None:
    status = await finished(candidate.service, request(starts=5))
    part = await candidate.service.part(status.id, "m1")
    assert FixedPointInFull.model_validate(part).key == "m1"
    with pytest.raises(NotFound, match="no fixed point 'm9'"):
        await candidate.service.part(status.id, "m9")


async def test_what_is_unknown_is_not_found(candidate: Candidate) -> None:
    service = candidate.service
    for ask in (service.status, service.result, service.cancel):
        with pytest.raises(NotFound, match=f"There is no job {UNKNOWN}"):
            await ask(UNKNOWN)
    with pytest.raises(NotFound):
        await service.wait(UNKNOWN, 0.1)
    with pytest.raises(NotFound):
        await service.part(UNKNOWN, "m1")
    with pytest.raises(NotFound):
        await anext(aiter(service.events(UNKNOWN, None)))
    with pytest.raises(NotFound, match="no analysis 'tally'"):
        await service.list(kind="tally", cursor=None, limit=5)


async def test_more_than_the_settings_allow_is_refused(candidate: Candidate) -> None:
    asked = LandscapeRequest(student_width=65, teacher_width=2, starts=1)
    with pytest.raises(RequestError, match="student_width = 65"):
        await candidate.service.submit(asked)


async def test_events_tell_the_story_and_are_resumed_after_any_of_them(
    candidate: Candidate,
) -> None:
    status = await finished(candidate.service, request(starts=30))
    events = [event async for event in candidate.service.events(status.id, None)]
    states = [event.data["state"] for event in events if event.name == "state"]
    assert states == ["queued", "running", "finished"]
    assert "progress" in {event.name for event in events}
    assert events[-1].is_last
    for number, event in enumerate(events):
        rest = [each async for each in candidate.service.events(status.id, event.id)]
        assert rest == events[number + 1 :]
    for wrong in ("yesterday", "1", "١-٠"):
        with pytest.raises(RequestError, match="the id of an earlier event"):
            await anext(aiter(candidate.service.events(status.id, wrong)))


async def test_a_running_job_is_cancelled_when_its_cores_are_free(candidate: Candidate) -> None:
    service = candidate.service
    status = await service.submit(candidate.hold())
    waited = await service.wait(status.id, 0.05)
    assert not waited.is_over
    with pytest.raises(NotFound, match=r"has no result: it is (queued|running)"):
        await service.result(status.id)
    assert (await service.cancel(status.id)).state in ("cancelling", "cancelled")
    candidate.release()
    assert (await service.wait(status.id, PATIENCE_SECONDS)).state == "cancelled"
    events = [event async for event in service.events(status.id, None)]
    assert events[-1].data["state"] == "cancelled"
    for wrong in ("x", "-1", "1", f"{2**64}-0", f"0-{2**64}", "٣-0"):
        with pytest.raises(RequestError, match="Last-Event-ID"):
            await anext(aiter(service.events(status.id, wrong)))


async def test_a_job_that_somebody_else_wants_goes_on_after_a_cancel(candidate: Candidate) -> None:
    service, asked = candidate.service, candidate.hold()
    first = await service.submit(asked)
    assert first.holders == 1
    assert (await service.submit(asked, "anna")).holders == 2
    left = await service.cancel(first.id)
    assert (left.state in ("queued", "running"), left.holders) == (True, 1)
    assert (await service.cancel(first.id, "anna")).state in ("cancelling", "cancelled")
    candidate.release()
    over = await service.wait(first.id, PATIENCE_SECONDS)
    assert (over.state, over.holders) == ("cancelled", 0)


async def test_an_operator_cancels_for_everybody(candidate: Candidate) -> None:
    service, asked = candidate.service, candidate.hold()
    status = await service.submit(asked, "anna")
    assert (await service.cancel(status.id, None)).state in ("cancelling", "cancelled")
    candidate.release()
    assert (await service.wait(status.id, PATIENCE_SECONDS)).state == "cancelled"


async def test_lists_are_newest_first_by_pages_and_by_kind(candidate: Candidate) -> None:
    service = candidate.service
    ids = [(await finished(service, request(starts=1))).id for _ in range(3)]
    first = await service.list(kind="landscape", cursor=None, limit=2)
    assert [item.id for item in first.items] == [ids[2], ids[1]]
    assert first.next_cursor is not None
    second = await service.list(kind=None, cursor=first.next_cursor, limit=1)
    assert [item.id for item in second.items] == [ids[0]]
    for wrong in ("x", "-1", "٣"):
        with pytest.raises(RequestError, match="next_cursor"):
            await service.list(kind=None, cursor=wrong, limit=2)


async def test_lists_are_chosen_and_sorted(candidate: Candidate) -> None:
    service, seed = candidate.service, 4242
    whole = request(starts=1, seed=seed)
    asked = [whole.model_copy(update={"student_width": width}) for width in (2, 4, 3)]
    ids = [(await finished(service, each)).id for each in asked]
    await service.submit(asked[1], "anna")

    async def listed(**wanted: Any) -> list[str]:
        chosen = Wanted(numbers={"seed": seed}, **wanted)
        page = await service.list(kind=None, cursor=None, limit=9, wanted=chosen)
        return [each.id for each in page.items]

    assert await listed() == ids[::-1]
    assert await listed(sort="student_width") == [ids[0], ids[2], ids[1]]
    assert await listed(asker="anna") == [ids[1]]
    assert await listed(states=["queued", "running"]) == []
    assert await listed(begins=ids[2][:30]) == [ids[2]]
    await service.note_asker(ids[0], "anna")
    await service.note_asker(UNKNOWN, "anna")
    assert await listed(asker="anna") == [ids[1], ids[0]]
    wanted = Wanted(numbers={"seed": seed}, sort="-student_width")
    first = await service.list(kind="landscape", cursor=None, limit=2, wanted=wanted)
    second = await service.list(kind="landscape", cursor=first.next_cursor, limit=2, wanted=wanted)
    assert [each.id for each in (*first.items, *second.items)] == [ids[1], ids[2], ids[0]]
    with pytest.raises(RequestError, match="next_cursor"):
        await service.list(kind=None, cursor=first.next_cursor, limit=2)
    with pytest.raises(NotFound, match="no analysis 'tally'"):
        await service.list(kind=None, cursor=None, limit=2, wanted=Wanted(kinds=["tally"]))


async def test_labels_are_ones_own_and_outlive_a_cancel(candidate: Candidate) -> None:
    service = candidate.service
    job = (await service.submit(candidate.hold())).id
    await service.label(job, "anna", LabelChange(tags=["b", "a"]))
    await service.label(job, "bob", LabelChange(note="his"))
    labelled = await service.label(job, "anna", LabelChange(note="hers"))
    assert (labelled.tags, labelled.note, labelled.labels) == ([], None, [])  # seen by nobody yet
    seen = labelled.seen_by("anna", sees_all=False)
    assert (seen.tags, seen.note, seen.labels) == (["a", "b"], "hers", [])
    everything = labelled.seen_by("root", sees_all=True)
    assert (everything.tags, [each.who for each in everything.labels]) == ([], ["anna", "bob"])
    await service.cancel(job)
    candidate.release()
    assert (await service.wait(job, PATIENCE_SECONDS)).state == "cancelled"
    again = await service.submit(labelled.request)
    assert (again.id, again.state in ("queued", "running", "finished")) == (job, True)
    assert again.seen_by("anna", sees_all=False).tags == ["a", "b"]
    page = await service.list(kind=None, cursor=None, limit=9, wanted=Wanted(tag="a"))
    assert job in [each.id for each in page.items]
    await service.label(job, "anna", LabelChange(tags=[], note=""))
    assert list((await service.status(job)).given_labels) == ["bob"]
    await service.cancel(job)
    with pytest.raises(NotFound):
        await service.label(UNKNOWN, "anna", LabelChange(tags=["a"]))


async def test_short_calls_are_answered(candidate: Candidate) -> None:
    assert await candidate.service.call("add", Pair(a=1, b=2), 30) == Total(sum=3)
    with pytest.raises(NotFound, match="no calculation 'mul'"):
        await candidate.service.call("mul", Pair(a=1, b=2), 30)


async def test_a_service_speaks_of_itself(candidate: Candidate) -> None:
    readiness = await candidate.service.readiness()
    assert readiness.ready
    assert set(readiness.checks) == {"store", "pool", "coordinator"}
    info = candidate.service.info()
    assert info.kinds == ["landscape"]
    kernel = info.backend.kernel
    wanted = "cpu" if kernel is None else f"native-{kernel.version}"
    assert info.backend.backend_class == wanted
    assert info.backend.kernel_reason
    counts = await candidate.service.figures()
    assert {"queued", "running", "finished", "chunks_waiting", "worker_threads"} <= set(counts)
