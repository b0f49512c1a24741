"""Waiting for something or for the end of the process, whichever comes first."""

from __future__ import annotations

import asyncio

import pytest

from relu_landscape_api.drain import Drain


async def test_the_answer_comes_first() -> None:
    async def work() -> int:
        return 7

    assert await Drain().race(work()) == 7


async def test_an_error_of_the_work_is_its_answer() -> None:
    async def work() -> int:
        raise LookupError("nothing there")

    with pytest.raises(LookupError):
        await Drain().race(work())


async def test_the_end_comes_first_even_for_who_does_not_listen_at_once() -> None:
    """Some hundred event streams held a process until its grace was over: the store's library had
    taken the cancellation for the end of a wait of its own."""
    drain = Drain()
    ignored = 0

    async def stubborn() -> int:
        nonlocal ignored
        while ignored < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ignored += 1
        await asyncio.Event().wait()
        return 0

    race = asyncio.ensure_future(drain.race(stubborn()))
    await asyncio.sleep(0)
    drain.begin()
    assert await race is None
    assert ignored == 2
