"""The cells of a grid, and the landscape's request of each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from relu_landscape.engine.landscape.problem import Problem as LandscapeProblem
from relu_landscape.errors import InputError
from relu_landscape.wire.requests import Gram, LandscapeRequest
from relu_landscape.wire.sweeps import TEACHER_AXES, SweepRequest, Value


@dataclass(frozen=True)
class Problem:
    """A sweep; cells are numbered in the order of its rows."""

    asked: SweepRequest

    @staticmethod
    def from_request(request: SweepRequest) -> Problem:
        """The problem of a request. Raises ``InputError`` where no cell at all makes sense."""
        problem = Problem(request)
        first: InputError | None = None
        for cell in range(request.cells):
            try:
                problem.request(cell)
            except InputError as error:
                first = first or error
            else:
                return problem
        raise InputError(f"No cell of the grid can be computed. The first one: {first}")

    @cached_property
    def coordinates(self) -> tuple[dict[str, Value], ...]:
        """The values of each cell by the names of the axes."""
        axes = self.asked.grid.axes
        return tuple(
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
        )

    def widths(self, cell: int) -> tuple[int, int]:
        """Student and teacher width of a cell, whether or not there can be such."""
        here, common = self.coordinates[cell], self.asked.common
        teacher = int(here.get("teacher_width", common.teacher_width))
        if "extra_students" in here:
            return teacher + int(here["extra_students"]), teacher
        return int(here.get("student_width", common.student_width)), teacher

    def request(self, cell: int) -> LandscapeRequest:
        """What a cell asks. Raises ``InputError`` where that makes no sense."""
        here = self.coordinates[cell]
        student, teacher = self.widths(cell)
        fields = {**self.asked.common.model_dump(), **here}
        for name in ("extra_students", *TEACHER_AXES):
            fields.pop(name, None)
        fields |= {"student_width": student, "teacher_width": teacher}
        if any(name in here for name in TEACHER_AXES):
            _check_correlation(teacher, float(here.get("teacher_correlation", 0.0)))
            fields["teacher_gram"] = teacher_gram(teacher, here)
        try:
            request = LandscapeRequest.model_validate(fields)
        except ValueError as error:
            raise InputError(_said(error)) from None
        if request.needs_the_engine:
            LandscapeProblem.from_request(request)
        # Through its canonical form, where an orthonormal teacher is left out: the landscape of a
        # cell is the very one that somebody asks for by itself.
        return LandscapeRequest.model_validate(request.canonical())


def teacher_gram(width: int, values: Mapping[str, Value]) -> Gram:
    """Gram matrix of a teacher of a family, ``width`` rows.

    ``teacher_correlation`` rho: every two units have this cosine; ``teacher_decay`` a: unit
    m = 1, 2, ... has the norm m^-a. Either may be missing, and is 0 then.

    >>> teacher_gram(2, {"teacher_correlation": 0.5, "teacher_decay": 1.0})
    ((1.0, 0.25), (0.25, 0.25))
    """
    rho = float(values.get("teacher_correlation", 0.0))
    norms = [(m + 1.0) ** -float(values.get("teacher_decay", 0.0)) for m in range(width)]
    return tuple(
        tuple(norms[m] * norms[n] * (1.0 if m == n else rho) for n in range(width))
        for m in range(width)
    )


def _check_correlation(width: int, rho: float) -> None:
    """Beyond these bounds no vectors have it; said here, in words that no rounding changes."""
    if width > 1 and not -1.0 / (width - 1) < rho < 1.0:
        raise InputError(
            f"teacher_correlation = {rho!r} is not accepted: above -1 / {width - 1} and below 1 "
            f"for {width} teacher units."
        )


def _said(error: ValueError) -> str:
    """What pydantic says of the first fault, in one sentence."""
    faults = getattr(error, "errors", None)
    if faults is None:
        return str(error)
    first = faults(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return str(cause)
    where = ".".join(map(str, first["loc"]))
    return f"{where} = {first['input']!r:.80} is not accepted: {first['msg'].lower()}."
