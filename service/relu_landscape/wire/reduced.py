"""Given networks in the few numbers that matter, as a request holds them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.requests import LARGEST_WIDTH, Width

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from relu_landscape.wire.reducing import Reduced as Found

#: Points of one request, and numbers of them that are kept: 16 MB.
MOST_POINTS, MOST_NUMBERS = 20_000, 2_000_000

Sign = Literal[1, -1]
Signs = Annotated[tuple[Sign, ...], Field(min_length=1, max_length=LARGEST_WIDTH)]


class ReducedPoints(Wire):
    """Points in the few coordinates that matter, the first of them in the teacher's span."""

    points: int = Field(ge=1, le=MOST_POINTS, strict=True)
    student_width: Width
    teacher_width: Width
    columns: int = Field(ge=1, le=2 * LARGEST_WIDTH, strict=True)
    numbers: str | None = Field(
        max_length=24 * MOST_NUMBERS,
        description="base64 of points x student_width x columns doubles, little-endian; null where "
        "a job or a list leaves them out",
    )
    student_signs: Signs | None = Field(
        None,
        exclude_if=lambda signs: signs is None,  # requests without any keep their ids
        description="of the second layer, whose sizes are in the numbers; left out: all of student "
        "and teacher are equal",
    )
    teacher_signs: Signs | None = Field(
        None, exclude_if=lambda signs: signs is None, description="the same of the teacher"
    )

    @property
    def is_signed(self) -> bool:
        """Whether second layers have both signs."""
        return self.student_signs is not None

    @property
    def array(self) -> NDArray[np.float64]:
        """(points, student_width, columns)."""
        import numpy as np

        assert self.numbers is not None  # noqa: S101 - a validated request has them
        shape = (self.points, self.student_width, self.columns)
        raw = base64.b64decode(self.numbers, validate=True)
        return np.frombuffer(raw, dtype="<f8").reshape(shape).astype(np.float64)


def reduced_points(found: Found) -> ReducedPoints:
    """Coordinates as a request holds them. Raises ``RequestError`` for too many."""
    n, K, columns = found.coordinates.shape
    if n > MOST_POINTS:
        raise RequestError("weights", f"{n:,} points", f"at most {MOST_POINTS:,} points")
    if found.coordinates.size > MOST_NUMBERS:
        raise RequestError(
            "weights",
            f"{n:,} points of {K} x {columns} numbers",
            f"at most {MOST_NUMBERS:,} numbers in all",
        )
    raw = found.coordinates.astype("<f8").tobytes()
    students, teachers = found.signs or (None, None)
    return ReducedPoints.model_validate({
        "points": n, "student_width": K, "teacher_width": found.width, "columns": columns,
        "numbers": base64.b64encode(raw).decode("ascii"),
        "student_signs": students, "teacher_signs": teachers,
    })  # fmt: skip


def check_signs(reduced: ReducedPoints) -> None:
    """Refuse signs that ``reduced_points`` does not leave."""
    students, teachers = reduced.student_signs, reduced.teacher_signs
    if students is None and teachers is None:
        return
    widths = (reduced.student_width, reduced.teacher_width)
    if (len(students or ()), len(teachers or ())) != widths or len(
        {*(students or ()), *(teachers or ())}
    ) != 2:
        raise RequestError(
            "reduced", "signs", "left out, or a sign for each unit, both of which occur"
        )


def check_numbers(reduced: ReducedPoints) -> None:
    """Refuse a text that is not so many finite doubles."""
    import numpy as np

    wanted = reduced.points * reduced.student_width * reduced.columns
    bounds = f"base64 of {wanted:,} finite doubles"
    if wanted > MOST_NUMBERS:
        raise RequestError("reduced", f"{wanted:,} numbers", f"at most {MOST_NUMBERS:,}")
    if reduced.numbers is None:
        raise RequestError("reduced", "without numbers", bounds)
    try:
        raw = base64.b64decode(reduced.numbers, validate=True)
    except ValueError:
        raise RequestError("reduced", "not base64", bounds) from None
    if len(raw) != 8 * wanted or not np.all(np.isfinite(np.frombuffer(raw, dtype="<f8"))):
        raise RequestError("reduced", f"{len(raw):,} bytes", bounds)
