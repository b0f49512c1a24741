"""All critical points of a structure: multistart with a stated stopping rule.

Starts come in numbered rounds of ``ROUND``. A round depends on (structure, seed, its number) alone
and is computed as one batch, so the result is the same, bit for bit, however rounds are spread over
tasks, processes and machines of one kind: compute ``search_round`` anywhere, ``assemble`` in order
of the numbers. ``search`` does both in a loop.

Stopping rule: the search is complete when the last ``patience`` starts brought no new point of
index 0, 1 or 2 (index of the whole Hessian in the teacher's span, with multiplicities). Points of
higher index may still be missing then; in structures of three blocks they keep trickling in for
tens of thousands of starts.

Set aside, counted, and not listed as points:

* ``zero_student``: a student shorter than ``SMALLEST_NORM`` (the loss has a kink at zero); saddles
  with a student that short, if they exist, are among these;
* ``global``: on its way to the zero-loss set of more students than teachers, which is flat;
* ``split``: two parallel students, a flat family of one student split in two;
* ``degenerate``: a zero eigenvalue inside the structure, so the point is not isolated there;
* ``failed``: did not converge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.points import Point, from_values, rebased, stacked, values
from relu_landscape.engine.families.reduced import evaluate, pair_table
from relu_landscape.engine.families.solver import converge, refine
from relu_landscape.engine.families.spectrum import (
    Component,
    components,
    count_below,
    smallest,
)
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import Structure
from relu_landscape.errors import InputError

#: Starts in a round: enough to amortise NumPy's overhead, about 0.05 s of work.
ROUND = 128
#: Starts without news per unknown before the search stops. With 64, all points of index 0, 1, 2
#: known from 60,000 starts at widths 8 and 10 are found (tests); ten times as many find no more.
PATIENCE_PER_UNKNOWN = 64
#: The rule looks at points up to this index.
COUNTED_INDEX = 2
#: The search gives up after this many times its patience and says so.
MOST_PATIENCES = 20
#: Students shorter than this are treated as zero, and cosines above this as parallel. The listed
#: points of widths 8 to 1,000 stay 7e-3 away from parallel; their shortest students have 1.1e-3, so
#: saddles with shorter ones may exist: they count as ``zero_student``, since a Hessian of order
#: 1/norm next to a kink is not to be trusted.
SMALLEST_NORM = 1e-3
PARALLEL = 1 - 1e-9
#: Two points whose norms and inner products all agree to this are one. Converged ones agree to
#: 1e-9; the closest distinct pair in widths 8 to 1,000 (in 1+2+14 extra 1) differs by 6.8e-4.
SAME = 1e-6
#: Eigenvalues within this of zero are zero: points are known to 1e-10, and eigenvalues move by a
#: few units per unit; at widths above 10^7 the rounding of a matrix of norm K/4 is larger.
ZERO_EIGENVALUE, ROUNDING = 1e-8, 1e-15
#: With more students than teachers, a start below this loss ends at zero loss: the lowest spurious
#: critical value known is about 0.3 / K, 6e-4 at width 512.
NEAR_ZERO_LOSS = 1e-8
#: Loss below this per teacher is zero: the rounding of a sum of M terms of order 1.
ZERO_LOSS = 1e-13

SET_ASIDE = ("global", "zero_student", "split", "degenerate", "failed")


@dataclass(frozen=True)
class CriticalPoint:
    """A critical point with what the spectrum says. ``index`` counts the teacher's span."""

    point: Point
    loss: float
    gradient_norm: float
    index: int
    nullity: int
    min_eigenvalue: float
    perpendicular_index: int  # negative eigenvalues per perpendicular dimension
    min_eigenvalue_perpendicular: float
    first_start: int
    hits: int

    @property
    def is_minimum(self) -> bool:
        """No eigenvalue negative or zero, in the span or perpendicular to it."""
        return self.index == self.nullity == 0 and self.min_eigenvalue_perpendicular > 0


@dataclass
class SearchResult:
    """Points by ascending loss, and how the search went."""

    structure: Structure
    points: list[CriticalPoint]
    starts: int
    patience: int
    complete: bool
    set_aside: dict[str, int] = field(default_factory=dict)

    @property
    def minima(self) -> list[CriticalPoint]:
        return [point for point in self.points if point.is_minimum]

    def summary(self) -> dict[str, Any]:
        """What was searched, in JSON types."""
        return {
            "structure": self.structure.name,
            "starts": self.starts,
            "patience": self.patience,
            "complete": self.complete,
            "points": len(self.points),
            "minima": len(self.minima),
            "set_aside": dict(self.set_aside),
        }


