"""Looks that are shared: who waits for which, and what a look that begins later has seen."""

from __future__ import annotations

import asyncio

import pytest

from relu_landscape.errors import NotFound, StoreUnavailable
from relu_landscape.jobs.store import looks as module
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.looks import Looks
from tests.service.jobs.helpers import submitted

ASKERS = 300


async def test_an_error_is_everybodys_and_the_next_look_is_a_new_one() -> None:
    looks: Looks[int] = Looks()
    begun, go_on = [], asyncio.Event()

    async def fail() -> int:
        begun.append(1)
        await go_on.wait()
        raise StoreUnavailable("away")

    both = [asyncio.ensure_future(looks.share("a", fail)) for _ in range(2)]
    await asyncio.sleep(0)
    go_on.set()
    for each in both:
        with pytest.raises(StoreUnavailable):
            await each
    assert begun == [1]

    async def see() -> int:
        return 7

    assert await looks.share("a", see) == 7


async def test_whoever_comes_after_a_look_was_given_up_looks_anew() -> None:
    looks: Looks[int] = Looks()

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async def see() -> int:
        return 7

    left = asyncio.ensure_future(looks.share("a", never))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.sleep(0)  # it leaves; the look that nobody waits for is still about to end
    assert await looks.share("a", see) == 7
    with pytest.raises(asyncio.CancelledError):
        await left


async def test_a_look_that_has_just_ended_is_not_shared() -> None:
    """A reader that came between its end and the note of it spun on its empty answer for ever."""
    looks: Looks[int] = Looks()
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    first = asyncio.ensure_future(looks.share("a", lambda: seen))
    await asyncio.sleep(0)
    seen.set_result(1)  # nothing that waits for it has run yet

    async def see() -> int:
        return 2

    assert await looks.share("a", see) == 2
    assert await first == 1


class Counter:
    """Something that changes, and is looked at slowly: a look sees what was so as it began."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0
        self.go_on = asyncio.Event()

    async def look(self) -> int:
        self.looks += 1
        seen = self.value
        await self.go_on.wait()
        return seen


async def asked(looks: Looks[int], counter: Counter) -> asyncio.Future[int]:
    """Somebody who has asked just now."""
    asker = asyncio.ensure_future(looks.renew("a", counter.look))
    await asyncio.sleep(0)
    return asker


async def test_what_is_done_before_one_asks_is_seen() -> None:
    """A look that is under way may have passed what changed since, such as one's own job."""
    looks: Looks[int] = Looks()
    counter = Counter()
    first = await asked(looks, counter)
    await asyncio.sleep(0)
    assert counter.looks == 1
    counter.value = 1
    later = [await asked(looks, counter) for _ in range(ASKERS)]
    counter.go_on.set()
    assert await first == 0
    assert set(await asyncio.gather(*later)) == {1}
    assert counter.looks == 2, "one for all who asked meanwhile"


async def test_those_who_ask_at_once_share_a_look() -> None:
    looks: Looks[int] = Looks()
    counter = Counter()
    counter.go_on.set()
    await asyncio.gather(*(looks.renew("a", counter.look) for _ in range(ASKERS)))
    assert counter.looks == 1
    await looks.renew("a", counter.look)
    assert counter.looks == 2


async def test_a_look_that_hangs_keeps_the_next_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_TURN_SECONDS", 0.01)
    looks: Looks[int] = Looks()
    counter = Counter()
    hanging = await asked(looks, counter)
    await asyncio.sleep(0)

    async def see() -> int:
        return 7

    assert await looks.renew("a", see) == 7
    assert not hanging.done()
    counter.go_on.set()
    assert await hanging == 0


async def test_the_last_who_leaves_ends_what_is_to_come() -> None:
    looks: Looks[int] = Looks()
    counter = Counter()
    first = await asked(looks, counter)
    await asyncio.sleep(0)
    waiting = [await asked(looks, counter) for _ in range(2)]
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    counter.go_on.set()
    assert await first == 0
    await asyncio.sleep(0)
    assert counter.looks == 1, "nobody wanted the next"
    assert await looks.renew("a", counter.look) == 0


async def test_an_error_of_a_look_to_come_is_everybodys() -> None:
    looks: Looks[int] = Looks()

    async def fail() -> int:
        raise NotFound("no such job")

    both = await asyncio.gather(*(looks.renew("a", fail) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in both] == [NotFound, NotFound]


def commands(target: Target, name: str) -> int:
    """How often the store was told this."""
    with target.connect() as client:
        return int(client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0))


async def test_many_who_ask_for_one_job_ask_the_store_a_few_times(
    asking: AskingStore, claims: ClaimingStore, target: Target
) -> None:
    """Each by himself, a thousand who followed one job waited for 32 connections in turn."""
    await submitted(asking, claims)
    before = commands(target, "hkeys"), commands(target, "hget")
    statuses = await asyncio.gather(*(asking.status("a") for _ in range(ASKERS)))
    states = await asyncio.gather(*(asking.state("a") for _ in range(ASKERS)))
    assert {each.state for each in statuses} == set(states) == {"running"}
    assert commands(target, "hkeys") - before[0] <= 2
    assert commands(target, "hget") - before[1] <= 2
