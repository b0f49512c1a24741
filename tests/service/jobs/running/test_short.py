"""Short functions of the engine, called by name: judged, bounded, and ended whatever they do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from relu_landscape.analyses import Registry, ShortCall
from relu_landscape.errors import (
    Busy,
    NotFound,
    NumericalError,
    PoolUnavailable,
    RequestError,
)
from relu_landscape.jobs.running import short
from relu_landscape.jobs.running.calling import CallProcess
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.settings import Settings
from relu_landscape.wire.base import Wire
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import PATIENCE_SECONDS, until
from tests.service.jobs.toy_engine import Nothing, Pair, Pid, Place, Total

in_session = pytest.mark.asyncio(loop_scope="session")


def _call(name: str, *, judged: bool = False) -> ShortCall:
    return ShortCall(
        name=name,
        path=f"/v1/{name}",
        summary=name,
        description=name,
        query=Place,
        result=Pid,
        function=f"{toy_engine.__name__}:{name}",
        cost=f"{toy_engine.__name__}:cost" if judged else None,
    )


CALLS = Registry(
    analyses=(),
    calls=(
        _call("stuck", judged=True),
        *(_call(name) for name in ("who", "bounds", "broken", "variable")),
    ),
)


@asynccontextmanager
async def calls(at_once: int = 2, **settings: float) -> AsyncIterator[short.ShortCalls]:
    running = short.ShortCalls(CALLS, Settings.load(calls_at_once=at_once, **settings))
    running.open()
    try:
        yield running
    finally:
        await asyncio.to_thread(running.close)


async def test_processes_begin_when_they_may_and_a_call_begins_one_before() -> None:
    """The workers of a service begin first; whoever asks meanwhile does not wait for that."""
    running = short.ShortCalls(CALLS, Settings.load(calls_at_once=2))
    looks = 0

    def may_begin() -> bool:
        nonlocal looks
        looks += 1
        return len(there()) == 1 and looks > 2

    def there() -> list[CallProcess]:
        return [each for each in running._processes if each.is_there]

    running.open(may_begin)
    await asyncio.to_thread(until, lambda: looks > 2, "it was looked whether they may begin")
    assert there() == []
    assert isinstance(await running.call("who", Place(path=""), PATIENCE_SECONDS), Pid)
    await asyncio.to_thread(until, lambda: len(there()) == 2, "the other one began")
    await asyncio.to_thread(running.close)


async def test_who_closes_does_not_wait_until_processes_may_begin() -> None:
    running = short.ShortCalls(CALLS, Settings.load(calls_at_once=2))
    running.open(lambda: False)
    await asyncio.to_thread(running.close)
    assert not [each for each in running._processes if each.is_there]


async def process_of(path: Path) -> int:
    """The process that is stuck, once it is."""

    await asyncio.to_thread(until, lambda: bool(written(path)), f"a process wrote its id to {path}")
    return int(written(path))


def written(path: Path) -> str:
    """What is in the file, if it is there."""
    return path.read_text() if path.is_file() else ""


def is_gone(pid: int) -> bool:
    """Whether the process computes no longer."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def begun(
    running: short.ShortCalls, path: Path, *, seconds: float = 0.0, limit: float = PATIENCE_SECONDS
) -> asyncio.Task[Wire]:
    """A call that never ends, under way."""
    query = Place(path=str(path), seconds=seconds)
    return asyncio.create_task(running.call("stuck", query, limit))


@in_session
async def test_short_functions_are_called_by_name(service: AnalysisService) -> None:
    assert await service.call("add", Pair(a=1, b=2.5), 5) == Total(sum=3.5)
    with pytest.raises(NumericalError, match="the toy refuses"):
        await service.call("refuse", Nothing(), 5)
    with pytest.raises(NotFound, match="no calculation 'mul'; there is: add"):
        await service.call("mul", Nothing(), 5)


