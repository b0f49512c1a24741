"""A sweep: one analysis over a grid of landscapes, as it is asked for and answered.

Every cell of the grid is an ordinary landscape under its own id; the sweep's result is the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, create_model, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_SEED,
    LARGEST_STARTS,
    LARGEST_WIDTH,
    LONGEST_LISTED_ROWS,
    AnalysisRequest,
    LandscapeRequest,
    Leak,
    Width,
)
from relu_landscape.wire.widths import STUDENT_NAMES, STUDENT_WORDS, TEACHER_NAMES, TEACHER_WORDS

#: Cells of one sweep; its table is held in memory and sent in one piece.
LARGEST_SWEEP = 4096
#: Values of one axis: a list of jobs shows them.
LONGEST_AXIS = 512
#: Fields of a grid that make the teacher's Gram matrix.
TEACHER_AXES = ("teacher_correlation", "teacher_decay")
#: The phases of a sweep.
PHASES = ("cells",)

Value: TypeAlias = int | float | str


def _whole(value: Any) -> Any:
    """18.0 is an integer, as JSON schema has it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)


class _Base(Wire):
    model_config = ConfigDict(populate_by_name=True)


def _base_fields() -> dict[str, Any]:
    """The fields of a landscape's request, the widths optional."""
    fields: dict[str, Any] = {
        name: (Annotated[int, Whole] if each.annotation is int else each.annotation, each)
        for name, each in LandscapeRequest.model_fields.items()
    }
    widths = {
        "student_width": (STUDENT_NAMES, STUDENT_WORDS),
        "teacher_width": (TEACHER_NAMES, TEACHER_WORDS),
    }
    for name, (names, words) in widths.items():
        words += "; left out where the grid says it"
        fields[name] = (
            Annotated[Width, Whole] | None,
            Field(None, validation_alias=names, description=words),
        )
    return fields


if TYPE_CHECKING:
    SweepBase: TypeAlias = LandscapeRequest
else:
    SweepBase = create_model("SweepBase", __base__=_Base, **_base_fields())
    SweepBase.__doc__ = "What every cell of a sweep has in common: fields of a landscape's request."


Item = TypeVar("Item")
#: An axis: the values of one field.
Axis = Annotated[tuple[Item, ...], Field(min_length=1, max_length=LONGEST_AXIS)]
Units = Annotated[Width, Whole]
Extra = Annotated[int, Field(ge=1 - LARGEST_WIDTH, le=LARGEST_WIDTH, strict=True), Whole]
Cosine = Annotated[FiniteFloat, Field(ge=-1.0, le=1.0)]
Decay = Annotated[FiniteFloat, Field(ge=0.0, le=3.0)]
Dimension = Annotated[int, Field(ge=1, le=LARGEST_DIMENSION, strict=True), Whole]
Scale = Annotated[FiniteFloat, Field(ge=1e-9, le=1e9)]
Starts = Annotated[int, Field(ge=0, le=LARGEST_STARTS, strict=True), Whole]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED, strict=True), Whole]
Tolerance = Annotated[FiniteFloat, Field(ge=1e-6, le=1e-2)]
Precision = Literal["float64", "float32"]


