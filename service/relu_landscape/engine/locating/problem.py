"""What is asked, in the engine's own terms: the landscape of these widths, and points in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.units import in_unit, unit_of
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.reduced import ReducedPoints

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Problem(landscape.Problem):
    """Points to locate; fields as in ``wire.points.PointsRequest``, lengths in ``unit``.

    ``W`` (n, K, p): the first M coordinates are the teacher's span. As a landscape it has no
    starts, and its saddles are of interest.
    """

    W: Real
    follows: bool
    nearest: int
    has_spectrum: bool
    has_widening: bool
    sample_size: int | None
    label_noise: float
    signs: tuple[tuple[int, ...], tuple[int, ...]] | None

    @cached_property
    def layers(self) -> Layers | None:
        """Second layers of both signs, into whose teacher lengths are folded; None: all are 1."""
        if self.signs is None:
            return None
        students, teachers = (np.array(signs, dtype=np.float64) for signs in self.signs)
        return Layers.beside(students, teachers, self.teacher)

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self.W)

    @property
    def copies_beside(self) -> int:
        """Dimensions of the inputs outside the coordinates of the points, d - p."""
        return self.dimension - int(self.W.shape[2])


def of_points(request: PointsRequest) -> Problem:
    """The problem of a request. Raises ``TeacherError`` for an impossible teacher."""
    here, unit = request.here, unit_of(request.teacher_gram)
    W = here.array / unit
    W.flags.writeable = False  # shared by all tasks of a process
    dimension = request.input_dimension
    assert dimension is not None  # noqa: S101 - a validated request has one
    return Problem(
        students=here.student_width,
        teacher=make_teacher(here.teacher_width, in_unit(request.teacher_gram, unit)),
        dimension=dimension,
        starts=0,
        seed=0,
        scale=1.0,
        flow_tolerance=request.flow_tolerance,
        precision="float64",
        structured=bool(request.nearest),
        structures=None,
        saddles=True,
        widen=False,
        learning_rates=(),
        certify=request.certify if request.follow else "none",
        unit=unit,
        W=W,
        follows=request.follow,
        nearest=request.nearest or 0,
        has_spectrum=bool(request.spectrum),
        has_widening=bool(request.widening),
        sample_size=request.sample_size,
        label_noise=request.label_noise / unit,
        signs=_signs(here),
    )


def _signs(here: ReducedPoints) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    if here.student_signs is None or here.teacher_signs is None:
        return None
    return here.student_signs, here.teacher_signs


def as_points(problem: landscape.Problem) -> Problem:
    """The same problem, as this room's compositions and tasks have it."""
    assert isinstance(problem, Problem)  # noqa: S101 - the composition's own ``problem`` made it
    return problem
