"""How far from a minimum of the population loss the minimum over n inputs is expected.

The gradient of the loss over a sample, at the minimum W* of the population, is a mean of n
independent terms ``e 1_i x`` with mean zero, ``e = f - f*`` and ``1_i = 1(w_i . x > 0)``. To
leading order in 1/n the minimum of the sample next to W* is therefore off by a vector of covariance

    H^-1 S H^-1 / n,       S = E[(e^2 + s^2) 1_i 1_j x x^T],       s^2 the variance of the labels

(Huber 1967; White 1982), and its expected loss above the minimum is ``tr(H^-1 S) / (2 n)``. Beside
the teacher's span e and 1_i do not depend on x, so there ``H = A`` and ``S = Sigma`` per dimension,
d - M times, with Sigma in closed form (``noise.sigma``). In the span S is a fourth moment of M
Gaussian inputs z, of degree 4 in them (2 for the labels' noise): their length is averaged exactly,
``E|z|^4 = M (M + 2)``, and directions are sampled, with their opposites, the same for all points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise.sigma import noise_of
from relu_landscape.engine.noise.units import Units

Real = NDArray[np.float64]

#: Directions that are drawn, at most and at least, in so many parts, between which the accuracy
#: shows: about a second for 64 weights and fewer, and two for the most.
MOST_DRAWN, LEAST_DRAWN, PARTS = 2**19, 2**16, 32
#: Weights in the span, and units, up to which it is computed.
MOST_WEIGHTS, MOST_UNITS = 256, 48
#: A minimum of this loss fits every input, up to rounding: its gradient has no noise.
ZERO_LOSS = 1e-13


@dataclass(frozen=True)
class Predicted:
    """For one input: divide by n. ``square`` the expected squared distance, ``loss`` the expected
    loss above the minimum; ``accuracy`` the standard error of the first, over itself."""

    square: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Place:
    """A strict minimum ``W`` (K, M) as the formulas need it: Hessian ``H`` in the span and block
    ``A`` beside it, ``loss``, ``rows`` (M, M) of the teacher, and weights of the second layers."""

    W: Real
    H: Real
    A: Real
    loss: float
    rows: Real
    a: Real
    b: Real

    @staticmethod
    def plain(W: Real, teacher: Teacher) -> Place:
        """With second layers of ones."""
        H, A = population.hessian(W, teacher)
        loss = float(population.loss(W, teacher))
        return Place(W, H, A, loss, teacher.V, np.ones(len(W)), np.ones(teacher.width))

    @staticmethod
    def beside(W: Real, layers: Layers) -> Place:
        """With these second layers."""
        H, A = layers.hessian(W)
        loss = float(layers.loss(W[None])[0])
        rows = np.eye(len(layers.b)) if layers.directions is None else layers.directions
        return Place(W, H, A, loss, rows, layers.a, layers.b)

    def noise(self, label_noise: float) -> Real:
        """Sigma (K, K) of the gradient."""
        n = np.linalg.norm(self.W, axis=1)
        v = np.linalg.norm(self.rows, axis=1)
        directions = np.concatenate([self.W / n[:, None], self.rows / v[:, None]])
        units = Units.along(directions, np.concatenate([self.a * n, -self.b * v]), len(n))
        return np.outer(self.a, self.a) * noise_of(units, label_noise=label_noise)


def predicted(place: Place, *, dimension: int, label_noise: float = 0.0) -> Predicted | None:
    """For a strict minimum; None where a Hessian is not positive definite.

    Accuracy: 1e-9 beside the span; in it ``accuracy``, about 1%.
    """
    H, A = place.H, place.A
    copies = dimension - place.W.shape[1]
    if np.linalg.eigvalsh(H)[0] <= 0.0 or (copies and np.linalg.eigvalsh(A)[0] <= 0.0):
        return None
    if label_noise == 0.0 and place.loss <= ZERO_LOSS:
        return Predicted(0.0, 0.0, 0.0)
    squares, losses = _in_span(place, label_noise)
    square, loss = float(np.mean(squares)), float(np.mean(losses)) / 2.0
    spread = float(np.std(squares, ddof=1)) / np.sqrt(PARTS)
    if copies:
        beside = np.linalg.solve(A, place.noise(label_noise))
        square += copies * float(np.trace(np.linalg.solve(A, beside.T)))
        loss += copies * float(np.trace(beside)) / 2.0
    return Predicted(square, loss, float(spread / square) if square > 0.0 else 0.0)


def _in_span(place: Place, label_noise: float) -> tuple[Real, Real]:
    """``tr(H^-1 S H^-1)`` and ``tr(H^-1 S)`` in the span, by parts of the sample; (PARTS,)."""
    W, M = place.W, place.W.shape[1]
    factor = scipy.linalg.cholesky(place.H, lower=True)
    rng = np.random.Generator(np.random.Philox(key=[len(W), M]))
    squares, losses = np.empty(PARTS), np.empty(PARTS)
    drawn = max(LEAST_DRAWN, min(MOST_DRAWN, MOST_DRAWN * 64**2 // W.size**2))
    for part in range(PARTS):
        half = rng.standard_normal((drawn // PARTS // 2, M))
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        u = np.concatenate([half, -half])
        active = u @ W.T
        error = (np.maximum(active, 0.0) * place.a).sum(1)
        error -= (np.maximum(u @ place.rows.T, 0.0) * place.b).sum(1)
        weight = np.sqrt(M * (M + 2) * error**2 + M * label_noise**2)
        on = (active > 0.0) * place.a * weight[:, None]
        slopes = (on[:, :, None] * u[:, None]).reshape(len(u), -1)
        first = scipy.linalg.solve_triangular(factor, slopes.T, lower=True)
        losses[part] = np.sum(first**2) / len(u)
        second = scipy.linalg.solve_triangular(factor, first, lower=True, trans="T")
        squares[part] = np.sum(second**2) / len(u)
    return squares, losses
