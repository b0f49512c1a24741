"""Paths on their way, side by side: what is known of each, as arrays with one entry per path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.model.arrays import ArrayNamespace

Whole = NDArray[np.int64]
Real = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Company:
    """Paths by number (``start``): the gradient ``tolerance`` at which each is polished, the step
    after which it counts as creeping (``step_limit``), whether a student of it has ``died``, and
    their ``state``. All but the state in main memory, (B,)."""

    start: Whole
    tolerance: Real
    step_limit: Whole
    died: Truth
    state: flows.FlowState
    xp: ArrayNamespace

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Company:
        """Those in the given rows, or where a truth value says so."""
        if rows.dtype == np.bool_:
            if bool(rows.all()):
                return self
            rows = np.flatnonzero(rows)
        state = flows.take(self.state, self.xp.asarray(rows), xp=self.xp)
        return Company(
            self.start[rows], self.tolerance[rows], self.step_limit[rows], self.died[rows], state,
            self.xp,
        )  # fmt: skip

    def moved(self, state: flows.FlowState) -> Company:
        """The same paths, later."""
        return replace(self, state=state)

    def split(self, count: int) -> tuple[Company, Company]:
        """The first ``count``, and the rest."""
        rows = np.arange(len(self))
        return self.take(rows[:count]), self.take(rows[count:])


def together(parts: Sequence[Company]) -> Company:
    """Several companies as one."""
    if len(parts) == 1:
        return parts[0]
    return Company(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.tolerance for part in parts]),
        np.concatenate([part.step_limit for part in parts]),
        np.concatenate([part.died for part in parts]),
        flows.join([part.state for part in parts], xp=parts[0].xp),
        parts[0].xp,
    )


class Queue:
    """Companies that wait; the first to come are the first to go."""

    def __init__(self, parts: Sequence[Company] = ()) -> None:
        self._parts = [part for part in parts if len(part)]

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def put(self, company: Company | None) -> None:
        """At the end. ``None``: nobody."""
        if company is not None and len(company):
            self._parts.append(company)

    def pop(self, count: int) -> list[Company]:
        """At most ``count`` from the front, in as many parts as they came."""
        popped: list[Company] = []
        while self._parts and count > 0:
            part = self._parts.pop(0)
            if len(part) > count:
                part, rest = part.split(count)
                self._parts.insert(0, rest)
            popped.append(part)
            count -= len(part)
        return popped

    def all(self) -> Company:
        """Everybody, who then waits no longer. The queue must not be empty."""
        return together(self.pop(len(self)))
