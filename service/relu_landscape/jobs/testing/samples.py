"""Answers of the right shape that cost nothing: what a job in memory is said to have computed."""

from __future__ import annotations

from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.certificate import StudentBlock
from relu_landscape.wire.landscape import (
    Attraction,
    Eigenvalue,
    FixedPoint,
    FixedPointDetails,
    LandscapeBody,
    MissingMass,
    Overlaps,
    Searched,
    Stability,
    Starts,
    Structure,
)
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest


def perfect_copy(request: AnalysisRequest) -> Composed:
    """The landscape whose only point is the teacher itself, without its physics.

    Every number is invented but for the widths; students beyond the teacher are zero.
    """
    assert isinstance(request, LandscapeRequest)  # noqa: S101 - other kinds bring their own
    student, teacher = request.student_width, request.teacher_width
    rows = [[float(i == j) for j in range(teacher)] for i in range(student)]
    point = FixedPoint(
        key="m1",
        kind="minimum",
        loss=0.0,
        loss_accuracy=1e-15,
        is_global=True,
        found_by=["sampled"],
        structure=Structure(
            name=str(teacher),
            blocks=[teacher],
            students=[StudentBlock(size=student, teacher_block=0)],
            extra_students=0,
            isotropy=f"S{teacher}",
            orbit_size=str(2**70),
            anti_aligned=0,
        ),
        overlaps=Overlaps(
            R=rows, Q=[[float(i == j) for j in range(student)] for i in range(student)]
        ),
        norms=[1.0] * student,
        stability=Stability(
            attractive=True,
            index=0,
            index_span=0,
            index_perpendicular=0,
            nullity=0,
            min_eigenvalue_span=0.125,
            min_eigenvalue_perpendicular=0.25,
            eigenvalue_tolerance=1e-9,
            gradient_norm=0.0,
            relaxation_time=8.0,
            spectrum=[Eigenvalue(eigenvalue=0.125, multiplicity=2, space="span")],
        ),
        attraction=Attraction(hits=request.starts, probability=1.0, interval_95=(0.5, 1.0)),
    )
    body = LandscapeBody(
        starts=Starts(
            asked=request.starts, converged=request.starts, failed=0, left_saddles=0, outcomes={}
        ),
        missing_mass=MissingMass(estimate=0.0, upper_bound_95=0.5),
        searched=Searched(
            structured=False,
            explanation="Nothing was computed: this is a test's answer.",
            structures=[],
            pathways_without_end=[],
        ),
        fixed_points=[point],
        pathways=[],
    )
    details = FixedPointDetails(
        weights=rows,
        teacher=[[float(i == j) for j in range(teacher)] for i in range(teacher)],
        eigenvalues_span=[0.125, 0.125],
        eigenvalues_perpendicular=[0.25],
        perpendicular_copies=max(0, request.input_dimension - teacher),
    )
    return Composed(result=body, parts={"m1": details})
