"""The landscape as it is answered, typed to the leaves.

Losses are in units of squared output; weights, norms and overlaps in those of the teacher's weights
(an orthonormal teacher has norm 1). Spectra list eigenvalues with exact multiplicities.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relu_landscape.wire.base import Count, Wire
from relu_landscape.wire.certificate import Certificate, StudentBlock
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.rated import LearningRateDiagram, PointRates
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.widening import Widening

Space = Literal["span", "perpendicular"]
Kind = Literal["minimum", "saddle", "global_continuum"]
FoundBy = Literal["sampled", "structured", "pathway"]
Relation = Literal["same copy", "student order", "relabelled", "same continuum", "different"]
SetAside = Literal["global", "zero_student", "split", "degenerate", "failed"]

#: The phases of a landscape, in order; ``structures``, ``pathways``, ``widening``,
#: ``learning rates`` and ``certify`` only where the request has them.
PHASES = (
    "sample",
    "slow starts",
    "classify",
    "second look",
    "structures",
    "pathways",
    "widening",
    "learning rates",
    "certify",
)


class Starts(Wire):
    """What became of the random starts; asked = converged + failed."""

    asked: int
    converged: int
    failed: int = Field(description="did not converge within the limits; counted, never dropped")
    left_saddles: int = Field(
        description="of the converged, how many first came to rest at a saddle and were pushed off"
    )
    through_zero: int = Field(
        default=0,
        description="of all, in how many a student's norm reached zero on the way, from where it "
        "left along the steepest descent",
    )
    outcomes: dict[str, int] = Field(
        description="for the failed starts: how many ended with which sentence"
    )


class MissingMass(Wire):
    """Chance that the next start ends at a point not listed, or fails."""

    estimate: float = Field(ge=0, le=1, description="Good and Turing's; failed starts count")
    upper_bound_95: float = Field(
        ge=0,
        le=1,
        description="what the sample missed exceeds this in at most 5% of all samples",
    )


class Structure(Wire):
    """Block structure of a point up to permutations of students and teachers."""

    name: str = Field(description="for example '1+6', or '1+16 extra 1'")
    blocks: list[int] = Field(description="sizes of the blocks of equivalent teachers, ascending")
    students: list[StudentBlock] = Field(description="student blocks in canonical order")
    extra_students: int = Field(description="students of blocks not paired with a teacher block")
    isotropy: str = Field(description="group of permutations that fix the point, e.g. 'S1 x S6'")
    orbit_size: Count = Field(description="number of relabelled copies; digits beyond 2^53")
    anti_aligned: int = Field(
        description="students whose overlap with the teacher they are matched to is negative"
    )


class Overlaps(Wire):
    """Summary statistics in canonical order."""

    R: list[list[float]] = Field(description="student-teacher overlaps, student_width rows")
    Q: list[list[float]] = Field(description="student-student overlaps")


class Eigenvalue(Wire):
    """One line of the Hessian's spectrum."""

    eigenvalue: float = Field(description="0 where it is within eigenvalue_tolerance of zero")
    multiplicity: Count = Field(description="exact, in input dimension d")
    space: Space = Field(description="in the teacher's span, or perpendicular to it")


class SpectralSummary(Wire):
    """What the whole Hessian says about a point, wherever the point comes from.

    The Hessian is one block in the teacher's span and a second, smaller one that is repeated for
    each perpendicular dimension.
    """

    attractive: bool = Field(description="no negative eigenvalue, in the span or perpendicular")
    index_span: Count = Field(description="negative eigenvalues in the teacher's span")
    index_perpendicular: Count = Field(
        description="negative eigenvalues of the perpendicular block: per perpendicular dimension"
    )
    min_eigenvalue_span: float = Field(
        description="smallest eigenvalue in the teacher's span; 0 within eigenvalue_tolerance"
    )
    min_eigenvalue_perpendicular: float | None = Field(
        description="smallest eigenvalue of the perpendicular block; null when d = M"
    )
    eigenvalue_tolerance: float = Field(description="eigenvalues within this of zero count as zero")
    gradient_norm: float = Field(description="Euclidean norm of the gradient at the point")
    relaxation_time: float | None = Field(
        description="of the slowest mode of gradient flow, 1 / smallest eigenvalue; null where one "
        "is zero or negative"
    )


