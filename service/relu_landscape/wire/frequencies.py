"""Which minima one-pass SGD reaches, and how often, beside gradient flow from the same starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.landscape import Attraction, FixedPoint, MissingMass, SearchSummary, Starts
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_HESSIAN,
    LARGEST_SEED,
    AnalysisRequest,
    AskedLeak,
    Gram,
    Width,
    check_init_scale,
    is_identity,
)
from relu_landscape.wire.trajectories import (
    LARGEST_BATCH,
    LARGEST_LEARNING_RATE,
    LONGEST_TIME,
    MOST_INPUTS,
)
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: The phases, in order: those of a landscape without pathways and proofs, then SGD, then gradient
#: flow from where it stands.
PHASES = (
    "sample", "slow starts", "classify", "second look", "structures", "simulate", "fall",
)  # fmt: skip

#: Learning rates of one request, and times at which each run is looked at.
MOST_RATES, MOST_CHECKS = 16, 50
#: Starts; SGD costs a thousand times what gradient flow does.
MOST_STARTS = 20_000
#: Numbers that are kept of where runs stand: 160 MB of doubles.
MOST_KEPT = 20_000_000

Rate = Annotated[FiniteFloat, Field(ge=1e-6, le=LARGEST_LEARNING_RATE)]
Rates = Annotated[tuple[Rate, ...], Field(min_length=1, max_length=MOST_RATES)]


class FrequenciesRequest(AnalysisRequest):
    """Frequencies of one-pass SGD: the landscape, the learning rates, and how long it runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_width": 2,
                    "teacher_width": 2,
                    "learning_rates": [0.1, 0.6],
                    "starts": 20,
                    "input_dimension": 50,
                    "until": 20,
                }
            ],
        }
    )

    kind: ClassVar[str] = "frequencies"
    matrices: ClassVar[tuple[str, ...]] = ("teacher_gram",)

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    learning_rates: Rates | None = Field(
        None,
        description="gamma of the step w_i -= (gamma / d) e x, one or several; these or "
        "relative_learning_rates are needed",
    )
    relative_learning_rates: Rates | None = Field(
        None,
        description="the same in multiples of the largest at which the global minimum is stable; "
        "that is known for equal widths and an orthonormal teacher",
    )
    until: FiniteFloat = Field(
        100.0, gt=0, le=LONGEST_TIME, description="time gamma n / d at which SGD ends"
    )
    checks: int = Field(
        8,
        ge=1,
        le=MOST_CHECKS,
        strict=True,
        description="times, logarithmic from first_check to until, at which it is asked where "
        "gradient flow would go; 1: at the end alone",
    )
    first_check: FiniteFloat = Field(
        1.0, gt=0, le=LONGEST_TIME, description="the first of them, where there are several"
    )
    batch_size: int = Field(
        1, ge=1, le=LARGEST_BATCH, strict=True, description="fresh inputs of one step"
    )
    label_noise: FiniteFloat = Field(
        0.0, ge=0, le=1e6, description="standard deviation of the labels' noise"
    )
    starts: int = Field(
        200,
        ge=1,
        le=MOST_STARTS,
        strict=True,
        description="random starts, those of a landscape with this seed; each is followed by "
        "gradient flow and, at every learning rate, by SGD",
    )
    seed: int = Field(
        0,
        ge=0,
        le=LARGEST_SEED,
        strict=True,
        description="start n of seed s, and the inputs that SGD sees from it, depend on (s, n) "
        "alone; all learning rates see the same inputs",
    )
    input_dimension: int = Field(
        1000,
        ge=1,
        le=LARGEST_DIMENSION,
        strict=True,
        description="dimension d of the Gaussian inputs; at least the teacher width",
    )
    init_scale: FiniteFloat = Field(
        1.0,
        ge=1e-9,
        le=1e9,
        description="random starts are N(0, init_scale^2 / d), as in a landscape",
    )
    teacher_gram: Gram | None = Field(
        None,
        description="Gram matrix T = V V^T of the teacher, symmetric positive definite; "
        "left out: orthonormal",
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="local error of the gradient-flow integrator per step and student",
    )
    leak: AskedLeak = 0.0
    structured: bool = Field(
        True,
        description="also list the minima of symmetric families that neither of the two reaches "
        "(orthonormal teacher only)",
    )

    @model_validator(mode="after")
    def _consistent(self) -> FrequenciesRequest:
        self._check_rates()
        self._check_place()
        if self.learning_rates is not None:
            check_effort(self, self.learning_rates)
        return self

    def _check_rates(self) -> None:
        absolute, relative = self.learning_rates, self.relative_learning_rates
        if (absolute is None) == (relative is None):
            raise RequestError(
                "learning_rates",
                None if absolute is None else list(absolute),
                "one list of numbers: learning_rates or relative_learning_rates",
            )
        is_known = self.student_width == self.teacher_width and self.teacher_gram is None
        if relative is not None and not is_known:
            raise RequestError(
                "relative_learning_rates",
                list(relative),
                "left out, with learning_rates in its place: the largest stable one is known "
                "for equal widths and an orthonormal teacher (teacher_gram left out)",
            )
        if self.checks > 1 and not self.first_check < self.until:
            raise RequestError("first_check", self.first_check, f"less than until, {self.until:g}")

    def _check_place(self) -> None:
        K, M = self.student_width, self.teacher_width
        if self.input_dimension < M:
            raise RequestError(
                "input_dimension", self.input_dimension, f"at least the teacher width, {M}"
            )
        if K * M > LARGEST_HESSIAN:
            raise RequestError(
                "student_width", K, f"at most {LARGEST_HESSIAN // M:,} with {M} teachers"
            )
        if self.teacher_gram is not None:
            rows = {len(row) for row in self.teacher_gram}
            if len(self.teacher_gram) != M or rows != {M}:
                raise RequestError(
                    "teacher_gram", f"{len(self.teacher_gram)} rows", f"{M} rows of {M} numbers"
                )
        check_init_scale(self.init_scale, self.teacher_gram)

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

    @property
    def needs_the_engine(self) -> bool:
        return self.teacher_gram is not None or self.relative_learning_rates is not None

    def canonical(self) -> JsonObject:
        """The request with every default filled in; what does not matter has its default."""
        request = super().canonical()
        if self.checks == 1:
            request["first_check"] = type(self).model_fields["first_check"].default
        if self.teacher_gram is not None and is_identity(self.teacher_gram):
            request["teacher_gram"] = None
        return request


