"""What it costs to hand back the slowest starts: gradients and CPU seconds, by phase.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.handing_back [--cases native:17,17,1000,1000 ...]

Cases are backend, K, M, d and random starts. Starts are followed as a landscape follows them, in
one process; tasks and answers go through their bytes, as on the way to a worker and back.
"Gradients" are those of flow, polish and creeping paths, added up over paths. Prints a table in
Markdown and keeps the figures in benchmarks/runs.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks._record import Record
from relu_landscape.engine.landscape import COMPOSITION, sampling
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.lanes.follower import PathKernel
from relu_landscape.engine.lanes.native import load
from relu_landscape.engine.model import kernel as arrays
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.jobs.pool.device import NATIVE_PACE
from relu_landscape.wire.requests import LandscapeRequest

CASES = (
    "native:17,17,1000,1000", "native:18,17,17,300", "native:9,8,8,1000", "native:32,32,32,100",
    "numpy:17,17,1000,300", "numpy:18,17,17,100", "numpy:9,8,8,300", "numpy:32,32,32,60",
)  # fmt: skip


class Counted:
    """A kernel that counts its gradients; all else is the kernel's own."""

    def __init__(self, kernel: PathKernel, count: Count) -> None:
        self._kernel = kernel
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def forces(self, teacher: Any, W: Any) -> Any:
        """Counts one for each point."""
        self._count.gradients += len(W)
        return self._kernel.forces(teacher, W)

    def flow(self, *arguments: Any, **options: Any) -> int:
        """Counts what it says."""
        spent = self._kernel.flow(*arguments, **options)
        self._count.gradients += spent
        return spent

    def polish(self, *arguments: Any, **options: Any) -> Any:
        """Counts what it says."""
        found = self._kernel.polish(*arguments, **options)
        self._count.gradients += found[2]
        return found


@dataclass
class Count:
    """Gradients so far."""

    gradients: int = 0

    def by_arrays(self, gradient: Any) -> Any:
        """The function of ``model.kernel``, counted."""

        def counted(W: Any, *rest: Any, **options: Any) -> Any:
            self.gradients += W.shape[0]
            return gradient(W, *rest, **options)

        return counted


@dataclass
class Spent:
    """Of one phase."""

    tasks: int = 0
    paths: int = 0
    gradients: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass
class Runner:
    """Runs tasks here, each through its bytes, and counts."""

    problem: Problem
    backend: Backend
    pace: int
    count: Count
    spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))

    def __call__(self, tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            spent = self.spent["first" if task.starts else "again"]
            before, began = self.count.gradients, time.process_time()
            sent = encode_task(task)
            came = encode_answer(decode_task(COMPOSITION, sent).run(self.problem, self.backend))
            spent.seconds += time.process_time() - began
            spent.gradients += self.count.gradients - before
            spent.tasks += 1
            spent.paths += len(task.held) if isinstance(task, sampling.Resume) else task.starts
            spent.bytes += len(sent) + len(came)
            yield task, decode_answer(task, came)


def measure(case: str) -> dict[str, Spent]:
    """One case."""
    name, _, words = case.partition(":")
    students, teachers, dimension, starts = (int(word) for word in words.split(","))
    request = LandscapeRequest(
        student_width=students, teacher_width=teachers, input_dimension=dimension, starts=starts,
        structured=False,
    )  # fmt: skip
    problem, count = Problem.from_request(request), Count()
    kernel: Any = Counted(load(), count) if name == "native" else None
    pace = NATIVE_PACE if kernel else 1
    runner = Runner(problem, Backend(name, NUMPY, kernel), pace, count)
    kept = arrays.gradient
    arrays.gradient = count.by_arrays(kept)
    try:
        phases = Phases(runner, SilentMonitor())
        sampling.follow_starts(problem, phases, chunk_starts=None, seen=lambda _: None)
    finally:
        arrays.gradient = kept
    return runner.spent


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    cases = parser.parse_args().cases
    record = Record("handing_back", {"cases": cases})
    print("| backend: K, M, d, starts | round | tasks | paths | gradients | CPU s | kB sent |")
    print("|---|---|---|---|---|---|---|")
    for case in cases:
        for name, spent in measure(case).items():
            record.add(f"{case}, {name}: gradients", "count", spent.gradients)
            record.add(f"{case}, {name}", "CPU s", spent.seconds)
            print(f"| {case.replace(',', ', ')} | {name} | {spent.tasks} | {spent.paths} | "
                  f"{spent.gradients} | {spent.seconds:.2f} | {spent.bytes / 1e3:.0f} |",
                  flush=True)  # fmt: skip
    record.write()


if __name__ == "__main__":
    main()
