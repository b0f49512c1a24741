"""From a saddle of index 1 down both sides: which minima it joins, and at what height.

The unstable manifold of such a saddle is a curve; gradient flow along either half ends at a
critical point, generically a minimum. Where the saddle is symmetric the curve stays in the
symmetric set and can end at another saddle, a ridge seen from above. Ends are therefore judged by
their own Hessian, and left along their negative eigenspace until nothing is negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points import classify, identity
from relu_landscape.engine.points.spectrum import Block, zero_tolerance
from relu_landscape.errors import InputError, NumericalError

Real = NDArray[np.float64]
Descend = Callable[[Real], Real]

#: Length of the step off a saddle (Frobenius norm) among teachers that are 1 apart: the quadratic
#: model holds there (eigenvalues change by a few units per unit), and the loss falls by
#: |eigenvalue| 5e-7, far above rounding.
STEP = 1e-3
#: Factor of a second and third try where the flow came back to the saddle (its gradient close by
#: was below the flow's own tolerance).
LONGER = 10.0
MOST_TRIES = 3
#: Saddles that are left one after the other; ridges lower the symmetry every time.
MOST_RIDGES = 8


@dataclass(frozen=True)
class Surface:
    """What a pathway asks about the loss, at labelled points W (K, M).

    ``hessian`` gives the (K M, K M) matrix. ``polish`` gives the critical point beside a raw end,
    or the end itself where there is none: flows end 1e-7 from where they are going, too far to tell
    a small negative eigenvalue from zero.
    """

    loss: Callable[[Real], float]
    hessian: Callable[[Real], Real]
    polish: Callable[[Real], Real]

    def unstable(self, W: Real) -> int:
        """Negative eigenvalues of the Hessian at ``W``."""
        eigenvalues = Block(np.asarray(np.linalg.eigvalsh(self.hessian(W)), dtype=np.float64))
        return eigenvalues.negative(zero_tolerance(eigenvalues.largest))


def surface_of(teacher: Teacher) -> Surface:
    """The population loss of this teacher."""

    def polish(W: Real) -> Real:
        try:
            polished, _ = classify.newton(W, teacher)
        except NumericalError:
            return W
        return polished if identity.relation(W, polished, teacher) == "same copy" else W

    return Surface(
        loss=lambda W: float(population.loss(W, teacher)),
        hessian=lambda W: population.hessian(W, teacher)[0],
        polish=polish,
    )


@dataclass(frozen=True)
class Pathway:
    """A saddle of index 1 and the two minima that gradient flow from it reaches.

    ``ends``: where the flow ended, labelled as it is, not polished. ``ridges`` counts further
    saddles left on the way, per side.
    """

    saddle: Real
    saddle_loss: float
    eigenvalue: float
    ends: tuple[Real, Real]
    losses: tuple[float, float]
    ridges: tuple[int, int]

    @property
    def barriers(self) -> tuple[float, float]:
        """Height of the saddle above either end."""
        return self.saddle_loss - self.losses[0], self.saddle_loss - self.losses[1]


def pathway(
    saddle: Real,
    *,
    surface: Surface,
    descend: Descend,
    zero_loss: float = 1e-10,
    step: float = STEP,
    seed: int = 0,
) -> Pathway:
    """Follow both unstable directions of a saddle W (K, M) of index 1 down to minima.

    ``surface``: the loss (``surface_of``). ``descend`` maps a batch (B, K, M) to where gradient
    flow from each ends; it must integrate from where it is put, however small the gradient there.
    An end with a loss of at most ``zero_loss`` counts as a minimum without a look at its Hessian
    (zero-loss sets are flat, and approached slowly). ``step``: length of the step off a saddle,
    smaller where everything is (nearly parallel teachers). ``seed`` chooses among the directions
    off a ridge, which by symmetry lead to relabelled copies.

    Raises ``InputError`` if the point is no saddle of index 1, ``NumericalError`` if a side does
    not arrive at a minimum.
    """
    index = surface.unstable(saddle)
    if index != 1:
        raise InputError(f"A pathway starts at a saddle of index 1, not {index}.")
    eigenvalues, vectors = np.linalg.eigh(surface.hessian(saddle))
    direction = _signed(vectors[:, 0]).reshape(saddle.shape)
    generator = np.random.Generator(np.random.Philox(key=seed))
    arrived = []
    for side in (1.0, -1.0):
        end = leave(saddle, side * direction, descend, surface, step)
        arrived.append(down(end, descend, surface, zero_loss, step, generator))
    (left, ridges_left), (right, ridges_right) = arrived
    return Pathway(
        saddle=saddle,
        saddle_loss=surface.loss(saddle),
        eigenvalue=float(eigenvalues[0]),
        ends=(left, right),
        losses=(surface.loss(left), surface.loss(right)),
        ridges=(ridges_left, ridges_right),
    )


def leave(saddle: Real, direction: Real, descend: Descend, surface: Surface, step: float) -> Real:
    """Where the flow ends from a step off the saddle; longer steps where it comes back."""
    height, length = surface.loss(saddle), step
    for _ in range(MOST_TRIES):
        end = np.asarray(descend((saddle + length * direction)[None])[0])
        if np.linalg.norm(end - saddle) > length / 2 and surface.loss(end) < height:
            return end
        length *= LONGER
    raise NumericalError("The flow came back to the saddle; it must not stop at small gradients.")


def down(
    end: Real,
    descend: Descend,
    surface: Surface,
    zero_loss: float,
    step: float,
    generator: np.random.Generator,
) -> tuple[Real, int]:
    """Leave saddles until a minimum is reached; the minimum and the number of saddles left."""
    for ridges in range(MOST_RIDGES):
        if surface.loss(end) <= zero_loss:
            return end, ridges
        count = surface.unstable(surface.polish(end))
        if count == 0:
            return end, ridges
        _, vectors = np.linalg.eigh(surface.hessian(end))
        # a random direction of the negative eigenspace is off every symmetric set inside it
        mix = vectors[:, :count] @ generator.standard_normal(count)
        direction = (mix / np.linalg.norm(mix)).reshape(end.shape)
        end = leave(end, direction, descend, surface, step)
    raise NumericalError(f"Still at a saddle after leaving {MOST_RIDGES} of them.")


def _signed(vector: Real) -> Real:
    """The sign for which the largest entry is positive: eigenvectors come with either."""
    size = np.abs(vector)
    # The first of those that tie up to rounding.
    first = int(np.argmax(size > 0.999 * np.max(size)))
    return vector if vector[first] > 0 else -vector
