"""What may be asked: frozen models whose canonical bytes give the content id."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape import ALGORITHM
from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: Widths above this are refused by the model itself; the service's own limit is a setting.
LARGEST_WIDTH = 512
LARGEST_STARTS = 1_000_000
LARGEST_DIMENSION = 1_000_000
#: Philox keys are 64-bit words; JSON numbers are exact up to 2^53.
LARGEST_SEED = 2**53 - 1

#: Ends of starts need not be symmetric: a worker then has four matrices of (K M)^2 doubles at once
#: (measured at widths 24 to 64), 9 GB here.
LARGEST_HESSIAN = 128 * 128
#: Slopes below zero. At -1, |x|, every student can be turned round, so that points are no longer
#: told apart by permutations; at 1 the network is linear and minima merge. Near either, landscapes
#: come as near to losing their points.
LEAST_LEAK, MOST_LEAK = -0.9, 0.9
Leak = Annotated[FiniteFloat, Field(ge=LEAST_LEAK, le=MOST_LEAK)]
#: That of a question, whose default is 0: questions without one are those that they were, with
#: their ids.
AskedLeak = Annotated[
    Leak,
    Field(
        exclude_if=lambda leak: leak == 0.0,
        description="slope below zero of the activation of students and teachers, leaky ReLU: "
        "max(x, leak x), -0.9 to 0.9",
    ),
]
#: Characters of a structure's name; the longest that makes sense has two numbers per block.
LONGEST_STRUCTURE = 200
#: Norms of students at the start, in mean norms of the teacher: what gradient flow was tested at.
SMALLEST_START, LARGEST_START = 1e-3, 1e3
#: Entries of a Gram matrix: its square roots are lengths.
LARGEST_GRAM_ENTRY = 1e12
#: Smallest square of a teacher unit's length, by the same measure.
SMALLEST_GRAM_DIAGONAL = 1e-12

#: Above it even a single student does not stay: the critical rate of K = M = 1 is 2.
LARGEST_LEARNING_RATE = 100.0

#: Rows of a Gram matrix that a list of jobs still shows; 200 of them have about 250 kB.
LONGEST_LISTED_ROWS = 8

GramEntry = Annotated[FiniteFloat, Field(ge=-LARGEST_GRAM_ENTRY, le=LARGEST_GRAM_ENTRY)]
GramRow = Annotated[tuple[GramEntry, ...], Field(max_length=LARGEST_WIDTH)]
Gram = Annotated[tuple[GramRow, ...], Field(max_length=LARGEST_WIDTH)]
StructureName = Annotated[str, Field(max_length=LONGEST_STRUCTURE)]


def _ascending(rates: tuple[float, ...]) -> tuple[float, ...]:
    """Each once: the order in which they are asked does not matter."""
    return tuple(sorted(set(rates)))


LearningRate = Annotated[FiniteFloat, Field(gt=0.0, le=LARGEST_LEARNING_RATE)]
LearningRates = Annotated[
    tuple[LearningRate, ...], Field(max_length=32), AfterValidator(_ascending)
]
Width = Annotated[int, Field(ge=1, le=LARGEST_WIDTH, strict=True)]


def mean_norm(gram: Gram | None) -> float:
    """Mean norm of a teacher unit; 1 where the matrix is none, which the engine says."""
    squares = [row[i] for i, row in enumerate(gram or ())]
    if not squares or min(squares) <= 0.0:
        return 1.0
    return math.fsum(map(math.sqrt, squares)) / len(squares)


def check_init_scale(init_scale: float, gram: Gram | None) -> None:
    """Raise ``RequestError`` unless starts of this scale suit the lengths of the teacher."""
    norm = mean_norm(gram)
    if not SMALLEST_START * norm <= init_scale <= LARGEST_START * norm:
        raise RequestError(
            "init_scale",
            init_scale,
            f"{SMALLEST_START:g} to {LARGEST_START:g} mean norms of the teacher, "
            f"{SMALLEST_START * norm:g} to {LARGEST_START * norm:g} here",
        )


def is_identity(gram: Gram) -> bool:
    """Whether this is the orthonormal teacher's Gram matrix, exactly."""
    return all(entry == float(i == j) for i, row in enumerate(gram) for j, entry in enumerate(row))


class AnalysisRequest(Wire):
    """One question of any kind; ``kind`` names it in the registry and is part of the content id.

    A kind's own model gives an example that is cheap to answer (``examples`` of its schema), which
    the interactive documentation sends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: ClassVar[str]
    #: Names of arrays that a body in NumPy's format may hold; none: such a body is not accepted.
    array_names: ClassVar[tuple[str, ...]] = ()
    #: Fields that lists leave out where they have many rows.
    matrices: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], options: JsonObject) -> JsonObject:  # noqa: ARG003
        """The fields of a request given as arrays, and as ``options`` what else was asked.

        Raises ``RequestError``.
        """
        raise RequestError("body", f"{len(arrays)} arrays", "JSON")

    @property
    def starts_asked(self) -> int:
        """Random starts that the computation will report as done, for its progress."""
        return 0

    @property
    def needs_the_engine(self) -> bool:
        """Whether only the engine can tell that the request makes sense; the model did the rest."""
        return False

    @classmethod
    def maxima(cls, *, largest_width: int, largest_starts: int) -> Mapping[str, int]:  # noqa: ARG003
        """Fields that a service's own settings bound further, each with its largest value."""
        return {}

    def check_limits(self, *, largest_width: int, largest_starts: int) -> None:
        """Raise ``RequestError`` where this service's own settings allow less."""
        maxima = self.maxima(largest_width=largest_width, largest_starts=largest_starts)
        for field, largest in maxima.items():
            if getattr(self, field) > largest:
                raise RequestError(field, getattr(self, field), f"at most {largest:,} here")

    @property
    def too_long_for_lists(self) -> tuple[str, ...]:
        """Fields that a list of jobs leaves out, ``reduced.numbers`` for a member of one; they
        must be allowed to be null."""
        long = (
            name for name in self.matrices if len(getattr(self, name) or ()) > LONGEST_LISTED_ROWS
        )
        return tuple(long)

    def canonical(self) -> JsonObject:
        """The request with every default filled in, long names, JSON types only."""
        return self.model_dump(mode="json")

    @property
    def algorithm(self) -> str:
        """Version of what answers: that of the service, or a later one where the numbers of this
        kind of question changed since."""
        return ALGORITHM

    def content_id(self, backend_class: str) -> str:
        """SHA-256 (64 hexadecimal digits) of kind, request, algorithm and backend class."""
        identity = {
            "kind": self.kind,
            "request": self.canonical(),
            "algorithm": self.algorithm,
            "backend_class": backend_class,
        }
        return hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()


