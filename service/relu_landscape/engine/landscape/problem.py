"""What is asked, in the engine's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.errors import InputError


@dataclass(frozen=True)
class Problem:
    """A landscape to compute; fields as in the request (specs.LandscapeRequest)."""

    students: int
    teacher: Teacher
    dimension: int
    starts: int
    seed: int
    scale: float
    flow_tolerance: float
    structured: bool
    structures: tuple[str, ...] | None
    saddles: bool
    certify: str

    @property
    def teachers(self) -> int:
        """Teacher width M."""
        return self.teacher.width

    @property
    def has_perpendicular(self) -> bool:
        """Whether the inputs have dimensions outside the teacher's span."""
        return self.dimension > self.teachers

    @staticmethod
    def from_request(request: Mapping[str, Any]) -> Problem:
        """The problem of a canonical request. Raises ``InputError`` where it makes no sense."""
        M = int(request["teacher_width"])
        dimension = int(request["input_dimension"])
        if dimension < M:
            raise InputError(f"input_dimension {dimension} is below the teacher width {M}.")
        structures = request["structures"]
        return Problem(
            students=int(request["student_width"]),
            teacher=make_teacher(M, request["teacher_gram"]),
            dimension=dimension,
            starts=int(request["starts"]),
            seed=int(request["seed"]),
            scale=float(request["init_scale"]),
            flow_tolerance=float(request["flow_tolerance"]),
            structured=bool(request["structured"]),
            structures=None if structures is None else tuple(structures),
            saddles=bool(request["saddles"]),
            certify=str(request["certify"]),
        )
