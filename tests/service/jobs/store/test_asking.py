"""The store as readers see it: pages, figures, events, unknown names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from relu_landscape import ALGORITHM
from relu_landscape.analyses import Registry
from relu_landscape.errors import NotFound, RequestError
from relu_landscape.jobs.listing import EVERYTHING, Wanted
from relu_landscape.jobs.store import reading, scripts
from relu_landscape.jobs.store.asking import STATES, AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.scripts import queue_name
from relu_landscape.settings import Settings
from relu_landscape.wire import shortened
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, submitted
from tests.service.jobs.toy_engine import TOY, finding


async def test_pages_show_every_job_once_newest_first(
    asking: AskingStore,
    claims: ClaimingStore,
    lists: ListingStore,
) -> None:
    for job in "abcde":
        await asking.submit(job, KIND, REQUEST)
    seen: list[str] = []
    cursor = None
    while True:
        page = await lists.page(EVERYTHING, cursor, 2)
        seen += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        if cursor and len(seen) == 2:
            claims.claim(QUEUES)
            await asking.submit(
                "f", KIND, REQUEST
            )  # arrives while somebody pages: on no later page
    assert seen == list("edcba")
    with pytest.raises(RequestError, match="next_cursor"):
        await lists.page(EVERYTHING, "-inf", 2)


async def test_a_long_request_is_claimed_whole_and_shown_short(
    asking: AskingStore,
    claims: ClaimingStore,
    lists: ListingStore,
) -> None:
    gram = [[1.0 if i == j else 0.001 for j in range(128)] for i in range(128)]
    long = LandscapeRequest(student_width=128, teacher_width=128, teacher_gram=gram, starts=0)
    whole = long.canonical()
    await asking.submit("a", KIND, whole, shown=shortened.shown(long))
    await asking.submit("b", KIND, REQUEST)
    (b, a) = (await lists.page(EVERYTHING, None, 2)).items
    for status in (a, await asking.status("a")):
        assert (status.left_out, status.request.teacher_gram) == (["teacher_gram"], None)
        assert status.request.student_width == 128
    assert b.left_out == []
    claim = claims.claim(QUEUES)
    assert claim is not None
    assert (claim.job, claim.request) == ("a", whole)
    # Given back and submitted again, it is the same question.
    claims.stop(claim, "failed", "why")
    assert await asking.submit("a", KIND, whole, shown=shortened.shown(long)) == "queued"
    assert [each.request for each in map(claims.claim, (QUEUES, QUEUES)) if each] == [
        whole, REQUEST,
    ]  # fmt: skip


async def test_figures_follow_the_states(asking: AskingStore, claims: ClaimingStore) -> None:
    for job in "abcd":
        await asking.submit(job, KIND, REQUEST)
    first, second, _ = claims.claim(QUEUES), claims.claim(QUEUES), claims.claim(QUEUES)
    assert first is not None
    assert second is not None
    claims.finish(first, b"{}", {})
    claims.stop(second, "failed", "why")
    await asking.cancel("c")
    figures = await asking.figures()
    assert {state: figures.pop(state) for state in STATES} == {
        "queued": 1,
        "running": 0,
        "cancelling": 1,
        "cancelled": 0,
        "failed": 1,
        "finished": 1,
    }
    assert set(figures) == {
        "queue_oldest_seconds", "store_memory_bytes", "store_memory_limit_bytes", "store_seconds"
    }  # fmt: skip
    assert figures["store_memory_bytes"] > 0
    assert figures["store_seconds"] > 0


async def test_the_queues_age_is_that_of_the_job_that_waits_first(
    asking: AskingStore, claims: ClaimingStore, target: Target, settings: Settings
) -> None:
    assert (await asking.figures())["queue_oldest_seconds"] == 0.0
    for job in ("a", "b"):
        await asking.submit(job, KIND, REQUEST)
    with target.connect() as client:  # as if it had been submitted two hours before
        key = f"{settings.redis_prefix}:job:a"
        client.hset(key, "created", f"{float(client.hget(key, 'created')) - 7200:.6f}")
    assert 7200 <= (await asking.figures())["queue_oldest_seconds"] < 9000
    assert claims.claim(QUEUES) is not None
    assert (await asking.figures())["queue_oldest_seconds"] < 1800


async def test_events_are_followed_live_and_resumed(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    follower = asking.follow("a", None)
    seen = [await anext(follower), await anext(follower)]
    assert [event.data["state"] for event in seen] == ["queued", "running"]
    waiting = asyncio.ensure_future(anext(follower))
    claims.report(claim, "progress", {"phase": "sample"})
    event = await waiting
    assert (event.name, event.data) == ("progress", {"phase": "sample"})
    await follower.aclose()
    claims.report(claim, "findings", {"findings": [finding(3).model_dump()]})
    claims.stop(claim, "failed", 'quoted "reason"')
    rest = [each async for each in asking.follow("a", event.id)]
    assert [each.name for each in rest] == ["findings", "state"]
    assert rest[-1].data == {"state": "failed", "error": 'quoted "reason"'}
    assert rest[-1].is_last
    assert [each async for each in asking.follow("a", rest[-1].id)] == []
    everything = [each async for each in asking.follow("a", None)]
    positions = [tuple(map(int, each.id.split("-"))) for each in everything]
    assert positions == sorted(set(positions))
    assert (await asking.status("a")).findings == [finding(3)]


async def test_the_event_stream_is_capped_and_keeps_its_end(
    target: Target, settings: Settings, make_claims: Callable[[Settings], ClaimingStore]
) -> None:
    small = settings.model_copy(update={"events_kept": 10})
    asking, claims = AskingStore(target, small, TOY, "cpu"), make_claims(small)
    claim = await submitted(asking, claims)
    first = await anext(asking.follow("a", None))
    for number in range(500):
        claims.report(claim, "progress", {"tasks_done": number})
    claims.finish(claim, b"{}", {})
    kept = [each async for each in asking.follow("a", first.id)]
    # Trimming is by whole nodes of the stream, of 100 entries by default.
    assert 10 <= len(kept) <= 110 + 10
    assert [each.data.get("tasks_done") for each in kept[-3:]] == [498, 499, None]
    assert kept[-1].data == {"state": "finished"}
    await asking.close()


async def test_a_finished_job_keeps_a_tenth_of_its_events(
    asking: AskingStore, claims: ClaimingStore, settings: Settings
) -> None:
    """They took more room than its result; whoever reads on from there sees the end."""
    claim = await submitted(asking, claims)
    for number in range(3 * settings.events_kept // 10):
        claims.report(claim, "progress", {"tasks_done": number})
    first = await anext(asking.follow("a", None))
    claims.finish(claim, b"{}", {})
    kept = [each async for each in asking.follow("a", first.id)]
    assert len(kept) == settings.events_kept // 10
    assert kept[-1].data == {"state": "finished"}
    assert kept[-2].data == {"tasks_done": 3 * settings.events_kept // 10 - 1}


@pytest.mark.parametrize("bad", ["", "x", "1", "1-x", "$", "-1-0"])
async def test_an_event_id_that_no_event_had_is_refused(
    asking: AskingStore, claims: ClaimingStore, bad: str
) -> None:
    await submitted(asking, claims)
    with pytest.raises(RequestError, match="Last-Event-ID"):
        await anext(asking.follow("a", bad))


async def test_unknown_jobs_are_not_found(asking: AskingStore) -> None:
    for call in (asking.status("x"), asking.state("x"), asking.cancel("x")):
        with pytest.raises(NotFound, match="no job x"):
            await call
    with pytest.raises(NotFound):
        await anext(asking.follow("x", None))


async def test_jobs_of_another_release_are_left_out_and_say_so(
    asking: AskingStore, lists: ListingStore
) -> None:
    """A store is older than the service on it: one job in other words once hid all the rest."""
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", KIND, {"widths": [2, 2]})
    await asking.submit("c", "tally", {"numbers": 3})
    page = await lists.page(EVERYTHING, None, 10)
    assert [item.id for item in page.items] == ["a"]
    for job in ("b", "c"):
        with pytest.raises(NotFound, match="another release"):
            await asking.status(job)


async def test_a_process_claims_only_the_kinds_it_can_compute(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await asking.submit("a", "tally", REQUEST)
    await asking.submit("b", KIND, REQUEST)
    await asking.submit("c", "tally", REQUEST)
    mine, tallies = queue_name(KIND, "cpu"), queue_name("tally", "cpu")
    taken = [claims.claim(queues) for queues in ([mine], [mine], [tallies, mine], [tallies])]
    assert [claim and (claim.job, claim.kind) for claim in taken] == [
        ("b", KIND),
        None,
        ("a", "tally"),
        ("c", "tally"),
    ]


async def test_a_job_waits_for_the_algorithm_and_the_backend_of_its_id(
    target: Target,
    settings: Settings,
    asking: AskingStore,
    claims: ClaimingStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An upgraded service computed the jobs that an older one had queued, under their old ids and
    with their old chunks; services with and without a GPU did the same to each other."""
    on_gpu = AskingStore(target, settings, TOY, "gpu")
    await on_gpu.submit("a", KIND, REQUEST)
    with monkeypatch.context() as older:
        older.setattr(scripts, "ALGORITHM", "1")
        await asking.submit("b", KIND, REQUEST)
    await asking.submit("c", KIND, REQUEST)
    taken = [claims.claim(QUEUES) for _ in range(2)]
    assert [claim and claim.job for claim in taken] == ["c", None]
    needs = [(await asking.status(job)).needs for job in "abc"]
    assert [(each.algorithm, each.backend_class) for each in needs] == [
        (ALGORITHM, "gpu"),
        ("1", "cpu"),
        (ALGORITHM, "cpu"),
    ]
    warnings = await asking.stranded()
    assert [warning.partition(" (")[0] for warning in warnings] == [
        "1 jobs wait for a service that computes landscape/1/cpu",
        f"1 jobs wait for a service that computes landscape/{ALGORITHM}/gpu",
    ]
    assert await asking.cancel("b") == "cancelled"
    assert len(await asking.stranded()) == 1
    await on_gpu.close()


