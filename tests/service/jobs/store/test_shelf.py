"""Finished jobs out of the store and back into it: everything that it holds of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from relu_landscape.jobs.store import shelf as shelves
from relu_landscape.jobs.store.asking import STATES, AskingStore
from relu_landscape.jobs.store.bundle import FIELDS, Bundle
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import QUEUES, by_state, submitted
from tests.service.jobs.store.contents import KEPT, LISTED, Contents, job, said, same
from tests.service.jobs.toy_engine import TOY

RESULT = b'{"n":' + b"1" * 500 + b"}"
DONE = {"started": "time", "finished": "time", "attempts": "1", "error": ""}


def _shelf(target: Target, settings: Settings) -> Shelf:
    return Shelf(target, settings, patience=1.0, stop=threading.Event())


@pytest.fixture
def shelf(target: Target, settings: Settings) -> Iterator[Shelf]:
    opened = _shelf(target, settings)
    yield opened
    opened.close()


@pytest.fixture
def mortal_shelf(target: Target, settings: Settings) -> Iterator[Shelf]:
    """Results are kept for ``KEPT`` seconds."""
    opened = _shelf(target, settings.model_copy(update={"result_ttl_seconds": KEPT}))
    yield opened
    opened.close()


async def finished(asking: AskingStore, claims: ClaimingStore, name: str = "a") -> None:
    claim = await submitted(asking, claims, name)
    claims.report(claim, "progress", {"phase": "certify"})
    claims.finish(claim, RESULT, {"m1": b"[1]", "m2": RESULT})


def bundled(shelf: Shelf, name: str = "a") -> Bundle:
    found = shelf.bundle(name)
    assert found is not None
    return found


def empty(contents: Contents) -> None:
    """All keys of this store are gone."""
    for key in contents.client.scan_iter(f"{contents.prefix}:*"):
        contents.client.delete(key)


async def test_a_bundle_is_what_is_served_and_comes_back_into_an_empty_store(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, contents: Contents
) -> None:
    await finished(asking, claims)
    status, whole = await asking.status("a"), contents.all()
    bundle = bundled(shelf)
    assert (bundle.result, bundle.parts) == (RESULT, {"m1": b"[1]", "m2": RESULT})
    assert set(bundle.fields) == {*FIELDS, "asked"}
    raw = {key: contents.client.dump(contents.key(key)) for key in ("result:a",)}
    empty(contents)
    assert shelf.restore(bundle) == "restored"
    assert await asking.status("a") == status
    assert await asking.result("a") == RESULT
    assert await asking.details("a", "m2") == RESULT
    assert [each async for each in asking.follow("a", None)][-1].is_last
    assert raw == {key: contents.client.dump(contents.key(key)) for key in raw}
    found = contents.all()
    whole.pop("tokens")
    assert found == whole | {"events:a": said("finished")}
    # Twice is once: nothing changes that is there already.
    assert shelf.restore(bundle) == "finished"
    assert contents.all() == found


async def test_jobs_that_are_not_over_are_left_alone(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, contents: Contents
) -> None:
    await finished(asking, claims)
    bundle = bundled(shelf)
    empty(contents)
    claim = await submitted(asking, claims)
    assert shelf.bundle("a") is None
    assert shelf.bundle("b") is None
    for state in ("running", "cancelling"):
        before = contents.all()
        assert shelf.restore(bundle) == state
        assert contents.all() == before
        await asking.cancel("a")
    claims.stop(claim, "returned")
    await asking.submit("a", "landscape", {})
    before = contents.all()
    assert shelf.restore(bundle) == "queued"
    assert contents.all() == before
    assert shelf.bundle("a") is None


@pytest.mark.parametrize("state", ["failed", "cancelled", "finished without its result"])
async def test_what_has_no_result_becomes_what_is_restored(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, mortal: ClaimingStore,
    contents: Contents, state: str,
) -> None:  # fmt: skip
    """At its old place in lists, and with nothing of the attempt that failed."""
    await finished(asking, claims)
    bundle = bundled(shelf)
    empty(contents)
    claim = await submitted(asking, mortal)
    mortal.report(claim, "findings", {"n": 1})
    mortal.checkpoint(claim, "c1", b"one")
    if state.startswith("finished"):
        mortal.finish(claim, b"{}", {"m9": b"[9]"})
        contents.client.delete(contents.key("result:a"))
        assert shelf.bundle("a") is None
    else:
        await asking.cancel("a")
        mortal.stop(claim, "failed" if state == "failed" else "cancelled", "a reason")
    assert shelf.restore(bundle) == "restored"
    assert await asking.result("a") == RESULT
    assert await asking.details("a", "m9") is None
    assert (await asking.status("a")).findings == []
    assert await by_state(asking) == dict.fromkeys(STATES, 0) | {"finished": 1}
    assert contents.client.exists(*map(contents.key, ("expiry", "chunks:a"))) == 0


async def test_exactly_this_is_left_of_a_failed_one(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, mortal: ClaimingStore,
    contents: Contents,
) -> None:  # fmt: skip
    await finished(asking, claims)
    bundle = Bundle("a", bundled(shelf).fields, b"{}", {"m1": b"[1]"})
    empty(contents)
    claim = await submitted(asking, mortal)
    mortal.report(claim, "findings", {"n": 1})
    mortal.checkpoint(claim, "c1", b"one")
    mortal.stop(claim, "failed", "a reason")
    assert shelf.restore(bundle) == "restored"
    same(contents.all(), LISTED, {
        "job:a": job("finished", progress='{"phase":"certify"}', **DONE),
        "tokens": "1", "state:finished": {"a"}, "result:a": "{}", "details:a": {"m1": "[1]"},
        "events:a": said("finished"),
    })  # fmt: skip


async def test_a_restored_job_is_forgotten_again_like_any_other(
    asking: AskingStore, claims: ClaimingStore, mortal: ClaimingStore, mortal_shelf: Shelf,
    shelf: Shelf, contents: Contents,
) -> None:  # fmt: skip
    await finished(asking, claims)
    bundle = bundled(shelf)
    empty(contents)
    assert shelf.restore(bundle) == "restored"
    shelf.expire("a")  # without a time to live nothing is ever forgotten
    assert "expiry" not in contents.all()
    empty(contents)
    assert mortal_shelf.restore(bundle) == "restored"
    ((_, forgotten),) = contents.all()["expiry"]
    seconds, _ = contents.client.time()
    assert seconds + KEPT - 100 < forgotten <= seconds + KEPT
    contents.client.zadd(contents.key("expiry"), {"a": forgotten - KEPT - 1})
    mortal_shelf.expire("a")  # it has its time already
    assert mortal.sweep() == 1
    assert await asking.result("a") is None


async def test_a_job_gets_its_time_when_it_is_kept_elsewhere(
    asking: AskingStore, claims: ClaimingStore, mortal_shelf: Shelf, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    mortal_shelf.expire("a")
    assert "expiry" not in contents.all()
    claims.finish(claim, b"{}", {})
    mortal_shelf.expire("a")
    ((name, forgotten),) = contents.all()["expiry"]
    seconds, _ = contents.client.time()
    assert name == "a"
    assert seconds + KEPT - 100 < forgotten <= seconds + KEPT


async def test_with_an_archive_a_result_has_no_time_until_it_is_kept(
    target: Target, settings: Settings, asking: AskingStore, contents: Contents
) -> None:
    """What failed or was cancelled is forgotten as ever."""
    chosen = settings.model_copy(update={"result_ttl_seconds": KEPT, "archive": "/somewhere"})
    claims = ClaimingStore(target, chosen, patience=1.0, stop=threading.Event())
    await finished(asking, claims)
    assert "expiry" not in contents.all()
    claims.stop(await submitted(asking, claims, "b"), "failed", "a reason")
    assert [name for name, _ in contents.all()["expiry"]] == ["b"]
    claims.close()


async def test_a_damaged_result_is_no_bundle(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, contents: Contents,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    await finished(asking, claims)
    contents.client.setrange(contents.key("result:a"), 20, b"....")
    assert shelf.bundle("a") is None
    assert "result of a is damaged" in caplog.text


async def test_all_that_is_finished_is_found(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the store gives at once."""
    monkeypatch.setattr(shelves, "BATCH", 2)
    assert list(shelf.finished()) == []
    names = {f"{n:0200}" for n in range(20)}  # so long that the set is no compact one
    for name in names:
        await finished(asking, claims, name)
    await submitted(asking, claims, "running")
    assert set(shelf.finished()) == names


async def test_a_job_in_words_of_another_kind_is_bundled_as_it_is(
    target: Target, settings: Settings, shelf: Shelf, claims: ClaimingStore
) -> None:
    """Kinds are the registry's business: bundles of kinds that this release has not are kept."""
    asking = AskingStore(target, settings, TOY, "cpu")
    await finished(asking, claims)
    bundle = bundled(shelf)
    stranger = Bundle("b", {**bundle.fields, "kind": "tally"}, b"{}", {})
    assert shelf.restore(stranger) == "restored"
    assert shelf.bundle("b") == stranger
    assert claims.claim(QUEUES) is None
    await asking.close()
