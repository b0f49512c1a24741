"""What one more student does at each point, as a phase of a landscape, with ``widen``.

Per isolated point: the best student to add, what splitting each student does, and where gradient
flow of the wider network goes from either: a minimum of K students joined with one of K + 1. A
student is split in halves, where both ways along a direction of parting are one up to the order of
the halves. Ends are named by their own symmetry; the wider landscape is not searched for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.exact import integer
from relu_landscape.engine.landscape import report
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS
from relu_landscape.engine.landscape.pathways import descending, end_at, zero_loss
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.report import Listed
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points import classify, pathways, spectrum, symmetry
from relu_landscape.engine.tasks import Task
from relu_landscape.engine.widening import adding, best, bound, splitting
from relu_landscape.errors import InputError, NumericalError
from relu_landscape.wire import widening as wire

Real = NDArray[np.float64]

#: Wider networks of more weights are not followed: judging an end takes a dense eigenproblem of
#: that many rows, ten seconds at this number.
MOST_WEIGHTS = 2500
TOO_WIDE = f"Flows of more than {MOST_WEIGHTS:,} weights are not followed here."
#: Eigenvalues closer than this are one: of students that symmetry exchanges the first is split.
SAME_EIGENVALUE = 1e-9


@dataclass(frozen=True)
class Widened:
    """What adding and splitting do at one point.

    ``direction`` (M,) of the best student, None where no student helps, and D there, ``value``;
    ``bound`` of D from below, None where not proved; ``residual`` of the identity; ``span``
    (K, M - 1), ``beside`` (K,) and ``directions`` (K, M) as in ``splitting.Splitting``; ``lone``:
    ``activation.lone``.
    """

    value: float
    direction: Real | None
    bound: float | None
    residual: float
    span: Real
    beside: Real
    directions: Real
    lone: float = 1.0

    @property
    def student(self) -> best.Student | None:
        """The best student; None where none helps."""
        if self.direction is None:
            return None
        return best.Student(self.value, self.direction, self.lone)

    @property
    def splitting(self) -> splitting.Splitting:
        return splitting.Splitting(self.span, self.directions, self.beside)


@dataclass(frozen=True, kw_only=True)
class Widen(Task[Problem, Widened]):
    """Look at the point ``weights`` (K, M), in the coordinates of ``teacher`` (M, M)."""

    kind: ClassVar[str] = "widen"
    answer: ClassVar[type[Widened]] = Widened

    weights: Real
    teacher: Real

    def run(self, problem: Problem, backend: Backend) -> Widened:  # noqa: ARG002
        teacher = problem.in_order(self.teacher)
        added = best.best_student(self.weights, teacher)
        direction = None if added is None else added.direction
        split = splitting.splitting(self.weights, teacher)
        return Widened(
            value=0.0 if added is None else added.value,
            direction=direction,
            # The bound is proved for ReLU alone.
            bound=bound.lower_bound(self.weights, teacher, direction) if not teacher.leak else None,
            residual=adding.residual(self.weights, teacher),
            span=split.span,
            beside=split.beside,
            directions=split.directions,
            lone=activation.lone(teacher.leak),
        )


@dataclass(frozen=True)
class Reached:
    """Where a flow ended: ``kind`` as in ``wire.WiderEnd``, or none, and the ``reason``."""

    kind: str | None = None
    loss: float | None = None
    structure: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class FollowWider(Task[Problem, Reached]):
    """Follow the flow of one student more from ``weights`` (K + 1, M).

    ``direction`` (K + 1, M): off the line of saddles on which ``weights`` are; None: from there.
    """

    kind: ClassVar[str] = "wider"
    answer: ClassVar[type[Reached]] = Reached

    weights: Real
    direction: Real | None
    teacher: Real

    def run(self, problem: Problem, backend: Backend) -> Reached:
        if self.weights.size > MOST_WEIGHTS:
            return Reached(reason=TOO_WIDE)
        teacher = problem.in_order(self.teacher)
        wider = replace(problem, students=len(self.weights), teacher=teacher, certify="none")
        try:
            return _reached(wider, self._end(wider, backend))
        except (NumericalError, InputError) as error:  # what one path does must not end the job
            return Reached(reason=str(error))

    def _end(self, wider: Problem, backend: Backend) -> Real:
        descend = descending(wider, backend)
        surface = pathways.surface_of(wider.teacher)
        step = pathways.STEP * wider.separation
        if self.direction is None:
            end = np.asarray(descend(self.weights[None])[0])
        else:
            end = pathways.leave(self.weights, self.direction, descend, surface, step)
        generator = np.random.Generator(np.random.Philox(key=wider.seed))
        return pathways.down(end, descend, surface, zero_loss(wider), step, generator)[0]


def _reached(wider: Problem, W: Real) -> Reached:
    found = end_at(wider, W)
    if found.point is None:
        return Reached("global_continuum", 0.0, "zero loss")
    teacher, point = wider.teacher, found.point
    seen = symmetry.analyse(
        classify.overlaps(point.W, teacher),
        np.linalg.norm(point.W, axis=1),
        teacher.norms,
        None if teacher.is_orthonormal else teacher.gram,
    )
    kind = "saddle" if point.index(wider.dimension) else "minimum"
    return Reached(kind, point.loss, report.structure_name(seen))


def widened(problem: Problem, phases: Phases, points: Sequence[Listed]) -> list[Listed]:
    """The same points, isolated ones with what one more student does there."""
    if not problem.widen:
        return list(points)
    isolated = [item for item in points if item.point.kind != "global_continuum"]
    looking = [
        Widen(key=f"widen/{item.point.key}", weights=weights, teacher=teacher)
        for item in isolated
        for weights, teacher in [_placed(item)]
    ]
    answers = phases.map("widening", looking)
    following = [
        task
        for item, answer in zip(isolated, answers, strict=True)
        for task in _following(item, answer)
    ]
    reached = {
        task.key: answer
        for task, answer in zip(following, phases.map("widening", following), strict=True)
    }
    told = {
        item.point.key: _told(problem, item, answer, reached)
        for item, answer in zip(isolated, answers, strict=True)
    }
    return [item.widened(told[key]) if (key := item.point.key) in told else item for item in points]


def _placed(item: Listed) -> tuple[Real, Real]:
    """Weights (K, M) and the teacher's rows (M, M), in the order in which they are answered."""
    return np.array(item.details.weights), np.array(item.details.teacher)


