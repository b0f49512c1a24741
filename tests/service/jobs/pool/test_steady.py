"""Messages of Dask while the time of day is set back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from distributed.batched import BatchedSend

from relu_landscape.jobs.pool import steady
from tests.service.jobs.helpers import PATIENCE_SECONDS

HOUR = 3600.0


class Comm:
    """Takes what is written, and sets the clock back when the first of it comes."""

    def __init__(self, at_first: Any) -> None:
        self.written: list[object] = []
        self.arrived = asyncio.Event()
        self._at_first = at_first

    def closed(self) -> bool:
        return False

    async def write(self, payload: list[object], **_: object) -> int:
        if not self.written:
            self._at_first()
        self.written += payload
        self.arrived.set()
        return 1

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_message_does_not_wait_for_a_clock_that_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Jobs stood still for as long as the step was, with chunks sent that never arrived."""
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    steady.go_by_it()
    stream = BatchedSend(interval="20 ms")  # type: ignore[no-untyped-call]
    stream.send("before it starts")

    def set_back() -> None:
        offset[0] = -HOUR
        stream.send("at the step")

    comm = Comm(set_back)
    stream.start(comm)  # type: ignore[no-untyped-call]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(comm.written) < 2:
            comm.arrived.clear()
            await comm.arrived.wait()
    assert comm.written == ["before it starts", "at the step"]
    await stream.close()


def test_the_steady_time_is_that_of_the_day_at_first_and_never_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = steady.now()
    assert abs(before - time.time()) < HOUR / 2, "comparable with what Dask had noted by its own"
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert steady.now() >= before
