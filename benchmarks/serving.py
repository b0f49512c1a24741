"""Answers per second of a finished result, beside a route of FastAPI that does nothing.

    python -m benchmarks.serving [--seconds 3] [--rounds 5] > table.md  (from the repository root)

Two servers in processes of their own: ours with its embedded store, one result in it, and an
application of one empty route under plain uvicorn. Questions go over connections that are kept
open; the servers take turns in short rounds, so that what else the machine does meets both. Then
the same while every worker computes. The figures are ratios: the two share their cores with the
program that asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks._record import Record

EMPTY = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/")
async def nothing() -> dict[str, int]:
    return {}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""
ASKED = {"student_width": 7, "teacher_width": 7}
#: Long enough to keep the workers busy through the whole measurement.
BUSY = {"student_width": 20, "teacher_width": 20, "starts": 100_000, "input_dimension": 1000}


@dataclass
class Measured:
    """What came of one kind of question: answers per second by round, and all latencies."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def quantile(self, share: float) -> float:
        """Latency in milliseconds that this share of the answers stays below."""
        return 1000 * sorted(self.seconds)[int(share * (len(self.seconds) - 1))]


def get(url: str, body: object = None, wait: int = 0) -> bytes:
    """One request; a body makes it a POST."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
    )
    with urllib.request.urlopen(request) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def process(command: Sequence[str], environment: dict[str, str], url: str) -> Iterator[None]:
    """A server, until the block ends; ready when ``url`` answers."""
    started = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                get(url)
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit(f"{url} does not answer")
        yield
    finally:
        started.terminate()
        started.wait()


async def ask(url: str, headers: str, until: float, seconds: list[float]) -> None:
    """Ask over one connection, one question after the other."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    question = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}\r\n".encode()
    while (began := time.perf_counter()) < until:
        writer.write(question)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(f"{url}: {head.decode()}")
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - began)
    writer.close()


async def round_of(measured: Measured, url: str, headers: str, options: argparse.Namespace) -> None:
    """One round of questions over several connections."""
    taken: list[float] = []
    began = time.perf_counter()
    until = began + options.seconds
    await asyncio.gather(*(ask(url, headers, until, taken) for _ in range(options.connections)))
    measured.rates.append(len(taken) / (time.perf_counter() - began))
    measured.seconds += taken


def measure(
    questions: dict[str, tuple[str, str]], options: argparse.Namespace
) -> dict[str, Measured]:
    """Every question in turn, as often as there are rounds."""
    found = {name: Measured() for name in questions}
    for _ in range(options.rounds):
        for name, (url, headers) in questions.items():
            asyncio.run(round_of(found[name], url, headers, options))
    return found


def table(title: str, found: dict[str, Measured], record: Record) -> None:
    """Print and keep what was found."""
    empty = found["empty route"].rate
    print(f"\n{title}\n")
    print("| question | answers/s | of an empty route | median ms | p99 ms |")
    print("|---|---|---|---|---|")
    for name, measured in found.items():
        ratio = measured.rate / empty
        median, slow = measured.quantile(0.5), measured.quantile(0.99)
        print(f"| {name} | {measured.rate:.0f} | {ratio:.2f} | {median:.1f} | {slow:.1f} |")
        record.add(f"{title}: {name}", "ratio", ratio)
        record.add(f"{title}: {name}, p99", "ms", slow)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--port", type=int, default=8765, help="this one and the next are taken")
    options = parser.parse_args()
    record = Record("serving", options=vars(options))
    ours = f"http://127.0.0.1:{options.port}"
    empty = f"http://127.0.0.1:{options.port + 1}"
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        serve = [sys.executable, "-m", "relu_landscape_api"]
        environment = {"RELU_LANDSCAPE_DATA_DIR": folder, "RELU_LANDSCAPE_LOG_LEVEL": "warning"}
        environment["RELU_LANDSCAPE_PORT"] = str(options.port)
        stack.enter_context(process(serve, environment, f"{ours}/livez"))
        stack.enter_context(
            process([sys.executable, "-c", EMPTY, str(options.port + 1)], {}, f"{empty}/")
        )
        result = json.loads(get(f"{ours}/v1/landscapes", ASKED, wait=60))
        path = f"{ours}/v1/landscapes/{result['id']}"
        zipped = "Accept-Encoding: gzip\r\n"
        questions = {
            "empty route": (f"{empty}/", ""),
            "result by id": (path, ""),
            "result by id, gzip": (path, zipped),
            "result by question, gzip": (f"{ours}/v1/landscape?K=7&width=7", zipped),
        }
        print(f"A result of {len(get(path))} bytes, {options.connections} connections.")
        table("idle", measure(questions, options), record)
        busy = json.loads(get(f"{ours}/v1/landscapes", {**BUSY, "seed": 1}))
        table("while every worker computes", measure(questions, options), record)
        request = urllib.request.Request(f"{ours}/v1/landscapes/{busy['id']}", method="DELETE")
        urllib.request.urlopen(request).close()
    record.write()


if __name__ == "__main__":
    main()
