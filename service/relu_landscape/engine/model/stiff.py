"""The stiff part of the Hessian, known in closed form, and linear systems with it.

The Hessian of the loss has p + 1 stiff eigenvalues (about K/4 and K/(2 pi)). From the split
L = N^2/(4 pi) + |S|^2/8 + R of ``kernel`` their part is

    A = 1/4 (1 1^T (x) I_p) + 1/(2 pi) u u^T,      u the stacked unit vectors w_i / |w_i|,

and what is left of the spectrum does not grow with the width.
"""

from __future__ import annotations

from relu_landscape.engine.model import kernel
from relu_landscape.engine.model.arrays import Array, ArrayNamespace


class ImplicitPart:
    """Solves (I + theta A) x = b for the stiff part A at ``W`` (B, K, p); ``theta`` (B,).

    Two Sherman-Morrison formulas, one after the other: O(K p) for each member.
    """

    def __init__(self, W: Array, theta: Array, *, xp: ArrayNamespace) -> None:
        self.xp = xp
        K = W.shape[-2]
        quarter = theta / 4.0
        self._mean = (quarter / (1.0 + quarter * K))[:, None, None]
        self._unit = W / kernel.norms(W, xp=xp)[..., None]
        self._solved_unit = self._without_mean(self._unit)
        weight = theta / kernel.TWO_PI
        inner = xp.sum(self._unit * self._solved_unit, axis=(-2, -1))
        self._weight = weight / (1.0 + weight * inner)

    def _without_mean(self, b: Array) -> Array:
        return b - self._mean * self.xp.sum(b, axis=-2, keepdims=True)

    def solve(self, b: Array) -> Array:
        """x (B, K, p)."""
        projected = self.xp.sum(self._solved_unit * b, axis=(-2, -1)) * self._weight
        return self._without_mean(b) - self._solved_unit * projected[:, None, None]


def frobenius(x: Array, *, xp: ArrayNamespace) -> Array:
    """Frobenius norms (B,) of a batch of matrices (B, K, p)."""
    return xp.sqrt(xp.sum(x * x, axis=(-2, -1)))
