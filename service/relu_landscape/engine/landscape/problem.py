"""What is asked, in the engine's own terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import crediting
from relu_landscape.engine.families.effort import check_searchable
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.landscape.units import Unit, in_unit, unit_of
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.wire.requests import LandscapeRequest

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A landscape to compute; fields as in ``wire.requests.LandscapeRequest``.

    ``structures``: the ones to search in their canonical spelling, sorted; None: the default set.
    Lengths, ``scale`` and the teacher's included, are in ``unit`` (``units``).
    """

    students: int
    teacher: Teacher
    dimension: int
    starts: int
    seed: int
    scale: float
    flow_tolerance: float
    precision: Literal["float64", "float32"]
    structured: bool
    structures: tuple[str, ...] | None
    saddles: bool
    widen: bool
    certify: Literal["none", "fast", "strict"]
    unit: float
    learning_rates: tuple[float, ...]

    @property
    def units(self) -> Unit:
        """In which everything is computed."""
        return Unit(self.unit, activation.height(self.teacher.leak))

    @property
    def teachers(self) -> int:
        """Teacher width M."""
        return self.teacher.width

    @property
    def perpendicular_copies(self) -> int:
        """Dimensions of the inputs outside the teacher's span, d - M."""
        return self.dimension - self.teachers

    @property
    def has_continuum(self) -> bool:
        """Whether the global minima form a continuum (K > M)."""
        return self.students > self.teachers

    @property
    def separation(self) -> float:
        """How near the teacher's units are to each other (``descent.crediting.separation``)."""
        return crediting.separation(self.teacher)

    @property
    def searches_structures(self) -> bool:
        """Whether symmetric families are searched: asked for, and the teacher is orthonormal."""
        return self.structured and self.teacher.is_orthonormal

    def in_order(self, V: Real) -> Teacher:
        """The teacher with its units in the order, and its rows ``V`` (M, M) in the coordinates, of
        a point's details."""
        return replace(self.teacher, V=V, norms=np.linalg.norm(V, axis=1))

    @staticmethod
    def from_request(request: LandscapeRequest) -> Problem:
        """The problem of a request.

        Raises ``TeacherError`` for an impossible teacher, ``InputError`` for a structure to search
        that is none, does not fit the widths, or has too many unknowns.
        """
        unit = unit_of(request.teacher_gram)
        teacher = make_teacher(
            request.teacher_width, in_unit(request.teacher_gram, unit), request.leak
        )
        structures = None
        if request.structures is not None and request.structured and teacher.is_orthonormal:
            structures = tuple(sorted({_fitting(name, request) for name in request.structures}))
        return Problem(
            students=request.student_width,
            teacher=teacher,
            dimension=request.input_dimension,
            starts=request.starts,
            seed=request.seed,
            scale=request.init_scale / unit,
            flow_tolerance=request.flow_tolerance,
            precision=request.precision,
            structured=request.structured,
            structures=structures,
            saddles=request.saddles,
            widen=request.widen,
            certify=request.certify,
            unit=unit,
            learning_rates=request.learning_rates,
        )


def _fitting(name: str, request: LandscapeRequest) -> str:
    """Canonical spelling of a structure's name; ``InputError`` where it cannot be searched."""
    structure = parse(
        name, student_width=request.student_width, teacher_width=request.teacher_width
    )
    check_searchable(structure)
    return structure.name
