"""What the parts of ``benchmarks.load`` share: a service to load, and requests at a given rate."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import psutil

from benchmarks.serving import EMPTY

#: Long enough to keep all workers busy through a measurement, in chunks of about a second.
BUSY = {"student_width": 20, "teacher_width": 20, "starts": 100_000, "input_dimension": 1000}
START_SECONDS = 180.0


@dataclass
class Served:
    """A service in a process of its own, in a folder of its own."""

    folder: Path
    process: subprocess.Popen[str]
    url: str

    def stop(self) -> float:
        """SIGTERM; seconds until the process has ended."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return time.perf_counter() - began

    def resident(self) -> int:
        """Bytes of memory of the API's own process."""
        found: int = psutil.Process(self.process.pid).memory_info().rss
        return found


@contextmanager
def service(folder: Path, **settings: object) -> Iterator[Served]:
    """``relu-landscape serve`` with these settings, until the block ends."""
    command = [sys.executable, "-m", "relu_landscape_cli.main", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, env=environment(folder, **settings), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()  # "relu-landscape ... is ready: http://..."
        if not line:
            raise SystemExit("the service does not start")
        yield Served(folder, process, line.rsplit(" ", 1)[1].strip())
    finally:
        process.terminate()
        process.communicate()


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """That of a service in ``folder``, and of commands that use its store."""
    given = {f"RELU_LANDSCAPE_{name.upper()}": str(value) for name, value in settings.items()}
    own = {"RELU_LANDSCAPE_DATA_DIR": str(folder), "RELU_LANDSCAPE_LOG_LEVEL": "warning"}
    return {**os.environ, **own, **given}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards; its name is short, since a socket's path has a limit."""
    with tempfile.TemporaryDirectory(prefix="rl-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def empty_route(port: int) -> Iterator[str]:
    """An application of one route that does nothing, under the same server; its address."""
    process = subprocess.Popen([sys.executable, "-c", EMPTY, str(port)])
    url = f"http://127.0.0.1:{port}/"
    try:
        await_answer(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def await_answer(url: str) -> None:
    """Until it answers at all."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def quantile(seconds: Sequence[float], share: float) -> float:
    """The time that this share of them stays below; the largest for few of them."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


@dataclass
class Paced:
    """Requests at a fixed rate, whatever becomes of those before.

    ``seconds`` are counted from the moment when each was due, so an answer that keeps others
    waiting is counted for each of them.
    """

    url: str
    rate: float
    connections: int = 16
    seconds: list[float] = field(default_factory=list)

    async def run(self, for_seconds: float) -> None:
        """Ask for so long."""
        due: asyncio.Queue[float | None] = asyncio.Queue()
        askers = [asyncio.create_task(self._ask(due)) for _ in range(self.connections)]
        began = time.perf_counter()
        for number in range(int(self.rate * for_seconds)):
            moment = began + number / self.rate
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            due.put_nowait(moment)
        for _ in askers:
            due.put_nowait(None)
        await asyncio.gather(*askers)

    async def _ask(self, due: asyncio.Queue[float | None]) -> None:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        question = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        while (moment := await due.get()) is not None:
            writer.write(question)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise SystemExit(f"{self.url}: {head.decode()}")
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self.seconds.append(time.perf_counter() - moment)
        writer.close()
