"""Critical points of one structure followed in the leak of its units.

The leak c enters the equations through ``level`` alone, whose logarithm is twice the parameter
``2 atanh c`` of the curve and a constant. Everything else is as along the width (``curve``,
``trace``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from relu_landscape.engine.families.curve import Curve
from relu_landscape.engine.families.follow import passed, polished
from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.points import Point
from relu_landscape.engine.families.structures import Structure
from relu_landscape.errors import InputError
from relu_landscape.wire.requests import LEAST_LEAK, MOST_LEAK


def check_leak(leak: float) -> None:
    """Raises ``InputError`` for a leak that is out of range."""
    if not LEAST_LEAK <= leak <= MOST_LEAK:
        raise InputError(f"Leaks are from {LEAST_LEAK} to {MOST_LEAK}, not {leak}.")


def parameter_of(leak: float) -> float:
    """The curve's parameter."""
    return 2.0 * math.atanh(leak)


def leak_of(parameter: float) -> float:
    """The leak that it stands for."""
    return math.tanh(parameter / 2.0)


@dataclass(frozen=True)
class Fixed:
    """Block sizes that stay what they are."""

    structure: Structure

    def sizes(self, parameter: float) -> tuple[float, ...]:  # noqa: ARG002
        return self.structure.sizes


@dataclass(frozen=True)
class LeakCurve(Curve):
    """The equations along the leak."""

    def table(self, parameter: float) -> Layout:
        return layout(replace(self.structure, leak=leak_of(parameter)))

    def value(self, parameter: float) -> float:
        return leak_of(parameter)


def leak_curve(structure: Structure) -> LeakCurve:
    """The curve along which points of this structure move as their units leak."""
    return LeakCurve(structure, Fixed(structure), 1.0)


def leaning(point: Point, leak: float) -> Point | None:
    """What a critical point becomes as the leak of its structure changes to ``leak``.

    ``None`` where its branch folds back before it, or cannot be followed.
    """
    structure = replace(point.structure, leak=leak)
    if leak == point.structure.leak:
        return point
    begin, end = parameter_of(point.structure.leak), parameter_of(leak)
    return polished([passed(leak_curve(structure), point, begin, end)], structure)[0]
