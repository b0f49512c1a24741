"""Where given networks stand, as it is answered; the question is in ``wire.points``.

Losses are in units of squared output; weights, norms and distances in those of the teacher's
weights. Distances are Euclidean ones of all weights.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relu_landscape.wire.base import Count, Wire
from relu_landscape.wire.descents import Curvature, EndKind
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.landscape import Eigenvalue, FixedPoint, Overlaps, SearchSummary
from relu_landscape.wire.points import PointsRequest

#: The phases of locating points, in order; ``fall`` and what follows only where the flow is
#: followed, ``structures`` where nearest points are asked for, ``certify`` with proofs.
PHASES = (
    "measure", "fall", "classify", "second look", "structures", "errors", "nearest", "widening",
    "certify",
)  # fmt: skip


class PointsFinding(Wire):
    """How far the points are followed."""

    followed: int = Field(description="points whose flow has ended")
    points: int


class Near(Wire):
    """A fixed point near a given one."""

    key: str = Field(description="of a fixed point of this answer")
    distance: float = Field(
        description="to its nearest relabelled copy that alternating assignments find: no copy "
        "may be nearer than the nearest, so this is an upper bound"
    )


class OneMore(Wire):
    """The best student to add to a network: of length -2 D in the direction of lowest D."""

    slope: float = Field(
        description="D at its minimum, E[(f - f*) ReLU(u.x)] over unit vectors u; negative"
    )
    norm: float = Field(description="length with which it gains most")
    gain: float = Field(description="by how much the loss falls, D^2")
    cosines: list[float] = Field(description="of its direction and each teacher")


class LocatedWidening(Wire):
    """What one more student would do at a point."""

    one_more: OneMore | None = Field(description="null: no further student lowers the loss")
    lower_bound: float | None = Field(
        description="proved: D of every unit vector, in whatever input dimension, is at least "
        "this, rounded downwards; no student gains more than its square, none at all where it is "
        "not negative. null: not proved"
    )
    splitting: list[float | None] = Field(
        description="per student the smallest eigenvalue of B_i, the second derivative of parting "
        "two halves of it: negative where the split point is left downhill, if the point is "
        "critical; null with one coordinate, where parts cannot turn"
    )
    splitting_beside: list[float] = Field(
        description="the same, D_i, in every dimension beside teachers and students"
    )


class LocatedPoint(Wire):
    """Where one network stands. Units are counted from 0, in the order in which they were given."""

    key: str = Field(description="p1, p2: in the order given")
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    gradient_norm: float = Field(description="Euclidean norm of the population gradient")
    norms: list[float] = Field(description="of the students")
    matched_teacher: list[int | None] = Field(
        description="per student, by the assignment with the largest sum of |cosines|; null: none "
        "is left"
    )
    cosines: list[float | None] = Field(description="of each student and its teacher")
    unmatched_teachers: list[int] = Field(description="teachers without a student")
    index: Count | None = Field(
        description="negative eigenvalues of the Hessian here, in input dimension d; null without "
        "spectrum"
    )
    nullity: Count | None = Field(description="eigenvalues here that count as zero")
    min_eigenvalue: float | None = Field(description="the smallest one here")
    spectrum: list[Eigenvalue] | None = Field(
        description="at this point; space span: in the coordinates of teachers and students "
        "together"
    )
    outcome: str | None = Field(
        description="what becomes of gradient flow from exactly here, one sentence; null: not "
        "followed"
    )
    end: str | None = Field(
        description="key of the fixed point where it ends, of signed_ends where those are told"
    )
    flow_time: float | None = Field(
        description="time t of the flow dW/dt = -grad L until it is seen to go there: for the most "
        "part when its gradient is 2e-4 mean teacher norms. What is left decays with the end's "
        "relaxation_time. null: a student was zero on the way, or the flow crept along a valley"
    )
    loss_to_lose: float | None = Field(description="loss here above the loss there")
    distance: float | None = Field(
        description="to the copy of the end that the flow reaches; for the continuum, to where "
        "the flow was recognised as ending on it"
    )
    distance_in_errors: float | None = Field(
        description="distance over the statistical error of the end; with sample_size"
    )
    students: list[int] | None = Field(
        description="the student here at each place of the end's canonical order; null where not "
        "every point is described in full"
    )
    teachers: list[int] | None = Field(description="the same of the teachers")
    nearest: list[Near] | None = Field(description="by distance; null where not asked for")
    widening: LocatedWidening | None = Field(description="null where not asked for")
    proved: bool | None = Field(
        description="whether gradient flow from here is proved to end at its end: it is inside "
        "the proven ball of attraction. false: not proved; null without certify"
    )


class StatisticalError(Wire):
    """How far from this minimum the minimum of the loss over sample_size inputs is expected.

    The sandwich formula to leading order in 1/n; docs/mathematics/points.md says what it assumes.
    """

    distance: float = Field(description="root of the expected squared distance of all weights")
    excess_loss: float = Field(description="expected population loss above the minimum")
    relative_accuracy: float = Field(
        description="standard error of the sampled part of the squared distance, over the whole"
    )


class LocatedEnd(FixedPoint):
    """A fixed point that is the end of some point, or near one; keys are of this answer."""

    found_by: list[Literal["flow", "structured"]] = Field(  # type: ignore[assignment]
        description="gradient flow from a given point, or the search in symmetric families"
    )
    points: int = Field(description="given points from which gradient flow ends here")
    statistical_error: StatisticalError | None = Field(
        description="with sample_size; null for what is no strict minimum, and for wide networks"
    )


class SignedEnd(Wire):
    """Where flow ends in a network with second layers of both signs: first layers trained."""

    key: str = Field(description="m1, s1, g1: minima, saddles, zero loss; of this answer")
    kind: EndKind = Field(
        description="global: zero loss; minimum: strict, up to symmetry; degenerate: no negative "
        "eigenvalue, but zeros; saddle"
    )
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    loss_accuracy: float
    outside_span: int = Field(description="dimension of the part outside the teacher's span")
    overlaps: Overlaps = Field(
        description="of first layers into which sizes of the second are folded, in the order of "
        "the first point that ends here"
    )
    norms: list[float] = Field(description="of the students, in that order")
    student_signs: list[int] = Field(description="likewise")
    teacher_signs: list[int] = Field(description="likewise")
    curvature: Curvature | None = Field(description="null for a continuum of zero loss")
    relaxation_time: float | None = Field(
        description="of the slowest mode of gradient flow; null where an eigenvalue is not positive"
    )
    points: int = Field(description="given points from which gradient flow ends here")
    statistical_error: StatisticalError | None = Field(
        description="with sample_size; null for what is no strict minimum in the teacher's span"
    )


class PointsBody(Wire):
    """The points, and the fixed points that have to do with them."""

    points: list[LocatedPoint]
    fixed_points: list[LocatedEnd] = Field(description="minima by loss, then saddles by loss")
    signed_ends: list[SignedEnd] | None = Field(
        None,
        exclude_if=lambda ends: ends is None,  # results without keep their bytes
        description="ends in their place where second layers have both signs, by loss",
    )
    searched: list[SearchSummary] = Field(description="structures whose fixed points were compared")
    explanation: str = Field(description="what was looked at, and what not")


class Points(PointsBody, Sealed):
    """Located points."""

    request: PointsRequest
