"""``Client.local``: a service of one's own, which leaves nothing behind however its owner ends."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import stamina

from relu_landscape_api.attached import await_end
from relu_landscape_client import (
    AsyncClient,
    Client,
    LocalServiceFailed,
    MissingService,
    NotAuthorised,
    ServerAbsent,
)
from relu_landscape_client._local import LocalService

#: Everything is over in seconds; whoever waits so long waits for a fault.
PATIENCE_SECONDS = 120.0

#: A program that owns a service, says so, and then ends in the way that its second argument says.
OWNER = """
import sys, os, signal
from relu_landscape_client import Client
client = Client.local(folder=sys.argv[1], workers=1, cache=False)
print(client._service.pid, flush=True)
client.submit(12, 12, starts=100_000)
if sys.argv[2] == "fork" and os.fork() == 0:
    os.close(1), signal.pause()  # holds our end of the pipe
print("ready", flush=True)
if sys.argv[2] != "exit":
    signal.pause()
"""


def _await(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """A process that has ended may be listed until somebody asks how; an orphan's is nobody."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _of(folder: Path) -> list[psutil.Process]:
    """Every living process that names the folder, such as the store, or was started for it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            told = [*process.cmdline(), process.environ().get("RELU_LANDSCAPE_DATA_DIR", "")]
            mine = any(str(folder) in each for each in told) and process.pid != os.getpid()
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of a service; what a failed test leaves running in it is ended."""
    yield tmp_path / "local"
    for process in _of(tmp_path / "local"):
        with contextlib.suppress(psutil.Error):
            process.kill()


def test_one_line_computes_and_close_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that are meant for another service are not taken for this one's."""
    monkeypatch.setenv("RELU_LANDSCAPE_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("RELU_LANDSCAPE_PORT", "1")
    with stamina.set_testing(False), Client.local(folder=folder, workers=1, cache=False) as client:
        found = client.landscape(2, 2, starts=10, progress=False)
        assert found.minima[0].is_global
        assert client.me()["scope"] == "admin"
        service = client._service
        assert service is not None
        assert service.url.startswith("http://127.0.0.1:")
        # Whoever else finds the port has no key to it.
        with (
            Client(service.url, "guess", cache=False, patience_seconds=0) as stranger,
            pytest.raises(NotAuthorised),
        ):
            stranger.list()
        assert _of(folder)
    _await(lambda: not _of(folder), "processes of the service live on")
    # The next one has what this one computed.
    with Client.local(folder=folder, workers=1, cache=False) as again:
        assert [each.id for each in again.list()] == [found.id]


async def test_with_asyncio_too(folder: Path) -> None:
    async with await AsyncClient.local(folder=folder, workers=1, cache=False) as client:
        assert (await client.service_info())["limits"]
        assert _of(folder)
    _await(lambda: not _of(folder), "processes of the service live on")


@pytest.mark.parametrize("how", ["exit", "kill", "fork"])
def test_it_ends_with_its_owner(folder: Path, how: str) -> None:
    """Whether the owner reaches its end, is killed, or is killed while a copy of it lives on."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), how], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        service = int(owner.stdout.readline())
        assert owner.stdout.readline() == "ready\n"
    forked = psutil.Process(owner.pid).children() if how == "fork" else []
    forked = [each for each in forked if each.pid != service]
    assert len(forked) == (how == "fork")
    if how != "exit":
        owner.kill()
    owner.wait(PATIENCE_SECONDS)
    mine = {each.pid for each in forked}
    try:
        _await(lambda: {each.pid for each in _of(folder)} <= mine, "the service lives on")
        assert not _lives(service)
        assert all(each.is_running() for each in forked)
    finally:
        for each in forked:
            each.kill()


def test_a_service_that_died_is_said_at_once(folder: Path) -> None:
    """It is not waited for: nobody starts it again."""
    waits: list[Any] = []
    with stamina.set_testing(False), Client.local(folder=folder, workers=1, cache=False) as client:
        service = client._service
        assert service is not None
        os.kill(service.pid, signal.SIGKILL)
        _await(lambda: service.ended() is not None, "it lives on")
        stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details)])
        try:
            with pytest.raises(ServerAbsent, match="the local service has ended by signal 9"):
                client.list()
        finally:
            stamina.instrumentation.set_on_retry_hooks(None)
    assert waits == []


def test_without_the_service_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relu_landscape_client._local.find_spec", lambda name: None)
    with pytest.raises(MissingService, match="pip install relu-landscape"):
        Client.local()
    assert importlib.util.find_spec("relu_landscape_api") is not None


def test_a_start_that_fails_says_why(folder: Path) -> None:
    folder.mkdir()
    (folder / "store").write_text("in the way")
    with pytest.raises(LocalServiceFailed, match=r"data folder .* cannot be written"):
        Client.local(folder=folder, workers=1)
    (folder / "file").touch()
    with pytest.raises(LocalServiceFailed, match="cannot be used"):
        Client.local(folder=folder / "file", workers=1)
    _await(lambda: not _of(folder), "processes of the service live on")


def test_a_client_that_nobody_holds_ends_its_service(folder: Path) -> None:
    service = LocalService(folder, 1)
    pid = service.pid
    del service
    _await(lambda: not _lives(pid), "the service lives on")


def test_the_end_is_seen_in_the_pipe_or_by_the_parent() -> None:
    """The pipe alone would miss a parent whose forked copy holds it; the parent alone a close."""
    reading, writing = os.pipe()
    parents = iter([7, 7, 1])
    await_end(reading, 7, parent_of_this=lambda: next(parents), look_seconds=0.0)
    assert list(parents) == []
    os.write(writing, b"ignored")
    os.close(writing)
    parents = iter([7, 7, 7])
    await_end(reading, 7, parent_of_this=lambda: next(parents), look_seconds=60.0)
    assert list(parents) == [7]
    os.close(reading)
