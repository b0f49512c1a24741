"""Who holds a job: claims, renewals, the fence, and how a job is taken from a dead process."""

from __future__ import annotations

import pytest
import redis

from relu_landscape.errors import LeaseLost
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.scripts import LARGEST_BARREN_ATTEMPTS
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, lapse, submitted


async def test_a_holder_whose_lease_lapsed_writes_nothing(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    stale = await submitted(asking, claims)
    claims.checkpoint(stale, "c1", b"1")
    lapse(watcher, "a")
    assert (await asking.status("a")).state == "queued"
    fresh = claims.claim(QUEUES)
    assert fresh is not None
    assert fresh.attempts == 2
    assert fresh.token != stale.token
    for write in (
        lambda: claims.renew(stale),
        lambda: claims.checkpoint(stale, "c2", b"stale"),
        lambda: claims.report(stale, "progress", {"phase": "stale"}),
        lambda: claims.finish(stale, b"stale", {"m1": b"stale"}),
        lambda: claims.stop(stale, "failed", "stale"),
        lambda: claims.stop(stale, "returned"),
    ):
        with pytest.raises(LeaseLost, match="Another process"):
            write()
    status = await asking.status("a")
    assert (status.state, status.error, status.progress.phase) == ("running", None, None)
    assert await asking.result("a") is None
    assert list(claims.answers("a", ["c1", "c2"])) == [("c1", b"1"), ("c2", None)]
    assert claims.renew(fresh) == "held"


async def test_an_emptied_store_gives_no_token_again(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, target: Target,
    settings: Settings,
) -> None:  # fmt: skip
    """Tokens were numbers that the store counted, from 1 again once it was empty: a process that
    was cut off meanwhile held the job beside whoever had claimed it anew, and could end it."""
    stale = await submitted(asking, claims)
    with target.connect() as client:
        client.delete(*client.keys(f"{settings.redis_prefix}:*"))
    fresh = await submitted(asking, watcher)
    assert fresh.job == stale.job
    for write in (
        lambda: claims.renew(stale),
        lambda: claims.checkpoint(stale, "c1", b"stale"),
        lambda: claims.stop(stale, "failed", "stale"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert watcher.renew(fresh) == "held"
    assert watcher.finished_chunks("a") == set()
    assert (await asking.status("a")).state == "running"


async def test_a_job_that_was_renewed_since_the_look_is_not_taken(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    seen = watcher.look()
    assert [(each.job, each.token) for each in seen] == [("a", claim.token)]
    assert claims.renew(claim) == "held"
    assert watcher.reclaim(seen) == []
    assert watcher.look() != seen
    claims.stop(claim, "returned")
    again = claims.claim(QUEUES)
    assert again is not None
    assert watcher.reclaim(seen) == [], "another claim of the same job is another matter"
    assert claims.renew(again) == "held"
    claims.finish(again, b"{}", {})
    assert watcher.look() == []


async def test_no_clock_of_the_store_ends_a_lease(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    """Leases were keys that expire: a step of the store's clock ended all of them at once, and one
    backwards kept the jobs of dead processes for as long as the step."""
    await submitted(asking, claims)
    with target.connect() as client:
        for name in client.keys(f"{settings.redis_prefix}:*"):
            assert client.pttl(name) == -1, name


async def test_a_job_whose_holders_die_without_a_single_chunk_fails_in_the_end(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    await asking.submit("a", KIND, REQUEST)
    for attempt in range(1, LARGEST_BARREN_ATTEMPTS + 1):
        claim = claims.claim(QUEUES)
        assert claim is not None
        assert claim.attempts == attempt
        lapse(watcher, "a")
    status = await asking.status("a")
    assert status.state == "failed"
    assert status.error is not None
    assert f"{LARGEST_BARREN_ATTEMPTS} times" in status.error
    assert claims.claim(QUEUES) is None


async def test_a_process_that_takes_its_own_job_again_has_not_died(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """Every attempt that got no answer from the store counted as a death: jobs failed with "ended
    the process 10 times" after three kills."""
    await asking.submit("a", KIND, REQUEST)
    for _ in range(2 * LARGEST_BARREN_ATTEMPTS):
        assert claims.claim(QUEUES) is not None
        lapse(claims, "a")
    assert (await asking.status("a")).state == "queued"


async def test_a_finished_chunk_wipes_the_deaths_out(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    await asking.submit("a", KIND, REQUEST)
    for _ in range(LARGEST_BARREN_ATTEMPTS - 1):
        assert claims.claim(QUEUES) is not None
        lapse(watcher, "a")
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.checkpoint(claim, "c1", b"{}")
    for _ in range(LARGEST_BARREN_ATTEMPTS - 1):
        lapse(watcher, "a")
        assert (await asking.status("a")).state == "queued"
        assert claims.claim(QUEUES) is not None
    lapse(watcher, "a")
    assert (await asking.status("a")).state == "failed"


async def test_a_claim_whose_answer_was_lost_is_the_same_claim_when_asked_again(
    asking: AskingStore, claims: ClaimingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store killed after it wrote a claim left a job that nobody computed: it waited for a
    lease to lapse, and counted a death."""
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", KIND, REQUEST)
    run, lost = claims._scripts.run, [True]

    def answer_lost(name: str, *arguments: bytes | str | float) -> object:
        answer = run(name, *arguments)
        if lost.pop() if lost else False:
            raise redis.ConnectionError("killed after it had written")
        return answer

    monkeypatch.setattr(claims._scripts, "run", answer_lost)
    first, second, third = (claims.claim(QUEUES) for _ in range(3))
    assert [each and (each.job, each.attempts) for each in (first, second, third)] == [
        ("a", 1),
        ("b", 1),
        None,
    ]
    assert first is not None
    assert claims.renew(first) == "held"


async def test_what_is_owed_to_the_store_is_told_before_the_next_claim(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    claims.owe(claim, "returned")
    again = claims.claim(QUEUES)
    assert again is not None
    assert (again.job, again.attempts) == ("a", 2)
    claims.owe(again, "returned")
    lapse(watcher, "a")  # too late to be told: another process was quicker
    third = claims.claim(QUEUES)
    assert third is not None
    assert third.attempts == 3
    assert claims.renew(third) == "held"


@pytest.mark.parametrize("ask", ["claim", "sweep"])
async def test_each_of_several_that_are_owed_is_told(
    asking: AskingStore, claims: ClaimingStore, ask: str
) -> None:
    """In the order in which they came; one that were forgotten would seem to run for ever."""
    first, second, third = [await submitted(asking, claims, job) for job in ("a", "b", "c")]
    claims.owe(first, "failed", "no memory")
    claims.owe(second, "returned")
    if ask == "claim":
        again = claims.claim(QUEUES)
        assert again is not None
        assert again.job == "b"
    else:
        claims.sweep()
    states = [await asking.state(job) for job in ("a", "b", "c")]
    assert states == ["failed", "running" if ask == "claim" else "queued", "running"]
    assert claims.renew(third) == "held"


async def test_a_job_is_over_once_it_has_ended_and_one_that_is_unknown_is_not(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    assert not claims.is_over("a")
    claim = await submitted(asking, claims)
    assert not claims.is_over("a")
    await asking.cancel("a")
    assert not claims.is_over("a")
    claims.stop(claim, "cancelled")
    assert claims.is_over("a")


async def test_a_stored_request_that_is_no_json_fails_its_job_alone(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", KIND, REQUEST)
    with target.connect() as client:
        client.hset(f"{settings.redis_prefix}:job:a", "request", "{")
        claim = claims.claim(QUEUES)
        assert claim is not None
        assert claim.job == "b"
        state, error = client.hmget(f"{settings.redis_prefix}:job:a", "state", "error")
    assert state == b"failed"
    assert b"is no JSON" in error


async def test_a_cancelled_job_whose_holder_died_does_not_stay_cancelling(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    await submitted(asking, claims)
    await asking.cancel("a")
    lapse(watcher, "a")
    assert (await asking.status("a")).state == "cancelled"