class Grid(Wire):
    """Named axes, each a list of different values; the cells are their product.

    Rows come in the order of the axes here, the last one fastest, and of the values as given.
    """

    model_config = ConfigDict(populate_by_name=True)

    teacher_width: Axis[Units] | None = Field(
        None, validation_alias=TEACHER_NAMES, description=TEACHER_WORDS
    )
    student_width: Axis[Units] | None = Field(
        None, validation_alias=STUDENT_NAMES, description=STUDENT_WORDS
    )
    extra_students: Axis[Extra] | None = Field(
        None, description="student width minus teacher width, in place of the student width"
    )
    teacher_correlation: Axis[Cosine] | None = Field(
        None,
        description="cosine of every two teacher units; above -1 / (teacher width - 1), below 1",
    )
    teacher_decay: Axis[Decay] | None = Field(
        None, description="teacher unit m = 1, 2, ... has the norm m^-decay"
    )
    input_dimension: Axis[Dimension] | None = Field(
        None, description="dimension d of the Gaussian inputs"
    )
    init_scale: Axis[Scale] | None = Field(
        None, description="norm of each student at the start, about"
    )
    starts: Axis[Starts] | None = Field(None, description="random starts of gradient flow")
    seed: Axis[Seed] | None = Field(None, description="start n of seed s depends on (s, n) alone")
    flow_tolerance: Axis[Tolerance] | None = Field(
        None, description="local error of the gradient-flow integrator"
    )
    precision: Axis[Precision] | None = Field(
        None, description="of the native kernel's arithmetic, until a path comes near its end"
    )
    leak: Axis[Leak] | None = Field(
        None, description="slope below zero of the activation of students and teachers"
    )

    @property
    def axes(self) -> dict[str, tuple[Value, ...]]:
        """The axes that there are, in their order."""
        return {name: values for name, values in dict(self).items() if values is not None}


class SweepRequest(AnalysisRequest):
    """A landscape for every cell of a grid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "base": {"starts": 50},
                    "grid": {"teacher_width": [2, 3], "student_width": [2, 3]},
                }
            ]
        }
    )

    kind: ClassVar[str] = "sweep"

    base: SweepBase | None = Field(None, description="what every cell has in common")
    grid: Grid
    again: int = Field(
        0,
        ge=0,
        le=1_000_000,
        strict=True,
        description="another number is another sweep: it computes those cells anew that failed, "
        "and finds the others finished",
    )

    @model_validator(mode="after")
    def _consistent(self) -> SweepRequest:
        axes = self.grid.axes
        if not axes:
            raise RequestError("grid", {}, "at least one axis, a list of values under its name")
        for name, values in axes.items():
            if len(set(values)) < len(values):
                raise RequestError(f"grid.{name}", list(values), "values that differ")
        if self.cells > LARGEST_SWEEP:
            raise RequestError("grid", f"{self.cells:,} cells", f"at most {LARGEST_SWEEP:,}")
        self._check_sources(axes)
        return self

    def _check_sources(self, axes: Mapping[str, Any]) -> None:
        """Every field has one source: the base or the grid."""
        for name, field in type(self.common).model_fields.items():
            value = getattr(self.common, name)
            if name in axes and value != field.default:
                raise RequestError(f"base.{name}", value, "left out where the grid has it")
        student = [self.common.student_width is not None, "student_width" in axes]
        teacher = [self.common.teacher_width is not None, "teacher_width" in axes]
        if sum([*student, "extra_students" in axes]) != 1:
            raise RequestError(
                "student_width",
                None,
                "given once: in the base, or in the grid as student_width or extra_students",
            )
        if sum(teacher) != 1:
            raise RequestError("teacher_width", None, "given once: in the base or in the grid")
        if self.common.teacher_gram is not None and any(name in axes for name in TEACHER_AXES):
            raise RequestError(
                "base.teacher_gram", "a matrix", "left out where the grid makes the teacher"
            )

    @property
    def common(self) -> SweepBase:
        """The base; without one, the defaults of a landscape."""
        return SweepBase() if self.base is None else self.base  # type: ignore[call-arg]

    @property
    def cells(self) -> int:
        """How many cells the grid has."""
        return math.prod(map(len, self.grid.axes.values()))

    def check_limits(self, *, largest_width: int, largest_starts: int) -> None:
        """Raise ``RequestError`` where a cell asks for more than this service's settings allow.

        What the settings of one service decide is no row of a table that others share.
        """
        axes = self.grid.axes
        teacher = max(axes.get("teacher_width", (self.common.teacher_width,)))
        if "extra_students" in axes:
            student = teacher + max(axes["extra_students"])  # type: ignore[operator]
        else:
            student = max(axes.get("student_width", (self.common.student_width,)))
        asked = {
            "student_width": (student, largest_width),
            "teacher_width": (teacher, largest_width),
            "starts": (max(axes.get("starts", (self.common.starts,))), largest_starts),
        }
        for name, (value, largest) in asked.items():
            if value > largest:  # type: ignore[operator]
                raise RequestError(name, value, f"at most {largest:,} here, in every cell")

    @property
    def starts_asked(self) -> int:
        per_cell = self.grid.axes.get("starts", (self.common.starts,))
        return self.cells // len(per_cell) * sum(map(int, per_cell))

    @property
    def needs_the_engine(self) -> bool:
        return True

    def canonical(self) -> JsonObject:
        """The request with every default filled in, those of the base included."""
        return {**super().canonical(), "base": self.common.model_dump(mode="json")}

    @property
    def too_long_for_lists(self) -> tuple[str, ...]:
        gram = self.common.teacher_gram
        if gram is None or len(gram) <= LONGEST_LISTED_ROWS:
            return ()
        return ("base.teacher_gram",)


class SweepMinimum(Wire):
    """One minimum of a cell's landscape; `global_continuum` where global minima are one set."""

    key: str = Field(description="of the point in that landscape")
    kind: Literal["minimum", "global_continuum"]
    loss: float
    structure: str = Field(description="its block structure, for example '1+6'")
    hits: int | None = Field(description="starts that ended there; null without starts")
    min_eigenvalue: float = Field(description="smallest of the Hessian in the teacher's span")
    certified: bool = Field(description="proved to be a minimum; with certify only")


