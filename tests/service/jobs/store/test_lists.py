"""Lists follow the store: whatever happens to jobs, and whoever else is at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from relu_landscape.jobs.listing import EVERYTHING, Wanted
from relu_landscape.jobs.store import lists as lists_module
from relu_landscape.jobs.store import scripts
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.labels import LabelChange
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, until_async
from tests.service.jobs.store.contents import OF_LISTS, Contents
from tests.service.jobs.toy_engine import TOY


@pytest_asyncio.fixture
async def keeping(target: Target, settings: Settings) -> AsyncIterator[KeepingStore]:
    opened = KeepingStore(target, settings)
    yield opened
    await opened.close()


async def listed(lists: ListingStore, wanted: Wanted = EVERYTHING) -> list[tuple[str, str]]:
    return [(each.id, each.state) for each in (await lists.page(wanted, None, 200)).items]


async def test_every_step_of_a_job_shows_at_once(
    asking: AskingStore, claims: ClaimingStore, keeping: KeepingStore, lists: ListingStore
) -> None:
    states = []
    assert await listed(lists) == []
    for job in "ab":
        await asking.submit(job, KIND, REQUEST)
    states.append(await listed(lists))
    claim = claims.claim(QUEUES)
    assert claim is not None
    states.append(await listed(lists))
    assert claims.renew(claim) == "held"
    claims.finish(claim, b"{}", {})
    states.append(await listed(lists))
    await asking.cancel("b")
    states.append(await listed(lists))
    await asking.submit("b", KIND, REQUEST)
    states.append(await listed(lists))
    assert await keeping.delete("a") == "deleted"
    states.append(await listed(lists))
    await asking.submit("a", KIND, REQUEST)
    states.append(await listed(lists))
    assert states == [
        [("b", "queued"), ("a", "queued")],
        [("b", "queued"), ("a", "running")],
        [("b", "queued"), ("a", "finished")],
        [("b", "cancelled"), ("a", "finished")],
        [("b", "queued"), ("a", "finished")],
        [("b", "queued")],
        [("a", "queued"), ("b", "queued")],
    ]
    assert lists.readings == 1  # all of it by what changed


async def test_jobs_are_found_by_state_request_and_asker(
    asking: AskingStore, claims: ClaimingStore, keeping: KeepingStore, lists: ListingStore
) -> None:
    for job, width, who in (("a", 3, "anna"), ("b", 4, "bob"), ("c", 4, "sweep:0a")):
        await asking.submit(job, KIND, {**REQUEST, "student_width": width}, who)
    await asking.submit("a", KIND, REQUEST, "bob")
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.finish(claim, b"{}", {})
    wide = Wanted(numbers={"student_width": 4})
    assert [job for job, _ in await listed(lists, wide)] == ["c", "b"]
    assert await listed(lists, Wanted(states=["finished"])) == [("a", "finished")]
    for who, jobs in (("anna", ["a"]), ("bob", ["b", "a"]), ("sweep:0a", []), ("carl", [])):
        assert [job for job, _ in await listed(lists, Wanted(asker=who))] == jobs
    assert await keeping.ask("a", "carl")
    assert not await keeping.ask("a", "carl")
    assert not await keeping.ask("nothing", "carl")
    assert await listed(lists, Wanted(asker="carl")) == [("a", "finished")]


async def test_tags_and_notes_are_kept_apart_by_name(
    asking: AskingStore, keeping: KeepingStore, lists: ListingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", KIND, REQUEST)
    before = contents.value(contents.key("job:a"))
    for who, change in (
        ("anna", LabelChange(tags=["red", "fig/3"])),
        ("bob", LabelChange(tags=["red"], note='of "Für" \\ K\n\t3')),
        ("anna", LabelChange(note="hers")),
    ):
        assert await keeping.label("a", who, change) == "labelled"
    labels = (await asking.status("a")).given_labels
    assert {who: (each.tags, each.note) for who, each in labels.items()} == {
        "anna": (["fig/3", "red"], "hers"),
        "bob": (["red"], 'of "Für" \\ K\n\t3'),
    }
    for wanted, jobs in (
        (Wanted(tag="red", viewer="anna"), ["a"]),
        (Wanted(tag="fig/3", viewer="bob"), []),
        (Wanted(tag="fig/3"), ["a"]),
        (Wanted(text="FÜR", viewer="bob"), ["a"]),
        (Wanted(text="für", viewer="anna"), []),
    ):
        assert [job for job, _ in await listed(lists, wanted)] == jobs
    await keeping.label("a", "anna", LabelChange(tags=[], note=""))
    await keeping.label("a", "bob", LabelChange(tags=[]))
    await keeping.label("a", "bob", LabelChange(note=""))
    assert contents.value(contents.key("job:a")) == before
    assert await keeping.label("nothing", "anna", LabelChange(tags=["x"])) is None
    assert not contents.client.exists(contents.key("job:nothing"))


async def test_a_process_that_begins_reads_what_earlier_releases_left(
    asking: AskingStore, target: Target, settings: Settings, contents: Contents
) -> None:
    """They numbered no changes. From the first one on, what changed is enough."""
    for number in range(5):
        await asking.submit(f"job{number}", KIND, REQUEST)
    for name in OF_LISTS:
        contents.client.delete(contents.key(name))
    lists = ListingStore(target, settings, TOY)
    assert len(await listed(lists)) == 5
    await asking.cancel("job3")
    assert ("job3", "cancelled") in await listed(lists)
    assert lists.readings == 1
    await lists.close()


async def test_a_store_that_was_emptied_or_lost_its_numbers_is_read_anew(
    asking: AskingStore, lists: ListingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    assert len(await listed(lists)) == 1
    for name in contents.client.keys(f"{contents.prefix}:*"):
        contents.client.delete(name)
    assert await listed(lists) == []
    for job in "bc":  # as many changes as before
        await asking.submit(job, KIND, REQUEST)
    assert [job for job, _ in await listed(lists)] == ["c", "b"]
    contents.client.delete(contents.key("changed"), contents.key("changes"))
    await asking.submit("d", KIND, REQUEST)
    assert [job for job, _ in await listed(lists)] == ["d", "c", "b"]


async def test_what_went_too_long_ago_is_noticed_by_reading_everything(
    asking: AskingStore, keeping: KeepingStore, lists: ListingStore, contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The store remembers the last 20,000 jobs that went; here it forgets all of them."""
    for job in "ab":
        await asking.submit(job, KIND, REQUEST)
    assert len(await listed(lists)) == 2
    await asking.cancel("a")
    await keeping.delete("a")
    last = contents.client.zrange(contents.key("gone"), -1, -1, withscores=True)[0][1]
    contents.client.set(contents.key("gone-until"), last)
    contents.client.delete(contents.key("gone"))
    assert [job for job, _ in await listed(lists)] == ["b"]
    assert lists.readings == 2


