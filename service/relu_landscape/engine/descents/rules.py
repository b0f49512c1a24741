"""The rules: how a descent starts, which gradient it follows, and how it gets back to its surface.

All work on batches (B, K, p) in the coordinates of ``descent.starts``: the teachers, and as many
more as carry the Gram matrix of what sticks out of their span. Every rule moves students within the
span of students and teachers, so that these coordinates are exact in any input dimension.

* ``gradient_descent``: ``w <- w - step grad L``.
* ``normalised``: the product of unit spheres. Gradient ``g_i - (u_i . g_i) u_i``, back by
  dividing by the norm.
* ``orthonormalised``: the Stiefel manifold ``W W' = I``. Gradient ``g - S W`` with
  ``S = sym(g W')`` (Edelman, Arias and Smith 1998), back by the polar factor ``(W W')^(-1/2) W``.
* ``two_layer``: first and second layer descend together. Outputs depend on ``omega = a w`` alone
  while all a > 0: ``dL/dw_i = a_i grad_i L(omega)``, ``dL/da_i = w_i . grad_i L(omega)``. The state
  is ``(w, a)``, a as one more coordinate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.model.teacher import make_teacher

Real = NDArray[np.float64]

#: Newton and Schulz's iteration for the polar factor is used while e = |W W' - I| is below this:
#: a step takes e to at most e^2, so that four take 0.1 to 1e-16. Beyond, singular vectors come
#: first.
NEAR_ORTHONORMAL = 0.1
POLAR_STEPS = 4


@dataclass(frozen=True)
class Rule(ABC):
    """One rule on networks with these second layers."""

    layers: Layers

    def draw(self, numbers: Sequence[int], *, seed: int, dimension: int, scale: float) -> Real:
        """States (B, K, p) of the starts with these numbers."""
        drawn = starts.draw(
            numbers, seed=seed, students=len(self.layers.a),
            teacher=make_teacher(len(self.layers.b)), dimension=dimension, scale=scale,
        )  # fmt: skip
        return self.begun(drawn)

    def begun(self, W: Real) -> Real:
        """The state of a start with these weights."""
        return self.projected(W)

    def weights(self, state: Real) -> Real:
        """What the network's outputs depend on, as first-layer weights (B, K, p)."""
        return state

    def projected(self, state: Real) -> Real:
        """The state on the rule's surface beside this one."""
        return state

    @abstractmethod
    def slope(self, state: Real) -> Real:
        """Gradient along the surface, in the shape of the state."""

    def moved(self, state: Real, step: float) -> Real:
        """The state after one step of this length."""
        return self.projected(state - step * self.slope(state))

    def pulled(self, state: Real, g: Real) -> Real:
        """A gradient ``g`` by ``weights``, in the shape of the state."""
        del state
        return g

    def multiplier(self, W: Real, g: Real) -> Real:
        """S (K, K) of one point and its plain gradient: the Riemannian Hessian is the plain one
        less S (x) I, on the directions of ``tangent``."""
        del g
        return np.zeros((len(W), len(W)))

    def tangent(self, W: Real) -> Real | None:
        """Orthonormal directions (n, K, p) of the surface at one point; None: all."""
        del W
        return None

    def steepness(self, W: Real) -> Real:
        """Gradient (B, K, p) along the surface at weights."""
        return self.slope(W)

    def stretch(self, state: Real) -> float:
        """The most that ``stepped`` makes of an eigenvalue at a ``state`` (K, q)."""
        del state
        return 1.0

    def stepped(self, span: Real, beside: Real, state: Real) -> tuple[Real, Real]:
        """The Hessian's blocks (K p, K p) and (K, K), or (0, 0), at a critical point, as steps of
        the rule meet them from a ``state`` (K, q) beside it: with those eigenvalues, but for zeros
        and a change of basis."""
        del state
        return span, beside


class Plain(Rule):
    """No constraint: gradient flow, and gradient descent."""

    def slope(self, state: Real) -> Real:
        return self.layers.gradient(state)


