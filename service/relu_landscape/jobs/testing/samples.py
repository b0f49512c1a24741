"""Answers of the right shape that cost nothing: what a job in memory is said to have computed."""

from __future__ import annotations

import itertools

from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.certificate import StudentBlock
from relu_landscape.wire.descents import (
    Curvature,
    DescentEnd,
    DescentsBody,
    DescentsRequest,
)
from relu_landscape.wire.frequencies import (
    FrequenciesBody,
    FrequenciesRequest,
    RateFrequencies,
    Reached,
    StartEnds,
    Transition,
)
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
from relu_landscape.wire.located import LocatedEnd, LocatedPoint, PointsBody
from relu_landscape.wire.perturbations import (
    KickedEnd,
    KickSize,
    PerturbationsBody,
    PerturbationsRequest,
)
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.sweeps import SweepAxis, SweepBody, SweepRequest, SweepRow
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    Attractor,
    LossCurve,
    Run,
    RunDetails,
    TrajectoryBody,
)


def perfect_copy(request: AnalysisRequest) -> Composed:
    """The landscape whose only point is the teacher itself, without its physics; or a trajectory
    that stands still there; or points that are all there; or SGD that ends nowhere else; or kicks
    that all return; or descents that all end there.

    Every number is invented but for the widths; students beyond the teacher are zero.
    """
    if isinstance(request, TrajectoryRequest):
        return _standing_still(request)
    if isinstance(request, PointsRequest):
        return _all_there(request)
    if isinstance(request, FrequenciesRequest):
        return _nowhere_else(request)
    if isinstance(request, PerturbationsRequest):
        return _all_return(request)
    if isinstance(request, DescentsRequest):
        return _all_descend(request)
    if isinstance(request, SweepRequest):
        return _all_cells(request)
    assert isinstance(request, LandscapeRequest)  # noqa: S101 - other kinds bring their own
    return _teacher_itself(request)


def _all_cells(request: SweepRequest) -> Composed:
    """A table whose cells all have invented numbers, and the widths of the grid or 2."""
    axes = request.grid.axes
    rows = [
        SweepRow(
            cell=cell,
            values=here,
            student_width=int(here.get("student_width", 2)),
            teacher_width=int(here.get("teacher_width", 2)),
            landscape="0" * 64,
            digest="1" * 64,
            starts=4,
            failed_starts=0,
            zero_loss_hits=3,
            zero_loss_probability=0.75,
            zero_loss_interval_95=(0.5, 0.9),
            spurious_minima=1,
            lowest_spurious_loss=0.125,
            smallest_eigenvalue=0.25,
            missing_mass=0.0,
            missing_mass_bound_95=0.5,
            saddles=0,
            minima=[],
        )
        for cell, values in enumerate(itertools.product(*axes.values()))
        for here in [dict(zip(axes, values, strict=True))]
    ]
    body = SweepBody(
        axes=[SweepAxis(name=name, values=list(values)) for name, values in axes.items()],
        finished=len(rows),
        failed=0,
        rows=rows,
    )
    return Composed(body, {})


def _teacher_itself(request: LandscapeRequest) -> Composed:
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


def _standing_still(request: TrajectoryRequest) -> Composed:
    student, teacher = request.student_width, request.teacher_width
    R = [[float(i == j) for j in range(teacher)] for i in range(student)]
    Q = [[float(i == j) for j in range(student)] for i in range(student)]
    times = [0.0, request.until]
    run = Run(
        key="r1",
        start=request.start,
        outcome="reached the last time",
        reached_end=True,
        ended_at=request.until,
        first_loss=0.0,
        last_loss=0.0,
        attractor="a1",
        attractor_outcome="converged to an isolated fixed point",
    )
    attractor = Attractor(
        key="a1", loss=0.0, is_global=True, is_continuum=False, attractive=True, runs=1, R=R, Q=Q
    )
    quantiles: dict[str, list[float | None]] = {"0.5": [0.0, 0.0]}
    body = TrajectoryBody(
        times=times,
        steps=None,
        critical_learning_rate=None,
        loss=LossCurve(
            running=[1, 1], mean=[0.0, 0.0], standard_deviation=[None, None], quantiles=quantiles
        ),
        runs=[run],
        attractors=[attractor],
    )
    details = RunDetails(
        times=times,
        loss=[0.0, 0.0],
        gradient_norm=[0.0, 0.0],
        norms=[[1.0] * student] * 2,
        matched_teacher=[[0] * student] * 2,
        overlap_times=times,
        R=[R, R],
        Q=[Q, Q],
    )
    return Composed(result=body, parts={"r1": details})


