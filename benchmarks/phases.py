"""Where the CPU seconds of a landscape go: a first request, and a second one of the same widths.

    python -m benchmarks.phases [--cases 7,7,300 17,17,100 40,40,60] > table.md

Cases are student width, teacher width and random starts; d = 1000. The second request has another
seed, and finds those answers of the first that are kept for other jobs (``Task.memo``), as a
service finds them in its store. CPU seconds of this process, one thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.jobs.pool.base import memo_name
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.wire.requests import LandscapeRequest

CASES = ("7,7,300", "17,17,100", "18,17,50", "40,40,60")
#: Columns, and the kinds of tasks in each.
COLUMNS = {
    "starts": ("sample", "resume", "follow", "escape"),
    "classify": ("classify", "spectra"),
    "search": ("structure", "judge"),
    "rest": (),
}


class Shared:
    """Answers kept for other jobs."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}

    def seconds(self, request: LandscapeRequest) -> tuple[dict[str, float], int]:
        """CPU seconds of one request, by column and in all; how many tasks its search computed."""
        backend = backend_named(choose_backend("numpy").computes)
        problem = COMPOSITION.problem(request)
        spent: dict[str, float] = defaultdict(float)
        computed: list[str] = []

        def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
            for task in tasks:
                memo = memo_name(task, "")
                data = self.answers.get(memo or "")
                if data is None:
                    began = time.process_time()
                    data = encode_answer(task.run(problem, backend))
                    spent[task.kind] += time.process_time() - began
                    computed.append(task.kind)
                if memo is not None:
                    self.answers[memo] = data
                yield task, decode_answer(task, data)

        began = time.process_time()
        COMPOSITION.compose(problem, run=run, monitor=SilentMonitor(), chunk_starts=None)
        whole = time.process_time() - began
        found = {name: sum(spent[kind] for kind in kinds) for name, kinds in COLUMNS.items()}
        searching = sum(kind in COLUMNS["search"] for kind in computed)
        return {**found, "rest": whole - sum(spent.values()), "whole": whole}, searching


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    cases = parser.parse_args().cases
    record = Record("phases", {"cases": cases})
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f} at the start\n")  # fmt: skip
    print(
        f"| K, M, starts | request | {' | '.join(COLUMNS)} | whole, CPU s | tasks of the search |"
    )
    print("|---|---|" + "---|" * (len(COLUMNS) + 2))
    for case in cases:
        students, teachers, starts = (int(word) for word in case.split(","))
        shared = Shared()
        for seed, which in ((1, "first"), (2, "second")):
            asked = LandscapeRequest(
                student_width=students, teacher_width=teachers, starts=starts, seed=seed
            )
            found, tasks = shared.seconds(asked)
            for name, value in found.items():
                record.add(f"{case}, {which} request: {name}", "CPU s", value)
            record.add(f"{case}, {which} request: tasks of the search", "count", tasks)
            cells = " | ".join(f"{value:.2f}" for value in found.values())
            print(f"| {case.replace(',', ', ')} | {which} | {cells} | {tasks} |", flush=True)
    record.write()


if __name__ == "__main__":
    main()
