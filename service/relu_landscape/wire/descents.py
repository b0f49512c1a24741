"""Where other descents than gradient flow end: constraints, steps, second layers and signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.landscape import Attraction, Overlaps, Structure
from relu_landscape.wire.layers import (
    LARGEST_END,
    LARGEST_WEIGHT,
    SMALLEST_WEIGHT,
    Layer,
    check_layer,
)
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_SEED,
    LARGEST_START,
    SMALLEST_START,
    AnalysisRequest,
    Gram,
    Width,
    check_init_scale,
    is_identity,
)
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: The phases, in order: descents from the starts, then what their ends are.
PHASES = ("descend", "structures", "classify")

#: The structured search: students times the larger width, about the size of a spectrum.
MOST_STRUCTURED = 400

#: Starts of one request; a start is two numbers of what is kept, and its end a matrix.
MOST_STARTS = 100_000
#: Steps of one descent, about: a limit of time over the step.
MOST_STEPS = 10_000_000
#: Step of a descent. Beyond 8 nothing is stable: one student has curvature 1/2 at the least.
SMALLEST_STEP, LARGEST_STEP = 1e-4, 8.0
LONGEST_DESCENT = 1e7

Rule = Literal[
    "gradient_flow", "gradient_descent", "normalised", "orthonormalised", "two_layer"
]  # fmt: skip
EndKind = Literal["global", "minimum", "degenerate", "saddle"]
EndFoundBy = Literal["starts", "structures"]
PatternSetAside = Literal[
    "zero_loss", "zero_student", "ran_away", "coincide", "degenerate", "high_index", "failed"
]


class DescentsRequest(AnalysisRequest):
    """Descents in the population loss of a teacher, and by which rule."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_width": 4,
                    "teacher_width": 4,
                    "rule": "normalised",
                    "starts": 20,
                    "input_dimension": 50,
                }
            ],
        }
    )

    kind: ClassVar[str] = "descents"
    matrices: ClassVar[tuple[str, ...]] = ("teacher_gram",)

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    rule: Rule = Field(
        description="gradient_flow; gradient_descent: full batch, in steps; normalised: students "
        "of norm 1; orthonormalised: orthonormal ones; two_layer: the second layer descends too"
    )
    step: FiniteFloat | None = Field(
        None,
        ge=SMALLEST_STEP,
        le=LARGEST_STEP,
        description="of the descent, in units of time; null: 8 / (K + max(K, M) + 8), half of "
        "that for two_layer, and 8 / (A + max(A, M a^2) + 8 a^2) with a student_layer whose "
        "squares sum to A and are a^2 at most; gradient_flow chooses its own",
    )
    student_layer: Layer | None = Field(
        None,
        description="fixed second-layer weights of the students, of any sign; null: all 1; "
        "gradient_flow and gradient_descent alone",
    )
    teacher_layer: Layer | None = Field(
        None, description="second-layer weights of the teachers, of any sign; null: all 1"
    )
    teacher_gram: Gram | None = Field(
        None,
        exclude_if=lambda gram: gram is None,  # requests without one keep their ids
        description="Gram matrix T = V V^T of the teacher, symmetric positive definite; left out: "
        "orthonormal. Students of norm 1 stay so whatever the teacher's lengths, which are 0.001 "
        "to 1000 then; not for two_layer, whose time would be in units of them",
    )
    start_layer: FiniteFloat | None = Field(
        None,
        ge=SMALLEST_START,
        le=LARGEST_START,
        description="two_layer: second-layer weight of every student at the start; null: its norm, "
        "so that the two layers are balanced",
    )
    init_scale: FiniteFloat = Field(
        1.0,
        ge=1e-9,
        le=1e9,
        description="students start at init_scale N(0, I_d / d), 0.001 to 1000 mean norms of the "
        "teacher; the constrained rules then project, so that it makes no difference to them",
    )
    starts: int = Field(200, ge=1, le=MOST_STARTS, strict=True, description="random starts")
    seed: int = Field(
        0, ge=0, le=LARGEST_SEED, strict=True, description="start n depends on (seed, n) alone"
    )
    input_dimension: int = Field(
        1000,
        ge=1,
        le=LARGEST_DIMENSION,
        strict=True,
        description="dimension d of the Gaussian inputs; at least the teacher width, and for "
        "orthonormal students at least the student width",
    )
    until: FiniteFloat = Field(
        1e4,
        ge=1.0,
        le=LONGEST_DESCENT,
        description=f"time after which a descent is given up, after {MOST_STEPS:,} steps at last",
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="gradient_flow: local error of the integrator per step and student",
    )
    structured: bool = Field(
        False,
        strict=True,
        exclude_if=lambda structured: not structured,  # requests without it keep their ids
        description="also search critical points, saddles included, on what groups of relabellings "
        f"leave fixed; for an orthonormal teacher, and K max(K, M) up to {MOST_STRUCTURED}",
    )

    @model_validator(mode="after")
    def _consistent(self) -> DescentsRequest:
        self._check_place()
        self._check_structured()
        self._check_layers()
        self._check_teacher()
        if self.rule == "gradient_flow" and self.step is not None:
            raise RequestError("step", self.step, "left out for gradient_flow")
        if self.rule != "two_layer" and self.start_layer is not None:
            raise RequestError("start_layer", self.start_layer, "left out but for two_layer")
        if self.step is not None and self.until / self.step > MOST_STEPS:
            raise RequestError("until", self.until, f"at most {MOST_STEPS:,} steps")
        return self

    def _check_place(self) -> None:
        K, M, d = self.student_width, self.teacher_width, self.input_dimension
        least = max(K, M) if self.rule == "orthonormalised" else M
        if d < least:
            raise RequestError("input_dimension", d, f"at least {least}")
        if K * (M + min(K, d - M)) > LARGEST_END:
            raise RequestError(
                "student_width", K, f"at most {LARGEST_END:,} weights of a student network in "
                "the coordinates of the descent",
            )  # fmt: skip

    def _check_structured(self) -> None:
        if not self.structured:
            return
        if self.teacher_gram is not None and not is_identity(self.teacher_gram):
            raise RequestError(
                "structured", True,
                "left out beside a teacher_gram: relabellings are known of orthonormal teachers",
            )  # fmt: skip
        K, M = self.student_width, self.teacher_width
        if K * max(K, M) > MOST_STRUCTURED:
            raise RequestError(
                "structured", True,
                f"left out where student_width times the larger width is above {MOST_STRUCTURED}: "
                "a spectrum of every point takes too long",
            )  # fmt: skip

    def _check_layers(self) -> None:
        for name, width in (
            ("student_layer", self.student_width), ("teacher_layer", self.teacher_width),
        ):  # fmt: skip
            layer = getattr(self, name)
            if layer is None:
                continue
            if self.rule not in ("gradient_flow", "gradient_descent"):
                raise RequestError(name, list(layer), f"left out for {self.rule}")
            check_layer(name, layer, width)

    def _check_teacher(self) -> None:
        gram, M = self.teacher_gram, self.teacher_width
        has_units = self.rule in ("gradient_flow", "gradient_descent")
        check_init_scale(self.init_scale, gram if has_units else None)
        if gram is None:
            return
        if self.rule == "two_layer":
            raise RequestError("teacher_gram", f"{len(gram)} rows", "left out for two_layer")
        if len(gram) != M or {len(row) for row in gram} != {M}:
            raise RequestError(
                "teacher_gram", f"{len(gram)} rows",
                f"a square matrix with {M} rows, one per teacher unit",
            )  # fmt: skip
        squares = [row[i] for i, row in enumerate(gram)]
        low, high = SMALLEST_WEIGHT**2, LARGEST_WEIGHT**2
        if not has_units and not low <= min(squares) <= max(squares) <= high:
            raise RequestError(
                "teacher_gram", squares,
                f"{low:g} to {high:g} on the diagonal, beside students of norm 1",
            )  # fmt: skip

    @property
    def needs_the_engine(self) -> bool:
        return self.teacher_gram is not None

    def canonical(self) -> JsonObject:
        """The request with every default filled in; an identity matrix is left out."""
        request = super().canonical()
        if self.teacher_gram is not None and is_identity(self.teacher_gram):
            del request["teacher_gram"]
        return request

    @classmethod
    def maxima(cls, *, largest_width: int, largest_starts: int) -> Mapping[str, int]:
        return {
            "student_width": largest_width,
            "teacher_width": largest_width,
            "starts": largest_starts,
        }

    @property
    def starts_asked(self) -> int:
        return self.starts


