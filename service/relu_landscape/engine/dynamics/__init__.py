"""One-pass SGD at any learning rate: its noise, its fixed points, and trajectories."""

from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.solve import compose
from relu_landscape.engine.dynamics.tasks import Fall, FallWithLayers, Integrate, Simulate
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.trajectories import TrajectoryRequest

__all__ = ["COMPOSITION", "Problem", "compose"]

COMPOSITION = Composition(
    request=TrajectoryRequest,
    problem=Problem.from_request,
    tasks=(Integrate, Simulate, Fall, FallWithLayers),
    compose=compose,
)