class Stability(SpectralSummary):
    """Stability in input dimension d, from the whole spectrum."""

    index: Count = Field(description="negative eigenvalues; perpendicular ones d - M times")
    nullity: Count = Field(description="eigenvalues within eigenvalue_tolerance of zero")
    spectrum: list[Eigenvalue] = Field(description="ascending, the span first")


class Attraction(Wire):
    """How often gradient flow from random starts ends here."""

    hits: int
    probability: float = Field(description="hits over starts asked for; failed ones count", ge=0)
    interval_95: tuple[float, float] = Field(description="Wilson score interval")
    attributed: int | None = Field(
        None, description="hits inside the proven attribution radius, with certify only"
    )


class FixedPoint(Wire):
    """One fixed point up to symmetry."""

    key: str = Field(description="name within this landscape: m1, m2 (minima), s1 (saddles), g1")
    kind: Kind
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    loss_accuracy: float = Field(description="absolute error of the loss by rounding")
    is_global: bool
    found_by: list[FoundBy] = Field(
        description="random starts, the search in symmetric families, or the way down from a saddle"
    )
    structure: Structure
    overlaps: Overlaps
    norms: list[float] = Field(description="norms of the students, in canonical order")
    continuum_dimension: int | None = Field(
        None, description="dimension of the set of global minima, global_continuum only"
    )
    stability: Stability
    attraction: Attraction | None = Field(description="null for saddles, and without starts")
    widening: Widening | None = Field(
        None, description="what one more student does, with widen only; isolated points"
    )
    learning_rates: PointRates | None = Field(
        None,
        exclude_if=lambda rates: rates is None,  # results without keep their bytes
        description="what the request's learning rates do to an isolated minimum",
    )
    certificate: Certificate | None = Field(None, description="with certify only")


class FixedPointDetails(Wire):
    """What is too long for the overview of a landscape."""

    weights: list[list[float]] = Field(
        description="students x span, in orthonormal coordinates of the teacher's span"
    )
    teacher: list[list[float]] = Field(
        description="teacher units x span, in the same coordinates (lower triangular)"
    )
    eigenvalues_span: list[float] = Field(
        description="every eigenvalue in the span as it was computed, ascending"
    )
    eigenvalues_perpendicular: list[float] = Field(
        description="every eigenvalue of the perpendicular block, ascending"
    )
    perpendicular_copies: int = Field(description="how often that block occurs, d - M")


class FixedPointInFull(FixedPoint, FixedPointDetails):
    """One fixed point with its details."""


class Pathway(Wire):
    """A saddle of index 1 and the two minima that its unstable directions lead to."""

    saddle: str = Field(description="key of the saddle")
    minima: tuple[str, str] = Field(description="keys of the ends; g1 is the global continuum")
    relation: Relation = Field(
        description="how the labelled ends compare: one point, students exchanged, students and "
        "teachers relabelled, both on the continuum of global minima, or two different minima"
    )
    barriers: tuple[float, float] = Field(description="loss of the saddle above either end")


class Leaf(Wire):
    """A minimum in the disconnectivity graph; stands for all its relabelled copies."""

    key: str
    loss: float


class Node(Wire):
    """Where branches of the disconnectivity graph join."""

    key: str
    level: float = Field(description="loss of the saddle that joins them")
    saddle: str
    children: list[str] = Field(description="keys of nodes or minima")
    leaves: list[str] = Field(description="keys of all minima below")


class JoinedCopies(Wire):
    """The lowest saddle known that joins copies of one and the same minimum."""

    minimum: str
    saddle: str
    level: float


