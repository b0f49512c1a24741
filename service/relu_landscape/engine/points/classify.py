"""What a point is: Newton's method to machine precision, then the whole spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points.spectrum import Block, HessianSummary, summarise, zero_tolerance
from relu_landscape.errors import NumericalError

Real = NDArray[np.float64]

#: Newton's method is quadratic from here: three or four steps, six at near-degenerate points.
NEWTON_STEPS = 12
#: A Newton step along an eigenvalue this small would be noise; that part of the step is left out.
SINGULAR = 1e-10


@dataclass(frozen=True)
class Point:
    """A fixed point with its spectrum.

    ``W`` (K, M); eigenvalues in the teacher's ``span`` (K M,) ascending, and of the
    ``perpendicular`` block (K,) ascending; ``moved``: how far Newton's method went.
    """

    W: Real
    loss: float
    gradient_norm: float
    moved: float
    span: Real
    perpendicular: Real

    @property
    def summary(self) -> HessianSummary:
        """Counts and smallest eigenvalues of both blocks."""
        return summarise(Block(self.span), Block(self.perpendicular))

    @property
    def index_span(self) -> int:
        """Negative eigenvalues in the teacher's span."""
        return self.summary.index_span

    @property
    def index_perpendicular(self) -> int:
        """Negative eigenvalues of the perpendicular block."""
        return self.summary.index_perpendicular

    def index(self, dimension: int) -> int:
        """Negative eigenvalues of the whole Hessian in input dimension d."""
        return self.summary.index(self.perpendicular_copies(dimension))

    def nullity(self, dimension: int) -> int:
        """Eigenvalues that are zero, in input dimension d."""
        return self.summary.nullity(self.perpendicular_copies(dimension))

    def perpendicular_copies(self, dimension: int) -> int:
        """How often the perpendicular block occurs in input dimension d: d - M."""
        return dimension - int(self.W.shape[1])


def gradient_tolerance(width: int) -> float:
    """Gradient norm asked of a fixed point: max(1e-13, 1e-16 K), about its floor in float64."""
    return max(1e-13, 1e-16 * width)


def largest_gradient(students: int, teachers: int) -> float:
    """Gradient norm above which there is no fixed point here, with K and M units.

    The floor of the gradient grows like K^1.5 with the rounding of its K M entries.
    """
    rounding: float = 2e-15 * students**1.5
    return max(gradient_tolerance(max(students, teachers)), rounding)


def newton(W: Real, teacher: Teacher) -> tuple[Real, float]:
    """Newton's method from a point beside a fixed point; returns (W, gradient norm).

    Keeps the best iterate. Directions of (nearly) zero curvature are left alone, so a point on a
    flat set stays where it is along the set. Raises ``NumericalError`` where the gradient does not
    fall below the tolerance: then the start was not beside a fixed point.
    """
    if not _exists(W):
        raise NumericalError("A student is zero or not finite: there is no gradient at this start.")
    tolerance = gradient_tolerance(max(W.shape))
    rounding = activation.stiffness(teacher.leak)
    best, best_norm = W, float(np.linalg.norm(population.gradient(W, teacher)))
    for _ in range(NEWTON_STEPS):
        if best_norm <= rounding * tolerance / 10:
            break
        g = np.asarray(population.gradient(best, teacher)).ravel()
        H, _ = population.hessian(best, teacher)
        trial = best - _newton_step(H, g).reshape(W.shape)
        if not _exists(trial):
            break
        norm = float(np.linalg.norm(population.gradient(trial, teacher)))
        if not norm < best_norm:
            break
        best, best_norm = trial, norm
    if best_norm > rounding * largest_gradient(*W.shape):
        raise NumericalError(
            f"Newton's method stopped at gradient norm {best_norm:.2g}, above "
            f"{rounding * tolerance:.2g}: "
            "there is no isolated fixed point beside this start."
        )
    return best, best_norm


def _exists(W: Real) -> bool:
    """Whether loss and gradient exist at ``W`` (K, M)."""
    return bool(np.all(np.isfinite(W)) and np.all(np.sum(W * W, axis=1) > 0.0))


def _newton_step(H: Real, g: Real) -> Real:
    try:
        step: Real = np.asarray(np.linalg.solve(H, g), dtype=np.float64)
    except np.linalg.LinAlgError:
        step = np.full_like(g, np.inf)
    # A step longer than the gradient over the tolerance speaks of a singular direction.
    if np.all(np.isfinite(step)) and np.linalg.norm(step) * 1e-6 <= np.linalg.norm(g):
        return step
    values, vectors = np.linalg.eigh(H)
    inverse = np.where(np.abs(values) > SINGULAR, 1.0 / np.where(values == 0.0, 1.0, values), 0.0)
    return np.asarray(vectors @ (inverse * (vectors.T @ g)))


def classify(W: Real, teacher: Teacher) -> Point:
    """Polish ``W`` (K, M) by Newton's method and compute every eigenvalue there.

    Raises ``NumericalError`` where there is no fixed point beside it.
    """
    polished, _ = newton(W, teacher)
    return spectrum_at(polished, teacher, moved=float(np.linalg.norm(polished - W)))


def spectrum_at(W: Real, teacher: Teacher, *, moved: float = 0.0) -> Point:
    """Loss, gradient norm and every eigenvalue at ``W`` (K, M), wherever that is."""
    H, A = population.hessian(W, teacher)
    return Point(
        W=W,
        loss=float(population.loss(W, teacher)),
        gradient_norm=float(np.linalg.norm(population.gradient(W, teacher))),
        moved=moved,
        span=_eigenvalues(H),
        perpendicular=_eigenvalues(A),
    )


def _eigenvalues(matrix: Real) -> Real:
    return np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)


def unstable_directions(point: Point, teacher: Teacher) -> tuple[Real, Real]:
    """Eigenvectors of negative eigenvalues: in the span (n, K, M), perpendicular (m, K)."""
    H, A = population.hessian(point.W, teacher)
    spectra = [np.linalg.eigh(matrix) for matrix in (H, A)]
    tolerance = zero_tolerance(max(float(np.abs(values).max()) for values, _ in spectra))
    (span, vectors), (perpendicular, outer) = spectra
    inner = vectors[:, span < -tolerance].T.reshape(-1, *point.W.shape)
    return inner, outer[:, perpendicular < -tolerance].T


def overlaps(W: Real, teacher: Teacher) -> Real:
    """R = W V^T (K, M)."""
    return W @ teacher.V.T
