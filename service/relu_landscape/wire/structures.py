"""Which structures can be asked for at two widths."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from relu_landscape.wire.base import Wire
from relu_landscape.wire.requests import Width
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)


class StructuresQuery(Wire):
    """Two widths."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"student_width": 8, "teacher_width": 7}]},
    )

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)


class StructureChoice(Wire):
    """One structure."""

    name: str = Field(description="as it is asked for")
    words: str = Field(description="which teachers are alike, and which students belong to them")
    unknowns: int = Field(description="numbers that are left of all weights: what a search solves")
    families: list[str] = Field(
        description="well-known families whose points have this structure at these widths"
    )


class StructureChoices(Wire):
    """The structures that a landscape of these widths searches where none are named."""

    student_width: int
    teacher_width: int
    items: list[StructureChoice] = Field(
        description="by the number of blocks; empty: name one that fits, such as 1x0+*"
    )
    grammar: str = Field(description="how others are written")
