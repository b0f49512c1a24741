"""Whole landscapes, as ``relu-landscape solve`` computes them, by two versions in the same run.

    git worktree add ../old b9e6479
    python -m benchmarks.requests ../old [--rounds 3] [--cases 7,7,1000 ...] [--workers 2]

(from the repository root; the interpreter must have what both versions need, which that of ``make
test`` has). For each case (student width, teacher width, random starts; d = 1000, cold: nothing is
remembered of earlier requests) the two versions compute in turns, each in a process of its own with
``--workers`` workers. Seconds are wall-clock seconds of the computation as the result itself says
(imports and the start of workers left out), and processor seconds of all processes (imports
included). The best of the rounds is told: what disturbs a run only makes it longer.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks._record import ROOT, Record

CASES = ("7,7,1000", "17,17,10000", "18,17,2000", "40,40,500")
COMMAND = "from relu_landscape_cli.main import main; main()"
ROOMS = ("service", "api", "cli", "clients/python/src")


def solve(tree: Path, case: str, workers: int) -> tuple[float, float]:
    """Wall-clock seconds of the computation, and processor seconds of its processes."""
    students, teachers, starts = case.split(",")
    paths = os.pathsep.join(str(tree / room) for room in ROOMS)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [sys.executable, "-c", COMMAND, "solve", students, teachers, "--starts", starts,
         "--workers", str(workers), "--json"],
        cwd=tree, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "COLUMNS": "80"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return float(json.loads(answer.stdout)["provenance"]["seconds"]), used


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    trees = {"old": asked.old.resolve(), "new": ROOT}
    record = Record("requests", {name: str(value) for name, value in vars(asked).items()})
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    print("| K, M, starts | before, s | now, s | times | before, CPU s | now, CPU s | times |")
    print("|---|---|---|---|---|---|---|")
    for case in asked.cases:
        best = {name: (float("inf"), float("inf")) for name in trees}
        for _ in range(asked.rounds):
            for name, tree in trees.items():
                wall, used = solve(tree, case, asked.workers)
                best[name] = min(best[name][0], wall), min(best[name][1], used)
        for name, (wall, used) in best.items():
            record.add(f"{case}: {name}", "s", wall)
            record.add(f"{case}: {name}, processor", "CPU s", used)
        (old, old_used), (new, new_used) = best["old"], best["new"]
        print(
            f"| {case.replace(',', ', ')} | {old:.1f} | {new:.2f} | {old / new:.1f} "
            f"| {old_used:.1f} | {new_used:.1f} | {old_used / new_used:.1f} |",
            flush=True,
        )
    record.write()


if __name__ == "__main__":
    main()
