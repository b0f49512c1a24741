"""From a request to its result through the real store and real workers, with a toy engine."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from relu_landscape.analyses import Registry
from relu_landscape.engine.tasks import Expected
from relu_landscape.errors import (
    ConfigurationError,
    InputError,
    JobFailed,
    NotFound,
    RequestError,
    TooCostly,
)
from relu_landscape.jobs import admission
from relu_landscape.jobs.pool import lanes
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    attached,
    expected_digest,
    request,
    until_async,
)
from tests.service.jobs.toy_engine import TOY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def finished(service: AnalysisService, asked: LandscapeRequest) -> AnyStatus:
    status = await service.submit(asked)
    status = await service.wait(status.id, PATIENCE_SECONDS)
    assert status.is_over, status
    return status


def computed(trace: Path, asked: LandscapeRequest) -> list[str]:
    """Keys of the chunks that workers computed for this request, in their order."""
    lines = (line.split() for line in trace.read_text().splitlines())
    return [key for seed, key in lines if int(seed) == asked.seed]


@pytest.fixture
def join(server: EmbeddedServer, pool: DaskPool) -> Callable[..., Any]:
    """``join(prefix, **settings)``: another process's service on the same store and workers."""

    def make(**settings: Any) -> AbstractAsyncContextManager[AnalysisService]:
        return attached(server, pool, **settings)

    return make


@pytest.fixture
def prefix() -> str:
    """Keys of its own, where a test's jobs must be picked up by nobody else."""
    return f"test-{uuid.uuid4().hex}"


async def test_a_landscape_is_computed_and_stays(service: AnalysisService, trace: Path) -> None:
    asked = request(starts=30)
    status = await finished(service, asked)
    assert (status.state, status.error, status.attempts) == ("finished", None, 1)
    assert (status.kind, status.request) == ("landscape", asked)
    assert (status.progress.phase, status.progress.fraction) == ("classify", 1.0)
    assert (status.progress.starts_done, status.progress.starts) == (30, 30)
    body = await service.result(status.id)
    result = orjson.loads(body)
    assert (result["id"], result["request"]) == (status.id, asked.canonical())
    assert result["digest"] == digest(result) == expected_digest(asked)
    assert body == orjson.dumps(result, option=orjson.OPT_SORT_KEYS)
    assert result["provenance"]["backend"] == "numpy"
    assert result["provenance"]["seconds"] >= 0
    assert sorted(computed(trace, asked)) == [
        *(f"classify:{k}" for k in range(3)),
        *(f"sample:{first}" for first in (0, 10, 20)),
    ]
    again = await service.submit(asked)
    assert (again.state, again.attempts) == ("finished", 1)
    assert await service.result(status.id) == body


async def test_a_fixed_point_comes_with_its_details(service: AnalysisService) -> None:
    asked = request(starts=4)
    status = await finished(service, asked)
    point = await service.part(status.id, "m1")
    assert (point["key"], point["kind"]) == ("m1", "minimum")
    assert point["weights"] == [[toy_engine.loss(asked.seed, n) for n in range(4)]]
    with pytest.raises(NotFound, match="no fixed point 'm2'"):
        await service.part(status.id, "m2")


async def test_two_hundred_identical_submissions_make_one_computation(
    service: AnalysisService, trace: Path
) -> None:
    asked = request(starts=100, seconds=0.02)
    statuses = await asyncio.gather(*(service.submit(asked) for _ in range(200)))
    assert {status.id for status in statuses} == {
        asked.content_id(service.info().backend.backend_class)
    }
    status = await finished(service, asked)
    assert (status.state, status.attempts) == ("finished", 1)
    keys = computed(trace, asked)
    assert len(keys) == len(set(keys)) == 13


@pytest.mark.parametrize("chunk_starts", [1, 7, 100])
async def test_the_size_of_the_chunks_does_not_change_a_result(
    join: Callable[..., Any], prefix: str, chunk_starts: int
) -> None:
    asked = request(starts=25)
    async with join(redis_prefix=prefix, chunk_starts=chunk_starts) as service:
        status = await finished(service, asked)
        assert orjson.loads(await service.result(status.id))["digest"] == expected_digest(asked)


