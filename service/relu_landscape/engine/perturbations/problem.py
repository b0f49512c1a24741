"""What is asked, in the engine's own terms: a fixed point, and kicks of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.asking import family_cost
from relu_landscape.engine.families.naming import resolve
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.errors import RequestError
from relu_landscape.wire.families import FamilyQuery
from relu_landscape.wire.perturbations import PerturbationsRequest

Real = NDArray[np.float64]

#: A structure is searched in one task, which may take about so many seconds.
MOST_SEARCH_SECONDS = 60.0
#: Gradient norm of given weights: the flattest minima published have eigenvalues of 5e-3, so that
#: weights of three digits are let in, and a network in the middle of its training is not.
MOST_GRADIENT = 1e-2
#: Norms of given students: below, a student counts as dead on the flow (``descent.death.DEAD``).
SMALLEST_NORM = 1e-6


@dataclass(frozen=True)
class Problem(landscape.Problem):
    """Kicks to follow; fields as in ``wire.perturbations.PerturbationsRequest``.

    As a landscape it has no starts, and a saddle is an end as any other. ``weights`` (K, M): those
    given, or None where a structure names the point.
    """

    structure: str | None
    branch: int | None
    weights: Real | None
    sizes: tuple[float, ...]
    kicks: int

    @property
    def all_kicks(self) -> int:
        """How many there are, of all sizes; number n has size ``n // kicks``."""
        return self.kicks * len(self.sizes)


def of_perturbations(request: PerturbationsRequest) -> Problem:
    """The problem of a request.

    Raises ``InputError`` for a structure that is none, does not fit the widths or takes too long to
    search, and for weights that are not near a fixed point.
    """
    teacher = make_teacher(request.teacher_width, leak=request.leak)
    if request.structure is not None:
        _check_structure(request, request.structure)
    weights = None
    if request.weights is not None:
        weights = np.array(request.weights, dtype=np.float64)
        weights.flags.writeable = False  # shared by all tasks of a process
        _check_weights(weights, teacher)
    return Problem(
        students=request.student_width,
        teacher=teacher,
        dimension=request.input_dimension,
        starts=0,
        seed=request.seed,
        scale=1.0,
        flow_tolerance=request.flow_tolerance,
        precision="float64",
        structured=False,
        structures=None,
        saddles=True,
        widen=False,
        learning_rates=(),
        certify=request.certify,
        unit=1.0,
        structure=request.structure,
        branch=request.branch,
        weights=weights,
        sizes=request.sizes,
        kicks=request.kicks,
    )


def as_perturbations(problem: landscape.Problem) -> Problem:
    """The same problem, as this room's composition and tasks have it."""
    assert isinstance(problem, Problem)  # noqa: S101 - the composition's own ``problem`` made it
    return problem


def _check_structure(request: PerturbationsRequest, name: str) -> None:
    K, M = request.student_width, request.teacher_width
    resolve(name, K, M, request.leak)
    asked = FamilyQuery(student_width=K, teacher_width=M, structure=name, leak=request.leak)
    seconds = family_cost(asked).seconds
    if seconds > MOST_SEARCH_SECONDS:
        raise RequestError(
            "structure", name, f"one of fewer blocks: this takes about {seconds:.0f} s to search, "
            f"and {MOST_SEARCH_SECONDS:g} s are accepted; weights of the point do as well",
        )  # fmt: skip


def _check_weights(W: Real, teacher: Teacher) -> None:
    norms = np.linalg.norm(W, axis=1)
    if float(norms.min()) < SMALLEST_NORM:
        raise RequestError(
            "weights", f"a student of norm {norms.min():.3g}", f"norms of {SMALLEST_NORM:g} or more"
        )
    slope = np.asarray(Loss.of(teacher, NUMPY).gradient(NUMPY.asarray(W[None])))
    steep = float(np.linalg.norm(slope)) * activation.height(teacher.leak)
    if not steep <= MOST_GRADIENT:
        raise RequestError(
            "weights", f"a gradient of norm {steep:.3g}", f"a fixed point, where it is at most "
            f"{MOST_GRADIENT:g}; POST /v1/points says where gradient flow takes them",
        )  # fmt: skip