def patience(structure: Structure) -> int:
    """Starts without a new point of index <= 2 after which the search stops; whole rounds."""
    starts = PATIENCE_PER_UNKNOWN * layout(structure).unknowns
    return -(-starts // ROUND) * ROUND


def search_round(structure: Structure, seed: int, number: int) -> dict[str, Any]:
    """One round of starts: distinct critical points and counts of what was set aside.

    JSON types: ``{round, points: [{point, start, hits}], set_aside: {...}}``.
    """
    _check_width(structure)
    table = layout(structure)
    deviations, signs = random_starts(table, seed, number * ROUND, ROUND)
    with np.errstate(all="ignore"):
        done = converge(table, deviations, signs, zero_loss=_zero_loss(table))
    aside = dict.fromkeys(SET_ASIDE, 0)
    aside["global"] = int(np.sum(done.at_zero))
    aside["failed"] = int(np.sum(~done.success & ~done.at_zero))
    kept = np.flatnonzero(done.success)
    deviations, signs = done.deviations[kept], signs[kept]
    keys = _invariants(table, deviations, signs)
    reasons = _reasons(table, deviations, signs)
    catalogue = _Catalogue()
    points: list[dict[str, Any]] = []
    for row, reason in enumerate(reasons):
        if reason:
            aside[reason] += 1
            continue
        known = catalogue.find(keys[row])
        if known is not None:
            points[known]["hits"] += 1
            continue
        catalogue.add(keys[row])
        start = number * ROUND + int(kept[row])
        point = Point(structure, tuple(int(s) for s in signs[row]), deviations[row])
        points.append({"point": point.to_json(), "start": start, "hits": 1})
    return {"round": number, "points": points, "set_aside": aside}


def assemble(
    structure: Structure, rounds: Sequence[Mapping[str, Any]], *, highest_index: int = COUNTED_INDEX
) -> SearchResult:
    """Join rounds 0, 1, ... into one list of distinct points and apply the stopping rule.

    Rounds beyond the one at which the search was complete are left out, so computing too many of
    them changes nothing. ``highest_index``: points of higher index are not returned (at least 2).
    Raises ``InputError`` where the rounds are not numbered 0, 1, ....
    """
    if [item["round"] for item in rounds] != list(range(len(rounds))):
        raise InputError("The rounds of a search are joined in order and without gaps.")
    state = _Assembly(structure, max(highest_index, COUNTED_INDEX))
    for item in rounds:
        state.add(item)
        if state.complete:
            break
    return state.result()


def search(
    structure: Structure,
    *,
    seed: int = 0,
    highest_index: int = COUNTED_INDEX,
    most_starts: int | None = None,
) -> SearchResult:
    """All critical points of a structure up to ``highest_index``, by the stopping rule above.

    ``most_starts`` bounds the search (default: twenty times the patience); ``complete`` in the
    result says whether the rule was met. Raises ``InputError`` for fractional or huge blocks.
    """
    limit = most_starts if most_starts is not None else MOST_PATIENCES * patience(structure)
    state = _Assembly(structure, max(highest_index, COUNTED_INDEX))
    number = 0
    while not state.complete and (number + 1) * ROUND <= max(limit, ROUND):
        state.add(search_round(structure, seed, number))
        number += 1
    return state.result()


def classify(structure: Structure, deviations: Array, signs: Array) -> list[dict[str, Any]]:
    """Loss, indices and smallest eigenvalues of a batch of critical points of one structure."""
    table = layout(structure)
    return verdicts(table, deviations, signs, components(table, deviations, signs))


def verdicts(
    table: Layout, deviations: Array, signs: Array, found: list[Component]
) -> list[dict[str, Any]]:
    """The same from components that are known already."""
    here = evaluate(table, deviations, signs)
    tolerance = eigenvalue_tolerance(table)
    below = count_below(found, -tolerance)
    up_to = count_below(found, tolerance)
    outside = count_below(found, -tolerance, "perpendicular")
    least, least_outside = smallest(found), smallest(found, "perpendicular")
    return [
        {
            "loss": float(here.loss[i]),
            "gradient_norm": float(np.linalg.norm(here.gradient[i])),
            "index": below[i],
            "nullity": up_to[i] - below[i],
            "min_eigenvalue": float(least[i]),
            "perpendicular_index": outside[i],
            "min_eigenvalue_perpendicular": float(least_outside[i]),
        }
        for i in range(len(deviations))
    ]


def eigenvalue_tolerance(table: Layout) -> float:
    """Eigenvalues within this of zero are counted as zero."""
    return max(ZERO_EIGENVALUE, ROUNDING * float(max(table.q.sum(), table.p.sum())))


class _Catalogue:
    """Distinct points by their invariants."""

    def __init__(self) -> None:
        self._keys: list[Array] = []

    def find(self, key: Array) -> int | None:
        if not self._keys:
            return None
        distance = np.max(np.abs(np.array(self._keys) - key), axis=1)
        nearest = int(np.argmin(distance))
        return nearest if distance[nearest] <= SAME else None

    def add(self, key: Array) -> None:
        self._keys.append(key)


class _Assembly:
    """Rounds joined so far, and the state of the stopping rule."""

    def __init__(self, structure: Structure, highest_index: int) -> None:
        self.structure = structure
        self.table = layout(structure)
        self.highest_index = highest_index
        self.patience = patience(structure)
        self.rounds = 0
        self.news = 0  # starts up to and including the last round with a new point of low index
        self.aside = dict.fromkeys(SET_ASIDE, 0)
        self.catalogue = _Catalogue()
        self.found: list[dict[str, Any]] = []

    @property
    def complete(self) -> bool:
        return self.rounds * ROUND - self.news >= self.patience

    def add(self, item: Mapping[str, Any]) -> None:
        self.rounds += 1
        for reason, count in item["set_aside"].items():
            self.aside[reason] += count
        if not item["points"]:
            return
        points = [Point.from_json(entry["point"]) for entry in item["points"]]
        deviations, signs = stacked(points)
        keys = _invariants(self.table, deviations, signs)
        fresh = []
        for row, entry in enumerate(item["points"]):
            known = self.catalogue.find(keys[row])
            if known is not None:
                self.found[known]["hits"] += entry["hits"]
                continue
            self.catalogue.add(keys[row])
            self.found.append({"start": entry["start"], "hits": entry["hits"]})
            fresh.append(row)
        if fresh:
            self._classify(deviations[fresh], signs[fresh], self.found[-len(fresh) :])

    def _classify(self, deviations: Array, signs: Array, entries: list[dict[str, Any]]) -> None:
        deviations, signs = _rebase(self.table, deviations, signs)
        deviations, _ = refine(self.table, deviations, signs)
        verdicts = classify(self.structure, deviations, signs)
        for row, (entry, verdict) in enumerate(zip(entries, verdicts, strict=True)):
            sign = tuple(int(s) for s in signs[row])
            entry.update(verdict, point=Point(self.structure, sign, deviations[row]))
            if verdict["index"] <= COUNTED_INDEX:
                self.news = self.rounds * ROUND

    def result(self) -> SearchResult:
        points = [
            CriticalPoint(
                point=entry["point"], loss=entry["loss"], gradient_norm=entry["gradient_norm"],
                index=entry["index"], nullity=entry["nullity"],
                min_eigenvalue=entry["min_eigenvalue"],
                perpendicular_index=entry["perpendicular_index"],
                min_eigenvalue_perpendicular=entry["min_eigenvalue_perpendicular"],
                first_start=entry["start"], hits=entry["hits"],
            )
            for entry in self.found
            if entry["index"] <= self.highest_index
        ]  # fmt: skip
        points.sort(key=lambda point: (point.loss, point.first_start))
        return SearchResult(
            self.structure, points, self.rounds * ROUND, self.patience, self.complete, self.aside
        )


def _invariants(table: Layout, deviations: Array, signs: Array) -> Array:
    """Norms and inner products, sorted within classes of equal blocks: (S, n + P + E).

    Equal for points that differ by exchanging equal blocks or student-only units, or the two
    students of a natural block on two teachers (where y changes its sign). The loss alone would
    not do: distinct points agree in it to 6e-12 at width 1,000.
    """
    pairs = pair_table(table, deviations, signs)
    columns: dict[tuple[Any, ...], list[int]] = {}
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
    eigenvalues = np.linalg.eigvalsh(evaluate(table, deviations, signs).hessian)
    flat = np.min(np.abs(eigenvalues), axis=1) <= eigenvalue_tolerance(table)
    short = np.min(pairs.norm, axis=1) < SMALLEST_NORM
    parallel = np.any(pairs.cosine[:, : len(table.forms)] > PARALLEL, axis=1)
    reasons = []
    for row in range(len(deviations)):
        flags = {"zero_student": short[row], "split": parallel[row], "degenerate": flat[row]}
        reasons.append(next((reason for reason, flag in flags.items() if flag), ""))
    return reasons


def _rebase(table: Layout, deviations: Array, signs: Array) -> tuple[Array, Array]:
    """The same points with the base of the sign that y has now.

    On blocks of two teachers the labels of the students are chosen so that each overlaps more with
    its own teacher than with the other (in absolute value).
    """
    points = []
    for row, sign in zip(deviations, signs, strict=True):
        point = rebased(table, row, sign)
        z = values(table, point)
        twos = table.natural[table.q[table.natural] == 2]
        flipped = [s for s in twos if z[table.y(s)] * z[table.x(s, table.own[s])] < 0]
        for s in flipped:
            z[table.y(s)] *= -1
        points.append(from_values(table, z) if flipped else point)
    return stacked(points)


def _check_width(structure: Structure) -> None:
    if not structure.is_integral:
        raise InputError(f"{structure.name!r} has blocks of fractional size; give whole numbers.")


def searched(results: Iterable[SearchResult]) -> list[dict[str, Any]]:
    """What was searched, structure by structure, in JSON types."""
    return [result.summary() for result in results]
