"""Ctrl+C on real commands: one line, exit code 130, at once, and nothing left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from relu_landscape.errors import JobFailed
from relu_landscape.jobs import local
from relu_landscape_cli.interrupts import ending_processes, held

#: A failing test ends, instead of a run that waits for ever.
_LONGEST = 120
#: The real command with the toy engine, of which a chunk takes a thousand seconds.
_SLEEPER = """
import functools, sys
from relu_landscape.jobs import local
from relu_landscape_cli.main import main
from tests.service.jobs.toy_engine import TOY
if __name__ == "__main__":
    local.solve_locally = functools.partial(local.solve_locally, registry=TOY)
    sys.argv = "relu-landscape solve 2 2 --init-scale 1000 --workers 2 --backend numpy -q".split()
    main()
"""


@contextmanager
def _started(*words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, as a terminal would have it."""
    process = subprocess.Popen(
        [sys.executable, "-u", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **options,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=_LONGEST)
    return process.returncode, error


def test_waiting_for_a_server_that_says_nothing_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        words = ("-m", "relu_landscape_cli.main", "watch", "0" * 64, "--server", url)
        with _started(*words) as process:
            connection, _ = listener.accept()  # the command is asking, and will hear nothing
            with connection:
                connection.recv(1)
                assert _interrupted(process) == (130, "relu-landscape: interrupted\n")


@pytest.mark.usefixtures("toy")
def test_what_computes_is_not_waited_for(tmp_path: Path) -> None:
    """Ctrl+C waited for the chunks under way, up to half a minute; these would not end."""
    script = tmp_path / "sleeper.py"
    script.write_text(_SLEEPER)
    with _started(str(script)) as process:
        workers = _workers(process.pid)
        assert _interrupted(process) == (130, "relu-landscape: interrupted\n")
        assert not any(map(psutil.pid_exists, workers))


def _workers(pid: int) -> list[int]:
    """The processes that compute, once there is one: then the command is past its imports."""
    parent, pause = psutil.Process(pid), threading.Event()
    for _ in range(10 * _LONGEST):
        children = parent.children()
        found = [each.pid for each in children if "spawn_main" in " ".join(each.cmdline())]
        if found:
            return found
        pause.wait(0.1)
    raise AssertionError("no worker began")


def test_an_interrupt_before_the_command_begins_is_said_as_well() -> None:
    """While options are read nothing was said at all."""
    code = (
        "import os, signal, sys\n"
        "from relu_landscape_cli import main\n"
        "main._print_version.__code__ = (lambda is_asked: is_asked and "
        "os.kill(os.getpid(), signal.SIGINT)).__code__\n"
        "main.os, main.signal = os, signal\n"
        "sys.argv = ['relu-landscape', '--version']\n"
        "main.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "relu-landscape: interrupted\n")


def _pressed(times: int, done: list[str], failure: Exception | None = None) -> None:
    with held():
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        done.append("finished")
        if failure is not None:
            raise failure


def test_what_is_begun_is_finished_first_unless_it_is_pressed_again() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _pressed(1, done)
    assert done == ["finished"]
    with pytest.raises(KeyboardInterrupt):
        _pressed(2, done)
    assert done == ["finished"]
    # The key reaches what was begun, too: that it then fails is no finding of its own.
    with pytest.raises(KeyboardInterrupt):
        _pressed(1, done, OSError("the store was interrupted"))
    with pytest.raises(OSError, match="full"):
        _pressed(0, done, OSError("full"))


def test_the_handler_before_comes_back_and_other_threads_do_without() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def elsewhere() -> None:
        with held(), ending_processes():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    with held(), ending_processes():
        seen.append(signal.getsignal(signal.SIGINT))
    assert seen[0] is before
    assert seen[1] is not before
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    "words", [("solve", 2, 2), ("trajectory", 2, 2), ("locate", "weights.npy")],
    ids=lambda words: words[0],
)  # fmt: skip
def test_whatever_computes_here_ends_its_processes(
    words: tuple[object, ...], command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All but ``solve`` waited for the chunk that computed, half a minute perhaps."""
    handlers: list[Any] = []

    def solve(request: Any, **how: Any) -> Any:
        handlers.append(signal.getsignal(signal.SIGINT))
        raise JobFailed("This was all.")

    monkeypatch.setattr(local, "solve_locally", solve)
    monkeypatch.chdir(tmp_path)
    np.save("weights.npy", np.eye(2))
    before = signal.getsignal(signal.SIGINT)
    command(*words, "--quiet", code=1)
    assert handlers != [before]
    assert len(handlers) == 1
