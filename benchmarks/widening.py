"""CPU seconds of what one more student does at one point, against width.

    python -m benchmarks.widening [--widths 8 17 30]     (from the repository root)

At the minimum with one anti-aligned student, K = M. Prints a table in Markdown and keeps the
figures in benchmarks/runs. ``flow``: one path from the best student added, with its end judged, by
the kernel that this machine has.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.widened import MOST_WEIGHTS, FollowWider
from relu_landscape.engine.lanes import native
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.widening.best import best_student
from relu_landscape.engine.widening.bound import lower_bound
from relu_landscape.engine.widening.splitting import splitting
from relu_landscape.errors import ConfigurationError
from relu_landscape.wire.requests import LandscapeRequest

WIDTHS = (8, 17, 30, 48, 100)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Result and CPU seconds."""
    cpu = time.process_time()
    result = work()
    return result, time.process_time() - cpu


def kernel() -> str:
    """The name of the backend: the native kernel where it was built."""
    name = f"native-{native.VERSION}"
    try:
        backend_named(name)
    except ConfigurationError:
        return "numpy"
    return name


def measure(width: int, backend: str, record: Record) -> None:
    problem = Problem.from_request(
        LandscapeRequest(student_width=width, teacher_width=width, starts=0, widen=True)
    )
    W = embed(Point.from_wire(family(width, width, "one-anti-aligned").point))
    best, adding = timed(lambda: best_student(W, problem.teacher))
    least, proving = timed(lambda: lower_bound(W, problem.teacher, best.direction))
    _, splits = timed(lambda: splitting(W, problem.teacher))
    row = {"best student": adding, "bound": proving, "splits": splits}
    if W.size + width <= MOST_WEIGHTS:
        task = FollowWider(
            key="benchmark",
            weights=np.concatenate([W, best.weights[None]]),
            direction=None,
            teacher=problem.teacher.V,
        )
        row["flow"] = timed(lambda: task.run(problem, backend_named(backend)))[1]
    for name, seconds in row.items():
        record.add(f"{name}, width {width}", "CPU s", seconds)
    flow = f"{row['flow']:.2f}" if "flow" in row else "not followed"
    ratio = f"{least / best.value:.2f}" if least is not None else "not proved"
    if least is not None:
        record.add(f"bound over min D, width {width}", "ratio", least / best.value)
    words = f"{best.value:.5f} | {ratio} | {adding:.2f} | {proving:.2f} | {splits:.3f} | {flow}"
    print(f"| {width} | {words} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="*", default=list(WIDTHS))
    widths = parser.parse_args().widths
    backend = kernel()
    record = Record("widening", {"widths": widths, "backend": backend})
    print(f"{backend}, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| K = M | min D | bound / min D | best student | bound | splits | flow |")
    print("|---|---|---|---|---|---|---|")
    for width in widths:
        measure(width, backend, record)
    record.write()


if __name__ == "__main__":
    main()
