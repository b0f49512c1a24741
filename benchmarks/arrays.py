"""Random starts per second by arrays (NumPy, no native kernel), this code against another checkout.

    git worktree add ../before v0.1.0
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.arrays --against ../before [--turns 2] [--seconds 2]

For each K, M, d the same starts are followed to their ends (flow, polish, crediting, paths that
creep) by both in turns, each time in a process of its own; processor time. As many starts as this
code follows in about ``--seconds``, at most thrice the batch. Beside it a step of a full batch,
for each path: of the starts the last ones are alone in their batch, and some creep. Prints a table
in Markdown, the best turn of either, and keeps the figures in benchmarks/runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._record import ROOT, Record
from relu_landscape.engine.descent import starts
from relu_landscape.engine.descent.batch import Descent, lane_count
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.teacher import make_teacher

CASES = (
    "8,8,8", "17,17,17", "17,17,1000", "18,17,17", "32,32,32", "40,40,40", "64,64,64",
)  # fmt: skip
#: Of a try.
STEPS = 20


def follow(case: str, count: int) -> float:
    """Processor seconds for so many starts, here."""
    K, M, d = (int(word) for word in case.split(","))
    teacher = make_teacher(M)
    W = starts.draw(range(count), seed=1, students=K, teacher=teacher, dimension=d)
    descent = Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3)
    began = time.process_time()
    descent.run(descent.begin(range(count), W))
    return time.process_time() - began


def step(case: str) -> float:
    """Processor seconds of a step for one path of a full batch, here; the best of five tries."""
    K, M, d = (int(word) for word in case.split(","))
    teacher, count = make_teacher(M), lane_count(K, M)
    W = starts.draw(range(count), seed=1, students=K, teacher=teacher, dimension=d)
    method = Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3).method
    state = method.init(W)
    tries = []
    for _ in range(6):
        began = time.process_time()
        for _ in range(STEPS):
            state = method.step(state)
        tries.append((time.process_time() - began) / STEPS / count)
    return min(tries[1:])


def seconds_of(checkout: Path, case: str, count: int) -> tuple[float, float]:
    """Both by the code of a checkout, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.arrays", "--one", case, "--count", str(count)],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": f"{checkout / 'service'}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    whole, one_step = answer.stdout.split()
    return float(whole), float(one_step)


def compare(case: str, against: Path, turns: int, seconds: float, record: Record) -> str:
    """One line of the table."""
    K, M, _ = (int(word) for word in case.split(","))
    trial = max(8, lane_count(K, M))
    count = max(trial, min(3 * trial, int(seconds * trial / follow(case, trial))))
    taken: dict[Path, list[tuple[float, float]]] = {against: [], ROOT: []}
    for _ in range(turns):
        for checkout, found in taken.items():
            found.append(seconds_of(checkout, case, count))
    (before, long), (now, short) = (
        [min(column) for column in zip(*taken[checkout], strict=True)]
        for checkout in (against, ROOT)
    )
    for name, whole, one_step in (("before", before, long), ("now", now, short)):
        record.add(f"{case}: {name}", "starts/s", count / whole)
        record.add(f"{case}: {name}, a step", "us", one_step * 1e6)
    return (
        f"| {case.replace(',', ' | ')} | {count} | {count / before:.1f} | {count / now:.1f} "
        f"| {before / now:.2f} | {long * 1e6:.1f} | {short * 1e6:.1f} | {long / short:.2f} |"
    )


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one_step = step(asked.one)  # first: what followed paths has taken its memory by then
        print(follow(asked.one, asked.count), one_step)
        return
    if asked.against is None:
        parser.error("--against: the folder of another checkout")
    record = Record("arrays", {"cases": asked.cases, "seconds": asked.seconds})
    print(
        "| K | M | d | starts | before, starts/s | now | times | before, us a step | now | times |"
    )
    print("|---" * 10 + "|")
    for case in asked.cases:
        against = asked.against.resolve()
        print(compare(case, against, asked.turns, asked.seconds, record), flush=True)
    record.write()


if __name__ == "__main__":
    main()
