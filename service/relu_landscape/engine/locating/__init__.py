"""Where given networks stand: what is there, where gradient flow from there ends, what is near."""

from relu_landscape.engine.landscape.classified import Classify, ClassifyStructured
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.proofs import Certify
from relu_landscape.engine.landscape.structured import JudgePoints, SearchRounds
from relu_landscape.engine.locating.problem import of_points
from relu_landscape.engine.locating.signed import Follow, Judge
from relu_landscape.engine.locating.solve import compose
from relu_landscape.engine.locating.tasks import Compare, Estimate, Fall, Measure, Widen
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.points import PointsRequest

__all__ = ["COMPOSITION", "compose"]

COMPOSITION: Composition[Problem] = Composition(
    request=PointsRequest,
    problem=of_points,
    tasks=(
        Measure, Fall, Follow, Judge, Classify, SearchRounds, JudgePoints, ClassifyStructured,
        Estimate, Compare, Widen, Certify,
    ),
    compose=compose,
)  # fmt: skip
