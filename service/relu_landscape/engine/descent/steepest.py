"""The slope at a student of norm zero: the direction in which the loss falls fastest from there.

A student ``rho u`` added to a network changes its loss by ``rho D(u) + rho^2/4`` (``lone`` times
that square where units leak, ``model.activation``) with

    D(u) = sum_j g(w_j, u) - sum_m g(v_m, u),      g(x, u) = |x| (sin t + (pi - t) cos t) / (2 pi)

(``g`` is the kernel of Cho and Saul 2009, t the angle between x and u). So ``D`` on the unit sphere
is the slope of the loss at zero in every direction, and |D(u)| <= sqrt(L) by Cauchy and Schwarz:
L = E[e^2]/2 and D(u) = E[e ReLU(u.x)] with E[ReLU(u.x)^2] = 1/2.

The least D is looked for by descending from many directions at once: teachers, students, the
residual and fixed random ones, each both ways round. The best ``KEPT`` of them descend, in steps of
Barzilai and Borwein (1988) that are taken only downhill. That this finds the global minimum is
measured against brute force (tests), not proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import norms
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]

#: Fixed random directions among the candidates, and how many candidates descend.
RANDOM = 24
KEPT = 24
ITERATIONS = 60
#: A direction rests where the slope along the sphere is below this share of sqrt(L): its D is then
#: within 1e-8 L over the curvature of the minimum, far below what ``death`` asks for (1e-3 sqrt L).
RESTS = 1e-4


@dataclass(frozen=True)
class Steepest:
    """``slope`` (B,), the least D; ``direction`` (B, p), where."""

    slope: Real
    direction: Real


@dataclass(frozen=True)
class _Atoms:
    """Students and teachers as one list: rows ``X`` (B, A, p), ``lengths`` and ``signs``."""

    X: Real
    lengths: Real
    signs: Real
    tilt: float

    @staticmethod
    def of(W: Real, teacher: Teacher) -> _Atoms:
        B, K, p = W.shape
        M = teacher.width
        X = np.zeros((B, K + M, p))
        X[:, :K] = W
        X[:, K:, :M] = teacher.V
        lengths = np.concatenate(
            [np.asarray(norms(W, xp=NUMPY)), np.broadcast_to(teacher.norms, (B, M))], axis=1
        )
        signs = np.concatenate([np.ones(K), -np.ones(M)])
        return _Atoms(X, lengths, signs, activation.tilt(teacher.leak))

    def slopes(self, U: Real) -> tuple[Real, Real]:
        """D (B, P) and its gradient along the sphere (B, P, p) at unit directions U (B, P, p)."""
        inverse = 1.0 / np.where(self.lengths > 0.0, self.lengths, 1.0)
        c = np.matmul(U, np.swapaxes(self.X, 1, 2)) * inverse[:, None, :]
        c = np.clip(c, -1.0, 1.0)
        spread = (np.pi / 2.0 + np.arcsin(c)) * (self.signs / (2.0 * np.pi))
        spread += self.tilt * self.signs
        dip = np.sqrt((1.0 - c) * (1.0 + c)) * (self.signs / (2.0 * np.pi))
        pull = np.matmul(spread, self.X)
        radial = np.sum(dip * self.lengths[:, None, :], axis=-1)
        D = np.sum(pull * U, axis=-1) + radial
        pull += (radial - D)[..., None] * U
        return D, pull


def steepest(W: Real, teacher: Teacher, scale: Real, near: Real | None = None) -> Steepest:
    """The least slope at zero beside the networks ``W`` (B, K, p).

    Parameters: students of norm zero (or next to it) do not count; ``scale`` (B,) is sqrt(L);
    ``near`` (B, p) directions to begin at as well, for example the last answer.
    Accuracy: a few 1e-8 of ``scale`` in the slope, 1e-4 over the relative curvature in the
    direction. A member's answer depends on that member alone.
    """
    atoms = _Atoms.of(W, teacher)
    U = _candidates(atoms, near)
    D, _ = atoms.slopes(U)
    # A stable sort: equal slopes are taken in the order of the candidates.
    best = np.argsort(D, axis=1, kind="stable")[:, :KEPT]
    U = _descended(atoms, np.take_along_axis(U, best[:, :, None], axis=1), scale)
    D, _ = atoms.slopes(U)
    place = np.argmin(D, axis=1)
    rows = np.arange(len(W))
    return Steepest(D[rows, place], U[rows, place])


def _candidates(atoms: _Atoms, near: Real | None) -> Real:
    """Unit directions (B, P, p) from which to descend."""
    B, _, p = atoms.X.shape
    present = atoms.lengths > 0.0
    unit = atoms.X / np.where(present, atoms.lengths, 1.0)[..., None]
    residual = np.matmul(atoms.signs[None, None, :], atoms.X)
    # The slope of a student that sees every input, E[e x]: the linear part of D.
    parts = [unit, -unit, residual, -residual, np.broadcast_to(_random(p), (B, RANDOM, p))]
    if near is not None:
        parts.insert(0, near[:, None, :])
    U = np.concatenate(parts, axis=1)
    lengths = np.sqrt(np.sum(U * U, axis=-1, keepdims=True))
    first = np.zeros(p)
    first[0] = 1.0
    return np.where(lengths > 1e-12, U / np.where(lengths > 1e-12, lengths, 1.0), first)


@lru_cache(maxsize=64)
def _random(p: int) -> Real:
    rng = np.random.Generator(np.random.Philox(key=[p, 3]))
    found = rng.standard_normal((RANDOM, p))
    found.flags.writeable = False
    return found


def _descended(atoms: _Atoms, U: Real, scale: Real) -> Real:
    """Local minima of D below the unit directions U (B, P, p)."""
    D, T = atoms.slopes(U)
    # The curvature of D is at most half the sum of all lengths, and the tilt times it: such a step
    # always goes down.
    most = 1.0 / (0.5 + abs(atoms.tilt))
    step = np.broadcast_to(most / np.sum(atoms.lengths, axis=1, keepdims=True), D.shape)
    for _ in range(ITERATIONS):
        active = np.sqrt(np.sum(T * T, axis=-1)) > RESTS * scale[:, None]
        if not active.any():
            break
        trial = U - step[..., None] * T
        trial /= np.sqrt(np.sum(trial * trial, axis=-1, keepdims=True))
        new_D, new_T = atoms.slopes(trial)
        down = active & (new_D < D)
        moved, change = trial - U, new_T - T
        bend = np.sum(moved * change, axis=-1)
        proposed = np.where(
            bend > 0.0, np.sum(moved * moved, axis=-1) / np.where(bend > 0.0, bend, 1.0), 4.0 * step
        )
        proposed = np.clip(proposed, step / 8.0, step * 8.0)
        step = np.where(down, proposed, np.where(active, step / 4.0, step))
        keep = down[..., None]
        U, D, T = np.where(keep, trial, U), np.where(down, new_D, D), np.where(keep, new_T, T)
    return U
