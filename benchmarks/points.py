"""Locating given networks: a batch of 10,000, and one network with everything that is said of it.

    python -m benchmarks.points > table.md     (from the repository root)
    python -m benchmarks.points --served       (the batch through a service of its own, by HTTP)

Networks beside known minima at K = M = 8, d = 50, students and teachers permuted, the inputs
rotated, noise of 1e-2 in every weight. Prints tables in Markdown and keeps the figures in
benchmarks/runs. CPU seconds of this process with one thread per BLAS call (OMP_NUM_THREADS=1):
what two cores take in wall time is about half of the tasks', and all of the rest. Through a
service: wall time of the client's call, with the CPU seconds of the client and of the service's
processes, and what crossed the wire; the store computes hardly anything and is not counted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from benchmarks._record import Record
from benchmarks.serving import process
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.lanes import native
from relu_landscape.engine.locating import COMPOSITION
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.wire.located import PointsBody
from relu_landscape.wire.points import PointsRequest
from relu_landscape_client import Client

WIDTH, DIMENSION, POINTS, NOISE = 8, 50, 10_000, 1e-2


def networks(count: int) -> dict[str, NDArray[np.float64]]:
    """Weights (count, 8, d) and their teacher."""
    rng = np.random.default_rng(0)
    known = [embed(each.point) for each in search(parse("1+7")).minima]
    W = NOISE * rng.standard_normal((count, WIDTH, DIMENSION))
    for row in range(count):
        point = known[row % len(known)]
        W[row, :, :WIDTH] += point[rng.permutation(WIDTH)][:, rng.permutation(WIDTH)]
    turn = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0]
    return {"weights": W @ turn, "teacher": turn[:WIDTH]}


def timed(arrays: dict[str, Any], options: dict[str, Any]) -> tuple[dict[str, float], PointsBody]:
    """CPU seconds by kind of task, of what is done between them, and at the door."""
    seconds: dict[str, float] = {}
    began = time.process_time()
    request = PointsRequest.model_validate(PointsRequest.of_arrays(arrays, options))
    seconds["reduced at the door"] = time.process_time() - began
    problem, backend = COMPOSITION.problem(request), backend_named(f"native-{native.VERSION}")

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            start = time.process_time()
            answer = task.run(problem, backend)
            seconds[task.kind] = seconds.get(task.kind, 0.0) + time.process_time() - start
            yield task, answer

    began, before = time.process_time(), sum(seconds.values())
    composed = COMPOSITION.compose(problem, run=run, monitor=SilentMonitor(), chunk_starts=None)
    whole = time.process_time() - began
    seconds["between the tasks"] = whole - (sum(seconds.values()) - before)
    assert isinstance(composed.result, PointsBody)
    return seconds, composed.result


class Counting(httpx2.HTTPTransport):
    """Counts the bytes of bodies, as they are declared."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.received = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        self.sent += int(request.headers.get("content-length", 0))
        self.received += int(response.headers.get("content-length", 0))
        return response


def cpu_seconds(marker: str) -> float:
    """Of the processes that have this in their environment (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if marker.encode() in (stat.parent / "environ").read_bytes():
                ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def served(record: Record, rounds: int, port: int) -> None:
    """The batch through a service, in numbers of single precision: 16 MB of body."""
    url = f"http://127.0.0.1:{port}"
    arrays = networks(POINTS)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "RELU_LANDSCAPE_DATA_DIR": folder, "RELU_LANDSCAPE_LOG_LEVEL": "error",
            "RELU_LANDSCAPE_PORT": str(port), "RELU_LANDSCAPE_BODY_LIMIT_BYTES": str(64 << 20),
        }  # fmt: skip
        serve = [sys.executable, "-m", "relu_landscape_api"]
        with process(serve, environment, f"{url}/readyz"):
            print("| s | CPU s, service | CPU s, client | MB sent | MB received |\n|" + "---|" * 5)
            for turn in range(rounds):
                transport = Counting()
                W = (arrays["weights"] + 1e-5 * turn).astype(np.float32)
                with Client(url, transport=transport, cache=False) as client:
                    if turn == 0:  # what is imported, and compiled, once
                        client.locate(W[:8], arrays["teacher"], nearest=0)
                    before = cpu_seconds(folder), time.process_time(), time.perf_counter()
                    client.locate(W, arrays["teacher"])
                    after = cpu_seconds(folder), time.process_time(), time.perf_counter()
                theirs, ours, wall = (b - a for a, b in zip(before, after, strict=True))
                sent, received = transport.sent / 1e6, transport.received / 1e6
                print(f"| {wall:.1f} | {theirs:.1f} | {ours:.1f} | {sent:.1f} | {received:.1f} |")
                for name, value in (("wall", wall), ("service", theirs), ("client", ours)):
                    record.add(f"served, turn {turn + 1}, {name}", "s", value)
    record.write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--served", action="store_true", help="through a service, by HTTP")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8766)
    chosen = parser.parse_args()
    if chosen.served:
        served(Record("points", options={"served": True}), chosen.rounds, chosen.port)
        return
    record = Record("points")
    timed(networks(8), {})  # what is imported, and compiled, once
    cases: tuple[tuple[int, dict[str, Any]], ...] = (
        (POINTS, {}),
        (1, {}),
        (1, {"nearest": 0}),
        (200, {"nearest": 0, "spectrum": True}),
    )
    for count, options in cases:
        seconds, found = timed(networks(count), dict(options))
        ended = sum(point.end is not None for point in found.points)
        words = ", ".join(f"{name} {value}" for name, value in options.items()) or "as by default"
        print(f"{count:,} networks, {words}: {ended:,} with an end\n\n| | CPU s |\n|---|---|")
        for name, value in seconds.items():
            record.add(f"{count} networks, {words}, {name}", "CPU s", value)
            print(f"| {name} | {value:.3f} |")
        print(f"| all | {sum(seconds.values()):.2f} |\n", flush=True)
    record.write()


if __name__ == "__main__":
    main()
