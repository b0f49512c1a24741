"""What is answered: typed results, from which the API's schema is made.

Spectra list eigenvalues with exact multiplicities. A multiplicity is an integer; beyond 2^53,
where JSON numbers stop being exact, it is a string of digits.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Space = Literal["plane", "perpendicular"]
Kind = Literal["minimum", "saddle", "global_continuum"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(_Result):
    """Who computed this, with what. Excluded from the canonical bytes and their digest."""

    version: str
    algorithm: str
    backend: str
    device: str
    libraries: dict[str, str]
    seconds: float = Field(description="wall-clock seconds from start to finish, all attempts")


class Starts(_Result):
    """What became of the random starts; asked = converged + failed."""

    asked: int
    converged: int
    failed: int = Field(description="did not converge within the limits; counted, never dropped")
    left_saddles: int = Field(
        description="of the converged, how many first came to rest at a saddle and were pushed off"
    )
    outcomes: dict[str, int] = Field(
        description="for the failed starts: how many ended with which sentence"
    )


class UnseenMass(_Result):
    """Chance that the next start ends at a point not listed (Good-Turing)."""

    estimate: float
    upper_bound_95: float


class Structure(_Result):
    """Block structure of a point up to permutations of students and teachers."""

    name: str = Field(description="for example '1+6', or '1+16 extra 1'")
    blocks: list[int] = Field(description="sizes of the blocks of equivalent teachers, ascending")
    students: list[dict[str, Any]] = Field(
        description="student blocks in canonical order: {size, teacher_block (index or null)}"
    )
    extra_students: int = Field(description="students of blocks not paired with a teacher block")
    isotropy: str = Field(description="group of permutations that fix the point, e.g. 'S1 x S6'")
    orbit_size: int | str = Field(description="number of relabelled copies; digits beyond 2^53")
    anti_aligned: int = Field(
        description="students whose overlap with the teacher they are matched to is negative"
    )


class Overlaps(_Result):
    """Summary statistics in canonical order."""

    R: list[list[float]] = Field(description="student-teacher overlaps, student_width rows")
    Q: list[list[float]] = Field(description="student-student overlaps")


class Eigenvalue(_Result):
    """One line of the Hessian's spectrum."""

    eigenvalue: float
    multiplicity: int | str
    space: Space


class Stability(_Result):
    """Stability in summary-statistics space, from the whole spectrum."""

    attractive: bool = Field(description="no negative eigenvalue, in the plane or perpendicular")
    index: int | str = Field(description="negative eigenvalues; perpendicular ones d - M times")
    nullity: int | str = Field(description="eigenvalues within eigenvalue_tolerance of zero")
    min_eigenvalue: float = Field(description="smallest eigenvalue in the teacher's span")
    min_eigenvalue_perpendicular: float | None = Field(
        description="smallest eigenvalue of the perpendicular block; null when d = M"
    )
    eigenvalue_tolerance: float
    gradient_norm: float
    spectrum: list[Eigenvalue]
    slowest_time: float | None = Field(
        description="time constant of the slowest mode of gradient flow, 1 / smallest eigenvalue"
    )


class Attraction(_Result):
    """How often gradient flow from random starts ends here."""

    hits: int
    probability: float
    interval_95: tuple[float, float] = Field(description="Wilson score interval")
    attributed: int | None = Field(
        None, description="hits inside the proven attribution radius, with certify only"
    )


class FixedPoint(_Result):
    """One fixed point up to symmetry."""

    key: str = Field(description="name within this landscape: m1, m2 (minima), s1 (saddles), g1")
    kind: Kind
    loss: float
    is_global: bool
    found_by: list[Literal["sampled", "structured"]]
    structure: Structure
    overlaps: Overlaps
    norms: list[float]
    continuum_dimension: int | None = Field(
        None, description="dimension of the set of global minima, global_continuum only"
    )
    stability: Stability
    attraction: Attraction | None
    certificate: dict[str, Any] | None = None


class Transition(_Result):
    """A saddle of index 1 and the two minima that its unstable directions lead to."""

    saddle: str
    minima: tuple[str, str]
    same_copy: bool | None = Field(
        None, description="both ends one and the same labelled point, not relabelled copies"
    )
    relation: Literal["same copy", "student order", "relabelled", "different"] = Field(
        description="how the labelled ends compare: one point, students exchanged, "
        "students and teachers relabelled, or two different minima"
    )
    barriers: tuple[float, float] = Field(description="loss of the saddle above either minimum")


class Landscape(_Result):
    """Everything found, in canonical order: minima by loss, then saddles by loss."""

    id: str
    request: dict[str, Any]
    provenance: Provenance
    digest: str = Field(description="SHA-256 of the canonical bytes of all but the provenance")
    starts: Starts
    unseen_mass: UnseenMass | None
    searched: dict[str, Any] = Field(description="what the structured search covered, and how")
    fixed_points: list[FixedPoint]
    transitions: list[Transition]
    disconnectivity: dict[str, Any] | None = None
