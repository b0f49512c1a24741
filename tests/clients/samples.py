"""Answers of the right shape that a client can be shown, made of the server's own models.

Two students and two teachers, unless a request says otherwise: a global minimum, a spurious one,
the saddle between them and the pathway over it. The numbers are invented, and small enough to be
read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from relu_landscape import ALGORITHM
from relu_landscape.analyses import LANDSCAPE
from relu_landscape.engine.tasks import Composed
from relu_landscape.jobs.about import provenance
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.running.sealing import seal
from relu_landscape.jobs.testing import NOW, Job, perfect_copy
from relu_landscape.wire.certificate import StudentBlock
from relu_landscape.wire.estimates import Estimate
from relu_landscape.wire.families import (
    BranchEvent,
    Continuation,
    ContinuationPoint,
    Family,
    FamilyBranch,
    FamilyEigenvalue,
    FamilyOverlaps,
    FamilyPoint,
    FamilyStability,
    FamilyStudentBlock,
    StabilityChange,
    TeacherBlock,
)
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.landscape import (
    Attraction,
    Disconnectivity,
    Eigenvalue,
    FixedPoint,
    FixedPointDetails,
    LandscapeBody,
    LandscapeFinding,
    Leaf,
    MissingMass,
    Node,
    Overlaps,
    Pathway,
    Searched,
    Stability,
    Starts,
    Structure,
)
from relu_landscape.wire.leaks import LeakChange, LeakEnd, LeakEvent, LeakPoint, Leaks
from relu_landscape.wire.learning_rates import LearningRates, RatedLoss
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.structures import StructureChoice, StructureChoices, StructuresQuery

REQUEST = LandscapeRequest(student_width=2, teacher_width=2, starts=10)
#: What the request is asked with: ``client.landscape(**ASKED)``.
ASKED: dict[str, Any] = {"student_width": 2, "teacher_width": 2, "starts": 10}
#: Its content id on the processor, which is where the service in memory says it computes.
ID = REQUEST.content_id("cpu")
#: An id that nobody knows.
OTHER_ID = "b7" * 32

LOSSES = {"m1": 0.0, "m2": 0.0125, "s1": 0.02}


def fixed_point(
    key: str, loss: float, hits: int | None = None, *, widths: tuple[int, int] = (2, 2)
) -> FixedPoint:
    """A saddle where the key says so, otherwise a minimum; global at loss zero."""
    student, teacher = widths
    is_saddle = key.startswith("s")
    shift = 0.25 * loss
    lowest = -0.0204 if is_saddle else 0.125
    return FixedPoint(
        key=key,
        kind="saddle" if is_saddle else "minimum",
        loss=loss,
        loss_accuracy=1e-15,
        is_global=loss == 0.0,
        found_by=["sampled", "structured"],
        structure=Structure(
            name="1+1",
            blocks=[1, 1],
            students=[StudentBlock(size=1, teacher_block=0), StudentBlock(size=1, teacher_block=1)],
            extra_students=0,
            isotropy="S1 x S1",
            orbit_size="12345678901234567890",
            anti_aligned=int(loss > 0.0),
        ),
        overlaps=Overlaps(
            R=[[1.0 - shift if i == j else shift for j in range(teacher)] for i in range(student)],
            Q=[[1.0 if i == j else 2.0 * shift for j in range(student)] for i in range(student)],
        ),
        norms=[1.0] * student,
        stability=Stability(
            attractive=not is_saddle,
            index=int(is_saddle),
            index_span=int(is_saddle),
            index_perpendicular=0,
            nullity=0,
            min_eigenvalue_span=lowest,
            min_eigenvalue_perpendicular=0.25,
            eigenvalue_tolerance=1e-9,
            gradient_norm=1e-15,
            relaxation_time=None if is_saddle else 8.0,
            spectrum=[
                Eigenvalue(eigenvalue=lowest, multiplicity=1, space="span"),
                Eigenvalue(eigenvalue=0.5, multiplicity=3, space="span"),
                Eigenvalue(
                    eigenvalue=0.25, multiplicity="98765432109876543210", space="perpendicular"
                ),
            ],
        ),
        attraction=None
        if hits is None
        else Attraction(
            hits=hits,
            probability=hits / 10,
            interval_95=(max(0.0, hits / 10 - 0.2), min(1.0, hits / 10 + 0.2)),
        ),
    )


def two_minima(request: AnalysisRequest) -> Composed:
    """What a job is said to have computed; the graph is there whether or not it was asked for."""
    if not isinstance(request, LandscapeRequest):
        return perfect_copy(request)
    widths = request.student_width, request.teacher_width
    body = LandscapeBody(
        starts=Starts(asked=10, converged=10, failed=0, left_saddles=1, outcomes={}),
        missing_mass=MissingMass(estimate=0.0, upper_bound_95=0.3),
        searched=Searched(
            structured=True, explanation="A sample.", structures=[], pathways_without_end=[]
        ),
        fixed_points=[
            fixed_point("m1", LOSSES["m1"], 8, widths=widths),
            fixed_point("m2", LOSSES["m2"], 2, widths=widths),
            fixed_point("s1", LOSSES["s1"], widths=widths),
        ],
        pathways=[
            Pathway(saddle="s1", minima=("m1", "m2"), relation="different", barriers=(0.02, 0.0075))
        ],
        disconnectivity=graph({"m1": LOSSES["m1"], "m2": LOSSES["m2"]}, [("s1", 0.02, "m1", "m2")]),
    )
    return Composed(result=body, parts={key: details(*widths) for key in LOSSES})


def graph(minima: dict[str, float], merges: list[tuple[str, float, str, str]]) -> Disconnectivity:
    """The graph for merges in order of level: saddle, level, and what it joins.

    Each merge makes a node named after its saddle, ``s1`` the node ``n1``.
    """
    below = {key: [key] for key in minima}
    roots = list(minima)
    nodes = []
    for saddle, level, *children in merges:
        key = saddle.replace("s", "n")
        below[key] = [leaf for child in children for leaf in below[child]]
        nodes.append(
            Node(key=key, level=level, saddle=saddle, children=children, leaves=below[key])
        )
        roots = [root for root in roots if root not in children] + [key]
    leaves = [Leaf(key=key, loss=loss) for key, loss in sorted(minima.items(), key=lambda i: i[1])]
    return Disconnectivity(leaves=leaves, nodes=nodes, roots=roots, copies=[])


def details(student: int, teacher: int) -> FixedPointDetails:
    """Weights on the axes."""
    return FixedPointDetails(
        weights=[[float(i == j) for j in range(teacher)] for i in range(student)],
        teacher=[[float(i == j) for j in range(teacher)] for i in range(teacher)],
        eigenvalues_span=[0.125, 0.5, 0.5, 0.5],
        eigenvalues_perpendicular=[0.25, 0.25],
        perpendicular_copies=998,
    )


def document(request: LandscapeRequest = REQUEST, **changes: Any) -> dict[str, Any]:
    """A finished landscape as it is answered; ``changes`` replace members of its body."""
    body = two_minima(request).result.model_copy(update=changes)
    backend = ChosenBackend("numpy", "a processor", "the test wants it")
    sealed = seal(LANDSCAPE, request.content_id("cpu"), request, body, provenance(backend, 0.5))
    whole: dict[str, Any] = orjson.loads(sealed)
    return whole


def of_release_0_1() -> dict[str, Any]:
    """A landscape with the names that release 0.1 had, as far as they matter here."""
    whole = document()
    whole["transitions"] = whole.pop("pathways")
    whole["unseen_mass"] = whole.pop("missing_mass")
    for point in whole["fixed_points"]:
        stability = point["stability"]
        stability["slowest_time"] = stability.pop("relaxation_time")
        stability["min_eigenvalue"] = stability.pop("min_eigenvalue_span")
        del stability["index_span"], stability["index_perpendicular"]
    return whole


def progress(done: int) -> Progress:
    """``done`` of four chunks."""
    return Progress(
        phase="sample", tasks_done=done, tasks=4, starts_done=3 * done, starts=10,
        fraction=done / 4, seconds_left=4.0 - done,
    )  # fmt: skip


def finding(key: str) -> LandscapeFinding:
    """A provisional point."""
    return LandscapeFinding(key=key, kind="unclassified", loss=0.0125, hits=2)


def status(state: str, **changes: Any) -> dict[str, Any]:
    """A job on its way, as it is answered."""
    made = LANDSCAPE.status.model_validate(
        {
            "id": ID, "kind": "landscape", "state": state, "request": REQUEST, "created_at": NOW,
            "started_at": None, "finished_at": None, "progress": progress(0), "findings": [],
            "error": None, "attempts": 1,
            "needs": {"algorithm": ALGORITHM, "backend_class": "cpu"},
        }
        | changes
    )  # fmt: skip
    return made.model_dump(mode="json")


Step = Callable[[Job], None]

#: What a job says while it is listened to, one event each, after ``queued`` and ``running``.
SCRIPT: tuple[Step, ...] = (
    lambda job: job.report(progress(1)),
    lambda job: job.find(finding("p1")),
    lambda job: job.report(progress(3)),
    lambda job: job.find(finding("p1"), finding("p2")),
    lambda job: job.finish(),
)
#: Events that a job has said when it begins.
SAID_AT_FIRST = 2


def family(width: int = 10**9) -> Family:
    """A minimum of a family at a width where integers need digits."""
    many = str(width * width - 1)
    return Family(
        family="one-anti-aligned",
        structure=f"1+{width - 1}",
        student_width=width,
        teacher_width=width,
        kind="minimum",
        loss=0.25,
        loss_accuracy=1e-15,
        is_global=False,
        anti_aligned=1,
        teacher_blocks=[TeacherBlock(size=1), TeacherBlock(size=width - 1)],
        student_blocks=[
            FamilyStudentBlock(size=1, teacher_block=0, norm=1.5),
            FamilyStudentBlock(size=width - 1, teacher_block=1, norm=1.0),
        ],
        unknowns=[0.5, 0.25],
        overlaps=FamilyOverlaps(R=[], Q=[]),
        stability=FamilyStability(
            attractive=True,
            index_span=0,
            index_perpendicular=0,
            nullity_span=0,
            min_eigenvalue_span=0.01,
            min_eigenvalue_perpendicular=0.2,
            eigenvalue_tolerance=1e-9,
            gradient_norm=0.0,
            relaxation_time=100.0,
        ),
        spectrum=[
            FamilyEigenvalue(eigenvalue=0.01, multiplicity=1, space="span", component="trivial"),
            FamilyEigenvalue(eigenvalue=0.3, multiplicity=many, space="span", component="standard"),
        ],
        point=FamilyPoint(structure="1+*", signs=[-1, 1], deviations=[0.1, 0.2]),
        branch=2,
        branches=[
            FamilyBranch(
                branch=number,
                loss=0.125 * number,
                kind="minimum",
                index_span=0,
                min_eigenvalue_span=0.01,
                anti_aligned=1,
            )
            for number in (1, 2)
        ],
    )


def continuation() -> Continuation:
    """Three widths; one component is born on the way, and stability changes once."""
    return Continuation(
        family="one-anti-aligned",
        structure="1+*",
        points=[
            ContinuationPoint(width=width, loss=loss, is_stable=stable, smallest=smallest, sheet=1)
            for width, loss, stable, smallest in (
                (5.0, 0.5, False, {"a": -0.1}),
                (6.0, 0.4, True, {"a": 0.1, "b": 0.2}),
                (7.0, 0.3, True, {"a": 0.2, "b": 0.3}),
            )
        ],
        changes=[
            StabilityChange(
                width=5.5, component="a", space="span", eigenvalue=1e-12,
                stable_below=False, stable_above=True, sheet=1,
            )
        ],
        events=[
            BranchEvent(
                kind="branch_point", width=5.5, loss=0.45, component="a", space="span", sheet=1
            )
        ],
        ends=None,
    )  # fmt: skip


def leaks() -> Leaks:
    """Three leaks, with a change of stability between two of them."""
    return Leaks(
        structure="1+5", student_width=6, teacher_width=6,
        points=[
            LeakPoint(leak=leak, loss=0.5 - leak, is_stable=leak < 0, smallest={"a": 0.1}, sheet=1)
            for leak in (-0.5, 0.0, 0.5)
        ],
        changes=[
            LeakChange(
                leak=-0.25, component="a", space="span", eigenvalue=1e-12,
                stable_below=True, stable_above=False, sheet=1,
            )
        ],
        events=[
            LeakEvent(
                kind="branch_point", leak=-0.25, loss=0.75, component="a", space="span", sheet=1
            )
        ],
        ends=LeakEnd(leak=0.5, reason="A test ends here."),
    )  # fmt: skip


def learning_rates() -> LearningRates:
    """Two learning rates."""
    return LearningRates(
        family="one-anti-aligned", structure="1+7", branch=None, student_width=8, teacher_width=8,
        loss=0.5, is_global=False, slope=0.25, critical_rate=0.75,
        is_second_order=True,
        curve=[
            RatedLoss(learning_rate=rate, first_order=0.5 + rate / 4, loss=0.5 + rate / 2)
            for rate in (0.25, 0.5)
        ],
    )  # fmt: skip


def structures(query: StructuresQuery) -> StructureChoices:
    """One."""
    choice = StructureChoice(name="2", words="2 teachers alike", unknowns=3, families=["global"])
    return StructureChoices(
        student_width=query.student_width, teacher_width=query.teacher_width, items=[choice],
        grammar="Blocks.",
    )  # fmt: skip


def estimate(query: LandscapeRequest) -> Estimate:
    """Two phases."""
    return Estimate(
        request=query, seconds={"sample": 1.5, "structures": 0.5}, core_seconds=2.0,
        stored_bytes=1e6, worker_bytes=1.25e8, factor=1.5, is_extrapolated=True,
    )  # fmt: skip