def _all_there(request: PointsRequest) -> Composed:
    here = request.here
    whole = LandscapeRequest(student_width=here.student_width, teacher_width=here.teacher_width)
    landscape = _teacher_itself(whole).result
    assert isinstance(landscape, LandscapeBody)  # noqa: S101 - for the type checker
    (point,) = landscape.fixed_points
    matched = [i if i < here.teacher_width else None for i in range(here.student_width)]
    located = LocatedPoint(
        key="p1",
        loss=0.0,
        gradient_norm=0.0,
        norms=[1.0] * here.student_width,
        matched_teacher=matched,
        cosines=[None if unit is None else 1.0 for unit in matched],
        unmatched_teachers=list(range(here.student_width, here.teacher_width)),
        index=0,
        nullity=0,
        min_eigenvalue=0.125,
        spectrum=[Eigenvalue(eigenvalue=0.125, multiplicity=2, space="span")],
        outcome="converged to an isolated fixed point",
        end="m1",
        flow_time=0.0,
        loss_to_lose=0.0,
        distance=0.0,
        distance_in_errors=None,
        students=list(range(here.student_width)),
        teachers=list(range(here.teacher_width)),
        nearest=[],
        widening=None,
        proved=None,
    )
    end = LocatedEnd.model_validate(
        {**dict(point), "attraction": None, "found_by": ["flow"], "points": here.points,
         "statistical_error": None}
    )  # fmt: skip
    body = PointsBody(
        points=[located.model_copy(update={"key": f"p{n + 1}"}) for n in range(here.points)],
        fixed_points=[end],
        searched=[],
        explanation="Nothing was computed: this is a test's answer.",
    )
    return Composed(body, {})


def _nowhere_else(request: FrequenciesRequest) -> Composed:
    whole = LandscapeRequest(
        student_width=request.student_width, teacher_width=request.teacher_width,
        starts=request.starts,
    )  # fmt: skip
    landscape = _teacher_itself(whole).result
    assert isinstance(landscape, LandscapeBody)  # noqa: S101 - for the type checker
    assert landscape.missing_mass is not None  # noqa: S101 - there are starts
    (point,) = landscape.fixed_points
    assert point.attraction is not None  # noqa: S101 - a minimum's
    reached = Reached(
        end="m1", is_fixed_point=True, by_flow=point.attraction, by_sgd=point.attraction,
        difference=0.0, difference_interval_95=(-0.5, 0.5), mean_loss=0.125,
    )  # fmt: skip
    starts = [
        StartEnds(start=n, flow="m1", ends=["m1"], moved=0, loss=0.125, ran_away_at=None)
        for n in range(request.starts)
    ]
    given = request.learning_rates or request.relative_learning_rates or ()
    rates = [
        RateFrequencies(
            learning_rate=rate, relative_learning_rate=None, times=[request.until], steps=[1000],
            reached=[reached], missing_mass=landscape.missing_mass,
            transitions=[Transition(flow="m1", sgd="m1", starts=request.starts)],
            moved=[request.starts], starts=starts,
        )
        for rate in given
    ]  # fmt: skip
    body = FrequenciesBody(
        starts=landscape.starts,
        missing_mass=landscape.missing_mass,
        critical_learning_rate=None,
        fixed_points=[point],
        rates=rates,
        searched=[],
        explanation="Nothing was computed: this is a test's answer.",
    )
    return Composed(body, {})


def _all_return(request: PerturbationsRequest) -> Composed:
    whole = LandscapeRequest(
        student_width=request.student_width, teacher_width=request.teacher_width,
        starts=request.kicks,
    )  # fmt: skip
    landscape = _teacher_itself(whole).result
    assert isinstance(landscape, LandscapeBody)  # noqa: S101 - for the type checker
    (point,) = landscape.fixed_points
    share = Attraction(
        hits=request.kicks, probability=1.0, interval_95=(0.5, 1.0), attributed=None
    )  # fmt: skip
    sizes = [
        KickSize(
            size=size, length=2.0 * size, returned=share, to_itself=request.kicks, proved=None,
            reached=[KickedEnd(end="m1", is_fixed_point=True, attraction=share)],
            ends=["m1"] * request.kicks,
        )
        for size in request.sizes
    ]  # fmt: skip
    body = PerturbationsBody(
        start="m1", moved=0.0, proved_radius=None, fixed_points=[point], sizes=sizes
    )
    return Composed(body, {})


def _all_descend(request: DescentsRequest) -> Composed:
    K, M = request.student_width, request.teacher_width
    share = Attraction(
        hits=request.starts, probability=1.0, interval_95=(0.5, 1.0), attributed=None
    )  # fmt: skip
    rows = [[float(i == j) for j in range(M)] for i in range(K)]
    end = DescentEnd(
        key="g1",
        kind="global",
        loss=0.0,
        loss_accuracy=1e-15,
        structure=None,
        outside_span=0,
        family=None,
        overlaps=Overlaps(R=rows, Q=[[float(i == j < M) for j in range(K)] for i in range(K)]),
        student_layer=[1.0] * K,
        teacher_layer=[1.0] * M,
        curvature=Curvature(
            index=0, nullity=0, min_eigenvalue_span=0.25, min_eigenvalue_beside=None,
            eigenvalue_tolerance=1e-9, gradient_norm=1e-16,
        ),
        attraction=share,
    )  # fmt: skip
    body = DescentsBody(
        step=request.step, loss_bound=0.0, zero_loss=share, ends=[end], others=[],
        reached=["g1"] * request.starts,
    )  # fmt: skip
    return Composed(body, {})
