"""Locating given networks: a batch of 10,000, and one network with everything that is said of it.

    python -m benchmarks.points > table.md     (from the repository root)

Networks beside known minima at K = M = 8, d = 50, students and teachers permuted, the inputs
rotated, noise of 1e-2 in every weight. Prints tables in Markdown and keeps the figures in
benchmarks/runs. CPU seconds of this process with one thread per BLAS call (OMP_NUM_THREADS=1):
what two cores take in wall time is about half of the tasks', and all of the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._record import Record
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.lanes import native
from relu_landscape.engine.locating import COMPOSITION
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.wire.located import PointsBody
from relu_landscape.wire.points import PointsRequest

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


def main() -> None:
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