class DescentsFinding(Wire):
    """How far it is."""

    ended: int = Field(description="starts whose descent has ended")
    starts: int
    zero_loss: int = Field(description="of those, the ones at zero loss")


class Curvature(Wire):
    """The Riemannian Hessian at an end, in the input dimension of the request.

    It is one block in the coordinates that the point uses, and another that is repeated for each
    direction of the inputs beside them. What turning the part outside the teacher's span costs
    nothing is left out of all counts.
    """

    index: int = Field(description="negative eigenvalues, all of them")
    nullity: int = Field(description="eigenvalues within eigenvalue_tolerance of zero")
    min_eigenvalue_span: float | None = Field(
        description="smallest in the coordinates that the point uses; null: nothing can move there"
    )
    min_eigenvalue_beside: float | None = Field(
        description="smallest beside them; null where there is no such direction"
    )
    eigenvalue_tolerance: float
    gradient_norm: float = Field(description="of the Riemannian gradient at the point")


class UniformFamily(Wire):
    """The closed-form family of orthonormal students: k of them are reflected together."""

    k: int = Field(description="R = I (+) ((2/k) J - I) with k students in the second block")
    loss: float = Field(description="by its formula")
    deciding_eigenvalue: float = Field(description="positive from k = 6 on")
    proved: bool = Field(
        description="its Riemannian Hessian is proved to be positive, in interval arithmetic"
    )


