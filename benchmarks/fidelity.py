"""How often the integrator credits a start to another end than an accurate one does.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.fidelity [--starts 2000] [--cases 8,8,8 ...]

(from the repository root) prints a table and keeps the figures in benchmarks/runs. Each start is
followed to its credited end by the native kernel (``--backend numpy``: by NumPy), and by Dormand
and Prince's method with an error of 1e-10 per step until its gradient is below 1e-6, from where it
is polished, or its loss is zero. Students keep their numbers along a path, so two ends are one
where no weight differs by more than 1e-4; with more students than teachers, two at zero loss are
one. Paths that still creep at t = 20,000, or in which a student comes to zero, are left out and
counted. Seconds are processor time of this process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks._dormand_prince import follow
from benchmarks._record import Record
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.global_set import LOSS
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.lanes.native import PolishRules, load
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.wire.requests import LandscapeRequest

Real = NDArray[np.float64]

#: Student width, teacher width, d, the part of ``--starts``, and the least share of equal ends that
#: is asked for.
CASES = (
    (8, 8, 8, 1.0, 99.8), (17, 17, 17, 1.0, 99.8), (17, 17, 1000, 1.0, 99.8),
    (9, 8, 8, 1.0, 99.5), (18, 17, 17, 1.0, 99.5), (12, 17, 17, 1.0, 99.5),
    (20, 10, 10, 1.0, 99.5), (32, 32, 32, 1.0, 99.5), (64, 64, 64, 0.1, 99.5),
)  # fmt: skip
#: General teachers: cosine of every pair, norms; 2,000 starts as well.
TEACHERS = {
    "8 teachers, cosines 0.3": (0.3, np.ones(8)),
    "6 teachers, norms 2 to 0.5": (0.0, np.geomspace(2.0, 0.5, 6)),
    "7 teachers, cosines -0.1, norms 1.5 to 0.75": (-0.1, np.geomspace(1.5, 0.75, 7)),
}
RTOL = 1e-10
LONGEST = 20_000.0
#: Where a reference's path has arrived: with eigenvalues of 5e-3 or more it is within 2e-4 then.
ARRIVED = 1e-6
#: Tolerance, iterations, reach and curvature of the polish (``PolishRules``).
POLISH = PolishRules(1e-11, 80.0, 0.1, 0.2)
#: Entry by entry; the nearest known fixed points are 1e-3 apart.
SAME = 1e-4


def problem_of(asked: dict[str, object]) -> Problem:
    return Problem.from_request(LandscapeRequest.model_validate(asked))


def reference(problem: Problem, W: Real) -> tuple[Real, Real, int]:
    """Polished ends (n, K, p) of accurate paths, their losses, and the forces that took."""
    kernel = load()

    def is_done(here: Real, slope: Real) -> NDArray[np.bool_]:
        still: NDArray[np.bool_] = np.sqrt(np.sum(slope * slope, axis=(-2, -1))) < ARRIVED
        if not problem.has_continuum:
            return still
        # A thousandth of any spurious point's: nothing but zero loss lies below (``global_set``).
        still |= np.asarray(population.loss(here, problem.teacher)) < LOSS
        return still

    ends, _, forces = follow(
        lambda here: kernel.forces(problem.teacher, here), W, is_done, rtol=RTOL, longest=LONGEST
    )
    losses = np.asarray(population.loss(ends, problem.teacher))
    still = is_done(ends, kernel.forces(problem.teacher, ends)) & (losses >= LOSS)
    ends[still], _, _ = kernel.polish(
        problem.teacher, POLISH, ends[still], kernel.forces(problem.teacher, ends[still])
    )
    return ends, losses, forces


def judged(problem: Problem, ours: list[End], theirs: Real, losses: Real) -> tuple[int, int]:
    """How many ends differ, and how many references creep."""
    differ = creeping = 0
    slopes = load().forces(problem.teacher, theirs)
    norms = np.sqrt(np.sum(slopes * slopes, axis=(-2, -1)))
    for end in ours:
        W, loss = theirs[end.start], losses[end.start]
        is_global = problem.has_continuum and bool(loss < LOSS)
        mine = float(population.loss(end.W, problem.teacher)) if end.W.any(axis=-1).all() else 1.0
        at_zero = end.outcome is Outcome.GLOBAL_SET or (problem.has_continuum and mine < LOSS)
        if norms[end.start] >= ARRIVED and not is_global:
            creeping += 1
        elif is_global or at_zero:
            differ += is_global != at_zero
        else:
            differ += bool(np.abs(end.W - W[:, : problem.teachers]).max() > SAME)
    return differ, creeping


def compare(name: str, asked: dict[str, object], backend: str, least: float, record: Record) -> str:
    """One line of the table."""
    problem = problem_of(asked)
    numbers = list(range(problem.starts))
    W = sampling.draw_starts(problem, numbers)
    descent = sampling.new_descent(problem, backend_named(backend))
    began = time.process_time()
    ends, _ = descent.run(descent.begin(numbers, W))
    ours = time.process_time() - began
    began = time.process_time()
    accurate, losses, forces = reference(problem, W)
    theirs = time.process_time() - began
    differ, creeping = judged(problem, ends, accurate, losses)
    judged_starts = problem.starts - creeping
    same = 100.0 * (1.0 - differ / judged_starts)
    record.add(f"{name}: other end", "count", differ)
    record.add(f"{name}: creeping", "count", creeping)
    record.add(f"{name}: a start", "ms", ours / problem.starts * 1e3)
    record.add(f"{name}: a start by the reference", "ms", theirs / problem.starts * 1e3)
    return (
        f"| {name} | {problem.starts} | {creeping} | {differ} | {same:.2f} | {least} "
        f"| {ours / problem.starts * 1e3:.2f} | {theirs / problem.starts * 1e3:.0f} "
        f"| {forces / problem.starts:.0f} |"
    )


def cases(starts: int) -> list[tuple[str, dict[str, object], float]]:
    """Name, request, and the least share of equal ends."""
    found: list[tuple[str, dict[str, object], float]] = []
    for K, M, d, part, least in CASES:
        asked: dict[str, object] = {
            "student_width": K, "teacher_width": M, "input_dimension": d,
            "starts": max(1, round(part * starts)),
        }  # fmt: skip
        found.append((f"{K}, {M}, d = {d}", asked, least))
    for name, (cosine, norms) in TEACHERS.items():
        M = len(norms)
        gram = ((1.0 - cosine) * np.eye(M) + cosine) * np.outer(norms, norms)
        asked = {
            "student_width": M, "teacher_width": M, "input_dimension": M, "starts": starts,
            "teacher_gram": gram.tolist(),
        }  # fmt: skip
        found.append((name, asked, 99.5))
    return found


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=2000)
    parser.add_argument("--backend", default=f"native-{load().info.version}")
    parser.add_argument("--only", default="", help="cases whose name begins so")
    asked = parser.parse_args()
    record = Record("fidelity", vars(asked))
    print("| K, M, d | starts | left out | other end | same end, % | asked, % | ms a start "
          "| reference, ms | its forces a start |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for name, request, least in cases(asked.starts):
        if name.startswith(asked.only):
            print(compare(name, request, asked.backend, least, record), flush=True)
    record.write()


if __name__ == "__main__":
    main()
