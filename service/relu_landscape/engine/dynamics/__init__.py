"""One-pass SGD at any learning rate: its noise, its fixed points, and trajectories."""

from relu_landscape.engine.dynamics.marching import March
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.settling import Settle
from relu_landscape.engine.dynamics.solve import compose
from relu_landscape.engine.dynamics.tasks import Fall, FallWithLayers, Integrate, Simulate
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.trajectories import TrajectoryRequest

__all__ = ["COMPOSITION", "Problem", "compose"]

COMPOSITION = Composition(
    request=TrajectoryRequest,
    problem=Problem.from_request,
    tasks=(Integrate, March, Simulate, Fall, FallWithLayers, Settle),
    compose=compose,
)
