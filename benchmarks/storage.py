"""Bytes that a landscape takes in the store: its checkpoints for each start, and its result.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.storage [--cases 8,8,2000 ...]

Cases are K, M, random starts, and perhaps starts per task, where they are not those of so few: a
job of a million starts at K = 64 has tasks of 192. "Answers" are those of all tasks that follow
starts, which are the checkpoints of a job until it ends: as JSON, packed, and as a store has them,
with the weights of ends that are one point "kept" once. "Held" is the part of them that slow paths
take which were handed back. With ``--whole``, whole landscapes: result and parts. Prints tables in
Markdown and keeps the figures in benchmarks/runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks._record import Record
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.condensing import Condenser
from relu_landscape.engine.landscape.ends import Ends
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.lanes.native import load
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.jobs.local import solve_locally
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.device import NATIVE_PACE
from relu_landscape.jobs.store.packing import pack
from relu_landscape.wire.requests import LandscapeRequest

CASES = ("8,8,4000", "17,17,1000", "64,64,64", "64,64,256")
WHOLE = ("5,5,200", "17,17,60", "18,17,20")


@dataclass
class Runner:
    """Runs tasks here and adds up what their answers would take."""

    problem: Problem
    backend: Backend
    pace: int = NATIVE_PACE
    plain: int = 0
    packed: int = 0
    held: int = 0
    groups: int = 0
    condensed: int = 0
    points: int = 0
    condenser: Condenser = field(init=False)

    def __post_init__(self) -> None:
        self.condenser = Condenser(self.problem)

    def __call__(self, tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            answer: Ends = task.run(self.problem, self.backend)
            came = encode_answer(answer)
            self.plain += len(came)
            self.packed += len(pack(came))
            self.held += len(encode_answer(answer.unfinished))
            self.groups += len(answer.groups)
            kept = self.condenser.condense(task, answer)
            self.condensed += len(pack(encode_answer(kept)))
            self.points += sum(group.like is None for group in kept.groups)
            yield task, self.condenser.restore(task, decode_answer(task, encode_answer(kept)))


def checkpoints(case: str) -> Runner:
    """The answers of one case."""
    students, teachers, starts, *chunk = (int(word) for word in case.split(","))
    request = LandscapeRequest(student_width=students, teacher_width=teachers, starts=starts)
    problem = Problem.from_request(request)
    runner = Runner(problem, Backend("native", NUMPY, load()))
    phases = Phases(runner, SilentMonitor())
    chunk_starts = chunk[0] if chunk else None
    sampling.follow_starts(problem, phases, chunk_starts=chunk_starts, seen=lambda _: None)
    return runner


def whole(case: str) -> list[tuple[str, int, int]]:
    """What a whole landscape leaves: name, bytes as JSON, bytes in the store."""
    students, teachers, starts = (int(word) for word in case.split(","))
    solution = solve_locally(
        LandscapeRequest(student_width=students, teacher_width=teachers, starts=starts), workers=1
    )
    parts = [orjson.dumps(part) for part in solution.parts.values()]
    found = {"result": [orjson.dumps(solution.result)], f"{len(parts)} parts": parts}
    return [
        (name, sum(map(len, each)), sum(len(pack(one)) for one in each))
        for name, each in found.items()
    ]


def main() -> None:
    """Print the tables and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--whole", nargs="*", default=list(WHOLE))
    asked = parser.parse_args()
    record = Record("storage", vars(asked))
    print("Bytes for each start\n")
    print("| K, M, starts | groups | kept | answers | of them held | packed | in the store |")
    print("|---|---|---|---|---|---|---|")
    for case in asked.cases:
        found, starts = checkpoints(case), int(case.split(",")[2])
        record.add(f"{case}: checkpoints", "bytes", found.condensed)
        print(f"| {case.replace(',', ', ')} | {found.groups} | {found.points} | "
              f"{found.plain / starts:.0f} | {found.held / starts:.0f} | "
              f"{found.packed / starts:.0f} | {found.condensed / starts:.0f} |",
              flush=True)  # fmt: skip
    print("\nBytes of a finished landscape\n\n| K, M, starts | | as JSON | in the store |")
    print("|---|---|---|---|")
    for case in asked.whole:
        for name, plain, packed in whole(case):
            record.add(f"{case}: {name}", "bytes", packed)
            print(f"| {case.replace(',', ', ')} | {name} | {plain} | {packed} |", flush=True)
    record.write()


if __name__ == "__main__":
    main()