async def test_an_error_comes_back_as_it_was_and_its_process_goes_on() -> None:
    async with calls() as running:
        first = await running.call("who", Place(path=""), PATIENCE_SECONDS)
        with pytest.raises(RequestError, match="a better one") as refused:
            await running.call("bounds", Place(path="x"), PATIENCE_SECONDS)
        assert (refused.value.field, refused.value.value) == ("path", "x")
        with pytest.raises(RuntimeError, match="ZeroDivisionError: the toy divides by zero"):
            await running.call("broken", Place(path=""), PATIENCE_SECONDS)
        # the one used last is used first: it remembers what it was asked
        assert await running.call("who", Place(path=""), PATIENCE_SECONDS) == first


async def test_a_process_has_the_environment_of_whoever_begins_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is forked from a server that may have begun before."""
    for value in ("1", "2"):
        monkeypatch.setenv("TOY_VARIABLE", value)
        async with calls() as running:
            answer = await running.call("variable", Place(path="TOY_VARIABLE"), PATIENCE_SECONDS)
            assert answer == Total(sum=float(value))


async def test_a_call_that_runs_away_is_killed_and_replaced(tmp_path: Path) -> None:
    """Four of them occupied the four threads there were until they ended, minutes later."""
    async with calls() as running:
        for number in range(3):  # more than there are processes
            path = tmp_path / str(number)
            with pytest.raises(PoolUnavailable, match=r"within 0\.5 s; ask for less"):
                await begun(running, path, limit=0.5)
            pid = await process_of(path)
            until(lambda pid=pid: is_gone(pid), "the process is gone")  # type: ignore[misc]
        answer = await running.call("who", Place(path=""), PATIENCE_SECONDS)
        assert isinstance(answer, Pid)
        assert not is_gone(answer.pid)


async def test_the_setting_bounds_the_time_too(tmp_path: Path) -> None:
    async with calls(call_seconds=1.0) as running:
        with pytest.raises(PoolUnavailable, match="within 1 s"):
            await begun(running, tmp_path / "pid")


async def test_a_long_call_leaves_a_process_to_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(short, "WAIT_SECONDS", PATIENCE_SECONDS)
    async with calls(at_once=2) as running:
        long = [begun(running, tmp_path / name, seconds=2.0) for name in ("a", "b")]
        await process_of(tmp_path / "a")
        for _ in range(3):
            await running.call("who", Place(path=""), PATIENCE_SECONDS)
        assert not (tmp_path / "b").exists()
        assert not any(each.done() for each in long)
        for each in long:
            each.cancel()
        await asyncio.gather(*long, return_exceptions=True)


async def test_what_is_too_long_is_refused_before_it_begins(tmp_path: Path) -> None:
    async with calls(call_seconds=20.0) as running:
        with pytest.raises(RequestError) as refused:
            await begun(running, tmp_path / "pid", seconds=4321.0)
        assert refused.value.field == "path"
        assert "about 4321 s of computing, and what takes more than 10 s" in str(refused.value)
        assert str(refused.value).endswith("ask for a shorter one.")
        assert not (tmp_path / "pid").exists()


async def test_a_call_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    async with calls() as running:
        call = begun(running, tmp_path / "pid")
        pid = await process_of(tmp_path / "pid")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        until(lambda: is_gone(pid), "the process is gone")
        await running.call("who", Place(path=""), PATIENCE_SECONDS)


async def test_the_end_of_the_service_ends_what_computes(tmp_path: Path) -> None:
    async with calls() as running:
        call = begun(running, tmp_path / "pid")
        pid = await process_of(tmp_path / "pid")
        await asyncio.to_thread(running.close)
        with pytest.raises(PoolUnavailable):
            await call
        until(lambda: is_gone(pid), "the process is gone")


async def test_an_idle_process_may_be_killed(tmp_path: Path) -> None:
    async with calls() as running:
        for _ in range(3):
            answer = await running.call("who", Place(path=""), PATIENCE_SECONDS)
            assert isinstance(answer, Pid)
            os.kill(answer.pid, signal.SIGKILL)
            until(lambda pid=answer.pid: is_gone(pid), "it is gone")  # type: ignore[misc]


def test_a_process_that_was_killed_may_look_alive_a_moment_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server that forked it tells of its end after the pipe has broken: on a busy machine a
    call came in between, and was refused although nothing had been computed.
    """
    process = CallProcess(CALLS)
    name, query, nobody = f"{toy_engine.__name__}:who", Place(path=""), threading.Event()
    try:
        first = process.ask(name, query, PATIENCE_SECONDS, nobody)
        assert isinstance(first, Pid)
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: is_gone(first.pid), "it is gone")
        monkeypatch.setattr(process._process, "is_alive", lambda: True)
        second = process.ask(name, query, PATIENCE_SECONDS, nobody)
        assert isinstance(second, Pid)
        assert second.pid != first.pid
    finally:
        process.close()