class LandscapeRequest(AnalysisRequest):
    """A landscape: the widths of student and teacher, and how hard to look."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"student_width": 3, "teacher_width": 3, "starts": 100}],
        }
    )

    kind: ClassVar[str] = "landscape"
    matrices: ClassVar[tuple[str, ...]] = ("teacher_gram",)

    student_width: Width = Field(validation_alias=STUDENT_NAMES, description=STUDENT_WORDS)
    teacher_width: Width = Field(validation_alias=TEACHER_NAMES, description=TEACHER_WORDS)
    starts: int = Field(
        1000,
        ge=0,
        le=LARGEST_STARTS,
        strict=True,
        description="random starts of gradient flow; 0 asks for the structured search alone",
    )
    seed: int = Field(
        0,
        ge=0,
        le=LARGEST_SEED,
        strict=True,
        description="start n of seed s depends on (s, n) alone",
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
        description="weights start as N(0, init_scale^2 / d): a student's norm is about "
        "init_scale, 0.001 to 1000 mean norms of the teacher",
    )
    teacher_gram: Gram | None = Field(
        None,
        description="Gram matrix T = V V^T of the teacher, symmetric positive definite; "
        "left out: orthonormal",
        examples=[[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]],
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="local error of the gradient-flow integrator per step and student",
    )
    precision: Literal["float64", "float32"] = Field(
        "float64",
        description="of the native kernel's arithmetic until a path comes near its end; float32 is "
        "faster and may take a start that passes the border of two basins to another end. What "
        "follows (polish, crediting, classification) is float64 always, as is all of NumPy",
    )
    leak: AskedLeak = 0.0
    structured: bool = Field(
        True,
        description="also search the symmetric families (orthonormal teacher only), "
        "which finds minima that random starts do not reach",
    )
    structures: tuple[StructureName, ...] | None = Field(
        None,
        max_length=64,
        description="symmetric structures to search instead of the default set, "
        "for example '1+6' or '1+16 extra 1'",
        examples=[["1+2"]],
    )
    saddles: bool = Field(
        False, description="also find saddles of index 1 and 2 and the minima they join"
    )
    widen: bool = Field(
        False, description="also say what one more student does at each isolated fixed point"
    )
    learning_rates: LearningRates = Field(
        (),
        exclude_if=lambda rates: not rates,  # requests without any keep their ids
        description="learning rates gamma of one-pass SGD, a step of which is w -= gamma/d times "
        "the gradient, above 0 to 100: what each does to the minima",
        examples=[[0.05, 0.1]],
    )
    certify: Literal["none", "fast", "strict"] = Field(
        "none", description="computer-assisted proof per isolated fixed point"
    )

    @model_validator(mode="after")
    def _consistent(self) -> LandscapeRequest:
        if self.input_dimension < self.teacher_width:
            raise RequestError(
                "input_dimension",
                self.input_dimension,
                f"at least the teacher width, {self.teacher_width}",
            )
        entries = self.student_width * self.teacher_width
        if self.starts > 0 and entries > LARGEST_HESSIAN:
            raise RequestError(
                "starts",
                self.starts,
                f"0 where student width times teacher width is above {LARGEST_HESSIAN:,}: the "
                f"Hessian at an end without symmetry would have {entries:,} rows, too many for a "
                "worker's memory; symmetric points are found without starts",
            )
        if self.teacher_gram is not None:
            rows = {len(row) for row in self.teacher_gram}
            if len(self.teacher_gram) != self.teacher_width or rows != {self.teacher_width}:
                raise RequestError(
                    "teacher_gram",
                    f"{len(self.teacher_gram)} rows",
                    f"a square matrix with {self.teacher_width} rows, one per teacher unit",
                )
            shortest = min(row[i] for i, row in enumerate(self.teacher_gram))
            if 0.0 < shortest < SMALLEST_GRAM_DIAGONAL:  # others are the engine's to judge
                raise RequestError(
                    "teacher_gram",
                    shortest,
                    f"{SMALLEST_GRAM_DIAGONAL:g} or more on the diagonal: squares of lengths",
                )
        check_init_scale(self.init_scale, self.teacher_gram)
        return self

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
        return self.teacher_gram is not None or self.structures is not None

    def canonical(self) -> JsonObject:
        """The request with every default filled in; an identity matrix is left out like one."""
        request = super().canonical()
        if self.teacher_gram is not None and is_identity(self.teacher_gram):
            request["teacher_gram"] = None
        return request
