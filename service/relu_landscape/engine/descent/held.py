"""Paths that a task hands back, as arrays that another one goes on from, to the same bits.

What a path does depends on its own state alone, so it ends where it would have ended had it never
been handed back. The force is not carried where the flow computes the same bits from the weights,
which is nearly everywhere: it is half of the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.company import Company, Real, Truth, Whole
from relu_landscape.engine.model.arrays import Array, ArrayNamespace, on_host


@dataclass(frozen=True)
class Held:
    """n paths between two steps, by ascending ``start``; in main memory.

    ``start``, ``tolerance``, ``step_limit`` and ``died`` (n,) as in ``company.Company``; ``W``
    (n, K, p) and the further fields as in ``flow.FlowState``. ``force`` (m, K, p) is that of the
    paths whose ``has_force`` (n,) says so; that of the others follows from ``W``.
    """

    start: Whole
    tolerance: Real
    step_limit: Whole
    died: Truth
    W: Real
    gradient_norm: Real
    time: Real
    step_size: Real
    eigenvalue: Real
    steps: Whole
    has_force: Truth
    force: Real

    @staticmethod
    def of(company: Company, method: flows.Flow) -> Held:
        """These paths, followed by ``method``."""
        company = company.take(np.argsort(company.start, kind="stable"))
        state = {name: on_host(value) for name, value in vars(company.state).items()}
        force = state.pop("force")
        follows = on_host(method.force(company.state.W))
        differs = np.any(force != follows, axis=(-2, -1))
        return Held(
            start=company.start, tolerance=company.tolerance, step_limit=company.step_limit,
            died=company.died, has_force=differs, force=force[differs], **state,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.start)

    def part(self, first: int, last: int) -> Held:
        """Those from position ``first`` to before ``last``."""
        mine = slice(first, last)
        before, within = self.has_force[:first].sum(), self.has_force[mine].sum()
        cut = {name: value[mine] for name, value in vars(self).items()}
        return Held(**{**cut, "force": self.force[before : before + within]})

    def company(self, method: flows.Flow, xp: ArrayNamespace) -> Company:
        """The paths as they were, to be followed by ``method`` on arrays of ``xp``."""
        W = xp.asarray(self.W)
        state = flows.FlowState(
            W=W, force=self._force(W, method, xp), gradient_norm=xp.asarray(self.gradient_norm),
            time=xp.asarray(self.time), step_size=xp.asarray(self.step_size),
            eigenvalue=xp.asarray(self.eigenvalue), steps=xp.asarray(self.steps),
        )  # fmt: skip
        return Company(self.start, self.tolerance, self.step_limit, self.died, state, xp)

    def _force(self, W: Array, method: flows.Flow, xp: ArrayNamespace) -> Array:
        follows = method.force(W)
        if not self.has_force.any():
            return follows
        force = np.array(on_host(follows))
        force[self.has_force] = self.force
        return xp.asarray(force)


def joined(parts: Sequence[Held]) -> Held | None:
    """All of these paths, by ascending start; None: nobody."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])
    }
    order = np.argsort(whole["start"], kind="stable")
    places = np.cumsum(whole["has_force"]) - 1  # of each path's force among those there are
    force = whole.pop("force")
    sorted_ = {name: value[order] for name, value in whole.items()}
    return Held(force=force[places[order][sorted_["has_force"]]], **sorted_)