@asynccontextmanager
async def busy(running: short.ShortCalls, folder: Path, count: int) -> AsyncIterator[None]:
    """So many calls, of which two compute until the end of the block; the others wait."""
    pending = [begun(running, folder / str(number)) for number in range(count)]
    for number in range(2):
        await process_of(folder / str(number))
    yield
    for each in pending:
        each.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def test_more_calls_than_can_wait_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(short, "WAITING", 2)
    async with calls(at_once=2) as running:
        async with busy(running, tmp_path, 4):
            with pytest.raises(Busy, match="Too many calculations") as refused:
                await running.call("who", Place(path=""), 5)
            assert refused.value.retry_after_seconds >= 1
        await running.call("who", Place(path=""), PATIENCE_SECONDS)


async def test_a_call_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(short, "WAIT_SECONDS", 0.05)
    async with calls(at_once=2) as running, busy(running, tmp_path, 2):
        with pytest.raises(Busy, match="No process was free"):
            await running.call("who", Place(path=""), 5)


async def test_calls_wait_for_the_first_process_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports the engine, which takes longer on a busy machine than a call waits for its turn:
    those that came just after the start of a service, and found no turn, were told 503."""
    monkeypatch.setattr(short, "WAIT_SECONDS", 0.05)
    may_begin = threading.Event()
    ready = CallProcess._ready

    def late(process: CallProcess) -> Connection:
        assert may_begin.wait(PATIENCE_SECONDS)
        return ready(process)

    monkeypatch.setattr(CallProcess, "_ready", late)
    async with calls(at_once=2) as running:
        asked = [
            asyncio.create_task(running.call("who", Place(path=""), PATIENCE_SECONDS))
            for _ in range(4)
        ]
        await asyncio.sleep(4 * short.WAIT_SECONDS)  # what they would have waited
        may_begin.set()
        answers = await asyncio.gather(*asked)
    assert all(isinstance(each, Pid) for each in answers)


async def test_giving_up_does_not_wait_for_a_process_that_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The event loop stood still until the engine was imported, and with it the service's end."""
    started, release = threading.Event(), threading.Event()
    start = ForkServerProcess.start

    def slow_start(process: ForkServerProcess) -> None:
        started.set()
        release.wait(PATIENCE_SECONDS)
        start(process)

    monkeypatch.setattr(ForkServerProcess, "start", slow_start)
    running = short.ShortCalls(CALLS, Settings.load(calls_at_once=2))
    call = begun(running, tmp_path / "pid")
    await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not release.is_set()
    release.set()
    answer = await running.call("who", Place(path=""), PATIENCE_SECONDS)
    assert isinstance(answer, Pid)
    assert not (tmp_path / "pid").exists()
    await asyncio.to_thread(running.close)


ORPHAN = """
import sys
import threading
from relu_landscape.jobs.running import calling
from tests.service.jobs.toy_engine import TOY, Place
if __name__ == "__main__":
    calling.ORPHAN_SECONDS = 0.5
    process = calling.CallProcess(TOY)
    function = "tests.service.jobs.toy_engine:stuck"
    process.ask(function, Place(path=sys.argv[1]), 2.0, threading.Event())
"""


def test_a_call_does_not_outlive_its_service_for_long(tmp_path: Path) -> None:
    """With nobody left to kill it, the kernel does."""
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    place = tmp_path / "pid"
    path = os.pathsep.join(each for each in sys.path if each)
    with subprocess.Popen(
        [sys.executable, str(script), str(place)], env={**os.environ, "PYTHONPATH": path}
    ) as service:
        until(lambda: bool(written(place)), "a process is stuck")
        pid = int(written(place))
        service.kill()
    assert not is_gone(pid)
    until(lambda: is_gone(pid), "the process is gone")