class Disconnectivity(Wire):
    """The disconnectivity graph: which minima join at which level (Becker and Karplus 1997)."""

    leaves: list[Leaf] = Field(description="by loss")
    nodes: list[Node] = Field(description="merging upwards in order of level")
    roots: list[str] = Field(description="what no known saddle joins any further")
    copies: list[JoinedCopies]


class Origin(Wire):
    """The fixed point of a narrower student from which a line of saddles comes."""

    student_width: int
    attractive: bool = Field(description="whether it is a minimum of the narrower landscape")
    index: Count = Field(description="its negative eigenvalues in input dimension d")
    structure: Structure
    overlaps: Overlaps
    norms: list[float] = Field(description="norms of its students, in canonical order")


class SaddleLine(Wire):
    """Critical points that are not isolated: students of a narrower point, split in parallel parts.

    The parts of a student add up to it in any proportion; loss and index are the same for all.
    """

    key: str = Field(description="name within this landscape: l1, l2")
    loss: float
    loss_accuracy: float = Field(description="absolute error of the loss by rounding")
    dimension: int = Field(description="students beyond the width of the origin")
    found_by: list[FoundBy] = Field(
        description="random starts that came to rest there, or the structured search for minima of "
        "one student less"
    )
    origin: Origin
    parts: list[int] = Field(
        description="into how many parallel students each student of the origin is split"
    )
    index: Count = Field(description="negative eigenvalues at every point with no part zero")
    index_span: Count = Field(description="negative eigenvalues in the teacher's span")
    index_perpendicular: Count = Field(
        description="negative eigenvalues of the perpendicular block: per perpendicular dimension"
    )
    splitting_eigenvalue_span: float = Field(
        description="smallest second derivative of separating the parts in the teacher's span, "
        "times mu (1 - mu) for parts mu and 1 - mu"
    )
    splitting_eigenvalue_perpendicular: float | None = Field(
        description="the same perpendicular to the span; null when d = M"
    )
    eigenvalue_tolerance: float = Field(description="eigenvalues within this of zero count as zero")


class SearchSummary(Wire):
    """What the search in one symmetric family covered."""

    structure: str
    starts: int
    patience: int = Field(description="starts without a new point after which the search stops")
    complete: bool = Field(description="whether it stopped for that reason")
    points: int
    minima: int
    set_aside: dict[SetAside, int] = Field(description="starts that gave no listed point, by why")


class PathwayWithoutEnd(Wire):
    """A saddle whose pathway could not be told."""

    saddle: str
    reason: str


class Searched(Wire):
    """What was looked at, and how."""

    structured: bool = Field(description="whether symmetric families were searched")
    explanation: str
    structures: list[SearchSummary]
    pathways_without_end: list[PathwayWithoutEnd]


class LandscapeFinding(Wire):
    """A provisional point of a landscape that is still computed."""

    key: str = Field(description="provisional")
    kind: Literal["unclassified", "global_continuum"]
    loss: float
    hits: int


class LandscapeBody(Wire):
    """Everything found, in canonical order: minima by loss, then saddles by loss."""

    starts: Starts
    missing_mass: MissingMass | None = Field(description="null without starts")
    searched: Searched
    fixed_points: list[FixedPoint]
    saddle_lines: list[SaddleLine] = Field(
        default_factory=list,
        description="critical points that are not isolated, by loss: with saddles those that come "
        "from minima of one student less, and any at which a start came to rest",
    )
    pathways: list[Pathway]
    disconnectivity: Disconnectivity | None = Field(None, description="with saddles only")
    learning_rates: LearningRateDiagram | None = Field(
        None,
        exclude_if=lambda diagram: diagram is None,  # results without keep their bytes
        description="which minima survive up to which learning rate, with learning_rates only",
    )


class Landscape(LandscapeBody, Sealed):
    """A finished landscape."""

    request: LandscapeRequest