class Normalised(Rule):
    """Students of norm 1."""

    def projected(self, state: Real) -> Real:
        found: Real = state / np.sqrt(np.sum(state * state, axis=-1, keepdims=True))
        return found

    def slope(self, state: Real) -> Real:
        g = self.layers.gradient(state)
        g -= np.sum(g * state, axis=-1, keepdims=True) * state
        return g

    def multiplier(self, W: Real, g: Real) -> Real:
        return np.diag(np.sum(W * g, axis=1))

    def tangent(self, W: Real) -> Real | None:
        K, p = W.shape
        found = np.zeros((K, p - 1, K, p))
        for i, w in enumerate(W):
            found[i, :, i] = np.linalg.svd(w[None])[2][1:]
        return found.reshape(-1, K, p)


class Orthonormalised(Rule):
    """Orthonormal students."""

    def projected(self, state: Real) -> Real:
        K = state.shape[-2]
        gram = state @ np.swapaxes(state, -1, -2) - np.eye(K)
        squares = (gram * gram).reshape(*gram.shape[:-2], -1)
        far = np.sqrt(np.sum(squares, axis=-1)) > NEAR_ORTHONORMAL
        found = np.array(state)
        if np.any(far):
            found[far] = _polar(state[far])
        for _ in range(POLAR_STEPS):
            gram = found @ np.swapaxes(found, -1, -2)
            found = (3.0 * found - gram @ found) / 2.0
        return found

    def slope(self, state: Real) -> Real:
        g = self.layers.gradient(state)
        product = g @ np.swapaxes(state, -1, -2)
        g -= (product + np.swapaxes(product, -1, -2)) @ state / 2.0
        return g

    def multiplier(self, W: Real, g: Real) -> Real:
        product = g @ W.T
        found: Real = (product + product.T) / 2.0
        return found

    def tangent(self, W: Real) -> Real | None:
        K, p = W.shape
        first, second = np.triu_indices(K, 1)
        skew = np.zeros((len(first), K, K))
        numbers = np.arange(len(first))
        skew[numbers, first, second] = np.sqrt(0.5)
        skew[numbers, second, first] = -np.sqrt(0.5)
        turns = skew @ W
        beside = np.linalg.svd(W, full_matrices=True)[2][K:]
        rows = np.einsum("ij,zp->izjp", np.eye(K), beside).reshape(-1, K, p)
        return np.concatenate([turns, rows])


@dataclass(frozen=True)
class TwoLayer(Rule):
    """Both layers descend; ``start`` is every second-layer weight at first, None: the norms."""

    start: float | None

    def begun(self, W: Real) -> Real:
        n = np.sqrt(np.sum(W * W, axis=-1, keepdims=True))
        a = n if self.start is None else np.full_like(n, self.start)
        return np.concatenate([W, a], axis=-1)

    def weights(self, state: Real) -> Real:
        return state[..., :-1] * state[..., -1:]

    def slope(self, state: Real) -> Real:
        w, a = state[..., :-1], state[..., -1:]
        return self.pulled(state, self.layers.gradient(a * w))

    def pulled(self, state: Real, g: Real) -> Real:
        w, a = state[..., :-1], state[..., -1:]
        return np.concatenate([a * g, np.sum(w * g, axis=-1, keepdims=True)], axis=-1)

    def steepness(self, W: Real) -> Real:
        return self.layers.gradient(W)

    def stretch(self, state: Real) -> float:
        return float(np.sum(state * state, axis=1).max())

    def stepped(self, span: Real, beside: Real, state: Real) -> tuple[Real, Real]:
        """With ``d omega = a dw + w da``: H between two roots of ``a^2 I + w w'``."""
        w, a = state[:, :-1], np.abs(state[:, -1])
        K, p = len(a), len(span) // len(a)
        w = w[:, :p]
        n = np.linalg.norm(w, axis=1)
        longer = (np.hypot(a, n) - a) / (n * n)
        roots = a[:, None, None] * np.eye(p) + longer[:, None, None] * w[:, :, None] * w[:, None]
        blocks = span.reshape(K, p, K, p)
        inside = np.einsum("iab,ibjc,jcd->iajd", roots, blocks, roots, optimize=True)
        outside = beside * a[:, None] * a if len(beside) else beside
        return inside.reshape(K * p, K * p), outside


def _polar(W: Real) -> Real:
    """Polar factors (B, K, p)."""
    u, _, v = np.linalg.svd(W, full_matrices=False)
    return np.asarray(u @ v)
