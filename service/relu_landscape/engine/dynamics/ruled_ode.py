"""The equations of SGD with constrained students, for d to infinity.

A step of SGD moves W by ``D = -(gamma / d) delta x'`` and the projection by what brings ``W W'``
back. To second order in the step, ``|x|^2 / d`` being one,

    normalised:       w_i <- w_i - (w_i . D_i + |D_i|^2 / 2) w_i,     orthonormalised:
    W <- W - (sym(D W') + D D' / 2) W,        D D' = (gamma^2 / d) delta delta'

(terms like ``(w_i . D_i)^2`` have no d of |x|^2 to make up for theirs). On average, with
``g = grad L`` and ``Sigma = E[delta delta']``, N the diagonal of Sigma or all of it,

    dW/dt = -(g - S W) - gamma/2 N W,     S = diag(w_i . g_i)  or  sym(g W')

and the noise adds ``gamma Sigma`` to the second moments. So the equations are those of ``ode`` with
another force in the span and another matrix outside it,

    dX/dt = -(grad_X L - S X) - gamma/2 N X,     dP/dt = -(A' P + P A') + gamma Sigma,
    A' = A - S + gamma/2 N,

X the part in the span. To R and Q of normalised students this adds ``-(gamma/2) Sigma_ii R_im``
and ``gamma (Sigma_ij - (Sigma_ii + Sigma_jj) Q_ij / 2)`` to their flow. A step of the integrator
leaves the surface by its own error, and is followed by the rule's projection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.rules import Normalised, Rule
from relu_landscape.engine.dynamics.ode import Integrator, Noise, Outside, State
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import places

Real = NDArray[np.float64]


class RuledIntegrator(Integrator):
    """Follows one trajectory of students that a rule keeps at norm 1, or orthonormal."""

    def __init__(
        self,
        teacher: Teacher,
        noise: Noise,
        rule: Rule,
        *,
        tolerance: float,
        kernel: Kernel | None = None,
    ) -> None:
        super().__init__(teacher, noise, tolerance=tolerance, kernel=kernel)
        self._rule = rule
        self._known: tuple[Real, _Pull] | None = None

    def _step(self, state: State, until: float) -> State:
        after = super()._step(state, until)
        if after.time == state.time:
            return after
        W = self._rule.projected(after.W[None])[0]
        beside = W[:, self._teacher.width :]
        return replace(after, span=W[:, : self._teacher.width].copy(), P=beside @ beside.T)

    def _force(self, W: Real) -> Real:
        pull = self._pull(W)
        return np.asarray((pull.beside @ W - pull.g)[:, : self._teacher.width])

    def _outside(self, W: Real) -> Outside:
        pull = self._pull(W)
        A = places.perpendicular_block(W, self._teacher) - pull.beside
        values, vectors = np.linalg.eigh(A)
        return Outside(values, vectors, vectors.T @ pull.gain @ vectors)

    def _pull(self, W: Real) -> _Pull:
        """At weights ``W`` (K, p): force and moments are asked for at the same ones in turn, and
        the noise is nearly all of the work."""
        if self._known is None or self._known[0] is not W:
            g = np.asarray(self._network.gradient(NUMPY.asarray(W[None])))[0]
            gain = self._gain(W)
            kept = np.diag(np.diagonal(gain)) if isinstance(self._rule, Normalised) else gain
            pull = _Pull(g, gain, self._rule.multiplier(W, g) - kept / 2.0)
            self._known = W, pull
        return self._known[1]


@dataclass(frozen=True)
class _Pull:
    """Gradient ``g`` (K, p), ``gain`` gamma Sigma (K, K), and what multiplies W ``beside`` the
    gradient, S - gamma/2 N, (K, K)."""

    g: Real
    gain: Real
    beside: Real
