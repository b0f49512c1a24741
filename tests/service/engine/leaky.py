"""Independent answers for units that leak: plain sums over pairs, sampling, plain gradient flow.

Nothing here is imported from the engine: the loss of ``sigma(x) = max(x, c x)`` itself, not in the
engine's unit, from ``E[sigma(w.x) sigma(v.x)] = (1 - c)^2 g(w, v) + c w.v`` with Cho and Saul's g,
which sampling checks.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import RK45

from tests.service.engine.oracles import Real

#: Of differences.
STEP = 1e-5


def sampled(W: Real, V: Real, leak: float, count: int, seed: int) -> tuple[float, float]:
    """Population loss by ``count`` inputs, and its standard error."""
    x = np.random.default_rng(seed).standard_normal((count, W.shape[1]))

    def output(units: Real) -> Real:
        seen = x @ units.T
        return np.asarray(np.where(seen > 0.0, seen, leak * seen).sum(axis=1))

    losses = (output(W) - output(V)) ** 2 / 2.0
    return float(losses.mean()), float(losses.std() / math.sqrt(count))


def _angles(W: Real, V: Real) -> tuple[Real, Real, Real, Real]:
    """Lengths, inner products and angles of all pairs of rows of (..., K, p) and (..., M, p)."""
    n, m = np.linalg.norm(W, axis=-1), np.linalg.norm(V, axis=-1)
    inner = np.asarray(W @ np.swapaxes(V, -1, -2))
    cosine = np.clip(inner / (n[..., :, None] * m[..., None, :]), -1.0, 1.0)
    return n, m, inner, np.arccos(cosine)


def _pairs(W: Real, V: Real, leak: float) -> Real:
    n, m, inner, t = _angles(W, V)
    g = n[..., :, None] * m[..., None, :] * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2.0 * np.pi)
    return np.asarray(np.sum((1.0 - leak) ** 2 * g + leak * inner, axis=(-2, -1)))


def loss(W: Real, V: Real, leak: float) -> Real:
    """Population loss (...,) of students (..., K, p)."""
    return np.asarray((_pairs(W, W, leak) + _pairs(V, V, leak)) / 2.0 - _pairs(W, V, leak))


def _pull(W: Real, V: Real, leak: float) -> Real:
    """Sum over v of the derivative of the pair function by w, (..., K, p)."""
    n, m, _, t = _angles(W, V)
    part = (np.sin(t) @ m[..., :, None]) * W / n[..., :, None] + (np.pi - t) @ V
    sums = np.sum(V, axis=-2, keepdims=True)
    return np.asarray((1.0 - leak) ** 2 * part / (2.0 * np.pi) + leak * sums)


def gradient(W: Real, V: Real, leak: float) -> Real:
    """Gradient (..., K, p)."""
    return np.asarray(_pull(W, W, leak) - _pull(W, V, leak))


def hessian(W: Real, V: Real, leak: float) -> Real:
    """Hessian (K p, K p) by differences of the gradient, good to about 1e-9, and to ``STEP`` where
    two vectors are parallel."""
    moves = STEP * np.eye(W.size).reshape(W.size, *W.shape)
    rows = (gradient(W + moves, V, leak) - gradient(W - moves, V, leak)) / (2.0 * STEP)
    flat = rows.reshape(W.size, W.size)
    return np.asarray((flat + flat.T) / 2.0)


def flow(W: Real, V: Real, leak: float, *, until: float, rest: float) -> tuple[Real, Real]:
    """Where gradient flow takes W (B, K, p): by Dormand and Prince, until every gradient norm is at
    most ``rest``, or the time ``until``. The ends, and their gradient norms (B,)."""
    shape = W.shape

    def slope(_t: float, y: Real) -> Real:
        return -gradient(y.reshape(shape), V, leak).ravel()

    # Looser ones keep the gradient at their own level, and it never comes to rest.
    path = RK45(slope, 0.0, W.ravel(), until, rtol=1e-9, atol=1e-12)
    norms = np.full(len(W), np.inf)
    while path.status == "running" and norms.max() > rest:
        path.step()
        norms = np.linalg.norm(path.f.reshape(len(W), -1), axis=1)
    return path.y.reshape(shape), norms
