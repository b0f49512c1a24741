"""A point of a symmetric structure along the leak of its units: what may be asked and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from relu_landscape.wire.base import Wire
from relu_landscape.wire.families import BranchNumber, Sheet, StructureName
from relu_landscape.wire.landscape import Space
from relu_landscape.wire.requests import Leak
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: The structure is searched as it is, and starts converge well up to here.
LARGEST_FOLLOWED_WIDTH = 100

Width = Annotated[int, Field(ge=1, le=LARGEST_FOLLOWED_WIDTH, strict=True)]


class LeaksQuery(Wire):
    """One point of a structure, from one leak to another."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "student_width": 6,
                    "teacher_width": 6,
                    "structure": "1+5",
                    "from_leak": 0,
                    "to_leak": -0.5,
                    "points": 11,
                }
            ]
        },
    )

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    structure: StructureName = Field(description="a structure such as '1+5'")
    from_leak: Leak = Field(description="slope below zero from which the point is followed")
    to_leak: Leak = Field(description="slope below zero to which it is followed")
    points: int = Field(
        50, ge=2, le=1000, strict=True, description="leaks that are reported, evenly spaced"
    )
    branch: BranchNumber | None = Field(
        None,
        description="number of one of the structure's points at from_leak, by loss; left out: the "
        "minimum of lowest loss, or the lowest point",
    )
    around_folds: bool = Field(
        False,
        description="go on where the branch folds back: through those of the same leaks that it "
        "passes again, until it reaches to_leak or is back at from_leak; at most 8 sheets",
    )


class LeakPoint(Wire):
    """The point at one leak."""

    leak: float
    loss: float
    is_stable: bool
    smallest: dict[str, float] = Field(description="smallest eigenvalue per component")
    sheet: Sheet


class LeakChange(Wire):
    """A leak at which an eigenvalue crosses zero."""

    leak: float
    component: str
    space: Space
    eigenvalue: float = Field(description="what is left of it there: the error of the root")
    stable_below: bool
    stable_above: bool
    sheet: Sheet


class LeakEvent(Wire):
    """A point of the branch at which it folds back, or another branch meets it."""

    kind: Literal["fold", "branch_point"] = Field(
        description="fold: two points of one branch merge, and none is left beyond; branch_point: "
        "another branch, mostly of less symmetry, meets this one"
    )
    leak: float
    loss: float
    component: str = Field(
        description="component whose eigenvalue is zero there; trivial: branches of one symmetry"
    )
    space: Space
    sheet: Sheet


class LeakEnd(Wire):
    """Where a branch stops before the last leak that was asked for."""

    leak: float
    reason: str


class Leaks(Wire):
    """A point of a structure along the leak."""

    structure: str
    student_width: int
    teacher_width: int
    points: list[LeakPoint] = Field(description="in the order of the branch")
    changes: list[LeakChange] = Field(description="by sheet, leak, space and component")
    events: list[LeakEvent] = Field(description="in the order of the branch")
    ends: LeakEnd | None = Field(description="null where the last leak was reached")
