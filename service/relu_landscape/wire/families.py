"""Symmetric families at any width: what may be asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, FiniteFloat

from relu_landscape.wire.base import Count, Wire
from relu_landscape.wire.certificate import Certificate
from relu_landscape.wire.landscape import Space, SpectralSummary
from relu_landscape.wire.requests import Leak
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: The engine's own bound: beyond it the smallest eigenvalues drown in rounding.
LARGEST_FAMILY_WIDTH = 10**9

Width = Annotated[int, Field(ge=1, le=LARGEST_FAMILY_WIDTH, strict=True)]
RealWidth = Annotated[FiniteFloat, Field(ge=1, le=LARGEST_FAMILY_WIDTH)]
StructureName = Annotated[str, Field(min_length=1, max_length=200)]
BranchNumber = Annotated[int, Field(ge=1, le=1000, strict=True)]
#: Slope below zero of the units; what is asked or answered without one keeps its bytes.
GivenLeak = Annotated[
    Leak,
    Field(
        exclude_if=lambda leak: leak == 0.0,
        description="slope below zero of the activation of students and teachers, leaky ReLU: "
        "max(x, leak x), -0.9 to 0.9; left out: 0, ReLU",
    ),
]
#: The piece of a branch that a point lies on.
Sheet = Annotated[int, Field(ge=1, description="1 up to the first fold, one more after each fold")]


class _Query(Wire):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FamilyQuery(_Query):
    """One family at one width."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"student_width": 17, "teacher_width": 17, "structure": "one-anti-aligned"}
            ]
        }
    )

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    structure: StructureName = Field(
        description="a structure such as '1+16' or '1+*', or a family such as 'one-anti-aligned'"
    )
    branch: BranchNumber | None = Field(
        None,
        description="number of one of the structure's points, by loss; left out: the minimum of "
        "lowest loss",
    )
    certify: bool = Field(
        False, description="also a computer-assisted proof, by the reduced method, at any width"
    )
    leak: GivenLeak = 0.0


class ContinuationQuery(_Query):
    """One family along real width."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"structure": "one-anti-aligned", "from_width": 5, "to_width": 20, "points": 16}
            ]
        }
    )

    structure: StructureName = Field(
        description="a family such as 'one-anti-aligned', or a structure with * for the sizes that "
        "grow, such as '1+*'"
    )
    from_width: RealWidth = Field(description="teacher width from which the family is followed")
    to_width: RealWidth = Field(description="teacher width to which it is followed")
    points: int = Field(
        50, ge=2, le=1000, strict=True, description="widths that are reported, geometric"
    )
    branch: BranchNumber | None = Field(
        None, description="number of one of the structure's points at from_width, by loss"
    )
    around_folds: bool = Field(
        False,
        description="go on where the branch folds back: through those of the same widths that it "
        "passes again, until it reaches to_width or is back at from_width; at most 8 sheets",
    )
    leak: GivenLeak = 0.0


class TeacherBlock(Wire):
    """A block of equivalent teachers."""

    size: Count


class FamilyStudentBlock(Wire):
    """A block of equivalent students."""

    size: Count
    teacher_block: int | None = Field(
        description="position of the teacher block it is permuted with; null: a single student"
    )
    norm: float = Field(description="norm of each of its students")


class BlockEntry(Wire):
    """The entries of an overlap matrix in one pair of blocks."""

    same: float | None = Field(description="for equal labels; null where blocks have no common one")
    other: float | None = Field(description="for unequal labels; null in blocks of one")


class FamilyOverlaps(Wire):
    """Summary statistics by blocks."""

    R: list[list[BlockEntry]] = Field(description="student blocks x teacher blocks")
    Q: list[list[BlockEntry]] = Field(description="student blocks x student blocks")


class FamilyStability(SpectralSummary):
    """Stability in any input dimension, from the whole spectrum."""

    nullity_span: Count = Field(
        description="eigenvalues in the teacher's span within eigenvalue_tolerance of zero"
    )


class FamilyEigenvalue(Wire):
    """One line of the spectrum, with the component of the symmetry group it belongs to."""

    eigenvalue: float = Field(description="0 where it is within eigenvalue_tolerance of zero")
    multiplicity: Count
    space: Space
    component: str = Field(description="irreducible representations of the blocks' permutations")


class FamilyPoint(Wire):
    """A structured point in the engine's own coordinates, from which it can be built again."""

    structure: str
    signs: list[int]
    deviations: list[float]
    leak: GivenLeak = 0.0


class FamilyBranch(Wire):
    """One critical point of a structure, for choosing among them."""

    branch: int = Field(description="its number, by loss")
    loss: float
    kind: Literal["minimum", "saddle"]
    index_span: Count
    min_eigenvalue_span: float
    anti_aligned: Count


class Family(Wire):
    """A critical point of a symmetric family."""

    family: str = Field(description="as it was asked for")
    structure: str
    student_width: Count
    teacher_width: Count
    kind: Literal["minimum", "saddle"]
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    loss_accuracy: float = Field(description="absolute error of the loss by rounding")
    is_global: bool
    anti_aligned: Count
    teacher_blocks: list[TeacherBlock]
    student_blocks: list[FamilyStudentBlock]
    unknowns: list[float] = Field(description="the reduced unknowns x and y")
    overlaps: FamilyOverlaps
    stability: FamilyStability
    spectrum: list[FamilyEigenvalue] = Field(description="the span first, each ascending")
    point: FamilyPoint
    branch: int | None = Field(description="null for a named family, which is a single branch")
    branches: list[FamilyBranch]
    certificate: Certificate | None = Field(None, description="with certify only")
    leak: GivenLeak = 0.0


class ContinuationPoint(Wire):
    """A family at one real width."""

    width: float
    loss: float
    is_stable: bool
    smallest: dict[str, float] = Field(description="smallest eigenvalue per component")
    sheet: Sheet


class StabilityChange(Wire):
    """A width at which an eigenvalue crosses zero."""

    width: float
    component: str
    space: Space
    eigenvalue: float = Field(description="what is left of it there: the error of the root")
    stable_below: bool
    stable_above: bool
    sheet: Sheet


class BranchEvent(Wire):
    """A point of a branch at which it folds back, or another branch meets it."""

    kind: Literal["fold", "branch_point"] = Field(
        description="fold: two points of one branch merge, and none is left beyond; branch_point: "
        "another branch, mostly of less symmetry, meets this one"
    )
    width: float
    loss: float
    component: str = Field(
        description="component whose eigenvalue is zero there; trivial: branches of one symmetry"
    )
    space: Space
    sheet: Sheet


class BranchEnd(Wire):
    """Where a branch stops."""

    width: float
    reason: str


class Continuation(Wire):
    """A family along real width."""

    family: str
    structure: str
    points: list[ContinuationPoint] = Field(description="in the order of the branch")
    changes: list[StabilityChange] = Field(description="by sheet, width, space and component")
    events: list[BranchEvent] = Field(description="in the order of the branch")
    ends: BranchEnd | None = Field(description="null where the last width was reached")
    leak: GivenLeak = 0.0