async def test_events_tell_the_story_and_can_be_resumed(service: AnalysisService) -> None:
    status = await service.submit(request(starts=60, seconds=0.05))
    events = [event async for event in service.events(status.id, None)]
    states = [event.data["state"] for event in events if event.name == "state"]
    assert states == ["queued", "running", "finished"]
    progress: list[Any] = [event.data for event in events if event.name == "progress"]
    assert [each["phase"] for each in progress] == sorted(
        (each["phase"] for each in progress), key=["sample", "classify"].index
    )
    fractions = [each["fraction"] for each in progress if each["phase"] == "sample"]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any(event.name == "findings" for event in events)
    for number, event in enumerate(events):
        rest = [each async for each in service.events(status.id, event.id)]
        assert rest == events[number + 1 :]


async def test_many_readers_follow_one_job(service: AnalysisService) -> None:
    status = await service.submit(request(starts=40, seconds=0.05))

    async def follow() -> list[str]:
        return [event.id async for event in service.events(status.id, None)]

    stories = await asyncio.gather(*(follow() for _ in range(150)))
    assert len({tuple(story) for story in stories}) == 1


async def test_waiting_ends_with_the_job_or_with_the_time(service: AnalysisService) -> None:
    status = await service.submit(request(starts=1000, seconds=0.1))
    early = await service.wait(status.id, 0.05)
    assert early.state in {"queued", "running"}
    with pytest.raises(NotFound, match=f"it is {early.state}|it is running"):
        await service.result(status.id)
    await service.cancel(status.id)
    assert (await service.wait(status.id, PATIENCE_SECONDS)).state == "cancelled"


async def test_a_cancelled_job_frees_its_cores_first_and_keeps_its_chunks(
    service: AnalysisService, trace: Path, make_claims: Callable[[Settings], ClaimingStore]
) -> None:
    asked = request(starts=1000, seconds=0.3)
    status = await service.submit(asked)

    async def has_begun() -> bool:
        return len(computed(trace, asked)) >= 3

    await until_async(has_begun, "some chunks are computed")
    assert (await service.cancel(status.id)).state == "cancelling"
    stopped = await service.wait(status.id, PATIENCE_SECONDS)
    assert (stopped.state, stopped.error) == ("cancelled", None)
    assert (await service.figures())["chunks_in_flight"] == 0
    done = computed(trace, asked)
    assert len(done) < 20
    names = make_claims(service._settings).finished_chunks(status.id)
    kept = {name.rpartition(":")[0] for name in names}
    # What waited with a worker is taken back, even where it had just begun.
    assert len(set(done) - kept) <= 2 * service._pool.threads
    assert len(kept) >= 1
    with pytest.raises(NotFound, match="cancelled"):
        await service.result(status.id)
    restarted = await service.submit(asked)
    assert (restarted.id, restarted.is_over) == (status.id, False)

    async def goes_on() -> bool:
        return len(computed(trace, asked)) > len(done)

    await until_async(goes_on, "the job goes on")
    await service.cancel(status.id)
    await service.wait(status.id, PATIENCE_SECONDS)
    again = computed(trace, asked)[len(done) :]
    assert not kept & set(again), "a finished chunk was computed again"


@pytest.mark.parametrize(
    ("misbehaviour", "text"),
    [
        ("raise", "The chunk sample:0 failed: ZeroDivisionError: the toy divides by zero"),
        ("refuse", "The chunk sample:0 failed: the toy refuses this chunk."),
        ("crash-solve", "Unexpected error: ValueError: the toy cannot compose"),
        ("invalid", "starts\n  Input should be"),
    ],
)
async def test_a_job_that_cannot_be_done_fails_with_a_sentence(
    service: AnalysisService, misbehaviour: str, text: str
) -> None:
    status = await finished(service, request(misbehave=misbehaviour))
    assert status.state == "failed"
    assert status.error is not None
    assert text in status.error
    with pytest.raises(JobFailed, match=text.split("\n")[0][:20]):
        await service.result(status.id)
    last = [event async for event in service.events(status.id, None)][-1]
    assert last.data == {"state": "failed", "error": status.error}