class DescentEnd(Wire):
    """One end of descents, up to relabelling of what has equal second-layer weights."""

    key: str = Field(description="g1 for the set of zero loss, then e1, e2, ... by loss")
    kind: EndKind = Field(
        description="global: zero loss; minimum: strict, up to symmetry; degenerate: no negative "
        "eigenvalue, but zeros; saddle"
    )
    loss: float = Field(description="0 where its accuracy cannot tell it from zero")
    loss_accuracy: float
    structure: Structure | None = Field(
        description="null where second layers differ, the teacher is not orthogonal units of one "
        "length, or the point leaves its span"
    )
    outside_span: int = Field(description="dimension of the part outside the teacher's span")
    family: UniformFamily | None = Field(description="orthonormalised alone, where recognised")
    overlaps: Overlaps = Field(description="of first-layer weights; a_i w_i for two_layer")
    student_layer: list[float] = Field(description="fixed weights, in the order of R and Q")
    teacher_layer: list[float] = Field(description="likewise")
    curvature: Curvature | None = Field(
        description="of the loss under the constraint; null for a continuum of zero loss"
    )
    attraction: Attraction
    found_by: list[EndFoundBy] | None = Field(
        None,
        exclude_if=lambda found_by: found_by is None,  # results without keep their bytes
        description="random starts that end there, the structured search, or both; left out where "
        "structured was not asked for",
    )


class OtherEnd(Wire):
    """What became of descents that end at no point."""

    outcome: str = Field(description="in words")
    attraction: Attraction = Field(description="how many starts, and their share")
    lowest_loss: float | None = Field(
        description="where they were left; null beyond the range of floating-point numbers"
    )
    highest_loss: float | None


class PatternSearch(Wire):
    """What the search on the fixed points of one group covered."""

    pattern: str = Field(description="what moves together, in words")
    unknowns: int = Field(description="dimension of what the group leaves fixed")
    starts: int
    points: int = Field(
        description="distinct points that were kept; the same ones may be in other patterns"
    )
    set_aside: dict[PatternSetAside, int] = Field(
        description="starts that gave none, by why; high_index: a saddle of more than two distinct "
        "negative eigenvalues"
    )


class StructuredSearch(Wire):
    """What the structured search covered."""

    explanation: str
    patterns: list[PatternSearch] = Field(description="by rarity, then unknowns")
    not_searched: int = Field(description="patterns that were left out for their work")


class DescentsBody(Wire):
    """Ends of descents by one rule."""

    step: float | None = Field(description="that was used; null for gradient_flow")
    loss_bound: float | None = Field(
        description="no network that the rule allows has a smaller loss; (K - M)^2 / (4 pi) for "
        "normalised, with the sum of the teacher's norms for M; 0 where no more is known, null "
        "with signs"
    )
    zero_loss: Attraction = Field(description="share of the starts that end at zero loss")
    ends: list[DescentEnd] = Field(description="by loss")
    others: list[OtherEnd] = Field(description="starts that ended at no point, by outcome")
    reached: list[str] = Field(description="key of the end, or the outcome, of each start")
    searched: StructuredSearch | None = Field(
        None,
        exclude_if=lambda searched: searched is None,  # results without keep their bytes
        description="left out where structured was not asked for",
    )


class Descents(DescentsBody, Sealed):
    """Finished descents."""

    request: DescentsRequest
