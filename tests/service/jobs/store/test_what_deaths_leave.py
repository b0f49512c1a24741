"""All that the store holds after the job of a dead process was taken, and after it was not."""

from __future__ import annotations

from typing import Any

import pytest

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore, Held
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.scripts import LARGEST_BARREN_ATTEMPTS, SWEEP_BATCH
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, lapse, submitted
from tests.service.jobs.store.contents import (
    LISTED,
    WAITING,
    Contents,
    job,
    number,
    said,
    same,
)
from tests.service.jobs.toy_engine import TOY


async def test_taken_from_a_dead_holder(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    assert claims.renew(claim) == "held"
    started = contents.client.hget(contents.key("job:a"), "started")
    assert watcher.reclaim([]) == []
    lapse(watcher, "a")
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued", started="time", attempts="1", barren="1"), "tokens": "1",
        "looks": "1", "state:queued": {"a"}, "events:a": said("queued", "running", "queued"),
    })  # fmt: skip
    again = claims.claim(QUEUES)
    assert again is not None
    assert (number(again.token), again.attempts) == ("2", 2)
    assert again.seconds > claim.seconds == 0, "time goes on from the first start"
    assert contents.client.hget(contents.key("job:a"), "started") == started
    assert contents.all()["job:a"]["renewals"] == "0"
    # With a chunk the deaths are forgotten, and only those after it count.
    claims.checkpoint(again, "c1", b"one")
    assert "barren" not in contents.all()["job:a"]
    lapse(watcher, "a")
    assert contents.all()["job:a"]["barren"] == "1"


async def test_taken_by_the_process_that_held_it(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    """It lost sight of its own job: that is no death."""
    await submitted(asking, claims)
    lapse(claims, "a")
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued", started="time", attempts="1"), "tokens": "1", "looks": "1",
        "state:queued": {"a"}, "events:a": said("queued", "running", "queued"),
    })  # fmt: skip


async def test_taken_from_a_release_that_counted_no_renewals(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """A job that ran when the service was replaced by a newer one does not run for ever."""
    claim = await submitted(asking, claims)
    contents.client.hdel(contents.key("job:a"), "holder", "claim", "renewals")
    assert watcher.look() == [Held("a", claim.token, "0")]
    lapse(watcher, "a")
    left = contents.all()["job:a"]
    assert (left["state"], left["barren"]) == ("queued", "1")


@pytest.mark.parametrize(
    "since", ["renewed", "given back", "claimed again", "cancelled", "finished", "dropped"]
)
async def test_what_changed_since_the_look_is_left_as_it_is(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents,
    since: str,
) -> None:  # fmt: skip
    """Whoever takes it for dead comes too late, and changes nothing."""
    claim = await submitted(asking, claims)
    seen = watcher.look()
    assert seen == [Held("a", claim.token, "0")]
    if since == "renewed":
        claims.renew(claim)
    elif since == "finished":
        claims.finish(claim, b"{}", {})
    elif since == "cancelled":
        claims.stop(claim, "cancelled")
    elif since == "dropped":  # by a store short of memory
        contents.client.delete(contents.key("job:a"))
        assert watcher.look() == []
    else:
        claims.stop(claim, "returned")
        if since == "claimed again":
            assert claims.claim(QUEUES) is not None
    before = contents.all()
    assert watcher.reclaim(seen) == []
    assert contents.all() == before


async def test_a_job_that_kills_its_holders_fails_at_the_tenth(
    asking: AskingStore, claims: ClaimingStore, mortal: ClaimingStore, contents: Contents
) -> None:
    """Deaths without a single chunk between them; not the ninth, and not one in ten."""
    await asking.submit("a", KIND, REQUEST)
    for death in range(1, LARGEST_BARREN_ATTEMPTS + 1):
        claim = claims.claim(QUEUES)
        assert claim is not None
        assert claim.attempts == death
        lapse(mortal, "a")
    found = contents.all()
    assert len(found.pop("expiry")) == 1
    error = found["job:a"]["error"]
    states = [data["state"] for _, data in found.pop("events:a")]
    assert states == ["queued", "running"] * LARGEST_BARREN_ATTEMPTS + ["failed"]
    assert f"{LARGEST_BARREN_ATTEMPTS} times" in error
    deaths = str(LARGEST_BARREN_ATTEMPTS)
    same(found, LISTED, {
        "job:a": job("failed", started="time", finished="time", attempts=deaths, error=error),
        "tokens": deaths, "looks": deaths, "state:failed": {"a"},
    })  # fmt: skip


async def test_the_dead_are_buried_in_batches(
    claims: ClaimingStore, watcher: ClaimingStore, settings: Settings, target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """All of them, running and cancelling, and no call of the script takes more than its batch."""
    roomy = AskingStore(
        target, settings.model_copy(update={"waiting_jobs_limit": 10**6}), TOY, "cpu"
    )
    names = [f"job{number}" for number in range(SWEEP_BATCH + 3)]
    for name in names:
        await roomy.submit(name, KIND, REQUEST)
        assert claims.claim(QUEUES) is not None
    for name in names[:2]:
        await roomy.cancel(name)
    run, batches = watcher._scripts.run, []

    def counting(script: str, *arguments: bytes | str | float) -> Any:
        taken = run(script, *arguments)
        batches.append((script, len(taken)))
        return taken

    seen = watcher.look()
    monkeypatch.setattr(watcher._scripts, "run", counting)
    assert sorted(watcher.reclaim(seen)) == sorted(names)
    assert batches == [("reclaim", SWEEP_BATCH), ("reclaim", 3)]
    assert watcher.look() == []
    await roomy.close()
