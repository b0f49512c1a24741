"""The state machine of a job, on a real server: every transition, and the fence around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from relu_landscape.errors import Busy, LeaseLost, NotFound
from relu_landscape.jobs.bench import Bench, Claim
from relu_landscape.jobs.connection import Target
from relu_landscape.jobs.front import Front
from relu_landscape.jobs.models import Event
from relu_landscape.jobs.scripts import LARGEST_BARREN_ATTEMPTS
from relu_landscape.settings import Settings
from tests.service.jobs.conftest import LEASE_SECONDS
from tests.service.jobs.helpers import REQUEST, submitted, until, until_async


async def lapse(bench: Bench, job: str) -> None:
    """Wait until ``job`` was taken from its holder because the lease lapsed."""

    async def taken() -> bool:
        return job in bench.reclaim()

    await until_async(taken, f"{job} is reclaimed")


async def test_a_job_goes_from_submission_to_its_result(front: Front, bench: Bench) -> None:
    claim = await submitted(front, bench)
    assert (claim.job, claim.request, claim.attempts) == ("a", REQUEST, 1)
    running = await front.status("a")
    assert (running.state, running.attempts, running.finished_at) == ("running", 1, None)
    assert running.started_at is not None
    assert running.created_at <= running.started_at
    assert bench.checkpoint(claim, "c1", b"{}") == "held"
    bench.finish(claim, b'{"x":1}', {"m1": b"[1]", "m2": b"[2]"})
    done = await front.status("a")
    assert (done.state, done.error, done.is_over) == ("finished", None, True)
    assert await front.result("a") == b'{"x":1}'
    assert await front.details("a", "m2") == b"[2]"
    assert await front.details("a", "m3") is None
    assert bench.finished_chunks("a") == set()  # nobody needs them any more
    assert bench.claim() is None


async def test_many_submissions_of_one_job_queue_it_once(front: Front, bench: Bench) -> None:
    states = await asyncio.gather(*(front.submit("a", REQUEST) for _ in range(200)))
    assert states == ["queued"] * 200
    claim = bench.claim()
    assert claim is not None
    assert bench.claim() is None
    assert await front.submit("a", REQUEST) == "running"
    bench.finish(claim, b"{}", {})
    assert await front.submit("a", REQUEST) == "finished"
    assert bench.claim() is None


async def test_jobs_are_claimed_in_the_order_of_their_submission(
    front: Front, bench: Bench
) -> None:
    for job in ("c", "a", "b"):
        await front.submit(job, REQUEST)
    claims = [bench.claim() for _ in range(4)]
    assert [claim and claim.job for claim in claims] == ["c", "a", "b", None]


async def test_too_many_waiting_jobs_are_refused_but_known_ones_are_not(
    front: Front, bench: Bench
) -> None:
    for number in range(5):  # the limit in these tests
        await front.submit(f"job{number}", REQUEST)
    with pytest.raises(Busy, match="5 landscapes are waiting") as refused:
        await front.submit("one more", REQUEST)
    assert refused.value.retry_after_seconds > 0
    with pytest.raises(NotFound):
        await front.status("one more")
    assert await front.submit("job3", REQUEST) == "queued"
    bench.claim()
    assert await front.submit("one more", REQUEST) == "queued"


async def test_a_holder_whose_lease_lapsed_writes_nothing(front: Front, bench: Bench) -> None:
    stale = await submitted(front, bench)
    bench.checkpoint(stale, "c1", b"1")
    await lapse(bench, "a")
    assert (await front.status("a")).state == "queued"
    fresh = bench.claim()
    assert fresh is not None
    assert fresh.attempts == 2
    assert int(fresh.token) > int(stale.token)
    for write in (
        lambda: bench.renew(stale),
        lambda: bench.checkpoint(stale, "c2", b"stale"),
        lambda: bench.report(stale, "progress", {"phase": "stale"}),
        lambda: bench.finish(stale, b"stale", {"m1": b"stale"}),
        lambda: bench.stop(stale, "failed", "stale"),
        lambda: bench.stop(stale, "returned"),
    ):
        with pytest.raises(LeaseLost, match="Another process"):
            write()
    status = await front.status("a")
    assert (status.state, status.error, status.progress.phase) == ("running", None, None)
    assert await front.result("a") is None
    assert list(bench.answers("a", ["c1", "c2"])) == [("c1", b"1"), ("c2", None)]
    assert bench.renew(fresh) == "held"


async def test_a_lease_that_is_renewed_does_not_lapse(front: Front, bench: Bench) -> None:
    claim = await submitted(front, bench)
    loop = asyncio.get_running_loop()
    end = loop.time() + 2 * LEASE_SECONDS
    while loop.time() < end:
        assert bench.renew(claim) == "held"
        assert bench.reclaim() == []
        await asyncio.sleep(LEASE_SECONDS / 10)


async def test_a_lease_that_lapsed_unnoticed_is_taken_up_again_by_its_holder(
    front: Front, bench: Bench, target: Target, settings: Settings
) -> None:
    """After an absence of the store every lease has lapsed; who comes first goes on."""
    claim = await submitted(front, bench)
    with target.connect() as client:
        client.delete(f"{settings.redis_prefix}:lease:a")
    assert bench.renew(claim) == "held"
    assert bench.reclaim() == []


async def test_a_job_whose_holders_die_without_a_single_chunk_fails_in_the_end(
    front: Front, make_bench: Callable[[Settings], Bench], settings: Settings
) -> None:
    hasty = make_bench(settings.model_copy(update={"lease_seconds": 0.001}))
    await front.submit("a", REQUEST)
    for attempt in range(1, LARGEST_BARREN_ATTEMPTS + 1):
        claim = hasty.claim()
        assert claim is not None
        assert claim.attempts == attempt
        await lapse(hasty, "a")
    status = await front.status("a")
    assert status.state == "failed"
    assert status.error is not None
    assert f"{LARGEST_BARREN_ATTEMPTS} times" in status.error
    assert hasty.claim() is None


async def test_a_finished_chunk_wipes_the_deaths_out(
    front: Front, make_bench: Callable[[Settings], Bench], settings: Settings
) -> None:
    hasty = make_bench(settings.model_copy(update={"lease_seconds": 0.001}))
    await front.submit("a", REQUEST)
    for attempt in range(2 * LARGEST_BARREN_ATTEMPTS):
        claim = hasty.claim()
        assert claim is not None
        if attempt == LARGEST_BARREN_ATTEMPTS - 2:
            hasty.checkpoint(claim, "c1", b"{}")
            await lapse(hasty, "a")
            break
        await lapse(hasty, "a")
    for _ in range(LARGEST_BARREN_ATTEMPTS - 1):
        assert (await front.status("a")).state == "queued"
        assert hasty.claim() is not None
        await lapse(hasty, "a")
    assert (await front.status("a")).state == "queued"


async def test_a_job_given_back_is_resumed_at_once_and_loses_nothing(
    front: Front, bench: Bench
) -> None:
    claim = await submitted(front, bench)
    bench.checkpoint(claim, "c1", b"1")
    await front.submit("later", REQUEST)
    bench.stop(claim, "returned")
    assert (await front.status("a")).state == "queued"
    again = bench.claim()
    assert again is not None
    assert again.job == "a"  # in its old place, before the later one
    assert bench.finished_chunks("a") == {"c1"}
    assert again.started == claim.started


async def test_cancelling_a_waiting_job_is_done_at_once(front: Front, bench: Bench) -> None:
    await front.submit("a", REQUEST)
    assert await front.cancel("a") == "cancelled"
    assert bench.claim() is None
    status = await front.status("a")
    assert (status.state, status.finished_at is not None) == ("cancelled", True)
    assert await front.cancel("a") == "cancelled"


async def test_cancelling_a_running_job_waits_for_its_holder(front: Front, bench: Bench) -> None:
    claim = await submitted(front, bench)
    assert await front.cancel("a") == "cancelling"
    assert bench.renew(claim) == "cancel"
    assert bench.report(claim, "progress", {"phase": "sample"}) == "cancel"
    assert bench.checkpoint(claim, "c1", b"1") == "cancel"
    assert (await front.status("a")).state == "cancelling"
    bench.stop(claim, "cancelled")
    assert (await front.status("a")).state == "cancelled"
    with pytest.raises(LeaseLost):
        bench.renew(claim)


async def test_a_cancelled_job_whose_holder_died_does_not_stay_cancelling(
    front: Front, bench: Bench
) -> None:
    await submitted(front, bench)
    await front.cancel("a")
    await lapse(bench, "a")
    assert (await front.status("a")).state == "cancelled"


async def test_a_process_that_ends_while_it_cancels_leaves_the_job_cancelled(
    front: Front, bench: Bench
) -> None:
    claim = await submitted(front, bench)
    await front.cancel("a")
    bench.stop(claim, "returned")
    assert (await front.status("a")).state == "cancelled"


@pytest.mark.parametrize("outcome", ["cancelled", "failed"])
async def test_a_job_that_was_stopped_begins_again_from_its_chunks(
    front: Front, bench: Bench, outcome: str
) -> None:
    claim = await submitted(front, bench)
    bench.checkpoint(claim, "c1", b"1")
    bench.stop(claim, outcome, "a reason" if outcome == "failed" else "")  # type: ignore[arg-type]
    stopped = await front.status("a")
    assert (stopped.state, stopped.error) == (outcome, "a reason" if outcome == "failed" else None)
    assert await front.submit("a", REQUEST) == "queued"
    again = await front.status("a")
    assert (again.state, again.error, again.finished_at) == ("queued", None, None)
    resumed = bench.claim()
    assert resumed is not None
    assert resumed.attempts == 1
    assert list(bench.answers("a", ["c1"])) == [("c1", b"1")]
    names = [(event.name, event.data["state"]) async for event in ended(front, bench, resumed)]
    assert names == [("state", "queued"), ("state", "running"), ("state", "finished")]


async def ended(front: Front, bench: Bench, claim: Claim) -> AsyncIterator[Event]:
    bench.finish(claim, b"{}", {})
    async for event in front.follow(claim.job, None):
        yield event


async def test_a_submission_while_cancelling_starts_the_job_again_afterwards(
    front: Front, bench: Bench
) -> None:
    claim = await submitted(front, bench)
    await front.cancel("a")
    assert await front.submit("a", REQUEST) == "cancelling"
    bench.stop(claim, "cancelled")
    assert (await front.status("a")).state == "queued"
    assert bench.claim() is not None


async def test_the_last_word_counts_when_a_job_is_cancelled_submitted_and_cancelled(
    front: Front, bench: Bench
) -> None:
    claim = await submitted(front, bench)
    await front.cancel("a")
    await front.submit("a", REQUEST)
    await front.cancel("a")
    bench.stop(claim, "cancelled")
    assert (await front.status("a")).state == "cancelled"


async def test_a_result_that_the_store_dropped_is_computed_again(
    front: Front, bench: Bench, target: Target, settings: Settings
) -> None:
    claim = await submitted(front, bench)
    bench.finish(claim, b"{}", {})
    with target.connect() as client:
        client.delete(f"{settings.redis_prefix}:result:a")
    assert await front.submit("a", REQUEST) == "queued"
    assert bench.claim() is not None


async def test_a_waiting_job_that_the_store_dropped_does_not_block_the_queue(
    front: Front, bench: Bench, target: Target, settings: Settings
) -> None:
    await front.submit("a", REQUEST)
    await front.submit("b", REQUEST)
    with target.connect() as client:
        client.delete(f"{settings.redis_prefix}:job:a")
    claim = bench.claim()
    assert claim is not None
    assert claim.job == "b"


async def test_jobs_are_forgotten_after_their_time(
    target: Target, settings: Settings, make_bench: Callable[[Settings], Bench]
) -> None:
    mortal = settings.model_copy(update={"result_ttl_seconds": 1})
    front, bench = Front(target, mortal), make_bench(mortal)
    claim = await submitted(front, bench)
    bench.finish(claim, b"{}", {"m1": b"{}"})
    assert bench.sweep() == 0
    until(lambda: bench.sweep() == 1, "the job is forgotten")
    with pytest.raises(NotFound, match="no landscape a"):
        await front.status("a")
    assert (await front.page(None, 10)).items == []
    assert set((await front.counts()).values()) == {0}
    with target.connect() as client:
        left = {key.decode() for key in client.keys(f"{settings.redis_prefix}:*")}
    counters = {f"{settings.redis_prefix}:{name}" for name in ("sequence", "tokens")}
    assert left == counters
    await front.close()


async def test_submitted_jobs_are_on_disk_when_the_answer_comes(
    front: Front, target: Target
) -> None:
    with target.connect() as client:
        config = client.config_get("append*")
        assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
    assert await front.warnings() == []


async def test_a_request_comes_back_as_it_was_sent(front: Front, bench: Bench) -> None:
    asked = {"name": "Grüße \u2028", "x": 0.1, "n": 2**53 - 1, "none": None, "list": [1, [2]]}
    await front.submit("a", asked)
    claim = bench.claim()
    assert claim is not None
    assert claim.request == asked
    assert (await front.status("a")).request == asked
    assert orjson.dumps(claim.request, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        asked, option=orjson.OPT_SORT_KEYS
    )
