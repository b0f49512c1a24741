"""When a path counts as having reached the set of global minima (K > M).

With more students than teachers the zero-loss set is a continuum, the Hessian on it is singular
and paths approach it like a power of time; neither a small gradient nor Newton's method decides.
The rule, all of it at one time:

* loss below ``LOSS``;
* every student is within ``ANGLE`` of a teacher, or shorter than ``FLOOR`` times the largest
  teacher norm (a student may die out: its direction then means nothing);
* for each teacher the students within ``ANGLE`` of it, short ones too, sum to it: distance below
  ``SUM`` times its norm.

Every spurious fixed point known at these widths has a loss above 1e-3, a thousand times ``LOSS``;
from here the flow goes to zero loss (local convergence: Zhou, Ge and Jin 2021, arXiv:2102.02410;
Xu and Du 2023, arXiv:2302.10034). Their proven neighbourhoods are smaller than this one: that the
rule is faithful is measured (docs/validation.md), not proved.
"""

from __future__ import annotations

from relu_landscape.engine.model.arrays import Array
from relu_landscape.engine.model.loss import Loss

LOSS = 1e-6
ANGLE = 0.25
FLOOR = 0.05
SUM = 0.01
#: ``LOSS`` begins to shrink with the teacher's separation where that is 0.32: of the thousandfold
#: distance to the losses of spurious points a thirtieth is kept.
SPURIOUS = 30.0


def loss_limit(separation: float = 1.0) -> float:
    """The loss below which the rule can hold, for a teacher of this ``crediting.separation``.

    Losses of spurious points shrink with its cube (one student in place of two teachers at a small
    angle t costs 0.027 t^3, 2e-7 at the closest that are accepted): below ``LOSS`` itself.
    """
    return LOSS * min(1.0, SPURIOUS * separation**3)


def reached(W: Array, loss: Loss, separation: float = 1.0) -> Array:
    """Which members of ``W`` (B, K, p) satisfy the rule: truth values (B,).

    ``separation``: the teacher's ``crediting.separation``; angles count in units of it.
    """
    xp, M = loss.xp, loss.width
    n = loss.norms(W)
    cosines = loss.overlaps(W) / (n[..., None] * loss.v_norms)
    short = n < FLOOR * xp.max(loss.v_norms)
    near = xp.max(cosines, axis=-1) > float(xp.cos(xp.asarray(ANGLE * separation)))
    owner = xp.argmax(cosines, axis=-1)
    order = xp.arange(M, dtype=xp.int64)
    mask = xp.astype(owner[..., None] == order, W.dtype) * xp.astype(near, W.dtype)[..., None]
    sums = xp.matmul(xp.matrix_transpose(mask), W)
    inside = sums[..., :M] - loss.V
    squared = xp.sum(inside * inside, axis=-1)
    if W.shape[-1] > M:
        squared = squared + xp.sum(sums[..., M:] ** 2, axis=-1)
    matched = xp.all(xp.sqrt(squared) < SUM * loss.v_norms, axis=-1)
    return (loss.value(W) < loss_limit(separation)) & xp.all(near | short, axis=-1) & matched
