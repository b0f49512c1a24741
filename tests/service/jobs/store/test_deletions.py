"""Jobs that are deleted: what the scripts leave, and that an archive does not bring them back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from relu_landscape.errors import NotFound
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.external import SAFE, External, needs_redis
from tests.service.jobs.helpers import KIND, PATIENCE_SECONDS, REQUEST, submitted, until_async
from tests.service.jobs.store.contents import Contents

#: What stays, and says nothing of any one job; but for the ids of those that were deleted.
COUNTERS = {"sequence", "tokens", "looks", "deletions"}


@pytest.fixture
def shelf(target: Target, settings: Settings) -> Iterator[Shelf]:
    opened = Shelf(target, settings, patience=1.0, stop=threading.Event())
    yield opened
    opened.close()


@pytest_asyncio.fixture
async def keeping(target: Target, settings: Settings) -> AsyncIterator[KeepingStore]:
    """Of a service without an archive."""
    opened = KeepingStore(target, settings)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def archiving(target: Target, settings: Settings) -> AsyncIterator[KeepingStore]:
    """Of a service with an archive."""
    opened = KeepingStore(target, settings.model_copy(update={"archive": "/somewhere"}))
    yield opened
    await opened.close()


async def over(asking: AskingStore, claims: ClaimingStore, state: str) -> None:
    """Job a, over in this state, with everything that a job can leave behind."""
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", b"one")
    if state == "finished":
        claims.finish(claim, b"{}", {"m1": b"[1]"})
    elif state == "failed":
        claims.stop(claim, "failed", "a reason")
    else:
        await asking.cancel("a")
        claims.stop(claim, "cancelled")


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled"])
async def test_nothing_is_left_of_a_deleted_job(
    asking: AskingStore, mortal: ClaimingStore, keeping: KeepingStore, contents: Contents,
    state: str,
) -> None:  # fmt: skip
    await over(asking, mortal, state)
    assert await keeping.delete("a") == "deleted"
    assert contents.all().keys() <= COUNTERS
    assert await keeping.delete("a") is None
    with pytest.raises(NotFound):
        await asking.status("a")
    # Asked for again, it is a new job.
    await over(asking, mortal, "finished")
    assert await asking.result("a") == b"{}"


async def test_other_jobs_are_left_alone(
    asking: AskingStore, claims: ClaimingStore, keeping: KeepingStore, contents: Contents
) -> None:
    claims.finish(await submitted(asking, claims, "b"), b"{}", {"m1": b"[1]"})
    before = contents.all()
    await over(asking, claims, "finished")
    assert await keeping.delete("a") == "deleted"
    after = contents.all()
    assert after.pop("deletions") == ["a"]
    for name in COUNTERS:
        assert (before.pop(name, None) is None) == (after.pop(name, None) is None)
    assert after == before


@pytest.mark.parametrize("state", ["queued", "running", "cancelling", "pinned"])
async def test_what_is_not_over_or_is_pinned_stays(
    asking: AskingStore, claims: ClaimingStore, archiving: KeepingStore, contents: Contents,
    state: str,
) -> None:  # fmt: skip
    if state == "queued":
        await asking.submit("a", "landscape", {})
    elif state == "pinned":
        await over(asking, claims, "finished")
        await archiving.pin("a")
    else:
        await submitted(asking, claims)
        if state == "cancelling":
            await asking.cancel("a")
    before = contents.all()
    assert await archiving.delete("a") == state
    assert contents.all() == before


async def test_with_an_archive_a_deletion_is_noted_until_the_job_is_asked_for_again(
    asking: AskingStore, claims: ClaimingStore, archiving: KeepingStore, shelf: Shelf,
    contents: Contents,
) -> None:  # fmt: skip
    await over(asking, claims, "finished")
    bundle = shelf.bundle("a")
    assert bundle is not None
    assert not shelf.is_deleted("a")
    assert await archiving.delete("a") == "deleted"
    seconds, _ = contents.client.time()
    ((name, when),) = contents.all()["deleted"]
    assert name == "a"
    assert seconds - 100 < when <= seconds
    assert (shelf.is_deleted("a"), shelf.is_deleted("b")) == (True, False)
    assert shelf.deleted() == ["a"]
    # Again: whoever could not reach the archive may say so once more.
    assert await archiving.delete("a") == "deleted"
    assert shelf.restore(bundle, undoes=False) == "deleted"
    assert contents.all().keys() <= COUNTERS | {"deleted"}
    shelf.drop_deletions(when - 1)
    assert shelf.deleted() == ["a"]
    await asking.submit("a", "landscape", {})
    assert shelf.deleted() == []


async def test_a_backup_undoes_a_deletion(
    asking: AskingStore, claims: ClaimingStore, archiving: KeepingStore, shelf: Shelf
) -> None:
    await over(asking, claims, "finished")
    bundle = shelf.bundle("a")
    assert bundle is not None
    await archiving.delete("a")
    assert shelf.restore(bundle) == "restored"
    assert shelf.deleted() == []
    assert await asking.details("a", "m1") == b"[1]"


async def test_a_deletion_is_forgotten_in_the_end(
    asking: AskingStore, claims: ClaimingStore, archiving: KeepingStore, shelf: Shelf
) -> None:
    await over(asking, claims, "failed")
    await archiving.delete("a")
    shelf.drop_deletions(float("inf"))
    assert shelf.deleted() == []
    assert await archiving.delete("a") is None


async def test_every_process_hears_of_a_deletion_at_once(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    here, there = KeepingStore(target, settings), KeepingStore(target, settings)
    heard = there.deletions()
    try:
        assert await anext(heard) is None, "what was deleted before is not known"
        for job in ("a", "b"):
            await asking.submit(job, KIND, REQUEST)
            await asking.cancel(job)
            listening = asyncio.ensure_future(anext(heard))
            assert await here.delete(job) == "deleted"
            assert await asyncio.wait_for(listening, PATIENCE_SECONDS) == job
        # One that is gone already is no news, nor is what cannot be deleted.
        assert await here.delete("a") is None
        await asking.submit("c", KIND, REQUEST)
        assert await here.delete("c") == "queued"
        await asking.cancel("c")
        await here.delete("c")
        assert await asyncio.wait_for(anext(heard), PATIENCE_SECONDS) == "c"
    finally:
        await heard.aclose()
        for each in (here, there):
            await each.close()


async def test_of_many_deletions_between_two_looks_none_is_missed(
    asking: AskingStore, target: Target, settings: Settings
) -> None:
    """Of hundreds that went at once the stream had kept the last one hundred."""
    keeping = KeepingStore(target, settings)
    heard = keeping.deletions()
    try:
        assert await anext(heard) is None
        jobs = [f"j{number}" for number in range(250)]
        for job in jobs:
            await asking.submit(job, KIND, REQUEST)
            await asking.cancel(job)
            assert await keeping.delete(job) == "deleted"
        assert [await asyncio.wait_for(anext(heard), PATIENCE_SECONDS) for _ in jobs] == jobs
    finally:
        await heard.aclose()
        await keeping.close()


@pytest.mark.external_redis
@needs_redis[1]
async def test_after_an_outage_everything_may_have_been_deleted(
    external: Callable[..., External], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    server = external(*SAFE)
    hasty = settings.model_copy(update={"request_patience_seconds": 0.2})
    keeping = KeepingStore(Target(server.url, None), hasty)
    heard = keeping.deletions()
    try:
        assert await anext(heard) is None
        listening = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        server.kill()

        async def is_said() -> bool:
            return "nothing is heard" in caplog.text

        await until_async(is_said, "it is noticed")
        assert not listening.done()
        server.start()
        assert await asyncio.wait_for(listening, PATIENCE_SECONDS) is None
    finally:
        await heard.aclose()
        await keeping.close()
