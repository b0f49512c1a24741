"""What a finite learning rate does to a minimum: what may be asked, and what is answered."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from relu_landscape.wire.base import Count, Wire
from relu_landscape.wire.families import BranchNumber, StructureName
from relu_landscape.wire.requests import AskedLeak
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: P4 of every four students: seconds grow with the fourth power of the width.
LARGEST_RATED_WIDTH = 48


class LearningRatesQuery(Wire):
    """One minimum of a family under one-pass SGD."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"student_width": 8, "teacher_width": 8, "structure": "one-anti-aligned"}]
        },
    )

    student_width: int = Field(
        ge=1,
        le=LARGEST_RATED_WIDTH,
        strict=True,
        validation_alias=STUDENT_NAMES,
        description=STUDENT_WORDS,
    )
    teacher_width: int = Field(
        ge=1,
        le=LARGEST_RATED_WIDTH,
        strict=True,
        validation_alias=TEACHER_NAMES,
        description=TEACHER_WORDS,
    )
    structure: StructureName = Field(
        description="a structure such as '1+7', or a family such as 'one-anti-aligned'"
    )
    branch: BranchNumber | None = Field(
        None,
        description="number of one of the structure's points, by loss; left out: the minimum of "
        "lowest loss",
    )
    batch_size: int = Field(1, ge=1, le=10**6, strict=True, description="inputs of a step")
    label_noise: float = Field(
        0.0, ge=0.0, le=1000.0, description="standard deviation of the labels' noise"
    )
    points: int = Field(
        9, ge=1, le=100, strict=True, description="learning rates, evenly up to the critical one"
    )
    leak: AskedLeak = 0.0


class RatedLoss(Wire):
    """The loss at one learning rate."""

    learning_rate: float = Field(description="gamma: a step is w -= (gamma/d) times the gradient")
    first_order: float = Field(description="loss + slope gamma")
    loss: float = Field(
        description="with what the second moments outside the span feed back; at a quarter of the "
        "critical rate about 2% of the rise too high, at half of it 6% (measured at width 8)"
    )


class LearningRates(Wire):
    """A minimum under one-pass SGD in high dimension, as a function of the learning rate."""

    family: str = Field(description="as it was asked for")
    structure: str
    branch: int | None = Field(description="null for a named family, which is a single branch")
    student_width: Count
    teacher_width: Count
    loss: float = Field(description="at learning rate 0")
    is_global: bool
    slope: float = Field(
        description="d loss / d gamma at 0: 1/4 sum_i E[e^2 1_i], per batch; with a leak the "
        "square of the derivative in place of the indicator"
    )
    critical_rate: float = Field(
        description="largest learning rate at which what students have outside the teacher's span "
        "stays bounded; exact at the global minimum, elsewhere with the part in the span held"
    )
    is_second_order: bool = Field(
        description="true: critical_rate and the curve's loss hold the part in the span, and are "
        "critical_rate and second_order of a landscape with learning_rates, whose stable looks at "
        "the fixed point of the whole equations besides: it may attract to less or more. false: "
        "exact, for at zero loss and without label noise nothing moves in the span"
    )
    curve: list[RatedLoss]
