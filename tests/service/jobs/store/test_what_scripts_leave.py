"""All that the store holds after every transition of a job: nothing missing, nothing left behind.

Statuses and answers show a part of it only. A token that outlives its attempt, a queue that still
names a cancelled job, chunks that no longer expire: each of these is seen here at once, and by
users weeks later. What is expected follows from the list of keys in ``store.scripts``.
"""

from __future__ import annotations

import pytest

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore, Outcome
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.scripts import LEFT_CHUNKS_SECONDS, needs
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, lapse, submitted
from tests.service.jobs.store.contents import (
    KEPT,
    LISTED,
    OF_A_HOLDER,
    QUEUE,
    WAITING,
    Contents,
    held,
    job,
    said,
    same,
)
from tests.service.jobs.toy_engine import TOY


async def test_submitted_and_claimed(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    assert claims.look() == []  # nobody holds a job: then a look leaves no trace
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued"), "state:queued": {"a"}, "events:a": said("queued"),
    })  # fmt: skip
    assert claims.claim(QUEUES) is not None
    running = {
        "job:a": job("running", started="time", attempts="1", **held(claims)),
        "tokens": "1", "state:running": {"a"}, "events:a": said("queued", "running"),
    }  # fmt: skip
    same(contents.all(), LISTED, running)
    # Who looks for dead processes changes nothing but the number of looks.
    assert len(claims.look()) == 1
    same(contents.all(), LISTED, running, {"looks": "1"})


async def test_chunks_findings_and_progress_of_a_running_job(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    claims.report(claim, "progress", {"phase": "sample"})
    claims.report(claim, "findings", {"n": 1})
    claims.checkpoint(claim, "c1", b"one")
    assert claims.renew(claim) == "held"
    same(contents.all(), LISTED, {
        "job:a": job("running", started="time", attempts="1", **held(claims, renewals="1"),
                     progress='{"phase":"sample"}', findings='{"n":1}'),
        "tokens": "1", "state:running": {"a"}, "chunks:a": {"c1": "one"},
        "events:a": [*said("queued", "running"),
                     ("progress", {"phase": "sample"}), ("findings", {"n": 1})],
    })  # fmt: skip
    # Of what the process does while it holds the job, a renewal alone says that it lives on.
    claims.checkpoint(claim, "c2", b"two")
    claims.report(claim, "progress", {"phase": "sample"})
    assert contents.all()["job:a"]["renewals"] == "1"
    assert claims.renew(claim) == "held"
    assert contents.all()["job:a"]["renewals"] == "2"


async def test_finished(asking: AskingStore, mortal: ClaimingStore, contents: Contents) -> None:
    """Progress stays, for the status; what was provisional or internal is gone."""
    claim = await submitted(asking, mortal)
    mortal.report(claim, "progress", {"phase": "certify"})
    mortal.report(claim, "findings", {"n": 1})
    mortal.checkpoint(claim, "c1", b"one")
    await asking.cancel("a")  # too late
    await asking.submit("a", KIND, REQUEST)
    mortal.finish(claim, b"{}", {"m1": b"[1]", "m2": b"[2]"})
    found = contents.all()
    ((_, forgotten),) = found.pop("expiry")
    seconds, _ = contents.client.time()
    assert seconds + KEPT - 100 < forgotten <= seconds + KEPT
    same(found, LISTED, {
        "job:a": job("finished", started="time", finished="time", attempts="1", error="",
                     progress='{"phase":"certify"}'),
        "tokens": "1", "state:finished": {"a"}, "result:a": "{}",
        "details:a": {"m1": "[1]", "m2": "[2]"},
        "events:a": [*said("queued", "running"), ("progress", {"phase": "certify"}),
                     ("findings", {"n": 1}), *said("cancelling", "finished")],
    })  # fmt: skip
    assert {contents.client.ttl(contents.key(k)) for k in ("result:a", "details:a")} == {-1}


async def test_failed_and_submitted_again(
    asking: AskingStore, mortal: ClaimingStore, contents: Contents
) -> None:
    """What was computed is kept for a day, and for good once the job is wanted again."""
    claim = await submitted(asking, mortal)
    mortal.report(claim, "progress", {"phase": "sample"})
    mortal.report(claim, "findings", {"n": 1})
    mortal.checkpoint(claim, "c1", b"one")
    await asking.cancel("a")
    await asking.submit("a", KIND, REQUEST)
    mortal.stop(claim, "failed", "a reason")
    found = contents.all()
    assert len(found.pop("expiry")) == 1
    same(found, LISTED, {
        "job:a": job("failed", started="time", finished="time", attempts="1", error="a reason",
                     progress='{"phase":"sample"}', findings='{"n":1}'),
        "tokens": "1", "state:failed": {"a"}, "chunks:a": {"c1": "one"},
        "events:a": [*said("queued", "running"), ("progress", {"phase": "sample"}),
                     ("findings", {"n": 1}), *said("cancelling"),
                     ("state", {"state": "failed", "error": "a reason"})],
    })  # fmt: skip
    left = contents.client.ttl(contents.key("chunks:a"))
    assert LEFT_CHUNKS_SECONDS - 100 < left <= LEFT_CHUNKS_SECONDS
    assert await asking.submit("a", KIND, REQUEST) == "queued"
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued", progress="", findings=""), "tokens": "1", "state:queued": {"a"},
        "chunks:a": {"c1": "one"}, "events:a": said("queued"),
    })  # fmt: skip
    assert contents.client.ttl(contents.key("chunks:a")) == -1


