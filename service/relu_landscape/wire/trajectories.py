"""What is asked of a trajectory; what is answered is in ``trajectory_answers``.

Time is ``gamma n / d`` after n steps of SGD at learning rate gamma; for the flow it is that of
``dW/dt = -grad L``. Losses are in units of squared output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.layers import LARGEST_END, Layer, check_layer
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_SEED,
    LARGEST_START,
    LARGEST_STARTS,
    LARGEST_WIDTH,
    SMALLEST_GRAM_DIAGONAL,
    SMALLEST_START,
    AskedLeak,
    Gram,
    Width,
    is_identity,
    mean_norm,
)
from relu_landscape.wire.trajectory_answers import TrajectoryBody
from relu_landscape.wire.trajectory_rules import CONSTRAINED, Ruled, check_rule, check_ruled_steps
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

Method = Literal["flow", "ode", "sgd"]

#: The phases of a trajectory: differential equations are integrated, SGD is simulated; then it is
#: asked where gradient flow would go from the ends.
PHASES = ("integrate", "simulate", "attractors")

#: Runs of one ensemble, times that are recorded, and inputs to one step.
MOST_RUNS, MOST_TIMES, LARGEST_BATCH = 10_000, 2_000, 128
#: Inputs in all: some three core hours at widths of eight.
MOST_INPUTS = 10**10
#: Students and teachers whose noise is computed for the differential equations: it takes a sum over
#: quadruples of them.
MOST_UNITS = 48
#: Overlaps that an answer holds: 20 MB of digits.
MOST_OVERLAPS = 1_000_000
#: Beyond, a learning rate makes everything run away within a few steps.
LARGEST_LEARNING_RATE = 100.0
LONGEST_TIME = 1e6

Entry = Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)]
Row = Annotated[tuple[Entry, ...], Field(max_length=2 * LARGEST_WIDTH)]
Matrix = Annotated[tuple[Row, ...], Field(max_length=LARGEST_WIDTH)]


class TrajectoryRequest(Ruled):
    """A trajectory: from where, by what, and when it is looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_width": 2,
                    "teacher_width": 2,
                    "method": "sgd",
                    "learning_rate": 0.5,
                    "input_dimension": 100,
                    "until": 20,
                    "runs": 4,
                }
            ],
        }
    )

    kind: ClassVar[str] = "trajectory"
    matrices: ClassVar[tuple[str, ...]] = ("teacher_gram", "weights", "Q", "R")

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    method: Method = Field(
        "flow",
        description="flow: gradient flow; ode: one-pass SGD in infinitely many dimensions at the "
        "learning rate; sgd: one-pass SGD simulated in input_dimension",
    )
    learning_rate: FiniteFloat | None = Field(
        None,
        ge=1e-6,
        le=LARGEST_LEARNING_RATE,
        description="gamma of the step w_i -= (gamma / d) e x; ode and sgd need it, flow has none",
    )
    batch_size: int = Field(
        1, ge=1, le=LARGEST_BATCH, strict=True, description="fresh inputs of one step (ode, sgd)"
    )
    label_noise: FiniteFloat = Field(
        0.0, ge=0, le=1e6, description="standard deviation of the labels' noise (ode, sgd)"
    )
    input_dimension: int = Field(
        1000,
        ge=1,
        le=LARGEST_DIMENSION,
        strict=True,
        description="dimension d of the Gaussian inputs; at least the teacher width",
    )
    teacher_gram: Gram | None = Field(
        None,
        description="Gram matrix T = V V^T of the teacher, symmetric positive definite; "
        "left out: orthonormal",
    )
    seed: int = Field(
        0,
        ge=0,
        le=LARGEST_SEED,
        strict=True,
        description="of starts and of SGD: start n and run r of seed s depend on (s, n), (s, r)",
    )
    start: int = Field(
        0,
        ge=0,
        lt=LARGEST_STARTS,
        strict=True,
        description="number of the random start, the one that a landscape of this seed has",
    )
    init_scale: FiniteFloat = Field(
        1.0,
        ge=1e-9,
        le=1e9,
        description="random starts are N(0, init_scale^2 / d), as in a landscape",
    )
    weights: Matrix | None = Field(
        None,
        description="start here instead: a row per student, in orthonormal coordinates of which "
        "the first are the teacher's span (as weights of a fixed point), M to M + K of them",
    )
    Q: Matrix | None = Field(None, description="start at these overlaps instead: Q = W W^T, with R")
    R: Matrix | None = Field(None, description="start at these overlaps instead: R = W V^T, with Q")
    until: FiniteFloat = Field(
        100.0, gt=0, le=LONGEST_TIME, description="time at which it ends: gamma n / d for SGD"
    )
    points: int = Field(
        51, ge=2, le=MOST_TIMES, strict=True, description="times that are recorded, 0 included"
    )
    spacing: Literal["linear", "logarithmic"] = Field(
        "linear", description="how they are spaced; logarithmic: 0, then first_time to until"
    )
    first_time: FiniteFloat = Field(
        0.1, gt=0, description="the first one after 0 where they are spaced logarithmically"
    )
    runs: int = Field(
        1, ge=1, le=MOST_RUNS, strict=True, description="independent runs of SGD (sgd)"
    )
    own_starts: bool = Field(
        False,
        description="run r begins at random start number start + r, instead of all at one (sgd)",
    )
    overlaps_at: Literal["all times", "last time"] = Field(
        "all times", description="when R and Q of a run are kept"
    )
    attractors: bool = Field(
        True, description="also follow gradient flow from the ends, to the attractor beneath them"
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="local error per step and student of flow and ode, and of the flow from ends",
    )
    leak: AskedLeak = 0.0
    student_layer: Layer | None = Field(
        None,
        exclude_if=lambda layer: layer is None,
        description="fixed second-layer weights of the students, of any sign; left out: all 1",
    )
    teacher_layer: Layer | None = Field(
        None,
        exclude_if=lambda layer: layer is None,
        description="second-layer weights of the teachers, of any sign; left out: all 1",
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrajectoryRequest:
        self._check_method()
        self._check_place()
        check_layer("student_layer", self.student_layer, self.student_width)
        check_layer("teacher_layer", self.teacher_layer, self.teacher_width)
        check_rule(self, self.method, self.until)
        for name in ("leak", "student_layer", "teacher_layer"):
            if self.rule != "gradient_flow" and getattr(self, name):
                raise RequestError(name, getattr(self, name), f"left out for {self.rule}")
        self._check_effort()
        if self.spacing == "logarithmic" and not self.first_time < self.until:
            raise RequestError("first_time", self.first_time, f"less than until, {self.until:g}")
        return self

    def _check_method(self) -> None:
        if (self.learning_rate is None) != (self.method == "flow"):
            wanted = "left out: the flow has none" if self.method == "flow" else (
                f"a number: {self.method} needs one"
            )  # fmt: skip
            raise RequestError("learning_rate", self.learning_rate, wanted)
        only = {
            "batch_size": ("ode", "sgd"), "label_noise": ("ode", "sgd"),
            "runs": ("sgd",), "own_starts": ("sgd",),
        }  # fmt: skip
        for name, methods in only.items():
            value = getattr(self, name)
            if self.method not in methods and value != type(self).model_fields[name].default:
                raise RequestError(name, value, f"left out: it is of {' and '.join(methods)} alone")

    def _check_place(self) -> None:
        K, M = self.student_width, self.teacher_width
        if self.input_dimension < M:
            raise RequestError(
                "input_dimension", self.input_dimension, f"at least the teacher width, {M}"
            )
        _check_shape("teacher_gram", self.teacher_gram, M, M, M)
        _check_shape("weights", self.weights, K, M, M + K)
        _check_shape("Q", self.Q, K, K, K)
        _check_shape("R", self.R, K, M, M)
        if (self.Q is None) != (self.R is None):
            missing = "Q" if self.Q is None else "R"
            raise RequestError(missing, None, "a matrix: Q and R are given together")
        given = [name for name in ("weights", "Q") if getattr(self, name) is not None]
        if len(given) == 2:
            raise RequestError("weights", "a matrix", "left out where overlaps are given")
        if given and self.own_starts:
            raise RequestError("own_starts", True, "false where the start is given")
        if self.start + self.runs > LARGEST_STARTS and self.own_starts:
            raise RequestError("start", self.start, f"at most {LARGEST_STARTS - self.runs:,} here")
        self._check_lengths()

    def _check_lengths(self) -> None:
        diagonal = [row[i] for i, row in enumerate(self.teacher_gram or ())]
        if diagonal and 0.0 < min(diagonal) < SMALLEST_GRAM_DIAGONAL:
            raise RequestError(
                "teacher_gram", min(diagonal), f"{SMALLEST_GRAM_DIAGONAL:g} or more on the diagonal"
            )
        norm = 1.0 if self.rule in CONSTRAINED else mean_norm(self.teacher_gram)
        low, high = SMALLEST_START * norm, LARGEST_START * norm
        bounds = f"{SMALLEST_START:g} to {LARGEST_START:g} mean norms of the teacher"
        words = f"{bounds}, {low:g} to {high:g} here"
        lengths = {"init_scale": [self.init_scale]}
        if self.weights is not None:
            lengths["weights"] = [sum(x * x for x in row) ** 0.5 for row in self.weights]
        if self.Q is not None:
            lengths["Q"] = [max(row[i], 0.0) ** 0.5 for i, row in enumerate(self.Q)]
        for name, found in lengths.items():
            for each in found:
                if not low <= each <= high:
                    what = words if name == "init_scale" else f"students with norms of {words}"
                    raise RequestError(name, each, what)

    def _check_effort(self) -> None:
        K, M = self.student_width, self.teacher_width
        if self.method == "ode" and K + M > MOST_UNITS:
            raise RequestError(
                "student_width", K, f"at most {MOST_UNITS} students and teachers together with ode"
            )
        if self.attractors and self._has_layers and K * (M + K) > LARGEST_END:
            raise RequestError(
                "attractors", True, f"false with second layers of more than {LARGEST_END:,} "
                "weights in the coordinates of students and teachers: the Hessian at an end would "
                "not fit",
            )  # fmt: skip
        kept = self.runs * K * (K + M) * (self.points if self.overlaps_at == "all times" else 1)
        if kept > MOST_OVERLAPS:
            raise RequestError(
                "overlaps_at",
                self.overlaps_at,
                f"fewer runs, points or 'last time': {kept:,} overlaps, and {MOST_OVERLAPS:,} at "
                "most are kept",
            )
        inputs = self.steps_asked * self.batch_size * self.runs
        check_ruled_steps(self, self.steps_asked, inputs, self.until)
        if inputs > MOST_INPUTS:
            longest = MOST_INPUTS * (self.learning_rate or 1.0)
            longest /= self.input_dimension * self.batch_size * self.runs
            raise RequestError(
                "until", self.until, f"at most {longest:.6g} here: {MOST_INPUTS:,} inputs in all"
            )

    @property
    def _has_layers(self) -> bool:
        return any(
            layer is not None and {*layer} != {1.0}
            for layer in (self.student_layer, self.teacher_layer)
        )

    @property
    def algorithm(self) -> str:
        """Of ``ode`` the second: the native kernel computes its noise."""
        return f"{super().algorithm}, ode 2" if self.method == "ode" else super().algorithm

    @property
    def steps_asked(self) -> int:
        """Steps of SGD until the end; 0 for the other methods."""
        if self.method != "sgd" or self.learning_rate is None:
            return 0
        return max(1, round(self.until * self.input_dimension / self.learning_rate))

    @classmethod
    def maxima(cls, *, largest_width: int, largest_starts: int) -> Mapping[str, int]:  # noqa: ARG003
        return {"student_width": largest_width, "teacher_width": largest_width}

    @property
    def needs_the_engine(self) -> bool:
        given = any(each is not None for each in (self.teacher_gram, self.weights, self.Q))
        return given or self.rule != "gradient_flow"

    def canonical(self) -> JsonObject:
        """The request with every default filled in; an identity matrix is left out like one."""
        request = super().canonical()
        if self.teacher_gram is not None and is_identity(self.teacher_gram):
            request["teacher_gram"] = None
        return request


def _check_shape(
    name: str, matrix: tuple[tuple[float, ...], ...] | None, rows: int, fewest: int, most: int
) -> None:
    if matrix is None:
        return
    columns = {len(row) for row in matrix}
    if len(matrix) != rows or len(columns) != 1 or not fewest <= columns.pop() <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise RequestError(name, f"{len(matrix)} rows", f"{rows} rows of {wanted} numbers")


class Trajectory(TrajectoryBody, Sealed):
    """A finished trajectory."""

    request: TrajectoryRequest
