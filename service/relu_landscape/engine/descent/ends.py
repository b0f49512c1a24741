"""Where paths ended, and which ends may be credited to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.company import Company, Real, Truth, Whole
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.model.arrays import on_host

#: A perpendicular part decays to the polish's accuracy at every isolated fixed point.
BESIDE = 1e-5


@dataclass(frozen=True)
class End:
    """End of one start.

    ``W`` (K, M) in the teacher's span; ``moved`` the distance of the last polish; ``aligned``
    whether the second or the third test of ``crediting`` held; ``path_end`` (K, M) where the path
    itself was then, at ``time`` of the flow (``Descent.untimed`` has those of which it is another);
    ``died`` whether a student was zero on the way.
    """

    start: int
    outcome: Outcome
    W: NDArray[np.float64]
    path_end: NDArray[np.float64]
    moved: float
    aligned: bool
    steps: int
    died: bool = False
    time: float = math.nan


def ends_of(
    company: Company,
    outcome: Outcome | None,
    W: Real,
    width: int,
    moved: Real | None = None,
    aligned: Truth | None = None,
    rows: Whole | None = None,
) -> list[End]:
    """Ends at ``W`` (B, K, p) of paths that are ``moved`` (B,) from there; ``width`` M; ``rows``
    (B,) of the company, all by default.

    ``outcome`` None: a fixed point, unless part of it is perpendicular to the teacher.
    """
    rows = np.arange(len(company)) if rows is None else rows
    count = len(rows)
    here = on_host(company.state.W)
    steps = on_host(company.state.steps)[rows].tolist()
    times = on_host(company.state.time)[rows].tolist()
    moved = np.zeros(count) if moved is None else moved
    aligned = np.zeros(count, dtype=bool) if aligned is None else aligned
    part = np.sqrt(np.sum(W[..., width:] ** 2, axis=(-2, -1)))
    beside = np.sqrt(np.sum(here[rows, :, width:] ** 2, axis=(-2, -1)))
    in_span, own = np.array(W[..., :width]), here[rows, :, :width]
    ends = []
    for row, (start, died) in enumerate(
        zip(company.start[rows].tolist(), company.died[rows].tolist(), strict=True)
    ):
        fate, way = outcome, float(moved[row])
        if fate is None:
            fate = Outcome.OUTSIDE_SPAN if part[row] > BESIDE else Outcome.FIXED_POINT
        if fate is Outcome.FIXED_POINT:
            way = math.hypot(way, float(beside[row]))
        ends.append(
            End(
                start, fate, in_span[row], own[row], way, bool(aligned[row]), steps[row], died,
                times[row],
            )
        )  # fmt: skip
    return ends
