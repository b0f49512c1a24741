"""One analysis over a grid: every cell is a landscape of its own, the result is the table."""

from relu_landscape.engine.sweeping.grid import Problem
from relu_landscape.engine.sweeping.solve import AskCell, compose
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.sweeps import SweepRequest

__all__ = ["COMPOSITION", "Problem", "compose"]

COMPOSITION = Composition(
    request=SweepRequest, problem=Problem.from_request, tasks=(AskCell,), compose=compose
)
