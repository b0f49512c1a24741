"""Critical points and derivatives for the tests, by plain NumPy independent of the engine.

Gradient and Hessian are the textbook formulas of Safran and Shamir (2018), written as loops over
pairs with ``arccos``; points come from symmetric starts, gradient descent and Newton's method.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tests.service.engine import leaky

Doubles = NDArray[np.float64]


def _angle(a: Doubles, b: Doubles) -> float:
    return float(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0)))


def gradient(W: Doubles, teachers: int) -> Doubles:
    """``sum_j d g(w_i, w_j) - sum_m d g(w_i, v_m)``, shape of W; teacher m is axis m."""
    n = np.linalg.norm(W, axis=1)
    cosines = W @ W.T / np.outer(n, n)
    t = np.arccos(np.clip(cosines, -1, 1))
    np.fill_diagonal(t, 0.0)
    v = np.arccos(np.clip(W[:, :teachers] / n[:, None], -1, 1))
    pull = np.zeros_like(W)
    pull[:, :teachers] = (np.pi - v) / (2 * np.pi)
    lengths = ((np.sin(t) * n).sum(axis=1) - np.sin(v).sum(axis=1)) / (2 * np.pi * n)
    spread = (np.pi - t) / (2 * np.pi) + np.diag(lengths)
    return np.asarray(spread @ W - pull)


def _bend(w: Doubles, v: Doubles) -> Doubles:
    """Second derivative of ``g(w, v)`` in w, without its part I/2."""
    u, t = w / np.linalg.norm(w), _angle(w, v)
    across = v / np.linalg.norm(v) - np.cos(t) * u
    size = np.linalg.norm(v) / (2 * np.pi * np.linalg.norm(w))
    flat = np.sin(t) * (np.eye(len(w)) - np.outer(u, u))
    if np.sin(t) < 1e-9:  # a teacher met exactly: the whole term vanishes there
        return np.zeros_like(flat)
    return np.asarray(size * (flat + np.outer(across, across) / np.sin(t)))


def _cross(w: Doubles, v: Doubles) -> Doubles:
    """Mixed second derivative of ``g(w, v)``."""
    u, x, t = w / np.linalg.norm(w), v / np.linalg.norm(v), _angle(w, v)
    swap = np.outer(u, x) + np.outer(x, u) - np.cos(t) * (np.outer(u, u) + np.outer(x, x))
    part = swap / np.sin(t) if np.sin(t) > 1e-9 else np.zeros((len(w), len(w)))
    return np.asarray(((np.pi - t) * np.eye(len(w)) + part) / (2 * np.pi))


def hessian(W: Doubles, teachers: int) -> Doubles:
    """Hessian as a (K p, K p) matrix, by a loop over pairs."""
    K, p = W.shape
    H = np.zeros((K, p, K, p))
    axes = np.eye(p)[:teachers]
    for i in range(K):
        H[i, :, i, :] = np.eye(p) / 2 - sum(_bend(W[i], v) for v in axes)
        for j in range(K):
            if j != i:
                H[i, :, i, :] += _bend(W[i], W[j])
                H[i, :, j, :] = _cross(W[i], W[j])
    return H.reshape(K * p, K * p)


def descend(W: Doubles, teachers: int, steps: int = 4000) -> Doubles:
    """Gradient descent at step 3/K."""
    W = W.copy()
    for _ in range(steps):
        slope = gradient(W, teachers)
        W -= 3.0 / len(W) * slope
        if np.linalg.norm(slope) < 1e-9:
            break
    return W


def newton(W: Doubles, teachers: int, steps: int = 12) -> Doubles:
    """Newton's method until the gradient stops falling."""
    best, size = W, np.linalg.norm(gradient(W, teachers))
    for _ in range(steps):
        step = np.linalg.solve(hessian(best, teachers), gradient(best, teachers).ravel())
        trial = best - step.reshape(W.shape)
        slope = np.linalg.norm(gradient(trial, teachers))
        if slope >= size and size < 1e-10:
            break
        best, size = trial, slope
    return best


@lru_cache(maxsize=64)
def _anti_aligned(width: int, anti: int) -> Doubles:
    W = np.eye(width)
    for i in range(anti):
        W[i] = 2 / width - W[i]
    found = newton(descend(W, width), width)
    found.flags.writeable = False
    return found


def anti_aligned(width: int, anti: int) -> Doubles:
    """The minimum (or saddle) of K = M whose first ``anti`` students oppose their teachers."""
    return _anti_aligned(width, anti)


@lru_cache(maxsize=64)
def _leaky(width: int, anti: int, leak: float) -> Doubles:
    """Followed from ReLU in steps of 0.05, by Newton's method on plain sums."""
    W, V = np.array(anti_aligned(width, anti)), np.eye(width)
    for slope in np.linspace(0.0, leak, round(abs(leak) / 0.05) + 1)[1:].tolist():
        for _ in range(8):
            H, g = leaky.hessian(W, V, slope), leaky.gradient(W, V, slope)
            W = W - np.linalg.solve(H, g.ravel()).reshape(W.shape)
    W.flags.writeable = False
    return W


def leaky_point(width: int, anti: int, leak: float) -> Doubles:
    """That of units ``max(x, leak x)``."""
    return _leaky(width, anti, leak)