async def test_cancelled_while_it_waits(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    await asking.cancel("a")
    same(contents.all(), LISTED, {
        "job:a": job("cancelled", finished="time", error=""), "state:cancelled": {"a"},
        "events:a": said("queued", "cancelled"),
    })  # fmt: skip
    assert claims.sweep() == 0  # without a time to live nothing is ever forgotten


@pytest.mark.parametrize("chunks", [{}, {"chunks:a": {"c1": "one"}}], ids=["barren", "begun"])
@pytest.mark.parametrize("end", ["by its holder", "when the holder died"])
async def test_cancelled_and_wanted_again_before_it_had_stopped(
    asking: AskingStore,
    claims: ClaimingStore,
    watcher: ClaimingStore,
    contents: Contents,
    end: str,
    chunks: dict[str, dict[str, str]],
) -> None:
    """A new life: attempts, and deaths without a chunk, are counted from nothing."""
    await submitted(asking, claims)
    lapse(watcher, "a")
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert contents.all()["job:a"]["barren"] == "1"
    for name, answer in chunks.get("chunks:a", {}).items():
        claims.checkpoint(claim, name, answer.encode())
    await asking.cancel("a")
    assert await asking.submit("a", KIND, REQUEST) == "cancelling"
    assert contents.all()["job:a"]["resubmitted"] == "1"
    looks = "1"
    if end == "by its holder":
        claims.stop(claim, "cancelled")
    else:
        lapse(watcher, "a")
        looks = "2"
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued", progress="", findings=""), "tokens": "2", "looks": looks,
        "state:queued": {"a"}, "events:a": said("queued"),
    }, chunks)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "outcome", "state"),
    [(False, "cancelled", "cancelled"), (True, "cancelled", "cancelled"),
     (False, "returned", "queued"), (True, "returned", "cancelled"),
     (False, "failed", "failed"), (True, "failed", "failed")],
)  # fmt: skip
async def test_how_a_job_was_stopped_and_whether_that_was_asked_for(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, asked: bool,
    outcome: Outcome, state: str,
) -> None:  # fmt: skip
    """Given back by a process that ends, a job that was to be cancelled is not begun again."""
    claim = await submitted(asking, claims)
    if asked:
        await asking.cancel("a")
    claims.stop(claim, outcome, "a reason" if outcome == "failed" else "")
    left = contents.all()
    assert [key for key in left if key.startswith("state:")] == [f"state:{state}"]
    assert ("queue" in left) == (state == "queued")
    assert left["job:a"].get("error", "") == ("a reason" if outcome == "failed" else "")
    assert [name for name in OF_A_HOLDER if name in left["job:a"]] == []


