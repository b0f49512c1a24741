"""What is asked, in the engine's own terms: a rule, second layers, and how long to descend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.rules import (
    Normalised,
    Orthonormalised,
    Plain,
    Rule,
    TwoLayer,
)
from relu_landscape.engine.descents.running import Pace
from relu_landscape.engine.landscape.units import in_unit, unit_of
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.wire.descents import MOST_STEPS, DescentsRequest
from relu_landscape.wire.descents import Rule as RuleName

Real = NDArray[np.float64]

#: Rules that keep the students' norms.
CONSTRAINED = ("normalised", "orthonormalised")
#: Of the two steps that are usual, the one of second layers that descend as well: there the
#: curvature of balanced layers is twice as large.
TWO_LAYERS = 0.5


@dataclass(frozen=True)
class Problem:
    """Descents to follow; fields as in ``wire.descents.DescentsRequest``, lengths in ``unit``.

    Under a constraint the unit is 1: students have norm 1 beside the teacher's lengths as they are.
    """

    students: int
    teachers: int
    dimension: int
    name: RuleName
    student_layer: tuple[float, ...]
    teacher_layer: tuple[float, ...]
    start_layer: float | None
    scale: float
    starts: int
    seed: int
    pace: Pace
    teacher: Teacher
    unit: float
    structured: bool

    @staticmethod
    def from_request(request: DescentsRequest) -> Problem:
        """The problem of a request. Raises ``TeacherError`` for an impossible teacher."""
        K, M, gram = request.student_width, request.teacher_width, request.teacher_gram
        unit = 1.0 if request.rule in CONSTRAINED else unit_of(gram)
        teacher = make_teacher(M, in_unit(gram, unit))
        return Problem(
            students=K,
            teachers=M,
            dimension=request.input_dimension,
            name=request.rule,
            student_layer=request.student_layer or (1.0,) * K,
            teacher_layer=request.teacher_layer or (1.0,) * M,
            start_layer=request.start_layer,
            scale=request.init_scale / unit,
            starts=request.starts,
            seed=request.seed,
            pace=_pace(request, teacher),
            teacher=teacher,
            unit=unit,
            structured=request.structured,
        )

    @cached_property
    def layers(self) -> Layers:
        """The fixed second layers."""
        students, teachers = np.array(self.student_layer), np.array(self.teacher_layer)
        return Layers.beside(students, teachers, self.teacher)

    @cached_property
    def rule(self) -> Rule:
        """The rule, on these layers."""
        if self.name == "two_layer":
            return TwoLayer(self.layers, self.start_layer)
        if self.name == "normalised":
            return Normalised(self.layers)
        if self.name == "orthonormalised":
            return Orthonormalised(self.layers)
        return Plain(self.layers)

    @property
    def has_unit_students(self) -> bool:
        """Whether every student has norm 1 all the way."""
        return self.name in CONSTRAINED

    @property
    def loss_bound(self) -> float | None:
        """A lower bound of the loss that holds for every network of the rule; None: none known.

        ``L = N^2/(4 pi) + |S|^2/8 + R`` (``model.kernel``) with R >= 0, for the remainder h of the
        kernel is a power series with coefficients >= 0; and where students have norm 1 ``N`` is K
        less the sum of the teacher's norms, M where they are 1.
        """
        if self.has_unit_students:
            return (self.students - float(np.sum(self.layers.b))) ** 2 / (4.0 * math.pi)
        if {*self.student_layer, *self.teacher_layer} != {1.0}:
            return None
        return 0.0


def _pace(request: DescentsRequest, teacher: Teacher) -> Pace:
    """How steps are made; there are ``MOST_STEPS`` of them at most."""
    step = _step(request, teacher)
    until = request.until if step is None else min(request.until, MOST_STEPS * step)
    return Pace(step, request.flow_tolerance, until)


def _step(request: DescentsRequest, teacher: Teacher) -> float | None:
    """The step that is used: stable at every network of zero loss.

    With orthonormal teachers the largest curvature is near (K + 2)/4 where each student has its
    teacher, and at most a quarter of the sum of both widths; where K students share fewer, it is up
    to K/2 (all of them along one), and never more: with second-layer weights a_i
    ``E[(sum_i a_i 1_i d_i . x)^2] <= sum_i a_i^2 / 2 |d|^2``. So the sum of squares stands for K,
    and the largest of them for the one of each teacher. Teachers' weights have no say: they are a
    length of the students alone. Beside students of norm 1 they have: there a teacher that is
    longer pulls by as much more.
    """
    if request.rule == "gradient_flow":
        return None
    if request.step is not None:
        return request.step
    layer = request.student_layer or (1.0,) * request.student_width
    squares = [weight * weight for weight in layer]
    total, largest = math.fsum(squares), max(squares)
    pull = largest * request.teacher_width
    if request.rule in CONSTRAINED and not teacher.is_orthonormal:
        pull, largest = float(np.sum(teacher.norms)), max(1.0, float(np.max(teacher.norms)))
    usual = 8.0 / (total + max(total, pull) + 8.0 * largest)
    return usual * TWO_LAYERS if request.rule == "two_layer" else usual
