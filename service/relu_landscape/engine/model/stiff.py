"""The stiff part of the Hessian, known in closed form, and linear systems with it.

The Hessian of the loss has p + 1 stiff eigenvalues (about K/4 and K/(2 pi)). From the split
L = N^2/(4 pi) + |S|^2/8 + R of ``kernel`` their part is

    A = 1/4 (1 1^T (x) I_p) + 1/(2 pi) u u^T,      u the stacked unit vectors w_i / |w_i|,

and what is left of the spectrum does not grow with the width. Where units leak, 1/4 is
``activation.level``. With a second layer a of the students both vectors, 1 and u, have its weights.
"""

from __future__ import annotations

from relu_landscape.engine.model import kernel
from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.room import Room, no_room


class ImplicitPart:
    """Solves (I + theta A) x = b for the stiff part A at ``W`` (B, K, p); ``theta`` (B,).

    Two Sherman-Morrison formulas, one after the other: O(K p) for each member. ``norms`` (B, K):
    those of the students, where they are known; ``weights`` (K, 1) of a second layer, None: all 1.
    With ``room`` the next one takes its memory.
    """

    def __init__(
        self,
        W: Array,
        theta: Array,
        *,
        xp: ArrayNamespace,
        norms: Array | None = None,
        level: float = kernel.QUARTER,
        weights: Array | None = None,
        room: Room = no_room,
    ) -> None:
        self.xp = xp
        self._room = room
        self._weights = weights
        squares = W.shape[-2] if weights is None else xp.sum(weights * weights)
        share = theta * level
        self._mean = (share / (1.0 + share * squares))[:, None, None]
        lengths = kernel.norms(W, xp=xp) if norms is None else norms
        unit = xp.divide(W, lengths[..., None], **room("unit", W.shape))
        if weights is not None:
            unit *= weights
        self._solved_unit = self._without_mean(unit, "solved unit")
        weight = theta / kernel.TWO_PI
        unit *= self._solved_unit
        inner = xp.sum(unit, axis=(-2, -1))
        self._weight = weight / (1.0 + weight * inner)

    def _without_mean(self, b: Array, name: str) -> Array:
        a = self._weights
        if a is not None:
            mean = self._mean * a * self.xp.sum(a * b, axis=-2, keepdims=True)
        else:
            mean = self._mean * self.xp.sum(b, axis=-2, keepdims=True)
        return self.xp.subtract(b, mean, **self._room(name, b.shape))

    def solve(self, b: Array, name: str = "solved") -> Array:
        """x (B, K, p); with room, in the place of this name."""
        product = self.xp.multiply(self._solved_unit, b, **self._room("weights", b.shape))
        projected = self.xp.sum(product, axis=(-2, -1)) * self._weight
        x = self._without_mean(b, name)
        x -= self.xp.multiply(
            self._solved_unit, projected[:, None, None], **self._room("weights", b.shape)
        )
        return x


def frobenius(x: Array, *, xp: ArrayNamespace, room: Room = no_room) -> Array:
    """Frobenius norms (B,) of a batch of matrices (B, K, p)."""
    return xp.sqrt(xp.sum(xp.multiply(x, x, **room("weights", x.shape)), axis=(-2, -1)))
