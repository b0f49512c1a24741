"""Descents as they are answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import uniform
from relu_landscape.engine.descents.ending import End
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.running import NO_LOSS, Landed, Outcome
from relu_landscape.engine.descents.tasks import Judged
from relu_landscape.engine.landscape import report as landscape
from relu_landscape.engine.points import symmetry
from relu_landscape.engine.points.spectrum import Block, shown, zero_tolerance
from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.descents import (
    MOST_STARTS,
    Curvature,
    DescentEnd,
    DescentsBody,
    EndFoundBy,
    EndKind,
    OtherEnd,
    StructuredSearch,
    UniformFamily,
)
from relu_landscape.wire.landscape import Attraction, Overlaps

Real = NDArray[np.float64]

#: A polished point has zero loss where it is below this in units of the loss: rounding leaves 1e-14
#: at K = 100, and spurious points have 1e-3 and more.
ZERO_LOSS = 1e-10


@dataclass(frozen=True)
class Found:
    """A point ``W`` (K, M + r), what it is, the starts that end there, and whether the structured
    search found it."""

    W: Real
    judged: Judged
    hits: tuple[int, ...]
    is_structured: bool = False


def is_zero_loss(problem: Problem, landed: Landed) -> bool:
    """Whether a descent ended at zero loss."""
    if landed.outcome == Outcome.POINT.name:
        return landed.loss <= ZERO_LOSS * problem.layers.unit
    return landed.outcome == Outcome.ZERO_LOSS.name


def of_the_set(problem: Problem, landed: Landed) -> Landed:
    """A descent's end; with more students than teachers zero loss is one set, not a point of it.

    Where a student dies on the way, the others stand at the teachers and Newton's method leaves it
    at a norm of nothing: a place on the edge of the set, at which the curvature depends on the
    direction that it died in.
    """
    is_set = problem.students > problem.teachers and not problem.has_unit_students
    if is_set and is_zero_loss(problem, landed):
        return replace(landed, outcome=Outcome.ZERO_LOSS.name)
    return landed


def composed(
    problem: Problem, landed: Sequence[Landed], found: Sequence[Found],
    searched: StructuredSearch | None = None,
) -> Composed:  # fmt: skip
    """The result; ``landed`` by the number of the start."""
    ends = [_point(problem, each) for each in found]
    hits = [each.hits for each in found]
    flat = [n for n, each in enumerate(landed) if each.outcome == Outcome.ZERO_LOSS.name]
    if flat:
        ends.append(_continuum(problem, landed[flat[0]].W, len(flat)))
        hits.append(tuple(flat))
    order = sorted(range(len(ends)), key=lambda n: (*_place(ends[n], hits[n]), n))
    keys = _keys([ends[n] for n in order])
    reached = {n: Outcome[each.outcome].value for n, each in enumerate(landed)}
    listed = []
    for key, place in zip(keys, order, strict=True):
        listed.append(ends[place].model_copy(update={"key": key}))
        reached |= dict.fromkeys(hits[place], key)
    zero = sum(is_zero_loss(problem, each) for each in landed)
    body = DescentsBody(
        step=problem.pace.step,
        loss_bound=problem.loss_bound,
        zero_loss=_share(zero, problem),
        ends=listed,
        others=_others(problem, landed),
        reached=[reached[n] for n in range(problem.starts)],
        searched=searched,
    )
    return Composed(body, {})


def _place(end: DescentEnd, hits: tuple[int, ...]) -> tuple[bool, float, int]:
    """Zero loss first, then by loss; what is equal by the first start that came there."""
    return end.kind != "global", end.loss, hits[0] if hits else MOST_STARTS


def _keys(ends: Sequence[DescentEnd]) -> list[str]:
    counts = {"g": 0, "e": 0}
    keys = []
    for end in ends:
        letter = "g" if end.kind == "global" else "e"
        counts[letter] += 1
        keys.append(f"{letter}{counts[letter]}")
    return keys


def _point(problem: Problem, found: Found) -> DescentEnd:
    judged = found.judged
    accuracy = problem.layers.accuracy(judged.loss)
    curvature = curvature_of(judged, problem.dimension - found.W.shape[1])
    return DescentEnd(
        key="",
        kind=kind_of(judged.loss, curvature, problem.layers),
        loss=shown(judged.loss, accuracy) * problem.unit**2,
        loss_accuracy=accuracy * problem.unit**2,
        outside_span=found.W.shape[1] - problem.teachers,
        curvature=curvature.model_copy(
            update={"gradient_norm": curvature.gradient_norm * problem.unit}
        ),
        attraction=_share(len(found.hits), problem),
        found_by=_found_by(problem, found.hits, found.is_structured),
        **_network(problem, found.W),
    )


def kind_of(loss: float, curvature: Curvature, layers: Layers) -> EndKind:
    """What a critical point of this loss and curvature is."""
    if loss <= ZERO_LOSS * layers.unit:
        return "global"
    if curvature.index:
        return "saddle"
    return "degenerate" if curvature.nullity else "minimum"


def _continuum(problem: Problem, W: Real, hits: int) -> DescentEnd:
    """The set of zero loss, shown where the first descent came to it, or, where all second-layer
    weights are 1, where students are dealt out to the teachers in turn."""
    K, M = problem.students, problem.teachers
    if problem.layers.is_plain:
        owner = np.arange(K) % M
        W = np.eye(M)[owner] / np.bincount(owner, minlength=M)[owner][:, None]
    network = _network(problem, W) | {"structure": None, "family": None}
    return DescentEnd(
        key="",
        kind="global",
        loss=0.0,
        loss_accuracy=problem.layers.accuracy(0.0) * problem.unit**2,
        outside_span=0,
        curvature=None,
        attraction=_share(hits, problem),
        found_by=["starts"] if problem.structured else None,
        **network,
    )


def _found_by(
    problem: Problem, hits: Sequence[int], is_structured: bool
) -> list[EndFoundBy] | None:
    if not problem.structured:
        return None
    ways: list[tuple[EndFoundBy, bool]] = [("starts", bool(hits)), ("structures", is_structured)]
    return [way for way, found in ways if found]


def _network(problem: Problem, W: Real) -> dict[str, Any]:
    """What is shown of the weights, in canonical order where there is one."""
    K, M = problem.students, problem.teachers
    R, norms = W[:, :M], np.linalg.norm(W, axis=1)
    if not problem.teacher.is_orthonormal:
        R = R @ problem.teacher.V.T
    area = problem.unit**2
    students, teachers = list(range(K)), list(range(M))
    structure = None
    if problem.layers.is_plain and W.shape[1] == M:
        found = symmetry.analyse(R, norms, np.ones(M))
        students, teachers = list(found.students), list(found.teachers)
        turned = symmetry.anti_aligned(R, norms, np.ones(M))
        relabellings = math.factorial(K) * math.factorial(M)
        structure = landscape.structure_of(found, relabellings, turned)
    shown_R = R[np.ix_(students, teachers)]
    Q = (W @ W.T)[np.ix_(students, students)]
    # A zero added makes 0.0 of -0.0, and leaves every other number as it is.
    return {
        "structure": structure,
        "family": _family(problem, shown_R) if W.shape[1] == M else None,
        "overlaps": Overlaps(
            R=(shown_R * area + 0.0).tolist(), Q=((Q + Q.T) / 2.0 * area + 0.0).tolist()
        ),
        "student_layer": [problem.student_layer[i] for i in students],
        "teacher_layer": [problem.teacher_layer[m] for m in teachers],
    }


def _family(problem: Problem, R: Real) -> UniformFamily | None:
    """The closed-form family, where the point is one of it."""
    if problem.name != "orthonormalised" or not problem.teacher.is_orthonormal:
        return None
    k = uniform.recognised(R)
    if k is None:
        return None
    return UniformFamily(
        k=k,
        loss=uniform.loss(k),
        deciding_eigenvalue=uniform.deciding_eigenvalue(k),
        proved=uniform.is_proved_minimum(
            problem.teachers, k, has_beside=problem.dimension > problem.teachers
        ),
    )


def curvature_of(judged: Judged | End, copies: int) -> Curvature:
    """Counts over all input dimensions, of which so many are beside the point's coordinates."""
    values = [each for each in (judged.span, judged.beside) if len(each)]
    tolerance = zero_tolerance(max([float(np.abs(each).max()) for each in values], default=0.0))
    blocks = [(Block(judged.span), 1), (Block(judged.beside), copies)]
    used = [(block, times) for block, times in blocks if len(block.values)]
    smallest = [
        shown(float(each[0]), tolerance) if len(each) else None
        for each in (judged.span, judged.beside)
    ]
    return Curvature(
        index=sum(block.negative(tolerance) * times for block, times in used),
        nullity=sum(block.zero(tolerance) * times for block, times in used),
        min_eigenvalue_span=smallest[0],
        min_eigenvalue_beside=smallest[1],
        eigenvalue_tolerance=tolerance,
        gradient_norm=judged.gradient_norm,
    )


def _others(problem: Problem, landed: Sequence[Landed]) -> list[OtherEnd]:
    """What became of the starts that ended at no point and not at zero loss."""
    found = []
    for outcome in Outcome:
        losses = [each.loss for each in landed if each.outcome == outcome.name]
        if losses and outcome not in (Outcome.POINT, Outcome.ZERO_LOSS):
            found.append(
                OtherEnd(
                    outcome=outcome.value,
                    attraction=_share(len(losses), problem),
                    lowest_loss=_known(min(losses), problem.unit),
                    highest_loss=_known(max(losses), problem.unit),
                )
            )
    return found


def _known(loss: float, unit: float) -> float | None:
    return None if loss == NO_LOSS else loss * unit**2


def _share(hits: int, problem: Problem) -> Attraction:
    found = landscape.frequency(hits, problem.starts)
    assert found is not None  # noqa: S101 - there is one start at least
    return found