def check_effort(asked: FrequenciesRequest, rates: tuple[float, ...]) -> None:
    """Raise ``RequestError`` where SGD at these learning rates takes too long, or keeps too much.

    ``rates`` are absolute, all of them positive.
    """
    per_rate = asked.until * asked.input_dimension * asked.batch_size * asked.starts
    inputs = sum(per_rate / rate for rate in rates)
    if inputs > MOST_INPUTS:
        raise RequestError(
            "until",
            asked.until,
            f"at most {asked.until * MOST_INPUTS / inputs:.6g} here: {MOST_INPUTS:,} inputs in "
            "all runs, until times input_dimension over learning rate in each",
        )
    K = asked.student_width
    kept = len(rates) * asked.starts * asked.checks * K * (K + asked.teacher_width)
    if kept > MOST_KEPT:
        raise RequestError(
            "checks",
            asked.checks,
            f"fewer checks, starts or learning rates: {kept:,} numbers, and {MOST_KEPT:,} at most "
            "are kept",
        )


class FrequenciesFinding(Wire):
    """How far it is."""

    followed: int = Field(description="starts whose gradient flow has ended")
    steps: int = Field(description="steps of SGD that every run has done, over all learning rates")
    of_steps: int = Field(description="steps of SGD that every run will do")


class Reached(Wire):
    """How often one end is reached by gradient flow and by SGD at one learning rate.

    The two follow the same starts, so their difference is that of paired shares.
    """

    end: str = Field(description="key of a fixed point, or what became of the start, in words")
    is_fixed_point: bool
    by_flow: Attraction
    by_sgd: Attraction = Field(description="at the last time")
    difference: float = Field(description="share by SGD less share by gradient flow")
    difference_interval_95: tuple[float, float] = Field(
        description="of paired shares (Bonett and Price 2012)"
    )
    mean_loss: float | None = Field(
        description="of the SGD runs that end here, at the last time, with their noise; null: none"
    )


class Transition(Wire):
    """How many starts gradient flow takes to one end, and SGD to another or the same."""

    flow: str = Field(description="end of gradient flow, as in ``Reached``")
    sgd: str = Field(description="end of SGD at the last time")
    starts: int


class StartEnds(Wire):
    """What became of one start at one learning rate."""

    start: int = Field(description="its number")
    flow: str = Field(description="end of gradient flow from the start itself")
    ends: list[str] = Field(
        description="at each time the end of gradient flow from where SGD stands, or its outcome"
    )
    moved: int = Field(
        description="how often the fixed point changed, from the end of gradient flow on and from "
        "one time to the next; what is no fixed point is passed over, and relabelled copies of a "
        "point are one"
    )
    loss: float | None = Field(description="at the last time, with its noise; null: ran away")
    ran_away_at: float | None = Field(description="time at which that was found; null: did not")


class RateFrequencies(Wire):
    """One-pass SGD at one learning rate."""

    learning_rate: float
    relative_learning_rate: float | None = Field(
        description="in multiples of critical_learning_rate; null where that is not known"
    )
    times: list[float] = Field(description="at which runs were looked at, those of whole steps")
    steps: list[int] = Field(description="of SGD at these times")
    reached: list[Reached] = Field(
        description="every fixed point and every outcome, fixed points first, in their order"
    )
    missing_mass: MissingMass = Field(description="of SGD: the next start ends nowhere listed")
    transitions: list[Transition] = Field(description="pairs that occur, from the flow's end to "
                                          "SGD's")  # fmt: skip
    moved: list[int] = Field(description="starts that moved 0, 1, 2, ... times")
    starts: list[StartEnds]


class FrequenciesBody(Wire):
    """Frequencies of SGD beside those of gradient flow."""

    starts: Starts = Field(description="what became of gradient flow from the starts")
    missing_mass: MissingMass = Field(description="of gradient flow")
    critical_learning_rate: float | None = Field(
        description="largest at which the global minimum is stable in high dimension; equal "
        "widths and an orthonormal teacher, else null"
    )
    fixed_points: list[FixedPoint] = Field(
        description="the continuum, minima by loss, saddles at which a start came to rest; "
        "attraction is that of gradient flow"
    )
    rates: list[RateFrequencies] = Field(description="in the order of the request")
    searched: list[SearchSummary]
    explanation: str = Field(description="what was searched beside the starts, and what not")


class Frequencies(FrequenciesBody, Sealed):
    """Finished frequencies."""

    request: FrequenciesRequest
