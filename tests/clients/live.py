"""A real server in a process of its own, on a socket of its own, and a way to break the line."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

#: The service is ready within a few seconds. Whoever waits here in vain waits for a fault; whoever
#: gives up too early on a machine with eight test suites at once sees one that is none.
START_SECONDS = 240.0
STOP_SECONDS = 120.0
_READY = re.compile(r"is ready: (http://\S+)")


class LiveServer:
    """``relu-landscape serve`` with its own data folder; may be killed and started again."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = {"RELU_LANDSCAPE_WORKERS": "2"} | settings
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, on a free port at first and on the same one again later."""
        log = (self._folder / "log").open("a")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "relu_landscape_api"],
                env=_environment()
                | self._settings
                | {
                    "RELU_LANDSCAPE_DATA_DIR": str(self._folder / "data"),
                    "RELU_LANDSCAPE_PORT": str(self.port),
                },
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.port = int(self._ready_line().rpartition(":")[2])

    def _ready_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(deadline - time.monotonic()):
                    break
                line = self._process.stdout.readline()
                if found := _READY.search(line):
                    return found[1]
                if not line:
                    break
        log = (self._folder / "log").read_text()[-2000:]
        raise AssertionError(f"the server did not start:\n{log}")

    def kill(self) -> None:
        """No farewell: what ``kill -9`` or a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._close()

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith("RELU_LANDSCAPE_")
    }


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[LiveServer]:
    """A server that is stopped at the end, whatever happens."""
    server = LiveServer(folder, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Cutter:
    """A line to the server at ``port`` that is cut, once for each of ``marks``, when it passes.

    The bytes at hand, the mark among them, are lost with the line; ``cuts`` names the marks.
    """

    def __init__(self, port: int, *marks: bytes) -> None:
        self._port = port
        self._marks = list(marks)
        self.cuts: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._closing = False

    def __enter__(self) -> Cutter:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        # Closing a listener does not wake the thread that accepts; a visitor does.
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        for each in self._open:
            _shut(each)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._closing:
                near.close()
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for source, target, is_answer in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._forward, args=(source, target, is_answer))
                self._threads.append(thread)
                thread.start()

    def _forward(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                mark = next((each for each in self._marks if each in data), None)
                if is_answer and mark is not None:
                    self._marks.remove(mark)
                    self.cuts.append(mark)
                    break
                target.sendall(data)
        _shut(source)
        _shut(target)


def _shut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
