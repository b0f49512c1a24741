"""A critical point of a structure followed as its units leak more or less.

The leak c enters the equations through ``level`` alone, whose logarithm is twice the parameter
``2 atanh c`` of the curve and a constant. Everything else is as along the width (``curve``,
``sheets``); numbers are answered in the unit of the loss itself (``model.activation``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from relu_landscape.engine.families import continuation
from relu_landscape.engine.families.curve import Curve
from relu_landscape.engine.families.family import chosen
from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.engine.families.trace import Bounds, trace
from relu_landscape.engine.model.activation import height
from relu_landscape.errors import InputError, NumericalError
from relu_landscape.wire.leaks import (
    LARGEST_FOLLOWED_WIDTH,
    LeakChange,
    LeakEnd,
    LeakEvent,
    LeakPoint,
    Leaks,
)
from relu_landscape.wire.requests import LEAST_LEAK, MOST_LEAK

STOPS = (
    "The branch cannot be followed beyond this leak: the equations are not smooth there, as where "
    "a student vanishes."
)


def parameter_of(leak: float) -> float:
    """The curve's parameter."""
    return 2.0 * math.atanh(leak)


def leak_of(parameter: float) -> float:
    """The leak that it stands for."""
    return math.tanh(parameter / 2.0)


@dataclass(frozen=True)
class _Fixed:
    """Block sizes that stay what they are."""

    structure: Structure

    def sizes(self, parameter: float) -> tuple[float, ...]:  # noqa: ARG002
        return self.structure.sizes


@dataclass(frozen=True)
class _LeakCurve(Curve):
    """The equations along the leak."""

    def table(self, parameter: float) -> Layout:
        return layout(replace(self.structure, leak=leak_of(parameter)))

    def value(self, parameter: float) -> float:
        return leak_of(parameter)


@dataclass
class _Record(continuation.Record):
    """The record of a branch along the leak."""

    def parameter(self, width: float) -> float:
        return parameter_of(width)

    def value(self, parameter: float) -> float:
        return leak_of(parameter)

    def placed(self, structure: Structure, width: float) -> Structure:
        return replace(structure, leak=width)


def leaks(
    student_width: int,
    teacher_width: int,
    structure: str,
    from_leak: float,
    to_leak: float,
    points: int = 50,
    branch: int | None = None,
    *,
    around_folds: bool = False,
) -> Leaks:
    """Follow a critical point of ``structure`` from one leak to another.

    ``points`` leaks are reported, evenly spaced. ``branch`` numbers the structure's points at
    ``from_leak`` by loss; left out, the minimum of lowest loss, or the lowest point. Points,
    changes, events and ``ends`` are as of ``continuation.continuation``, with leaks for widths: a
    minimum appears or vanishes at a fold, or where an eigenvalue of it changes its sign.

    Raises ``InputError`` for names, widths, leaks and branches that do not exist.

    **Accuracy.** Folds and crossings to about 1e-10. A pair of crossings within a fifth of the
    parameter ``2 atanh c`` may cancel unseen.
    """
    _check(student_width, teacher_width, from_leak, to_leak, points)
    wanted = parse(
        structure, student_width=student_width, teacher_width=teacher_width, leak=from_leak
    ).canonical()
    start = chosen(wanted, branch).point
    begin, end = parameter_of(from_leak), parameter_of(to_leak)
    curve = _LeakCurve(start.structure, _Fixed(start.structure), 1.0)
    node = curve.begin(start, begin, math.copysign(1.0, end - begin))
    if node is None:
        raise NumericalError(f"The branch of {structure!r} has no direction at {from_leak!r}.")
    values = [float(leak) for leak in np.linspace(from_leak, to_leak, points)]
    record = _Record(values, around_folds)
    bounds = Bounds(min(begin, end), max(begin, end))
    record.fill(start, trace(curve, node, bounds, largest=continuation.LARGEST_STEP))
    return _answer(record, wanted)


def _check(
    student_width: int, teacher_width: int, from_leak: float, to_leak: float, points: int
) -> None:
    for width in (student_width, teacher_width):
        if not 1 <= width <= LARGEST_FOLLOWED_WIDTH:
            raise InputError(f"Widths are 1 to {LARGEST_FOLLOWED_WIDTH} here, not {width}.")
    for leak in (from_leak, to_leak):
        if not LEAST_LEAK <= leak <= MOST_LEAK:
            raise InputError(f"Leaks are from {LEAST_LEAK} to {MOST_LEAK}, not {leak}.")
    if from_leak == to_leak or not 2 <= points <= continuation.MOST_POINTS:
        raise InputError(
            f"Two different leaks and 2 to {continuation.MOST_POINTS} points are needed."
        )


def _answer(record: _Record, structure: Structure) -> Leaks:
    """The record in the unit of the loss itself, leaks by their name."""
    found = record.answer(structure.name, structure.name)
    ends = found.ends and LeakEnd(leak=found.ends.width, reason=_said(found.ends.reason))
    return Leaks(
        structure=structure.name,
        student_width=int(structure.student_width),
        teacher_width=int(structure.teacher_width),
        points=[
            LeakPoint(
                leak=each.width,
                loss=each.loss * height(each.width),
                is_stable=each.is_stable,
                smallest={key: x * height(each.width) for key, x in each.smallest.items()},
                sheet=each.sheet,
            )
            for each in found.points
        ],
        changes=[
            LeakChange(
                leak=each.width,
                component=each.component,
                space=each.space,
                eigenvalue=each.eigenvalue * height(each.width),
                stable_below=each.stable_below,
                stable_above=each.stable_above,
                sheet=each.sheet,
            )
            for each in found.changes
        ],
        events=[
            LeakEvent(
                kind=each.kind,
                leak=each.width,
                loss=each.loss * height(each.width),
                component=each.component,
                space=each.space,
                sheet=each.sheet,
            )
            for each in found.events
        ],
        ends=ends,
    )


def _said(reason: str) -> str:
    """Why a branch ends, of leaks."""
    return STOPS if reason == continuation.STOPS else reason.replace("width", "leak")