class SweepRow(Wire):
    """One cell: where it is in the grid, and what its landscape says, in short."""

    cell: int = Field(description="from 0, in the order of the grid")
    values: dict[str, Value] = Field(description="of each axis, by its name")
    student_width: int
    teacher_width: int
    landscape: str | None = Field(
        None, description="id of its landscape, /v1/landscapes/{id}; null where there is none"
    )
    digest: str | None = Field(None, description="of that landscape")
    starts: int | None = Field(None, description="random starts asked for")
    failed_starts: int | None = None
    zero_loss_hits: int | None = Field(
        None, description="starts that ended at zero loss; null without starts"
    )
    zero_loss_probability: float | None = Field(None, description="those over starts asked for")
    zero_loss_interval_95: tuple[float, float] | None = Field(
        None, description="Wilson score interval"
    )
    spurious_minima: int | None = Field(None, description="minima of positive loss")
    lowest_spurious_loss: float | None = Field(None, description="null where there is none")
    smallest_eigenvalue: float | None = Field(
        None, description="the smallest among the isolated minima; null without any"
    )
    missing_mass: float | None = Field(
        None, description="estimated chance that the next start ends at a point not listed"
    )
    missing_mass_bound_95: float | None = None
    saddles: int | None = Field(
        None, description="isolated saddles listed; with saddles, all found"
    )
    lowest_saddle_loss: float | None = None
    certified: int | None = Field(None, description="points with a proof; with certify only")
    minima: list[SweepMinimum] = Field(default_factory=list, description="by loss")
    error: str | None = Field(None, description="why the cell has no landscape, one sentence")


class SweepFinding(Wire):
    """A cell that has just ended."""

    cell: int
    values: dict[str, Value]
    zero_loss_probability: float | None
    spurious_minima: int | None
    error: str | None


class SweepAxis(Wire):
    """One axis of the grid."""

    name: str = Field(description="the field's long name")
    values: list[Value]


class SweepBody(Wire):
    """The table: a row per cell, in the order of the grid."""

    axes: list[SweepAxis] = Field(description="in the order of the rows, the last one fastest")
    finished: int = Field(description="cells that have a landscape")
    failed: int = Field(description="cells that have none; their rows say why")
    rows: list[SweepRow]


class Sweep(SweepBody, Sealed):
    """A finished sweep."""

    request: SweepRequest
