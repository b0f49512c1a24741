"""Where descents by other rules than gradient flow end, and with second layers of any sign."""

from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.solve import compose
from relu_landscape.engine.descents.tasks import Descend, Judge, JudgeAll, Seek
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.descents import DescentsRequest

__all__ = ["COMPOSITION", "compose"]

COMPOSITION: Composition[Problem] = Composition(
    request=DescentsRequest,
    problem=Problem.from_request,
    tasks=(Descend, Judge, Seek, JudgeAll),
    compose=compose,
)
