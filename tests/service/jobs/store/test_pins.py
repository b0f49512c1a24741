"""Pins: what the scripts leave in the store, and that nothing forgets what is pinned."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import submitted
from tests.service.jobs.store.contents import KEPT, Contents


@pytest_asyncio.fixture
async def keeping(target: Target, settings: Settings) -> AsyncIterator[KeepingStore]:
    """Results are kept for ``KEPT`` seconds."""
    opened = KeepingStore(target, settings.model_copy(update={"result_ttl_seconds": KEPT}))
    yield opened
    await opened.close()


def overdue(contents: Contents, job: str = "a") -> None:
    """Its time was up long ago."""
    contents.client.zadd(contents.key("expiry"), {job: 1.0})


async def test_a_pin_is_one_field_and_takes_the_time_away(
    asking: AskingStore, mortal: ClaimingStore, keeping: KeepingStore, contents: Contents
) -> None:
    mortal.finish(await submitted(asking, mortal), b"{}", {"m1": b"[1]"})
    before = contents.all()
    expected = {**before, "job:a": {**before["job:a"], "pinned": "1"}}
    del expected["expiry"]
    for _ in range(2):
        assert await keeping.pin("a") == "pinned"
        assert contents.all() == expected
    assert mortal.sweep() == 0
    assert (await asking.status("a")).pinned
    assert await keeping.unpin("a") == "unpinned"
    after = contents.all()
    ((name, forgotten),) = after.pop("expiry")
    del before["expiry"]
    assert after == before
    seconds, _ = contents.client.time()
    assert name == "a"
    assert seconds + KEPT - 100 < forgotten <= seconds + KEPT
    overdue(contents)
    assert await keeping.unpin("a") == "unpinned"  # it was not pinned: its time stays
    assert mortal.sweep() == 1
    assert await asking.result("a") is None


@pytest.mark.parametrize("state", ["queued", "running", "cancelling", "cancelled", "failed"])
async def test_only_what_is_finished_is_pinned(
    asking: AskingStore, mortal: ClaimingStore, keeping: KeepingStore, contents: Contents,
    state: str,
) -> None:  # fmt: skip
    assert await keeping.pin("a") is None
    assert await keeping.unpin("a") is None
    assert contents.all() == {}
    if state == "queued":
        await asking.submit("a", "landscape", {})
    else:
        claim = await submitted(asking, mortal)
        if state.startswith("cancel"):
            await asking.cancel("a")
        if state == "cancelled":
            mortal.stop(claim, "cancelled")
        if state == "failed":
            mortal.stop(claim, "failed", "a reason")
    before = contents.all()
    assert await keeping.pin("a") == state
    assert await keeping.unpin("a") == "unpinned"
    assert contents.all() == before


async def test_without_a_time_to_live_unpinning_gives_none(
    target: Target, settings: Settings, asking: AskingStore, claims: ClaimingStore,
    contents: Contents,
) -> None:  # fmt: skip
    """Nor with an archive: that has to have the job before the store may forget it."""
    claims.finish(await submitted(asking, claims), b"{}", {})
    for update in ({}, {"result_ttl_seconds": KEPT, "archive": "/somewhere"}):
        keeping = KeepingStore(target, settings.model_copy(update=update))
        assert await keeping.pin("a") == "pinned"
        assert await keeping.unpin("a") == "unpinned"
        assert "expiry" not in contents.all()
        await keeping.close()


async def test_no_sweep_and_no_archive_forgets_what_is_pinned(
    target: Target, settings: Settings, asking: AskingStore, mortal: ClaimingStore,
    keeping: KeepingStore, contents: Contents,
) -> None:  # fmt: skip
    """Even where a time to be forgotten came back, as by a process of an older release."""
    mortal.finish(await submitted(asking, mortal), b"{}", {"m1": b"[1]"})
    await keeping.pin("a")
    overdue(contents)
    mortal.sweep()
    assert "expiry" not in contents.all()
    chosen = settings.model_copy(update={"result_ttl_seconds": KEPT})
    shelf = Shelf(target, chosen, patience=1.0, stop=threading.Event())
    shelf.expire("a")
    shelf.forget("a")
    assert "expiry" not in contents.all()
    assert await asking.details("a", "m1") == b"[1]"
    # What comes back from somewhere else is pinned still, and has no time either.
    bundle = shelf.bundle("a")
    assert bundle is not None
    assert bundle.fields["pinned"] == "1"
    for key in contents.client.scan_iter(f"{contents.prefix}:*"):
        contents.client.delete(key)
    assert shelf.restore(bundle) == "restored"
    assert (await asking.status("a")).pinned
    assert "expiry" not in contents.all()
    shelf.close()


async def test_a_pin_is_no_reason_to_keep_what_failed(
    asking: AskingStore, mortal: ClaimingStore, keeping: KeepingStore, contents: Contents
) -> None:
    """A store that lost a result computes it again; if that fails, there is nothing to keep."""
    mortal.finish(await submitted(asking, mortal), b"{}", {})
    await keeping.pin("a")
    contents.client.delete(contents.key("result:a"))
    mortal.stop(await submitted(asking, mortal), "failed", "a reason")
    overdue(contents)
    assert mortal.sweep() == 1
    assert contents.all().keys().isdisjoint({"job:a", "jobs", "state:failed", "expiry"})
