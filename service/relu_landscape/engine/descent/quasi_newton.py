"""Limited-memory BFGS for a batch: from the end of a path to the fixed point beside it.

Unit steps, memory 8, preconditioned by ``(0.2 I + A)^-1`` with the stiff part A (``model.stiff``).
There is no line search: this is only ever called from nearby, and whoever calls checks how far it
went.
Two-loop recursion: Nocedal and Wright, Numerical Optimization, algorithm 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.stiff import ImplicitPart, frobenius

MEMORY = 8
#: Curvature assumed for what the stiff part does not hold; the spectrum left is about 0 to 0.4.
BASE_CURVATURE = 0.2


@dataclass(frozen=True)
class Polished:
    """``W`` (B, K, p), ``gradient_norm`` (B,) and the evaluations used."""

    W: Array
    gradient_norm: Array
    iterations: int


def minimise(loss: Loss, W: Array, *, tolerance: float, iterations: int, reach: float) -> Polished:
    """Run until every member has |grad| <= tolerance, left ``reach``, or time is up.

    Parameters: ``W`` (B, K, p); ``tolerance`` of the gradient norm; ``reach``: a member farther
    than this from where it began is given up. A member that is done stays where it is.
    """
    xp = loss.xp
    start = W
    gradient = loss.gradient(W)
    norm = frobenius(gradient, xp=xp)
    # (0.2 I + A)^-1 = 5 (I + 5 A)^-1
    theta = xp.ones(W.shape[0], dtype=W.dtype) / BASE_CURVATURE
    preconditioner = ImplicitPart(W, theta, xp=xp, level=loss.level)
    history: list[tuple[Array, Array, Array]] = []
    done = norm <= tolerance
    count = 0
    while count < iterations and not bool(xp.all(done)):
        count += 1
        direction = -_apply_inverse(gradient, history, preconditioner, xp)
        direction = xp.where(done[:, None, None], 0.0, direction)
        trial = W + direction
        new_gradient = loss.gradient(trial)
        new_norm = frobenius(new_gradient, xp=xp)
        # A member that blew up stays where it was and is given up.
        lost = ~(new_norm <= 4.0 * norm + tolerance)
        far = frobenius(trial - start, xp=xp) > reach
        stop = lost | far | done
        keep = stop[:, None, None]
        s = xp.where(keep, 0.0, direction)
        y = xp.where(keep, 0.0, new_gradient - gradient)
        curvature = xp.sum(s * y, axis=(-2, -1))
        useful = curvature > 1e-12 * xp.sum(y * y, axis=(-2, -1))
        inverse = xp.where(useful, 1.0 / xp.where(useful, curvature, 1.0), 0.0)
        history = [*history, (s, y, inverse)][-MEMORY:]
        W = xp.where(keep, W, trial)
        gradient = xp.where(keep, gradient, new_gradient)
        norm = xp.where(stop, norm, new_norm)
        done = stop | (norm <= tolerance)
    return Polished(W=W, gradient_norm=norm, iterations=count)


def _apply_inverse(
    gradient: Array,
    history: list[tuple[Array, Array, Array]],
    preconditioner: ImplicitPart,
    xp: ArrayNamespace,
) -> Array:
    """Two-loop recursion; a member without a useful pair has ``inverse`` zero there."""

    def dot(a: Array, b: Array) -> Array:
        return xp.sum(a * b, axis=(-2, -1))

    q = gradient
    weights = []
    for s, y, inverse in reversed(history):
        weight = inverse * dot(s, q)
        weights.append(weight)
        q = q - weight[:, None, None] * y
    q = preconditioner.solve(q) / BASE_CURVATURE
    for (s, y, inverse), weight in zip(history, reversed(weights), strict=True):
        q = q + (weight - inverse * dot(y, q))[:, None, None] * s
    return q
