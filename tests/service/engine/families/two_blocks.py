"""Oracle for two natural blocks of real sizes: the kernel over classes of pairs, in plain entries.

Student ``r`` of block ``s`` has the entry ``a_s`` at its own teacher, ``b_s`` at the others of its
block and ``c_s`` at those of the other block. Nothing of the package is used: other unknowns, the
loss as a plain sum, and its gradient by complex steps, which are exact to rounding.
"""

from __future__ import annotations

import numpy as np


def _kernel(n: complex, m: complex, inner: complex) -> complex:
    """E[ReLU(w.x) ReLU(v.x)] for vectors of these norms and inner product (Cho and Saul 2009)."""
    cosine = inner / (n * m)
    turn = (np.pi - np.arccos(cosine + 0j)) * cosine
    return complex(n * m * (np.sqrt(1 - cosine**2 + 0j) + turn) / (2 * np.pi))


def loss(z: np.ndarray, p: tuple[float, float]) -> complex:
    """The loss at ``z = (a_1, b_1, c_1, a_2, b_2, c_2)`` for blocks of ``p`` teachers."""
    total: complex = 0
    norms = []
    for (a, b, c), here, there in ((z[:3], p[0], p[1]), (z[3:], p[1], p[0])):
        square = a * a + (here - 1) * b * b + there * c * c
        n = np.sqrt(square)
        norms.append(n)
        other = 2 * a * b + (here - 2) * b * b + there * c * c
        total += here * square / 4 + here * (here - 1) * _kernel(n, n, other) / 2
        total -= here * _kernel(n, 1, a) + here * there * _kernel(n, 1, c)
        total -= here * (here - 1) * _kernel(n, 1, b)
    across = z[5] * (z[0] + (p[0] - 1) * z[1]) + z[2] * (z[3] + (p[1] - 1) * z[4])
    total += p[0] * p[1] * _kernel(norms[0], norms[1], across)
    k = sum(p)
    return total + k / 4 + k * (k - 1) / (4 * np.pi)


def gradient(z: np.ndarray, p: tuple[float, float]) -> np.ndarray:
    """Derivatives in the six entries, by complex steps."""
    steps = 1e-30j * np.eye(6)
    return np.array([loss(z + step, p).imag / 1e-30 for step in steps])


def fold(z: np.ndarray, p: tuple[float, float]) -> tuple[np.ndarray, float]:
    """The entries and the width at the fold next to ``z``, where the second block may vary.

    Moore and Spence (1980): the gradient vanishes, and so does its derivative along some direction.
    Newton's method with a difference quotient as Jacobian.
    """
    h = 1e-5
    bent = [(gradient(z + h * e, p) - gradient(z - h * e, p)) / (2 * h) for e in np.eye(6)]
    first = np.linalg.svd(np.array(bent).T)[2][-1]

    def equations(unknown: np.ndarray) -> np.ndarray:
        here, sizes, along = unknown[:6], (p[0], float(unknown[6])), unknown[7:]
        change = gradient(here + h * along, sizes) - gradient(here - h * along, sizes)
        return np.concatenate([gradient(here, sizes), change / (2 * h), [along @ first - 1]])

    unknown = np.concatenate([z, [p[1]], first])
    for _ in range(20):
        columns = [
            (equations(unknown + 1e-6 * e) - equations(unknown - 1e-6 * e)) / 2e-6
            for e in np.eye(13)
        ]
        step = np.linalg.solve(np.array(columns).T, equations(unknown))
        unknown = unknown - step
        if np.max(np.abs(step)) < 1e-8:
            return unknown[:6], p[0] + float(unknown[6])
    raise AssertionError("The fold was not found.")
