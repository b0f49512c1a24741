"""Where given networks stand: what is asked. ``wire.located`` says how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.reduced import (
    MOST_POINTS,
    ReducedPoints,
    check_numbers,
    check_signs,
    reduced_points,
)
from relu_landscape.wire.requests import (
    LARGEST_DIMENSION,
    LARGEST_WIDTH,
    AnalysisRequest,
    Gram,
    Width,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from relu_landscape.wire.reducing import Reduced as Found

#: Points up to which each is described in full unless the request says otherwise.
MOST_DESCRIBED = 20
#: Points that may be described in full when the request asks for it.
MOST_IN_FULL = 200
#: How many of the nearest fixed points are listed where nothing is said, and at most.
FEW_NEAREST, MOST_NEAREST = 3, 20
#: Coordinates of a vector as it is given.
MOST_COLUMNS = 100_000
#: Dimension of the inputs where nothing says it (``reducing``).
USUAL_DIMENSION = 1000
#: Arrays that a request in NumPy's format may hold.
ARRAYS = ("weights", "teacher", "teacher_gram", "Q", "R", "second_layer", "teacher_second_layer")

Entry = Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)]
GivenRow = Annotated[tuple[Entry, ...], Field(max_length=MOST_COLUMNS)]
Given = Annotated[tuple[GivenRow, ...], Field(max_length=LARGEST_WIDTH)]
Layer = Annotated[tuple[Entry, ...], Field(min_length=1, max_length=LARGEST_WIDTH)]
#: Weights of a student network with second layers of both signs, in its coordinates: a Hessian.
LARGEST_SIGNED = 4096


class PointsRequest(AnalysisRequest):
    """Networks to locate: weights with a teacher, or overlaps, and what to say of them.

    Whatever form they are given in, they become ``reduced``, and the other forms are null then.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"weights": [[0.9, 0.2], [0.1, 1.1]]}]}
    )

    kind: ClassVar[str] = "points"
    array_names: ClassVar[tuple[str, ...]] = ARRAYS

    weights: Given | None = Field(
        None,
        description="a row per student; with teacher in its coordinates, else in orthonormal ones "
        "of which the first M are the teacher's span",
    )
    batch: Annotated[tuple[Given, ...], Field(max_length=MOST_POINTS)] | None = Field(
        None, description="many points of equal shape instead, each as weights"
    )
    Q: Given | None = Field(None, description="overlaps Q = W W^T instead of weights, with R")
    R: Given | None = Field(None, description="overlaps R = W V^T instead of weights, with Q")
    teacher: Given | None = Field(
        None, description="V, a row per teacher unit, in the coordinates of the weights"
    )
    teacher_gram: Gram | None = Field(
        None, description="T = V V^T instead of teacher; both left out: orthonormal"
    )
    second_layer: Layer | None = Field(
        None,
        exclude_if=lambda layer: layer is None,  # requests without one keep their ids
        description="weights of the students' second layer, K numbers of any sign but not zero for "
        "every point; their sizes are folded into the first layer. left out: ones",
    )
    teacher_second_layer: Layer | None = Field(
        None,
        exclude_if=lambda layer: layer is None,
        description="the same of the teacher, M numbers. Where signs differ, ends are signed_ends, "
        "and nearest, widening and certify must be left out",
    )
    teacher_width: Width | None = Field(
        None,
        description="M where neither teacher, teacher_gram nor R says it; left out: as many as "
        "students",
    )
    input_dimension: int | None = Field(
        None,
        ge=1,
        le=LARGEST_DIMENSION,
        strict=True,
        description="dimension d of the Gaussian inputs; left out: the teacher's columns, else "
        f"{USUAL_DIMENSION} or as many as the weights need",
    )
    single_precision: bool = Field(
        False,
        description="the numbers were rounded to single precision: a teacher within 1e-5 of "
        "orthonormal is taken as orthonormal (else within 1e-12)",
    )
    sample_size: int | None = Field(
        None,
        ge=1,
        le=10**12,
        strict=True,
        description="inputs of the training set, if known: also say how far from the minimum that "
        "many predict",
    )
    label_noise: FiniteFloat = Field(
        0.0, ge=0, le=1e6, description="standard deviation of the noise of the labels, with it"
    )
    follow: bool = Field(True, description="follow gradient flow from each point to its end")
    nearest: int | None = Field(
        None,
        ge=0,
        le=MOST_NEAREST,
        strict=True,
        description="how many of the nearest fixed points to list, which the structured search of "
        f"these widths finds; left out: {FEW_NEAREST} for up to {MOST_DESCRIBED} points, else none",
    )
    spectrum: bool | None = Field(
        None,
        description="the Hessian's eigenvalues at each point; left out: true for up to "
        f"{MOST_DESCRIBED} points",
    )
    widening: bool | None = Field(
        None,
        description="what one more student would do at each point, or splitting one of them; left "
        f"out: true for up to {MOST_DESCRIBED} points",
    )
    certify: Literal["none", "fast", "strict"] = Field(
        "none", description="computer-assisted proof per end, and whether it covers the point"
    )
    flow_tolerance: FiniteFloat = Field(
        1e-3,
        ge=1e-6,
        le=1e-2,
        description="local error of the gradient-flow integrator per step and student",
    )
    reduced: ReducedPoints | None = Field(
        None, description="what the fields above come to; answers have it in their place"
    )

    @model_validator(mode="after")
    def _reduce(self) -> PointsRequest:
        if self.reduced is None:
            self._take(self._found())
        else:
            self._check_reduced(self.reduced)
        self._fill(self.points)
        return self

    @property
    def here(self) -> ReducedPoints:
        """The points in their few coordinates."""
        assert self.reduced is not None  # noqa: S101 - every model that was validated has them
        return self.reduced

    @property
    def points(self) -> int:
        """How many there are."""
        return self.here.points

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], options: JsonObject) -> JsonObject:
        """The fields of a request given as arrays: ``weights`` (K, d) or (n, K, d), or ``Q`` and
        ``R`` with or without a leading n; the others as in JSON. Raises ``RequestError``."""
        from relu_landscape.wire import reducing

        numbers, is_single = {}, bool(options.get("single_precision", False))
        for name, array in arrays.items():
            numbers[name], single = reducing.as_numbers(name, array)
            is_single |= single
        width, dimension = options.get("teacher_width"), options.get("input_dimension")
        found = reducing.reduce(
            numbers,
            width=width if isinstance(width, int) else None,
            dimension=dimension if isinstance(dimension, int) else None,
            precision=reducing.SINGLE if is_single else reducing.DOUBLE,
        )
        gram = None if found.gram is None else found.gram.tolist()
        return {
            **options,
            "teacher_gram": gram,
            "teacher_width": int(found.width),
            "input_dimension": found.dimension,
            "single_precision": is_single,
            "reduced": reduced_points(found).model_dump(),
        }

    def check_limits(self, *, largest_width: int, largest_starts: int) -> None:  # noqa: ARG002
        for name, width in (
            ("weights", self.here.student_width), ("teacher", self.here.teacher_width)
        ):  # fmt: skip
            if width > largest_width:
                raise RequestError(name, f"{width} rows", f"at most {largest_width:,} here")

    @property
    def starts_asked(self) -> int:
        return self.points if self.follow else 0

    @property
    def needs_the_engine(self) -> bool:
        return self.teacher_gram is not None

    @property
    def too_long_for_lists(self) -> tuple[str, ...]:
        return ("teacher_gram", "reduced.numbers")

    def _found(self) -> Found:
        """The points as they were given, reduced."""
        import numpy as np

        from relu_landscape.wire import reducing

        names = {**{name: name for name in ARRAYS}, "batch": "weights"}
        given = {}
        for field, name in names.items():
            value = getattr(self, field)
            if value is None:
                continue
            if name in given:
                raise RequestError("batch", "an array", "left out where weights are given")
            given[name] = np.array(value) if name.endswith("layer") else _rows(field, value)
        return reducing.reduce(
            given,
            width=self.teacher_width,
            dimension=self.input_dimension,
            precision=reducing.SINGLE if self.single_precision else reducing.DOUBLE,
        )

    def _take(self, found: Found) -> None:
        """Put the reduced form in the place of what was given."""
        reduced = reduced_points(found)
        gram = None if found.gram is None else tuple(map(tuple, found.gram.tolist()))
        self.__dict__.update(
            dict.fromkeys((*ARRAYS, "batch")), teacher_gram=gram, reduced=reduced,
            teacher_width=reduced.teacher_width, input_dimension=found.dimension,
        )  # fmt: skip

    def _check_reduced(self, reduced: ReducedPoints) -> None:
        """Refuse a reduced form that is not what ``_take`` leaves."""
        for name in ("batch", *ARRAYS):
            if name != "teacher_gram" and getattr(self, name) is not None:
                raise RequestError(name, "an array", "left out where reduced is given")
        K, M = reduced.student_width, reduced.teacher_width
        check_numbers(reduced)
        check_signs(reduced)
        if self.teacher_width not in (None, M):
            raise RequestError("teacher_width", self.teacher_width, f"{M}, as reduced has it")
        if self.teacher_gram is not None and {len(self.teacher_gram)} | {
            len(row) for row in self.teacher_gram
        } != {M}:
            raise RequestError("teacher_gram", len(self.teacher_gram), f"{M} rows of {M} numbers")
        dimension = self.input_dimension or max(USUAL_DIMENSION, reduced.columns)
        if not M <= reduced.columns <= M + min(K, dimension - M):
            raise RequestError(
                "reduced",
                f"{reduced.columns} columns",
                f"{M} to {M} + {K} columns, and at most input_dimension",
            )
        self.__dict__.update(teacher_width=M, input_dimension=dimension)

    def _fill(self, points: int) -> None:
        """Say what the number of points decides, and signs."""
        described = points <= MOST_DESCRIBED
        if self.here.is_signed:
            self._leave_out()
        if self.nearest is None:
            self.__dict__["nearest"] = FEW_NEAREST if described else 0
        for name in ("spectrum", "widening"):
            if getattr(self, name) is None:
                self.__dict__[name] = described
        if points > MOST_IN_FULL:
            for name in ("nearest", "spectrum", "widening"):
                if value := getattr(self, name):
                    raise RequestError(name, value, f"left out for more than {MOST_IN_FULL} points")

    def _leave_out(self) -> None:
        """What is asked of no network with second layers of both signs."""
        K, columns = self.here.student_width, self.here.columns
        if K * columns > LARGEST_SIGNED:
            raise RequestError(
                "weights", f"{K} x {columns} numbers",
                f"at most {LARGEST_SIGNED:,} where second layers have both signs",
            )  # fmt: skip
        nothing: dict[str, Any] = {"nearest": 0, "widening": False, "certify": "none"}
        for name, none in nothing.items():
            if getattr(self, name) not in (None, none):
                raise RequestError(
                    name, getattr(self, name),
                    "left out where second layers have both signs: fixed points to compare with, "
                    "a student to add and proofs are known for equal signs alone",
                )  # fmt: skip
        self.__dict__.update(nothing)


def _rows(field: str, value: Any) -> Any:
    """What was given in JSON as an array; rows of different lengths are refused."""
    import numpy as np

    points = value if field == "batch" else (value,)
    shapes = {(len(point), len(row)) for point in points for row in point}
    if not shapes:
        raise RequestError(field, "no rows", "a matrix")
    if len(shapes) != 1 or len({len(point) for point in points}) != 1:
        raise RequestError(field, f"rows of {len(shapes)} lengths", "rows of one length")
    return np.asarray(value, dtype=np.float64)
