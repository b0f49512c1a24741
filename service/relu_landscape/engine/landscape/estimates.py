"""The short call that says what a landscape will take."""

from __future__ import annotations

from relu_landscape.engine.landscape.expectation import expected
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.wire.estimates import Estimate
from relu_landscape.wire.requests import LandscapeRequest

#: Nine of ten of the measured landscapes are within it (docs/benchmarks-expectation.md).
FACTOR = 1.5
#: Widest unit layer, most starts and most dimensions among those (``benchmarks.expectation``).
MEASURED_WIDTH, MEASURED_STARTS, MEASURED_DIMENSION = 40, 10_000, 1000
#: A worker with everything imported, and the square matrices of (K M)^2 doubles that Newton's
#: method and LAPACK hold at once (measured: docs/operations.md).
IDLE_BYTES, MATRICES, DOUBLE_BYTES = 115e6, 4, 8


def estimate_answer(query: LandscapeRequest) -> Estimate:
    """What this landscape will take; raises ``InputError`` for one that cannot be asked for."""
    problem = Problem.from_request(query)
    model = expected(problem)
    return Estimate(
        request=query,
        seconds=dict(model.seconds),
        core_seconds=sum(model.seconds.values()),
        stored_bytes=model.stored_bytes,
        worker_bytes=worker_bytes(problem),
        factor=FACTOR,
        is_extrapolated=is_extrapolated(problem),
    )


def worker_bytes(problem: Problem) -> float:
    """Most memory of one process: a random start may end where nothing is symmetric."""
    if problem.starts == 0:
        return IDLE_BYTES
    entries = float(problem.students * problem.teachers)
    return IDLE_BYTES + MATRICES * DOUBLE_BYTES * entries * entries


def is_extrapolated(problem: Problem) -> bool:
    """Whether nothing like this landscape was measured."""
    return (
        max(problem.students, problem.teachers) > MEASURED_WIDTH
        or problem.starts > MEASURED_STARTS
        or problem.dimension > MEASURED_DIMENSION
        or not problem.teacher.is_orthonormal
        or problem.teacher.leak != 0.0
    )