async def test_an_earlier_release_beside_this_one_is_noticed(
    asking: AskingStore, lists: ListingStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes jobs and numbers nothing; then the sets of states say another count."""
    monkeypatch.setattr(lists_module, "RECOUNT_SECONDS", 0.0)
    await asking.submit("a", KIND, REQUEST)
    assert await listed(lists) == [("a", "queued")]
    contents.client.hset(contents.key("job:a"), "state", "failed")
    contents.client.smove(contents.key("state:queued"), contents.key("state:failed"), "a")
    assert await listed(lists) == [("a", "failed")]
    count = lists.readings
    await asking.submit("b", "of another release", REQUEST)
    for _ in range(3):
        assert await listed(lists) == [("a", "failed")]
    # What differs for good, because it has no place in lists, is no reason to read again and again.
    assert lists.readings <= count + 1


async def test_changes_beyond_one_batch_are_read_in_several(
    asking: AskingStore, lists: ListingStore, settings: Settings, target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(lists_module, "BATCH", 3)
    patient = AskingStore(
        target, settings.model_copy(update={"waiting_jobs_limit": 100}), TOY, "cpu"
    )
    assert await listed(lists) == []
    jobs = [f"job{number}" for number in range(10)]
    for job in jobs:
        await patient.submit(job, KIND, REQUEST)
    assert [job for job, _ in await listed(lists)] == jobs[::-1]
    assert lists.readings == 1
    anew = ListingStore(target, settings, TOY)
    assert await listed(anew) == await listed(lists)
    await patient.close()
    await anew.close()


async def test_many_who_ask_at_once_share_a_look_at_the_store(
    asking: AskingStore, lists: ListingStore
) -> None:
    await asking.submit("a", KIND, REQUEST)
    asked: list[str] = []
    run = scripts.Scripts.run

    def counted(self: scripts.Scripts, name: str, *arguments: bytes | str | float) -> object:
        asked.append(name)
        return run(self, name, *arguments)

    await lists.follow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts.Scripts, "run", counted)
        pages = await asyncio.gather(*(listed(lists) for _ in range(50)))
    assert pages == [[("a", "queued")]] * 50
    assert 1 <= asked.count("changes") <= 2  # the first, and one for all who came meanwhile


async def test_who_waits_for_one_that_is_given_up_looks_for_itself(
    asking: AskingStore, lists: ListingStore
) -> None:
    """The third was told that the rows are up to date, after a second who had read nothing."""
    gates = [asyncio.Event(), asyncio.Event()]
    closed = list(gates)
    run = scripts.Scripts.run

    async def held(self: scripts.Scripts, *arguments: bytes | str | float) -> object:
        answer = await run(self, "changes", *arguments)
        if closed:
            await closed.pop(0).wait()
        return answer

    def patched(self: scripts.Scripts, name: str, *arguments: bytes | str | float) -> object:
        return held(self, *arguments) if name == "changes" else run(self, name, *arguments)

    async def until_held(count: int) -> None:
        async def is_held() -> bool:
            return len(closed) <= count

        await until_async(is_held, "the store was asked")

    await lists.follow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts.Scripts, "run", patched)
        first, second = (asyncio.ensure_future(lists.follow()) for _ in range(2))
        await until_held(1)
        await asking.submit("a", KIND, REQUEST)  # the first has looked already
        third = asyncio.ensure_future(listed(lists))
        await asyncio.sleep(0)
        gates[0].set()
        await first
        await until_held(0)
        second.cancel()
        assert await third == [("a", "queued")]