async def test_lists_are_of_one_kind_or_of_all(asking: AskingStore, lists: ListingStore) -> None:
    await asking.submit("a", KIND, REQUEST)
    await asking.submit("b", "tally", REQUEST)
    assert [item.id for item in (await lists.page(Wanted(kinds=[KIND]), None, 10)).items] == ["a"]
    assert (await lists.page(Wanted(kinds=["nothing"]), None, 10)).items == []


async def test_a_page_of_large_requests_leaves_others_their_turn(
    asking: AskingStore, lists: ListingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred requests with matrices were validated in one go, and nobody else had a turn."""
    jobs = [f"job{number}" for number in range(5)]
    for job in jobs:
        await asking.submit(job, KIND, REQUEST)
    turns = 0
    listing = asyncio.ensure_future(lists.page(EVERYTHING, None, 10))
    read, between = reading.read_job, list[int]()

    def counted(
        registry: Registry, job: str, look: reading.Look, before: int | None
    ) -> AnyStatus | None:
        between.append(turns)
        return read(registry, job, look, before)

    monkeypatch.setattr(reading, "read_job", counted)
    while not listing.done():
        await asyncio.sleep(0)
        turns += 1
    assert len((await listing).items) == len(jobs)
    assert len(set(between)) == len(jobs)
