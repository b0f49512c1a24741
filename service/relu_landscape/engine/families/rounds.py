"""One round of a multistart search: random starts, run together to the points where they end.

A round depends on (structure, seed, its number) alone and is computed as one batch, so it is the
same, bit for bit, on machines of one kind.

Set aside, counted, and not listed as points:

* ``zero_student``: a student shorter than ``SMALLEST_NORM`` (the loss has a kink at zero); saddles
  with a student that short, if they exist, are among these;
* ``global``: on its way to the zero-loss set of more students than teachers, which is flat;
* ``split``: two parallel students, a flat family of one student split in two;
* ``degenerate``: a zero eigenvalue inside the structure, so the point is not isolated there;
* ``failed``: did not converge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.reduced import evaluate, pair_table
from relu_landscape.engine.families.solver import converge
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.points import identity

#: Students shorter than this are treated as zero, and cosines above this as parallel. The listed
#: points of widths 8 to 1,000 stay 7e-3 away from parallel; their shortest students have 1.1e-3, so
#: saddles with shorter ones may exist: they count as ``zero_student``, since a Hessian of order
#: 1/norm next to a kink is not to be trusted.
SMALLEST_NORM = 1e-3
PARALLEL = 1 - 1e-9
#: Starts end at points known to 1e-10 whose eigenvalues move by a few units per unit: this close to
#: zero, one of the reduced Hessian may be a flat direction.
FLAT = 1e-8
#: With more students than teachers, a start below this loss ends at zero loss: the lowest spurious
#: critical value known is about 0.3 / K, 6e-4 at width 512.
NEAR_ZERO_LOSS = 1e-8

SET_ASIDE = ("global", "zero_student", "split", "degenerate", "failed")


@dataclass(frozen=True)
class Round:
    """Distinct critical points of a round, and counts of what was set aside.

    ``deviations`` (S, m) and ``signs`` (S, c) as in ``layout``; ``starts`` (S,): number of the
    start that came there first; ``hits`` (S,): starts that did.
    """

    deviations: Array
    signs: Array
    starts: NDArray[np.int64]
    hits: NDArray[np.int64]
    set_aside: dict[str, int]


def run_round(
    structure: Structure, seed: int, number: int, *, kernel: Kernel | None = None
) -> Round:
    """Round ``number`` of the search of ``structure``: ``Effort.round_starts`` starts.

    ``kernel`` drives them in the place of arrays; that changes no more than rounding does.
    """
    table = layout(structure)
    size = effort(structure).round_starts
    deviations, signs = random_starts(table, seed, number * size, size)
    with np.errstate(all="ignore"):
        done = converge(table, deviations, signs, zero_loss=_zero_loss(table), kernel=kernel)
    aside = dict.fromkeys(SET_ASIDE, 0)
    aside["global"] = int(np.sum(done.at_zero))
    aside["failed"] = int(np.sum(~done.success & ~done.at_zero))
    kept = np.flatnonzero(done.success)
    deviations, signs = done.deviations[kept], signs[kept]
    first, hits = _distinct(table, deviations, signs, aside)
    return Round(deviations[first], signs[first], number * size + kept[first], hits, aside)


def _distinct(
    table: Layout, deviations: Array, signs: Array, aside: dict[str, int]
) -> tuple[Any, NDArray[np.int64]]:
    """Rows of the points that differ, and how often each was reached; counts the others."""
    keys = invariants(table, deviations, signs)
    rows: list[int] = []
    known = Known()
    hits: list[int] = []
    for row, reason in enumerate(_reasons(table, deviations, signs)):
        if reason:
            aside[reason] += 1
            continue
        place = known.place_of(keys[row])
        if place is not None:
            hits[place] += 1
            continue
        rows.append(row)
        known.add(keys[row])
        hits.append(1)
    return np.array(rows, dtype=np.intp), np.array(hits, dtype=np.int64)


class Known:
    """Invariants of points, in the order in which they were found."""

    def __init__(self) -> None:
        self._keys: list[Array] = []
        self._first = np.empty(64)  # the first number of each, and room for more

    def add(self, key: Array) -> None:
        """One more point."""
        if len(self._keys) == len(self._first):
            self._first = np.concatenate([self._first, np.empty_like(self._first)])
        self._first[len(self._keys)] = key[0]
        self._keys.append(key)

    def place_of(self, key: Array) -> int | None:
        """Which of them is this point (``identity.nearest``), or None.

        Few agree in the first number, so only those are compared.
        """
        first = self._first[: len(self._keys)]
        places = np.flatnonzero(np.abs(first - key[0]) <= identity.POLISHED)
        if not len(places):
            return None
        near = [self._keys[place] for place in places]
        found = identity.nearest(near, key, tolerance=identity.POLISHED)
        return None if found is None else int(places[found])


def invariants(table: Layout, deviations: Array, signs: Array) -> Array:
    """Norms and inner products, sorted within classes of equal blocks: (S, n + P + E).

    Equal for points that differ by exchanging equal blocks or student-only units, or the two
    students of a natural block on two teachers (where y changes its sign). The loss alone would
    not do: distinct points agree in it to 6e-12 at width 1,000.
    """
    pairs = pair_table(table, deviations, signs)
    columns: dict[tuple[object, ...], list[int]] = {}
    for s, q in enumerate(table.q):
        columns.setdefault(("norm", q), []).append(s)
    for (kind, s, _, relation), pair in table.pairs.items():
        of_two = relation in ("off", "same") and table.q[s] == 2
        key = (kind, "either" if of_two else relation, table.weight[pair])
        columns.setdefault(key, []).append(len(table.q) + pair)
    raw = np.hstack([pairs.norm, pairs.gamma])
    keys = [np.sort(raw[:, where], axis=1) for where in columns.values()]
    return np.hstack(keys)


def _zero_loss(table: Layout) -> float:
    """Loss below which a start is on its way to the zero-loss set of wider students."""
    return NEAR_ZERO_LOSS if table.q.sum() > table.p.sum() else -np.inf


def _reasons(table: Layout, deviations: Array, signs: Array) -> list[str]:
    """Why each converged point is set aside; empty where it is not."""
    if not len(deviations):
        return []
    pairs = pair_table(table, deviations, signs)
    short = np.min(pairs.norm, axis=1) < SMALLEST_NORM
    parallel = np.any(pairs.cosine[:, : len(table.forms)] > PARALLEL, axis=1)
    rest = np.flatnonzero(~(short | parallel))  # the only ones whose eigenvalues matter
    flat = np.zeros(len(deviations), dtype=bool)
    hessians = evaluate(table, deviations[rest], signs[rest]).hessian
    flat[rest] = np.min(np.abs(np.linalg.eigvalsh(hessians)), axis=1) <= FLAT
    reasons = []
    for row in range(len(deviations)):
        flags = {"zero_student": short[row], "split": parallel[row], "degenerate": flat[row]}
        reasons.append(next((reason for reason, flag in flags.items() if flag), ""))
    return reasons
