"""Random starts per second: the native kernel against NumPy, in the same run.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.kernels [--seconds 10] [--reference 0] [--single 0]

(from the repository root) prints tables in Markdown and keeps the figures in benchmarks/runs. For
each K, M, d as many starts are followed to their ends (flow, polish, crediting, paths that creep)
as NumPy follows in about ``--seconds``, in turns, once by NumPy and with each set of instructions
that this processor has. Seconds are processor time of this process: rates suffer from a busy
machine, ratios hardly. The same starts end at the same points, or the line says how many do not.

With ``--reference N`` the ends of N starts are compared with those of paths that are a thousand
times more accurate (flow_tolerance 1e-6, by the native kernel; ``benchmarks.fidelity`` compares
with LSODA). With ``--single N`` there is nothing but a table of ``precision``: N starts in double
and with a beginning in single precision, in turns, twice, and with each set of instructions; with
``--reference`` too, how many ends of so many of them are others than the reference's. With
``--against LIBRARY``, the ``_lanes.so`` of another build, there is nothing but a table of both
builds: the same starts in turns, three times.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.descent import batch, global_set
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.lanes.native import Kernel, available, load
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.wire.requests import LandscapeRequest

CASES = (
    (8, 8, 8), (17, 17, 17), (17, 17, 1000), (18, 17, 17), (12, 17, 17), (32, 32, 32), (40, 40, 40),
    (64, 64, 64),
)  # fmt: skip
#: Starts that NumPy follows once, to estimate how many fill the time.
TRIAL = 8
#: The same of a build of the native kernel, several times its lanes.
BUILD_TRIAL = 64
#: Two ends are one: polished points agree to 1e-8, known neighbours are 1e-3 apart.
SAME = 1e-4
#: Of the reference: paths are never taken over as creeping.
FOREVER = 2_000_000


def problem_of(case: tuple[int, int, int], starts: int, tolerance: float = 1e-3) -> Problem:
    K, M, d = case
    request = LandscapeRequest(
        student_width=K, teacher_width=M, input_dimension=d, starts=starts,
        flow_tolerance=tolerance,
    )  # fmt: skip
    return Problem.from_request(request)


def follow(
    problem: Problem, kernel: Kernel | None, count: int, *, is_mixed: bool = False
) -> tuple[list[End], float]:
    """The ends of the first ``count`` starts, and the processor seconds they took."""
    numbers = list(range(count))
    W = sampling.draw_starts(problem, numbers)
    descent = Descent(
        problem.teacher, problem.students, xp=NUMPY, flow_tolerance=problem.flow_tolerance,
        kernel=kernel, is_mixed=is_mixed,
    )  # fmt: skip
    began = time.process_time()
    ends, _ = descent.run(descent.begin(numbers, W))
    spent = time.process_time() - began
    return sorted(ends, key=lambda end: end.start), spent


def is_at_zero(end: End, problem: Problem) -> bool:
    loss = float(population.loss(end.W, problem.teacher))
    return end.outcome is Outcome.GLOBAL_SET or loss < global_set.LOSS


def differing(mine: list[End], theirs: list[End], problem: Problem) -> int:
    """Ends at other points. Two at zero loss are one where the set of zero loss is a continuum."""
    found = 0
    for one, other in zip(mine, theirs, strict=True):
        if problem.students > problem.teachers and is_at_zero(one, problem):
            found += not is_at_zero(other, problem)
        else:
            apart = np.abs(one.W - other.W).max() > SAME
            found += one.outcome is not other.outcome or bool(apart)
    return found


def compare(case: tuple[int, int, int], seconds: float, record: Record) -> str:
    """One line of the first table."""
    name = "K={}, M={}, d={}".format(*case)
    _, trial = follow(problem_of(case, TRIAL), None, TRIAL)
    count = max(TRIAL, int(seconds * TRIAL / trial))
    problem = problem_of(case, count)
    by_numpy, slow = follow(problem, None, count)
    record.add(f"{name}: NumPy", "starts/s", count / slow)
    cells = [f"{count / slow:.1f}"]
    for instructions in available():
        ends, fast = follow(problem, load(instructions), count)
        record.add(f"{name}: {instructions}", "starts/s", count / fast)
        record.add(f"{name}: {instructions}, other ends than NumPy", "count",
                   differing(ends, by_numpy, problem))  # fmt: skip
        cells += [f"{count / fast:.0f}", f"{slow / fast:.1f}",
                  str(differing(ends, by_numpy, problem))]  # fmt: skip
    return f"| {case[0]} | {case[1]} | {case[2]} | {count} | " + " | ".join(cells) + " |"


def follow_accurately(problem: Problem, count: int) -> tuple[list[End], float]:
    """The same by paths that are a thousand times more accurate."""
    kept = batch.NATIVE_CREEPING_STEPS, batch.STEP_LIMIT
    batch.NATIVE_CREEPING_STEPS = batch.STEP_LIMIT = FOREVER
    try:
        return follow(replace(problem, flow_tolerance=1e-6), load(), count)
    finally:
        batch.NATIVE_CREEPING_STEPS, batch.STEP_LIMIT = kept


def fidelity(case: tuple[int, int, int], count: int, record: Record) -> str:
    """One line of the second table."""
    problem = problem_of(case, count)
    ends, spent = follow(problem, load(), count)
    accurate, longer = follow_accurately(problem, count)
    other = differing(ends, accurate, problem)
    record.add("K={}, M={}, d={}: other ends than the reference".format(*case), "count", other)
    return (
        f"| {case[0]} | {case[1]} | {case[2]} | {count} | {other} ({100 * other / count:.2f} %) "
        f"| {spent / count * 1e3:.2f} | {longer / count * 1e3:.1f} |"
    )


def precision(case: tuple[int, int, int], count: int, reference: int, record: Record) -> str:
    """One line of the table of ``precision``."""
    name = "K={}, M={}, d={}".format(*case)
    problem, cells, pair = problem_of(case, count), [], []
    for instructions in available():
        kernel = load(instructions)
        runs = [follow(problem, kernel, count, is_mixed=each) for each in (False, True) * 2]
        double, mixed = (min(runs[at][1], runs[at + 2][1]) for at in range(2))
        pair = [runs[0][0], runs[1][0]]
        record.add(f"{name}: {instructions}, double", "starts/s", count / double)
        record.add(f"{name}: {instructions}, single", "starts/s", count / mixed)
        cells += [f"{count / double:.0f}", f"{count / mixed:.0f}", f"{double / mixed:.2f}"]
    other = differing(pair[1], pair[0], problem)
    record.add(f"{name}: other ends in single than in double", "count", other)
    cells.append(f"{other} ({100 * other / count:.2f} %)")
    if few := min(reference, count):
        accurate, _ = follow_accurately(problem, few)
        found = [differing(each[:few], accurate, problem) for each in pair]
        record.add(f"{name}: other ends than the reference, double", "count", found[0])
        record.add(f"{name}: other ends than the reference, single", "count", found[1])
        cells.append(f"{found[0]}, {found[1]} of {few}")
    return f"| {case[0]} | {case[1]} | {case[2]} | {count} | " + " | ".join(cells) + " |"


def against(case: tuple[int, int, int], library: str, seconds: float, record: Record) -> str:
    """One line of the table of two builds of the native kernel."""
    name, cells = "K={}, M={}, d={}".format(*case), []
    _, trial = follow(problem_of(case, BUILD_TRIAL), load(), BUILD_TRIAL)
    count = max(BUILD_TRIAL, int(seconds * BUILD_TRIAL / trial))
    problem = problem_of(case, count)
    for instructions in available():
        kernels = load(instructions, library), load(instructions)
        runs = [[follow(problem, kernel, count) for kernel in kernels] for _ in range(3)]
        before, now = (min(run[at][1] for run in runs) for at in range(2))
        is_same = all(
            one.outcome is two.outcome and np.array_equal(one.W, two.W)
            for one, two in zip(runs[0][0][0], runs[0][1][0], strict=True)
        )
        record.add(f"{name}: {instructions}, before", "starts/s", count / before)
        record.add(f"{name}: {instructions}, now", "starts/s", count / now)
        cells += [f"{count / before:.0f}", f"{count / now:.0f}", f"{before / now:.3f}",
                  "yes" if is_same else "NO"]  # fmt: skip
    return f"| {case[0]} | {case[1]} | {case[2]} | {count} | " + " | ".join(cells) + " |"


def print_precision(
    cases: list[tuple[int, int, int]], count: int, reference: int, record: Record
) -> None:
    """The table of ``precision``."""
    columns = "".join(f" {each}: double, starts/s | single | times |" for each in available())
    last = " other ends than the reference: double, single |" if reference else ""
    print(f"| K | M | d | starts |{columns} other ends than double |{last}")
    print("|---|---|---|---|---|" + "---|---|---|" * len(available()) + ("---|" if last else ""))
    for case in cases:
        print(precision(case, count, reference, record), flush=True)


def main() -> None:
    """Print the tables and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--reference", type=int, default=0)
    parser.add_argument("--single", type=int, default=0)
    parser.add_argument("--widest", type=int, default=64)
    parser.add_argument("--against", help="_lanes.so of another build")
    asked = parser.parse_args()
    record = Record("kernels", vars(asked) | {"compiler": load().info.compiler})
    cases = [case for case in CASES if max(case[:2]) <= asked.widest]
    if asked.against:
        columns = "".join(
            f" {each}: before, starts/s | now | times | same bits |" for each in available()
        )
        print(f"| K | M | d | starts |{columns}")
        print("|---|---|---|---|" + "---|---|---|---|" * len(available()))
        for case in cases:
            print(against(case, asked.against, asked.seconds, record), flush=True)
        record.write()
        return
    if asked.single:
        print_precision(cases, asked.single, asked.reference, record)
        record.write()
        return
    columns = "".join(f" {each}, starts/s | times NumPy | other ends |" for each in available())
    print(f"| K | M | d | starts | NumPy, starts/s |{columns}")
    print("|---|---|---|---|---|" + "---|---|---|" * len(available()))
    for case in cases:
        print(compare(case, asked.seconds, record), flush=True)
    if asked.reference:
        print("\n| K | M | d | starts | other ends | ms a start | reference, ms |")
        print("|---|---|---|---|---|---|---|")
        for case in cases:
            print(fidelity(case, asked.reference, record), flush=True)
    record.write()


if __name__ == "__main__":
    main()
