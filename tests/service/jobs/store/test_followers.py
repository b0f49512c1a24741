"""Many who follow one job: what each of them sees, and what they cost the store.

Every open event stream used to hold a connection to the store of its own, 800 at the most in one
process: the 801st reader of a job waited until another's turn was over, and then for its own. A
thousand streams of one job now wait with one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.wire.jobs import Event
from tests.service.jobs.helpers import submitted, until_async

READERS = 60


def blocked(target: Target) -> int:
    """Connections that wait in the store for something to happen."""
    with target.connect() as client:
        return int(client.info("clients")["blocked_clients"])


def reads(target: Target) -> int:
    """How often the store was asked for events."""
    with target.connect() as client:
        return int(client.info("commandstats")["cmdstat_xread"]["calls"])


async def caught_up(asking: AskingStore) -> AsyncGenerator[Event, None]:
    """A reader of the job ``a`` who has seen that it runs."""
    follower = asking.follow("a", None)
    states = [(await anext(follower)).data["state"] for _ in range(2)]
    assert states == ["queued", "running"]
    return follower


async def test_readers_of_one_job_share_what_they_wait_for(
    asking: AskingStore, claims: ClaimingStore, target: Target
) -> None:
    claim = await submitted(asking, claims)
    followers = [await caught_up(asking) for _ in range(READERS)]
    before = await asyncio.to_thread(reads, target)
    waiting = [asyncio.ensure_future(anext(each)) for each in followers]

    async def waits() -> bool:
        return await asyncio.to_thread(reads, target) > before

    await until_async(waits, "somebody waits for all of them")
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    await asyncio.to_thread(claims.report, claim, "progress", {"phase": "sample"})
    heard = await asyncio.gather(*waiting[1:])
    assert {each.id for each in heard} == {heard[0].id}, "one who leaves takes nobody along"
    assert [each.name for each in heard] == ["progress"] * (READERS - 1)
    # One, and one more for each two seconds that all this took; each for himself would be sixty.
    assert await asyncio.to_thread(reads, target) - before < READERS // 2
    late = asking.follow("a", None)
    assert [(await anext(late)).name for _ in range(3)] == ["state", "state", "progress"]
    await asyncio.to_thread(claims.stop, claim, "failed", "a reason")
    ends = await asyncio.gather(*(anext(each) for each in [*followers[1:], late]))
    assert all(each.is_last for each in ends)


async def test_the_last_who_leaves_frees_the_connection(
    asking: AskingStore, claims: ClaimingStore, target: Target
) -> None:
    await submitted(asking, claims)
    before = blocked(target)
    followers = [await caught_up(asking) for _ in range(5)]
    waiting = [asyncio.ensure_future(anext(each)) for each in followers]

    def waits(number: int) -> bool:
        return blocked(target) == before + number

    await until_async(lambda: asyncio.to_thread(waits, 1), "they wait")
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await until_async(lambda: asyncio.to_thread(waits, 0), "nobody waits")