async def test_the_last_word_counts(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    """Cancelled, wanted again, cancelled again: it is over, and nobody's wish is left behind."""
    claim = await submitted(asking, claims)
    await asking.cancel("a")
    await asking.submit("a", KIND, REQUEST)
    assert await asking.cancel("a") == "cancelling"
    assert "resubmitted" not in contents.all()["job:a"]
    claims.stop(claim, "cancelled")
    same(contents.all(), LISTED, {
        "job:a": job("cancelled", started="time", finished="time", attempts="1", error=""),
        "tokens": "1", "state:cancelled": {"a"},
        "events:a": said("queued", "running", "cancelling", "cancelled"),
    })  # fmt: skip


async def test_given_back_by_its_holder(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """Nobody died: whatever became of holders before, this one the job did not kill."""
    await submitted(asking, claims)
    lapse(watcher, "a")
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.stop(claim, "returned")
    same(contents.all(), LISTED, WAITING, {
        "job:a": job("queued", started="time", attempts="2"), "tokens": "2", "looks": "1",
        "state:queued": {"a"}, "events:a": said("queued", "running", "queued", "running", "queued"),
    })  # fmt: skip


async def test_of_two_queues_the_job_that_waited_longest_comes_first(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    """In whatever order a process names its queues; and one it does not name is left alone."""
    on_gpu = AskingStore(target, settings, TOY, "gpu")
    other = f"{KIND}/{needs('gpu')}"
    for store, name in ((asking, "a"), (on_gpu, "b"), (asking, "c"), (on_gpu, "d")):
        await store.submit(name, KIND, REQUEST)

    def claimed(queues: list[str]) -> str:
        claim = claims.claim(queues)
        assert claim is not None
        return claim.job

    assert claimed([QUEUE, other]) == "a"
    assert claimed([other, QUEUE]) == "b"
    assert claimed([other]) == "d"
    assert claims.claim([other]) is None
    assert claimed([QUEUE, other]) == "c"
    await on_gpu.close()


async def test_what_is_forgotten_leaves_the_others_alone(
    asking: AskingStore, mortal: ClaimingStore, contents: Contents
) -> None:
    claims = [await submitted(asking, mortal, name) for name in ("a", "b")]
    for claim in claims:
        mortal.finish(claim, b"{}", {"m1": b"[1]"})
    await asking.submit("c", KIND, REQUEST)
    contents.client.zadd(contents.key("expiry"), {"b": 1})
    assert mortal.sweep() == 1
    left = contents.all()
    assert [name for name, _ in left["jobs"]] == [name for name, _ in left[f"jobs:{KIND}"]] == [
        "a", "c"
    ]  # fmt: skip
    assert left["state:finished"] == {"a"}
    assert [name for name, _ in left["expiry"]] == ["a"]
    assert [key for key in left if key.endswith(":b")] == []
    assert left["queue"] == left[f"queue:{QUEUE}"] == [("c", 3)]


@pytest.mark.parametrize("runs", [False, True])
async def test_whatever_is_to_be_forgotten_leaves_nothing_behind(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, runs: bool
) -> None:
    """Not in a queue, and neither chunks nor a lease, which no status would show."""
    if runs:
        claims.checkpoint(await submitted(asking, claims), "c1", b"one")
    else:
        await asking.submit("a", KIND, REQUEST)
    contents.client.zadd(contents.key("expiry"), {"a": 1})
    assert claims.sweep() == 1
    assert contents.all() == {"sequence": "1"} | ({"tokens": "1"} if runs else {})
    assert claims.claim(QUEUES) is None


async def test_a_job_whose_hash_the_store_dropped_does_not_stop_the_forgetting(
    asking: AskingStore, mortal: ClaimingStore, contents: Contents
) -> None:
    """A store short of memory may evict any key; of such a job its kind and queue are unknown."""
    for name in ("a", "b"):
        mortal.finish(await submitted(asking, mortal, name), b"{}", {"m1": b"[1]"})
        contents.client.zadd(contents.key("expiry"), {name: 1})
    contents.client.delete(contents.key("job:a"))
    assert mortal.sweep() == 2
    left = contents.all()
    assert "expiry" not in left
    assert [key for key in left if key.endswith((":a", ":b"))] == []


async def test_a_job_that_waits_or_runs_is_submitted_again_in_vain(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    """It is one job, with its place in the queue, its chunks and its holder."""
    await asking.submit("a", KIND, REQUEST)
    before = contents.all()
    assert await asking.submit("a", KIND, REQUEST) == "queued"
    assert contents.all() == before
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.checkpoint(claim, "c1", b"one")
    before = contents.all()
    assert await asking.submit("a", KIND, REQUEST) == "running"
    assert contents.all() == before
    assert claims.renew(claim) == "held"


async def test_what_is_over_is_neither_cancelled_nor_begun_again(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    claim: Claim = await submitted(asking, claims)
    claims.finish(claim, b"{}", {})
    before = contents.all()
    assert await asking.cancel("a") == "finished"
    assert await asking.submit("a", KIND, REQUEST) == "finished"
    assert contents.all() == before
