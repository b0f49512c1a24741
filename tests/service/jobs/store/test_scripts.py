"""The state machine of a job, on a real server: every transition, and the fence around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from relu_landscape.errors import Busy, LeaseLost, NotFound
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import Event
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, by_state, submitted, until
from tests.service.jobs.store.contents import OF_LISTS
from tests.service.jobs.toy_engine import TOY


async def test_a_job_goes_from_submission_to_its_result(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    assert (claim.job, claim.request, claim.attempts) == ("a", REQUEST, 1)
    running = await asking.status("a")
    assert (running.state, running.attempts, running.finished_at) == ("running", 1, None)
    assert running.started_at is not None
    assert running.created_at <= running.started_at
    assert claims.checkpoint(claim, "c1", b"{}") == "held"
    claims.finish(claim, b'{"x":1}', {"m1": b"[1]", "m2": b"[2]"})
    done = await asking.status("a")
    assert (done.state, done.error, done.is_over) == ("finished", None, True)
    assert await asking.result("a") == b'{"x":1}'
    assert await asking.details("a", "m2") == b"[2]"
    assert await asking.details("a", "m3") is None
    assert claims.finished_chunks("a") == set()  # nobody needs them any more
    assert claims.claim(QUEUES) is None


async def test_many_submissions_of_one_job_queue_it_once(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    states = await asyncio.gather(*(asking.submit("a", KIND, REQUEST) for _ in range(200)))
    assert states == ["queued"] * 200
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claims.claim(QUEUES) is None
    assert await asking.submit("a", KIND, REQUEST) == "running"
    claims.finish(claim, b"{}", {})
    assert await asking.submit("a", KIND, REQUEST) == "finished"
    assert claims.claim(QUEUES) is None


async def test_a_waiting_job_says_how_many_are_before_it(
    asking: AskingStore,
    claims: ClaimingStore,
    lists: ListingStore,
) -> None:
    async def before() -> list[int | None]:
        one_by_one = [(await asking.status(job)).waiting_before for job in ("a", "b", "c")]
        page = await lists.page(EVERYTHING, None, 3)
        assert [each.waiting_before for each in reversed(page.items)] == one_by_one
        return one_by_one

    for job in ("a", "b", "c"):
        await asking.submit(job, KIND, REQUEST)
    assert await before() == [0, 1, 2]
    assert claims.claim(QUEUES) is not None
    assert await before() == [None, 0, 1]
    await asking.cancel("b")
    assert await before() == [None, None, 0]


async def test_jobs_are_claimed_in_the_order_of_their_submission(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    for job in ("c", "a", "b"):
        await asking.submit(job, KIND, REQUEST)
    taken = [claims.claim(QUEUES) for _ in range(4)]
    assert [claim and claim.job for claim in taken] == ["c", "a", "b", None]


async def test_too_many_waiting_jobs_are_refused_but_known_ones_are_not(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    for number in range(5):  # the limit in these tests
        await asking.submit(f"job{number}", KIND, REQUEST)
    with pytest.raises(Busy, match="5 jobs are waiting") as refused:
        await asking.submit("one more", KIND, REQUEST)
    assert refused.value.retry_after_seconds > 0
    with pytest.raises(NotFound):
        await asking.status("one more")
    assert await asking.submit("job3", KIND, REQUEST) == "queued"
    claims.claim(QUEUES)
    assert await asking.submit("one more", KIND, REQUEST) == "queued"


async def test_a_job_given_back_is_resumed_at_once_and_loses_nothing(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", b"1")
    await asking.submit("later", KIND, REQUEST)
    claims.stop(claim, "returned")
    assert (await asking.status("a")).state == "queued"
    again = claims.claim(QUEUES)
    assert again is not None
    assert again.job == "a"  # in its old place, before the later one
    assert claims.finished_chunks("a") == {"c1"}
    assert again.seconds > claim.seconds == 0, "time goes on from the first start"


async def test_cancelling_a_waiting_job_is_done_at_once(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await asking.submit("a", KIND, REQUEST)
    assert await asking.cancel("a") == "cancelled"
    assert claims.claim(QUEUES) is None
    status = await asking.status("a")
    assert (status.state, status.finished_at is not None) == ("cancelled", True)
    assert await asking.cancel("a") == "cancelled"


async def test_cancelling_a_running_job_waits_for_its_holder(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    assert await asking.cancel("a") == "cancelling"
    assert claims.renew(claim) == "cancel"
    assert claims.report(claim, "progress", {"phase": "sample"}) == "cancel"
    assert claims.checkpoint(claim, "c1", b"1") == "cancel"
    assert (await asking.status("a")).state == "cancelling"
    claims.stop(claim, "cancelled")
    assert (await asking.status("a")).state == "cancelled"
    with pytest.raises(LeaseLost):
        claims.renew(claim)


async def test_a_process_that_ends_while_it_cancels_leaves_the_job_cancelled(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    await asking.cancel("a")
    claims.stop(claim, "returned")
    assert (await asking.status("a")).state == "cancelled"


@pytest.mark.parametrize("outcome", ["cancelled", "failed"])
async def test_a_job_that_was_stopped_begins_again_from_its_chunks(
    asking: AskingStore, claims: ClaimingStore, outcome: str
) -> None:
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", b"1")
    claims.stop(claim, outcome, "a reason" if outcome == "failed" else "")  # type: ignore[arg-type]
    stopped = await asking.status("a")
    assert (stopped.state, stopped.error) == (outcome, "a reason" if outcome == "failed" else None)
    assert await asking.submit("a", KIND, REQUEST) == "queued"
    again = await asking.status("a")
    assert (again.state, again.error, again.finished_at) == ("queued", None, None)
    resumed = claims.claim(QUEUES)
    assert resumed is not None
    assert resumed.attempts == 1
    assert list(claims.answers("a", ["c1"])) == [("c1", b"1")]
    names = [(event.name, event.data["state"]) async for event in ended(asking, claims, resumed)]
    assert names == [("state", "queued"), ("state", "running"), ("state", "finished")]


async def ended(asking: AskingStore, claims: ClaimingStore, claim: Claim) -> AsyncIterator[Event]:
    claims.finish(claim, b"{}", {})
    async for event in asking.follow(claim.job, None):
        yield event


async def test_a_submission_while_cancelling_starts_the_job_again_afterwards(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    await asking.cancel("a")
    assert await asking.submit("a", KIND, REQUEST) == "cancelling"
    claims.stop(claim, "cancelled")
    assert (await asking.status("a")).state == "queued"
    assert claims.claim(QUEUES) is not None


async def test_the_last_word_counts_when_a_job_is_cancelled_submitted_and_cancelled(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    await asking.cancel("a")
    await asking.submit("a", KIND, REQUEST)
    await asking.cancel("a")
    claims.stop(claim, "cancelled")
    assert (await asking.status("a")).state == "cancelled"


async def test_a_result_that_the_store_dropped_is_computed_again(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    claim = await submitted(asking, claims)
    claims.finish(claim, b"{}", {})
    with target.connect() as client:
        client.delete(f"{settings.redis_prefix}:result:a")
    assert await asking.submit("a", KIND, REQUEST) == "queued"
    assert claims.claim(QUEUES) is not None


async def test_a_waiting_job_that_the_store_dropped_does_not_block_the_queue(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", KIND, REQUEST)
    with target.connect() as client:
        client.delete(f"{settings.redis_prefix}:job:a")
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claim.job == "b"


async def test_jobs_are_forgotten_after_their_time(
    target: Target,
    settings: Settings,
    make_claims: Callable[[Settings], ClaimingStore],
    lists: ListingStore,
) -> None:
    mortal = settings.model_copy(update={"result_ttl_seconds": 1})
    asking, claims = AskingStore(target, mortal, TOY, "cpu"), make_claims(mortal)
    claim = await submitted(asking, claims)
    claims.finish(claim, b"{}", {"m1": b"{}"})
    assert claims.sweep() == 0
    until(lambda: claims.sweep() == 1, "the job is forgotten")
    with pytest.raises(NotFound, match="no job a"):
        await asking.status("a")
    assert (await lists.page(EVERYTHING, None, 10)).items == []
    assert set((await by_state(asking)).values()) == {0}
    with target.connect() as client:
        left = {key.decode() for key in client.keys(f"{settings.redis_prefix}:*")}
    counters = ("sequence", "tokens", "looks", *OF_LISTS)
    assert left <= {f"{settings.redis_prefix}:{name}" for name in counters}
    await asking.close()


async def test_submitted_jobs_are_on_disk_when_the_answer_comes(
    asking: AskingStore, target: Target
) -> None:
    with target.connect() as client:
        config = client.config_get("append*")
        assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
    assert await asking.warnings() == []


async def test_a_request_comes_back_as_it_was_sent(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    asked: JsonObject = {"name": "Grüße \u2028", "x": 0.1, "n": 2**53 - 1, "list": [1, [None]]}
    await asking.submit("a", KIND, asked)
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert claim.request == asked
    assert orjson.dumps(claim.request, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        asked, option=orjson.OPT_SORT_KEYS
    )
