"""What learning rates add to the cost of a landscape: seconds of one core, about.

Not fitted as the other phases are: counted, from the sets of four units that each part has.
"""

from __future__ import annotations

from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.wire.rated import LARGEST_EQUATIONS, LARGEST_SECOND_ORDER

#: The phase.
COUNTED = "learning rates"
#: Measured: one Sigma takes this times the fourth power of its units, the equation of second
#: moments this times that of its students; a fixed point takes some twenty Sigma, and whether it
#: attracts one for each unknown.
SIGMA, SECOND_ORDER, EVALUATIONS = 1e-7, 6e-6, 20


def rated_seconds(problem: Problem) -> float:
    """Of the phase ``learning rates``, if there are as many minima as students."""
    K, M = problem.students, problem.teachers
    each = 0.0
    if K <= LARGEST_SECOND_ORDER:
        each += SECOND_ORDER * K**4
    if K + M <= LARGEST_EQUATIONS:
        directions = 4 * M * (M + 1) // 2
        unknowns = K * M + K * (K + 1) // 2
        fixed_points = (EVALUATIONS + unknowns) * len(problem.learning_rates)
        each += SIGMA * (K + M) ** 4 * (directions + fixed_points)
    return K * each
