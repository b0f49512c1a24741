"""How often the integrator credits a start to another end than an accurate one does.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.fidelity [--starts 2000] [--only "32, 32"]
    ... [--references FOLDER --pieces 3]

(from the repository root) prints a table and keeps the figures in benchmarks/runs. Each start is
followed to its credited end by the native kernel (``--backend numpy``: by NumPy), and by Dormand
and Prince's method with an error of 1e-10 per step until its gradient is below 1e-6, from where it
is polished, or its loss is zero. Students keep their numbers along a path, so two ends are one
where no weight differs by more than 1e-4; with more students than teachers, two at zero loss are
one. Paths that still creep at t = 20,000, or in which a student comes to zero, are left out and
counted. Seconds are processor time of this process.

With ``--references`` the accurate ends are kept in that folder, in pieces: they are of the problem
alone, so the next run, of another kernel or another method, follows only its own paths. An
interrupted run goes on where it was, and ``--pieces`` ends it after so many new ones, without a
table for what is not complete.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
#: Starts of one piece: as many as the reference follows side by side.
TOGETHER = 64


def problem_of(asked: dict[str, object]) -> Problem:
    return Problem.from_request(LandscapeRequest.model_validate(asked))


@dataclass(frozen=True)
class Reference:
    """Accurate paths of some starts: polished ends (n, K, p), losses (n,), the forces and the
    seconds that took."""

    ends: Real
    losses: Real
    forces: int
    seconds: float

    @classmethod
    def follow(cls, problem: Problem, W: Real) -> Reference:
        began, kernel = time.process_time(), load()

        def force(here: Real) -> Real:
            return kernel.forces(problem.teacher, here)

        def is_done(here: Real, slope: Real) -> NDArray[np.bool_]:
            still: NDArray[np.bool_] = np.sqrt(np.sum(slope * slope, axis=(-2, -1))) < ARRIVED
            if not problem.has_continuum:
                return still
            # A thousandth of any spurious point's: only zero loss lies below (``global_set``).
            still |= np.asarray(population.loss(here, problem.teacher)) < LOSS
            return still

        ends, _, forces = follow(force, W, is_done, rtol=RTOL, longest=LONGEST)
        losses = np.asarray(population.loss(ends, problem.teacher))
        still = is_done(ends, force(ends)) & (losses >= LOSS)
        ends[still], _, _ = kernel.polish(problem.teacher, POLISH, ends[still], force(ends[still]))
        return cls(ends, losses, forces, time.process_time() - began)


def judged(problem: Problem, ours: list[End], reference: Reference) -> tuple[int, int]:
    """How many ends differ, and how many references creep; ``ours`` in the order of theirs."""
    differ = creeping = 0
    slopes = load().forces(problem.teacher, reference.ends)
    norms = np.sqrt(np.sum(slopes * slopes, axis=(-2, -1)))
    for end, W, loss, norm in zip(ours, reference.ends, reference.losses, norms, strict=True):
        is_global = problem.has_continuum and bool(loss < LOSS)
        mine = float(population.loss(end.W, problem.teacher)) if end.W.any(axis=-1).all() else 1.0
        at_zero = end.outcome is Outcome.GLOBAL_SET or (problem.has_continuum and mine < LOSS)
        if norm >= ARRIVED and not is_global:
            creeping += 1
        elif is_global or at_zero:
            differ += is_global != at_zero
        else:
            differ += bool(np.abs(end.W - W[:, : problem.teachers]).max() > SAME)
    return differ, creeping


@dataclass(frozen=True)
class Tally:
    """What became of some starts; ``ours`` and ``theirs`` are seconds."""

    starts: int
    differ: int
    creeping: int
    ours: float
    theirs: float
    forces: int


def tally(problem: Problem, references: list[Reference], backend: str) -> Tally:
    """Follow the starts again, and compare their ends with those of the accurate paths."""
    numbers = list(range(problem.starts))
    W = sampling.draw_starts(problem, numbers)
    descent = sampling.new_descent(problem, backend_named(backend))
    began = time.process_time()
    ends, _ = descent.run(descent.begin(numbers, W))
    ours = time.process_time() - began
    ends.sort(key=lambda end: end.start)
    reference = Reference(
        np.concatenate([each.ends for each in references]),
        np.concatenate([each.losses for each in references]),
        sum(each.forces for each in references),
        sum(each.seconds for each in references),
    )
    differ, creeping = judged(problem, ends, reference)
    return Tally(len(numbers), differ, creeping, ours, reference.seconds, reference.forces)


@dataclass
class Pieces:
    """References of pieces of a case: from ``folder``, or made and kept there.

    ``left``: how many may still be made in this run; None: all.
    """

    folder: Path | None = None
    left: int | None = None

    def whole(self, name: str, problem: Problem) -> list[Reference] | None:
        """Of all starts, or None where not every piece may be made now."""
        found = [self._piece(name, problem, numbers) for numbers in _cut(problem.starts)]
        pieces = [each for each in found if each is not None]
        return pieces if len(pieces) == len(found) else None

    def _piece(self, name: str, problem: Problem, numbers: range) -> Reference | None:
        words = "".join(letter if letter.isalnum() else "-" for letter in name)
        path = self.folder and self.folder / f"{words}-{numbers.start}-{numbers.stop}.npz"
        if path is not None and path.exists():
            with np.load(path) as kept:
                return Reference(
                    kept["ends"], kept["losses"], int(kept["forces"]), float(kept["seconds"])
                )
        if self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        found = Reference.follow(problem, sampling.draw_starts(problem, list(numbers)))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, **vars(found))
        print(f"{name}: {numbers.stop} of {problem.starts} starts", file=sys.stderr, flush=True)
        return found


def _cut(starts: int) -> Iterator[range]:
    for first in range(0, starts, TOGETHER):
        yield range(first, min(starts, first + TOGETHER))


def compare(name: str, sums: Tally, least: float, record: Record) -> str:
    """One line of the table."""
    same = 100.0 * (1.0 - sums.differ / (sums.starts - sums.creeping))
    ours, theirs = sums.ours / sums.starts * 1e3, sums.theirs / sums.starts * 1e3
    record.add(f"{name}: other end", "count", sums.differ)
    record.add(f"{name}: creeping", "count", sums.creeping)
    record.add(f"{name}: a start", "ms", ours)
    record.add(f"{name}: a start by the reference", "ms", theirs)
    return (
        f"| {name} | {sums.starts} | {sums.creeping} | {sums.differ} | {same:.2f} | {least} "
        f"| {ours:.2f} | {theirs:.0f} | {sums.forces / sums.starts:.0f} |"
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
    parser.add_argument("--references", type=Path, help="folder of accurate ends")
    parser.add_argument("--pieces", type=int, help="make so many at most (with --references)")
    asked = parser.parse_args()
    pieces = Pieces(asked.references, asked.pieces if asked.references else None)
    # Not where: of no use elsewhere.
    options = vars(asked) | {"references": "kept" if asked.references else "made"}
    record = Record("fidelity", {name: str(value) for name, value in options.items()})
    print("| K, M, d | starts | left out | other end | same end, % | asked, % | ms a start "
          "| reference, ms | its forces a start |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for name, request, least in cases(asked.starts):
        if name.startswith(asked.only):
            problem = problem_of(request)
            references = pieces.whole(name, problem)
            if references is not None:
                sums = tally(problem, references, asked.backend)
                print(compare(name, sums, least, record), flush=True)
    if record.rows:
        record.write()


if __name__ == "__main__":
    main()
