"""Critical points by damped Newton steps, batched over starts.

Levenberg-Marquardt on ``|grad|^2`` in orthonormal coordinates, with pure Newton steps as soon as
they are far better; it converges to critical points of any index. Two functions: ``converge``
drives a batch of starts, ``refine`` polishes points that are already close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_landscape.engine.families import compiled, reduced
from relu_landscape.engine.families.layout import Array, Layout
from relu_landscape.engine.families.reduced import Evaluation, evaluate
from relu_landscape.engine.lanes import structured
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import activation

#: Pure Newton is tried once |grad|^2 is below this and kept while it gains this factor in it.
NEWTON_BELOW = 1e-3
NEWTON_GAIN = 16.0
#: Damping is added to the whole diagonal; this share of the diagonal itself on top of it scales
#: the damping of stiff directions (they grow like K/4) without changing soft ones.
DIAGONAL_SHARE = 1e-3
#: First damping, and its factors after a better and a worse trial point: milder than Marquardt's
#: 1/10 and 10. They change how long a start takes, not where critical points are.
FIRST_DAMPING, EASE, TIGHTEN = 1e-2, 0.3, 4.0
#: Starts that need more trial points than this are given up. With 150 instead, three structures of
#: widths 18 and 20 gave the same points, and only more flat families, which are set aside anyway.
MOST_TRIALS = 80
#: Newton steps of ``refine``: quadratic convergence needs 3 to 5.
MOST_STEPS = 8
#: Damping beyond this means steps below rounding: the start is stuck at a non-critical point.
MOST_DAMPING = 1e8


@dataclass(frozen=True)
class Converged:
    """Result of ``converge``: final deviations (S, m), gradient norms (S,), success (S,).

    ``at_zero`` (S,): given up because the loss had fallen below ``zero_loss``.
    """

    deviations: Array
    gradient: Array
    success: Any
    at_zero: Any


def gradient_tolerance(table: Layout) -> float:
    """Gradient norm at which a point counts as critical: the rounding of the gradient itself.

    Its terms of order sqrt(K) leave 1e-16 sqrt(K) to 1e-16 K, and never less than 1e-13.
    """
    rounding = max(1e-13, 1e-16 * float(max(table.q.sum(), table.p.sum())))
    return rounding * activation.stiffness(table.structure.leak)


@dataclass
class _State:
    """The starts still running, and what their next trial is made from."""

    index: Any  # (S,) position in the batch
    deviations: Array
    gradient: Array
    hessian: Array
    loss: Array
    merit: Array  # |grad|^2
    damping: Array
    newton: Any  # (S,) the next trial is a pure Newton step

    def keep(self, mask: Any) -> _State:
        return _State(*(getattr(self, field)[mask] for field in self.__dataclass_fields__))


def converge(
    table: Layout,
    deviations: Array,
    signs: Array,
    *,
    zero_loss: float = -np.inf,
    kernel: Kernel | None = None,
) -> Converged:
    """Run every start of a batch to a critical point, or give it up.

    ``deviations`` (S, m), ``signs`` (S, c). The result of a start does not depend on the order of
    the batch. A batch is computed in one go, so its size is the caller's compromise. Starts whose
    loss falls below ``zero_loss`` are stopped: with more students than teachers the zero-loss set
    is flat and singular, and Newton's method creeps towards it.

    With ``kernel`` the native code does the same, many times as fast: other bits, and those of a
    start are the same in any batch.
    """
    if kernel is not None:
        return _in_lanes(kernel, table, deviations, signs, zero_loss)
    tolerance = gradient_tolerance(table)
    final = deviations.copy()
    norms = np.full(len(final), np.inf)
    at_zero = np.zeros(len(final), dtype=bool)
    first = evaluate(table, deviations, signs)
    merit = np.sum(first.gradient**2, axis=1)
    count = len(final)
    state = _State(
        np.arange(count), deviations.copy(), first.gradient, first.hessian, first.loss,
        merit, np.full(count, FIRST_DAMPING), merit < NEWTON_BELOW,
    )  # fmt: skip
    state = state.keep(np.isfinite(merit) & _finite(first))
    for trial in range(MOST_TRIALS):
        done = state.merit <= tolerance**2
        final[state.index] = state.deviations
        norms[state.index] = np.sqrt(state.merit)
        zero = state.loss <= zero_loss
        at_zero[state.index[zero]] = True
        state = state.keep(~done & ~zero & (state.damping < MOST_DAMPING))
        if not len(state.index) or trial == MOST_TRIALS - 1:
            break
        _trial(table, signs[state.index], state)
    return Converged(final, norms, (norms <= tolerance) & ~at_zero, at_zero)


def _in_lanes(
    kernel: Kernel, table: Layout, deviations: Array, signs: Array, zero_loss: float
) -> Converged:
    """``converge`` by native code."""
    rules = structured.SearchRules(
        tolerance=gradient_tolerance(table),
        zero_loss=zero_loss,
        newton_below=NEWTON_BELOW,
        newton_gain=NEWTON_GAIN,
        diagonal_share=DIAGONAL_SHARE,
        first_damping=FIRST_DAMPING,
        ease=EASE,
        tighten=TIGHTEN,
        most_damping=MOST_DAMPING,
        most_trials=MOST_TRIALS - 1,
        smallest_sine=reduced.SMALLEST_SINE,
        series_angle=reduced.SERIES_ANGLE,
    )
    found = structured.search(kernel, compiled.shape(table), rules, deviations, signs)
    success, at_zero = (
        found.outcome == end for end in (structured.CONVERGED, structured.AT_ZERO_LOSS)
    )
    return Converged(found.deviations, found.norm, success, at_zero)


def _finite(evaluation: Evaluation) -> Any:
    return np.all(np.isfinite(evaluation.hessian), axis=(1, 2))


def _trial(table: Layout, signs: Array, state: _State) -> None:
    """One trial point for every running start; moves those that get better."""
    step = _steps(state)
    trial = state.deviations + step / table.scale
    there = evaluate(table, trial, signs)
    merit = np.sum(there.gradient**2, axis=1)
    merit = np.where(_finite(there), merit, np.inf)
    needed = np.where(state.newton, state.merit / NEWTON_GAIN, state.merit)
    better = merit < needed
    state.damping = np.where(
        state.newton, state.damping, state.damping * np.where(better, EASE, TIGHTEN)
    )
    state.deviations[better] = trial[better]
    state.gradient[better] = there.gradient[better]
    state.hessian[better] = there.hessian[better]
    state.loss[better] = there.loss[better]
    state.merit[better] = merit[better]
    state.newton = np.where(state.newton, better, better & (state.merit < NEWTON_BELOW))


def _steps(state: _State) -> Array:
    """Newton or Levenberg-Marquardt steps (S, m) in orthonormal coordinates."""
    H, g = state.hessian, state.gradient
    normal = H @ H
    k = np.arange(H.shape[1])
    normal[:, k, k] += state.damping[:, None] * (1 + DIAGONAL_SHARE * normal[:, k, k])
    pull = (H @ g[:, :, None])[:, :, 0]
    matrix = np.where(state.newton[:, None, None], H, normal)
    right = np.where(state.newton[:, None], g, pull)
    try:
        return -np.asarray(np.linalg.solve(matrix, right[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:  # an exactly singular Hessian: damped steps for all this time
        state.newton = np.zeros_like(state.newton)
        return -np.asarray(np.linalg.solve(normal, pull[:, :, None])[:, :, 0])


def refine(
    table: Layout, deviations: Array, signs: Array, *, stop: float = 0.0
) -> tuple[Array, Array]:
    """Newton steps as long as they lower the gradient: deviations (S, m) and gradient norms (S,).

    Goes on to where rounding stops it, or to a gradient norm of ``stop``. Points that do not get
    better stay where they are; judge by the norms.
    """
    best = deviations.copy()
    here = evaluate(table, best, signs)
    gradient, hessian = here.gradient, here.hessian
    norms = np.linalg.norm(gradient, axis=1)
    running = np.isfinite(norms) & _finite(here) & (norms > stop)
    for _ in range(MOST_STEPS):
        index = np.flatnonzero(running)
        if not len(index):
            break
        step = _solve(hessian[index], gradient[index])
        trial = best[index] - step / table.scale
        there = evaluate(table, trial, signs[index])
        size = np.linalg.norm(there.gradient, axis=1)
        better = np.isfinite(size) & _finite(there) & (size < norms[index])
        kept = index[better]
        best[kept] = trial[better]
        gradient[kept], hessian[kept] = there.gradient[better], there.hessian[better]
        norms[kept] = size[better]
        running[index[~better]] = False
        running &= norms > stop
    return best, norms


def _solve(H: Array, g: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(H, g[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.pinv(H, hermitian=True) @ g[:, :, None])[:, :, 0])