def _following(item: Listed, answer: Widened) -> list[FollowWider]:
    """The flows from the best student added, and from the student that parts most readily."""
    weights, teacher = _placed(item)
    key = item.point.key
    tasks = []
    if (added := answer.student) is not None:
        student = added.weights
        tasks.append(
            FollowWider(
                key=f"wider/{key}/added",
                weights=np.concatenate([weights, student[None]]),
                direction=None,
                teacher=teacher,
            )
        )
    i = _parting(item, answer)
    if i is not None:
        half = weights[i : i + 1] / 2.0
        off = np.zeros((len(weights) + 1, weights.shape[1]))
        off[i], off[-1] = answer.directions[i], -answer.directions[i]
        tasks.append(
            FollowWider(
                key=f"wider/{key}/split",
                weights=np.concatenate([weights[:i], half, weights[i + 1 :], half]),
                direction=off / np.sqrt(2.0),
                teacher=teacher,
            )
        )
    return tasks


def _parting(item: Listed, answer: Widened) -> int | None:
    """The first of the students that part most readily; None where none does, in the span."""
    if not answer.span.shape[1]:
        return None
    smallest = answer.span[:, 0]
    if smallest.min() >= -item.point.stability.eigenvalue_tolerance:
        return None
    return int(np.argmax(smallest <= smallest.min() + SAME_EIGENVALUE))


def _told(
    problem: Problem, item: Listed, answer: Widened, reached: dict[str, Reached]
) -> wire.Widening:
    key, loss = item.point.key, item.point.loss
    added = None
    if (student_added := answer.student) is not None:
        teacher = problem.in_order(_placed(item)[1])
        added = wire.AddedStudent(
            value=student_added.value,
            cosines=(teacher.V @ student_added.direction / teacher.norms).tolist(),
            norm=student_added.norm,
            gain=student_added.gain,
            loss=loss - student_added.gain,
            leads_to=_end(problem, reached[f"wider/{key}/added"]),
        )
    student = _parting(item, answer)
    way = None
    if student is not None:
        end = _end(problem, reached[f"wider/{key}/split"])
        way = wire.SplitWay(student=student, leads_to=end)
    return wire.Widening(
        best=added,
        lower_bound=answer.bound,
        guaranteed_gain=adding.guaranteed(loss, problem.teacher),
        residual=answer.residual,
        splits=_splits(problem, item, answer),
        split_way=way,
    )


def _splits(problem: Problem, item: Listed, answer: Widened) -> list[wire.SplitStudent]:
    stability, copies = item.point.stability, problem.perpendicular_copies
    tolerance = stability.eigenvalue_tolerance
    rows = []
    for i in range(problem.students):
        parts = [2 if i == j else 1 for j in range(problem.students)]
        span, beside = answer.splitting.index(parts, tolerance)
        index = int(stability.index) + span + copies * beside
        across = answer.span[i]
        rows.append(
            wire.SplitStudent(
                eigenvalue_span=spectrum.shown(float(across[0]), tolerance)
                if len(across)
                else None,
                eigenvalue_perpendicular=(
                    spectrum.shown(float(answer.beside[i]), tolerance) if copies else None
                ),
                index=integer(index),
                saddle_line=index > 0,
            )
        )
    return rows


def _end(problem: Problem, reached: Reached) -> wire.WiderEnd:
    loss = reached.loss
    wide_enough = problem.students + 1 >= problem.teachers
    return wire.WiderEnd.model_validate(
        {
            "kind": reached.kind,
            "loss": None if loss is None else spectrum.shown(loss, ZERO_LOSS),
            "structure": reached.structure,
            "is_global": loss is not None and wide_enough and loss <= ZERO_LOSS,
            "reason": reached.reason,
        }
    )
