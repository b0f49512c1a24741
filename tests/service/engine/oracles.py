"""Independent answers for the tests of the engine: plain loops, high precision, Monte Carlo.

Nothing here is imported from the engine. The formula is the one printed by Cho and Saul (2009),
``g(w, v) = |w| |v| (sin t + (pi - t) cos t) / (2 pi)``, summed naively; its cancellation is met
with digits (mpmath), not with algebra.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

#: Digits of the high-precision oracle: 24 more than doubles have.
DIGITS = 40


def _g(w: Real, v: Real) -> float:
    n, m = math.hypot(*w), math.hypot(*v)
    t = math.acos(max(-1.0, min(1.0, float(w @ v) / (n * m))))
    return n * m * (math.sin(t) + (math.pi - t) * math.cos(t)) / (2.0 * math.pi)


def loss_by_loop(W: Real, V: Real) -> float:
    """Population loss, pair by pair. ``W`` (K, p), ``V`` (M, p)."""
    total = 0.5 * sum(_g(a, b) for a in W for b in W)
    total -= sum(_g(a, b) for a in W for b in V)
    return total + 0.5 * sum(_g(a, b) for a in V for b in V)


def _exact(A: Real) -> list[list[Any]]:
    """Doubles as mpmath numbers, without rounding."""
    return [[mpmath.mpf(float(x)) for x in row] for row in A]


def _dot(a: list[Any], b: list[Any]) -> Any:
    return mpmath.fsum(x * y for x, y in zip(a, b, strict=True) if x and y)


def _angle(a: list[Any], b: list[Any], n: Any, m: Any) -> Any:
    """2 atan2(|u - x|, |u + x|): full relative accuracy at every angle (Kahan 2006)."""
    u, x = [y / n for y in a], [y / m for y in b]
    apart = mpmath.sqrt(mpmath.fsum((p - q) ** 2 for p, q in zip(u, x, strict=True)))
    along = mpmath.sqrt(mpmath.fsum((p + q) ** 2 for p, q in zip(u, x, strict=True)))
    return 2 * mpmath.atan2(apart, along)


def precise_loss(W: Real, V: Real) -> Any:
    """Population loss to 40 digits of the very doubles given. ``W`` (K, p), ``V`` (M, p)."""
    # Products of doubles as integers, in units of 2^-280: exact, and fast at a hundred units.
    whole = np.array([[int(math.ldexp(x, 140)) for x in row] for row in np.vstack([W, V])], object)
    gram = whole @ whole.T
    signs = [1] * len(W) + [-1] * len(V)
    with mpmath.workdps(DIGITS):
        unit = mpmath.ldexp(1, -280)
        n = [mpmath.sqrt(gram[i, i] * unit) for i in range(len(whole))]
        total = mpmath.fsum(x * x for x in n) / 4
        for i in range(len(whole)):
            for j in range(i):
                cosine = gram[i, j] * unit / (n[i] * n[j])
                t = mpmath.acos(min(mpmath.mpf(1), max(mpmath.mpf(-1), cosine)))
                sine = mpmath.sqrt(abs(1 - cosine * cosine))
                bracket = sine + (mpmath.pi - t) * cosine
                total += signs[i] * signs[j] * n[i] * n[j] * bracket / (2 * mpmath.pi)
        return total


def precise_gradient(W: Real, V: Real) -> Real:
    """Gradient (K, p), computed with 40 digits and rounded once. ``V`` (M, p)."""
    with mpmath.workdps(DIGITS):
        rows = _gradient_rows(_exact(W), _exact(V))
        return np.asarray([[float(x) for x in row] for row in rows])


def precise_hessian(W: Real, V: Real, *, step: str = "1e-12") -> Real:
    """Hessian (K p, K p) by central differences of the gradient in 40 digits: error about 1e-24
    over the cube of the smallest angle, far below double precision wherever that is above 1e-6.
    """
    K, p = W.shape
    H = np.empty((K * p, K * p))
    with mpmath.workdps(DIGITS):
        h = mpmath.mpf(step)
        for place in range(K * p):
            i, a = divmod(place, p)
            sides = []
            for sign in (1, -1):
                w = _exact(W)
                w[i][a] += sign * h
                sides.append(_gradient_rows(w, _exact(V)))
            H[:, place] = [
                float((x - y) / (2 * h)) for r, s in zip(*sides, strict=True)
                for x, y in zip(r, s, strict=True)
            ]  # fmt: skip
    return H


def _gradient_rows(w: list[list[Any]], v: list[list[Any]]) -> list[list[Any]]:
    others = [(b, 1) for b in w] + [(b, -1) for b in v]
    norms = [mpmath.sqrt(_dot(b, b)) for b, _ in others]
    rows = []
    for i, a in enumerate(w):
        row = [x / 2 for x in a]
        for j, (b, sign) in enumerate(others):
            if j != i:
                t = _angle(a, b, norms[i], norms[j])
                spread = sign * (mpmath.pi - t) / (2 * mpmath.pi)
                radial = sign * norms[j] * mpmath.sin(t) / (2 * mpmath.pi * norms[i])
                row = [r + spread * y + radial * x for r, x, y in zip(row, a, b, strict=True)]
        rows.append(row)
    return rows


def loss_by_sampling(
    W: Real, V: Real, samples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Monte Carlo estimate of the loss over Gaussian inputs, and its standard error."""
    x = rng.standard_normal((samples, W.shape[1]))
    gap = np.maximum(x @ W.T, 0.0).sum(axis=1) - np.maximum(x @ V.T, 0.0).sum(axis=1)
    values = 0.5 * gap**2
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(samples))


def gram_matrix(width: int, rng: np.random.Generator) -> Real:
    """A random positive definite matrix with lengths near 1 and moderate overlaps."""
    rows = np.eye(width) + 0.3 * rng.standard_normal((width, width)) / math.sqrt(width)
    return np.asarray(rows @ rows.T)