async def test_a_chunk_that_kills_its_workers_ends_only_its_own_job(
    service: AnalysisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker takes a second or more to start again, so fewer die here than in earnest.
    monkeypatch.setattr(lanes, "LARGEST_DEATHS_ALONE", 2)
    deadly = await service.submit(request(starts=50, seconds=0.01, misbehave="poison"))
    innocent = request(starts=50, seconds=0.05)
    await service.submit(innocent)
    dead = await service.wait(deadly.id, 2 * PATIENCE_SECONDS)
    assert dead.state == "failed"
    assert dead.error is not None
    assert "The chunk sample:0 ended every worker that tried it" in dead.error
    status = await finished(service, innocent)
    assert (status.state, status.attempts) == ("finished", 1)
    assert orjson.loads(await service.result(status.id))["digest"] == expected_digest(innocent)

    async def all_back() -> bool:
        return service.info().workers == 2

    await until_async(all_back, "the dead workers were replaced")


async def test_a_small_job_does_not_wait_for_a_large_one(service: AnalysisService) -> None:
    large = await service.submit(request(starts=3000, seconds=0.05))
    small = await finished(service, request(starts=40, seconds=0.05))
    assert small.state == "finished"
    assert (await service.status(large.id)).state == "running"
    progress = (await service.status(large.id)).progress
    # In the order of submission all 300 chunks of the large one would have come first.
    assert progress.tasks_done < 150
    await service.cancel(large.id)
    await service.wait(large.id, PATIENCE_SECONDS)


async def test_more_than_a_service_allows_is_refused(join: Callable[..., Any], prefix: str) -> None:
    async with join(redis_prefix=prefix, largest_width=4, largest_starts=10) as service:
        with pytest.raises(RequestError, match="student_width = 5"):
            await service.submit(LandscapeRequest(student_width=5, teacher_width=2, starts=1))
        with pytest.raises(RequestError, match="starts = 11"):
            await service.submit(request(starts=11))
        assert (await service.list(kind=None, cursor=None, limit=10)).items == []


async def test_more_than_a_service_may_spend_is_refused_unless_it_is_known(
    join: Callable[..., Any], prefix: str
) -> None:
    asked = request(starts=3)
    async with join(redis_prefix=prefix) as service:
        known = await finished(service, asked)
    costly = replace(toy_engine.COMPOSITION, expected=lambda _: Expected({"sample": 90.0}, 0.0))
    async with join(redis_prefix=prefix, largest_core_seconds=60.0) as service:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(admission, "composition", lambda name: costly)
            assert (await service.submit(asked)).id == known.id
            with pytest.raises(TooCostly, match="90 processor seconds; here it may take 60"):
                await service.submit(request(starts=4))


async def test_what_the_engine_cannot_do_is_refused_before_it_is_a_job(
    service: AnalysisService,
) -> None:
    asked = request(misbehave="impossible")
    with pytest.raises(InputError, match="'impossible' is not possible"):
        await service.submit(asked)
    with pytest.raises(NotFound):
        await service.status(asked.content_id(service.info().backend.backend_class))


async def test_the_list_shows_the_newest_first(service: AnalysisService) -> None:
    first = await finished(service, request(starts=1))
    second = await finished(service, request(starts=1))
    page = await service.list(kind=None, cursor=None, limit=2)
    assert [item.id for item in page.items] == [second.id, first.id]
    assert page.items[0] == await service.status(second.id)


async def test_readiness_and_information(service: AnalysisService) -> None:
    readiness = await service.readiness()
    assert readiness.ready, readiness
    assert readiness.warnings == []
    info = service.info()
    assert (info.store, info.pool, info.workers) == ("embedded", "embedded", 2)
    assert (info.backend.name, info.kinds) == ("numpy", ["landscape"])
    assert type(info).model_validate_json(info.model_dump_json()) == info
    figures = await service.figures()
    assert figures["worker_threads"] == figures["workers_wanted"] == 2
    assert min(figures[name] for name in ("finished", "chunks_computed")) >= 1


async def test_a_job_given_back_at_the_end_is_resumed_by_the_next_process(
    join: Callable[..., Any], prefix: str, trace: Path
) -> None:
    asked = request(starts=400, seconds=0.05)
    async with join(redis_prefix=prefix) as service:
        status = await service.submit(asked)

        async def has_begun() -> bool:
            return bool((await service.status(status.id)).progress.tasks_done >= 5)

        await until_async(has_begun, "some chunks are done")
    began = time.monotonic()
    async with join(redis_prefix=prefix, lease_seconds=600.0) as service:
        resumed = await service.wait(status.id, PATIENCE_SECONDS)
        assert (resumed.state, resumed.attempts) == ("finished", 2)
        assert orjson.loads(await service.result(status.id))["digest"] == expected_digest(asked)
    assert time.monotonic() - began < 600, "a lease had to lapse"
    keys = computed(trace, asked)
    assert len(set(keys)) == 43
    # Only what was in flight when the first process ended is computed twice: two per worker.
    assert len(keys) - 43 <= 4


async def test_two_processes_share_the_work_of_one_store(
    join: Callable[..., Any], prefix: str
) -> None:
    requests = [request(starts=50, seconds=0.05) for _ in range(6)]
    alike = {"redis_prefix": prefix, "jobs_at_once": 1}
    async with join(**alike) as one, join(**alike) as two:
        for asked in requests:
            await one.submit(asked)
        for asked in requests:
            job = asked.content_id(two.info().backend.backend_class)
            status = await two.wait(job, PATIENCE_SECONDS)
            assert (status.state, status.attempts) == ("finished", 1)
            body = await one.result(status.id)
            assert orjson.loads(body)["digest"] == expected_digest(asked)


async def test_a_job_that_ignores_its_stop_sign_is_given_back_anyway(
    join: Callable[..., Any], prefix: str
) -> None:
    toy_engine.released.clear()
    try:
        async with join(redis_prefix=prefix, shutdown_grace_seconds=0.2) as service:
            status = await service.submit(request(misbehave="hang-solve"))

            async def runs() -> bool:
                return bool((await service.status(status.id)).state == "running")

            await until_async(runs, "the job runs")
        toy_engine.released.set()
        async with join(redis_prefix=prefix) as service:
            resumed = await service.wait(status.id, PATIENCE_SECONDS)
            assert (resumed.state, resumed.attempts) == ("finished", 2)
    finally:
        toy_engine.released.set()


async def test_a_service_opens_and_closes_all_that_it_needs(folder: Path) -> None:
    settings = Settings.load(data_dir=folder, workers=1)
    async with AnalysisService.open(settings, registry=TOY) as service:
        assert (await finished(service, request())).state == "finished"
        assert (await service.readiness()).ready
        assert service.info().workers == 1
        async with AnalysisService.open(settings, registry=TOY) as other:
            assert len((await other.list(kind=None, cursor=None, limit=5)).items) == 1
        assert len((await service.list(kind=None, cursor=None, limit=5)).items) == 1
    async with AnalysisService.open(settings, registry=TOY) as again:
        assert [
            item.state for item in (await again.list(kind=None, cursor=None, limit=5)).items
        ] == ["finished"]


async def test_an_engine_that_cannot_be_imported_is_a_configuration_error(folder: Path) -> None:
    settings = Settings.load(data_dir=folder, workers=1)
    broken = replace(TOY.analyses[0], composition="no.such.module:COMPOSITION")
    with pytest.raises(ConfigurationError, match="no such module"):
        async with AnalysisService.open(settings, registry=Registry((broken,), ())):
            pytest.fail("it opened")
