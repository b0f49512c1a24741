"""How often the integrator credits a start to another end than an accurate one does.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.fidelity [--starts 100] [--backend native-2]

(from the repository root) prints a table and keeps the figures in benchmarks/runs: for each pair of
widths, starts whose end (loss to 1e-7, or zero loss with K > M) differs from that of SciPy's LSODA
at rtol 1e-9 followed to t = 3,000. Seconds are processor time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks._record import Record
from relu_landscape.engine.descent.global_set import LOSS
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.wire.requests import LandscapeRequest

CASES = ((6, 6, 6), (8, 8, 8), (17, 17, 17), (9, 8, 8), (18, 17, 17), (6, 8, 8))
#: Time after which ends are compared: thirty times the slowest mode of the usual minima. Paths that
#: still creep then (gradient above 1e-6) are left out and counted.
LONGEST = 3_000.0


def reference(problem: Problem, W: np.ndarray) -> tuple[float, float]:
    """Loss and gradient norm at the end of an accurate path."""
    shape = W.shape

    def force(_: float, flat: np.ndarray) -> np.ndarray:
        return np.asarray(-population.gradient(flat.reshape(shape), problem.teacher)).ravel()

    end = solve_ivp(force, (0.0, LONGEST), W.ravel(), method="LSODA", rtol=1e-9, atol=1e-11)
    last = end.y[:, -1].reshape(shape)
    norm = float(np.linalg.norm(population.gradient(last, problem.teacher)))
    return float(population.loss(last, problem.teacher)), norm


def compare(
    case: tuple[int, int, int], starts: int, tolerance: float, backend: str, record: Record
) -> str:
    """One line of the table."""
    K, M, d = case
    request = LandscapeRequest.model_validate(
        {
            "student_width": K,
            "teacher_width": M,
            "input_dimension": d,
            "starts": starts,
            "flow_tolerance": tolerance,
        }
    )
    problem = Problem.from_request(request)
    numbers = list(range(starts))
    W = sampling.draw_starts(problem, numbers)
    descent = sampling.new_descent(problem, backend_named(backend))
    began = time.process_time()
    ends, _ = descent.run(descent.begin(numbers, W))
    ours = time.process_time() - began
    ends.sort(key=lambda end: end.start)
    began = time.process_time()
    differ = creeping = 0
    for end in ends:
        loss, norm = reference(problem, W[end.start])
        is_global = K > M and loss < 100 * LOSS
        if norm > 1e-6 and not is_global:
            creeping += 1
        elif end.outcome is Outcome.GLOBAL_SET or is_global:
            differ += is_global is not (end.outcome is Outcome.GLOBAL_SET)
        else:
            differ += abs(float(population.loss(end.W, problem.teacher)) - loss) > 1e-7
    theirs = time.process_time() - began
    name = f"K={K}, M={M}, d={d}"
    record.add(f"{name}: other end", "count", differ)
    record.add(f"{name}: creeping", "count", creeping)
    record.add(f"{name}: a start", "ms", ours / starts * 1e3)
    record.add(f"{name}: a start by LSODA", "ms", theirs / starts * 1e3)
    return (
        f"| {K} | {M} | {d} | {tolerance:g} | {starts} | {differ} | {creeping} "
        f"| {ours / starts * 1e3:.1f} | {theirs / starts * 1e3:.0f} |"
    )


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--backend", default="numpy")
    asked = parser.parse_args()
    record = Record("fidelity", vars(asked))
    print("| K | M | d | flow_tolerance | starts | other end | creeping | ms a start | LSODA, ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        print(compare(case, asked.starts, 1e-3, asked.backend, record), flush=True)
    record.write()


if __name__ == "__main__":
    main()
