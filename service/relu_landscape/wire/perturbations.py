"""What kicks do to a fixed point: the share of them from which gradient flow returns to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.families import BranchNumber, StructureName
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.landscape import Attraction, FixedPoint
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_HESSIAN,
    LARGEST_SEED,
    LARGEST_START,
    LARGEST_WIDTH,
    AnalysisRequest,
    AskedLeak,
    Width,
)
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: The phases, in order: the point, the proof, gradient flow from the kicks, their ends.
PHASES = ("structures", "classify", "certify", "fall", "second look")

#: Sizes of one request.
MOST_SIZES = 64
#: Kicks of one request, over all sizes.
MOST_KICKS = 100_000
#: Numbers that are kept of where they end: 160 MB of doubles.
MOST_KEPT = 20_000_000
#: Smaller kicks are within what a point is known to (``points.identity``).
SMALLEST_KICK = 1e-6
#: Sizes where nothing is said: three a decade, on both sides of the distances between fixed points,
#: which are about 1.
USUAL_SIZES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

Size = Annotated[FiniteFloat, Field(ge=SMALLEST_KICK, le=LARGEST_START)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1, max_length=MOST_SIZES)]
Entry = Annotated[FiniteFloat, Field(ge=-1e3, le=1e3)]
Row = Annotated[tuple[Entry, ...], Field(min_length=1, max_length=LARGEST_WIDTH)]
Rows = Annotated[tuple[Row, ...], Field(min_length=1, max_length=LARGEST_WIDTH)]


class PerturbationsRequest(AnalysisRequest):
    """Kicks of a fixed point of an orthonormal teacher, and how large they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_width": 6,
                    "teacher_width": 6,
                    "structure": "one-anti-aligned",
                    "sizes": [0.1, 0.5],
                    "kicks": 20,
                    "input_dimension": 50,
                }
            ],
        }
    )

    kind: ClassVar[str] = "perturbations"
    matrices: ClassVar[tuple[str, ...]] = ("weights",)

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    structure: StructureName | None = Field(
        None,
        description="of the fixed point, such as '1+7', or a family such as 'one-anti-aligned'; "
        "this or weights is needed",
    )
    branch: BranchNumber | None = Field(
        None,
        description="number of one of the structure's points, by loss; left out: the minimum of "
        "lowest loss",
    )
    weights: Rows | None = Field(
        None,
        description="of a fixed point instead: a row per student, in the coordinates of the "
        "teacher's units; what is rounded is polished",
    )
    sizes: Sizes = Field(
        USUAL_SIZES,
        description="sigma of the kicks, ascending: every student is moved by sigma N(0, I_d / d), "
        "so by a length of about sigma, in units of the teacher's norm",
    )
    kicks: int = Field(200, ge=1, le=MOST_KICKS, strict=True, description="at each size")
    seed: int = Field(
        0,
        ge=0,
        le=LARGEST_SEED,
        strict=True,
        description="kick n of seed s is sigma times a direction that depends on (s, n) alone: "
        "all sizes have the same directions",
    )
    input_dimension: int = Field(
        1000,
        ge=1,
        le=LARGEST_DIMENSION,
        strict=True,
        description="dimension d of the Gaussian inputs; at least the teacher width",
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="local error of the gradient-flow integrator per step and student",
    )
    leak: AskedLeak = 0.0
    certify: Literal["none", "fast", "strict"] = Field(
        "none", description="computer-assisted proof of the point, and of kicks that must return"
    )

    @model_validator(mode="after")
    def _consistent(self) -> PerturbationsRequest:
        self._check_place()
        self._check_point()
        if list(self.sizes) != sorted(set(self.sizes)):
            raise RequestError("sizes", list(self.sizes), "each once, in ascending order")
        kicks = self.kicks * len(self.sizes)
        numbers = kicks * self.student_width * self.teacher_width
        if kicks > MOST_KICKS or numbers > MOST_KEPT:
            raise RequestError(
                "kicks",
                self.kicks,
                f"fewer kicks or sizes: {kicks:,} kicks in all, of {numbers:,} weights; "
                f"{MOST_KICKS:,} and {MOST_KEPT:,} at most",
            )
        return self

    def _check_place(self) -> None:
        K, M = self.student_width, self.teacher_width
        if self.input_dimension < M:
            raise RequestError("input_dimension", self.input_dimension, f"at least {M}")
        if K * M > LARGEST_HESSIAN:
            raise RequestError(
                "student_width", K, f"at most {LARGEST_HESSIAN:,} over the teacher width"
            )

    def _check_point(self) -> None:
        K, M = self.student_width, self.teacher_width
        if (self.structure is None) == (self.weights is None):
            raise RequestError("structure", self.structure, "a name, or else weights")
        if self.weights is None:
            return
        if self.branch is not None:
            raise RequestError("branch", self.branch, "left out with weights")
        if len(self.weights) != K or {len(row) for row in self.weights} != {M}:
            raise RequestError("weights", f"{len(self.weights)} rows", f"{K} rows of {M} numbers")

    @classmethod
    def maxima(cls, *, largest_width: int, largest_starts: int) -> Mapping[str, int]:
        return {
            "student_width": largest_width,
            "teacher_width": largest_width,
            "kicks": largest_starts,
        }

    @property
    def starts_asked(self) -> int:
        return self.kicks * len(self.sizes)

    @property
    def needs_the_engine(self) -> bool:
        return True


class PerturbationsFinding(Wire):
    """How far it is."""

    followed: int = Field(description="kicks whose gradient flow has ended")
    kicks: int = Field(description="of all sizes")


class KickedEnd(Wire):
    """Where some kicks of one size lead."""

    end: str = Field(description="key of a fixed point, or what became of the flow, in words")
    is_fixed_point: bool
    attraction: Attraction = Field(description="share of the kicks of this size")


class KickSize(Wire):
    """Kicks of one size."""

    size: float = Field(description="sigma")
    length: float = Field(
        description="root mean square length of the kick of all weights, sigma sqrt(K)"
    )
    returned: Attraction = Field(
        description="kicks from which gradient flow returns to the fixed point, or to a relabelled "
        "copy of it; where that is one of the continuum of global minima, to any of these"
    )
    to_itself: int | None = Field(
        description="those that return to the very point, not to a relabelled copy; null for the "
        "continuum"
    )
    proved: int | None = Field(
        description="kicks that are proved to return; null: no proof was asked for, or the start "
        "is one of the continuum, of which no point is isolated"
    )
    reached: list[KickedEnd] = Field(
        description="every fixed point, and every other end of a kick of any size, in words"
    )
    ends: list[str] = Field(description="of each kick, by its number")


class PerturbationsBody(Wire):
    """A fixed point, and what becomes of kicks of it."""

    start: str = Field(description="key of the fixed point that is kicked")
    moved: float = Field(
        description="from the weights given to the fixed point beside them; 0 for a structure"
    )
    proved_radius: float | None = Field(
        description="gradient flow from everything within this of the fixed point as it is shown "
        "is proved to return to it; null: no proof"
    )
    fixed_points: list[FixedPoint] = Field(
        description="the continuum, minima by loss, saddles by loss: the start, and where kicks led"
    )
    sizes: list[KickSize] = Field(description="in the order of the request")


class Perturbations(PerturbationsBody, Sealed):
    """Finished perturbations."""

    request: PerturbationsRequest
