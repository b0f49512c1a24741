"""All critical points of a structure: multistart with a stated stopping rule.

Starts come in numbered rounds of ``ROUND``. A round depends on (structure, seed, its number) alone
and is computed as one batch, so a search is the same, bit for bit, on machines of one kind.

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

from dataclasses import dataclass, field

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.points import Point, from_values, rebased, stacked, values
from relu_landscape.engine.families.reduced import evaluate, pair_table
from relu_landscape.engine.families.solver import converge, refine
from relu_landscape.engine.families.spectrum import Component, components, summaries
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.points import identity
from relu_landscape.engine.points.spectrum import HessianSummary
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
#: Starts end at points known to 1e-10 whose eigenvalues move by a few units per unit: this close to
#: zero, one of the reduced Hessian may be a flat direction.
FLAT = 1e-8
#: With more students than teachers, a start below this loss ends at zero loss: the lowest spurious
#: critical value known is about 0.3 / K, 6e-4 at width 512.
NEAR_ZERO_LOSS = 1e-8

SET_ASIDE = ("global", "zero_student", "split", "degenerate", "failed")


@dataclass(frozen=True)
class Verdict:
    """What is known of a critical point; ``summary`` is of its whole Hessian."""

    loss: float
    gradient_norm: float
    summary: HessianSummary

    @property
    def index_span(self) -> int:
        """Negative eigenvalues in the teacher's span, with multiplicities."""
        return self.summary.index_span

    @property
    def attractive(self) -> bool:
        """No negative eigenvalue, in the span or perpendicular to it."""
        return self.summary.is_attractive(1)


@dataclass(frozen=True)
class CriticalPoint(Verdict):
    """A critical point of a search; ``hits`` of its starts ended there."""

    point: Point
    first_start: int
    hits: int

    @property
    def is_minimum(self) -> bool:
        """No eigenvalue negative or zero, in the span or perpendicular to it."""
        found = self.summary
        return found.index_span == found.nullity_span == 0 < found.min_eigenvalue_perpendicular


@dataclass(frozen=True)
class Summary:
    """How the search of one structure went; ``set_aside`` counts starts by the module's words."""

    structure: str
    starts: int
    patience: int
    complete: bool
    points: int
    minima: int
    set_aside: dict[str, int]


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

    def summary(self) -> Summary:
        """What was searched, without the points themselves."""
        return Summary(
            structure=self.structure.name,
            starts=self.starts,
            patience=self.patience,
            complete=self.complete,
            points=len(self.points),
            minima=len(self.minima),
            set_aside=dict(self.set_aside),
        )


def patience(structure: Structure) -> int:
    """Starts without a new point of index <= 2 after which the search stops; whole rounds."""
    starts = PATIENCE_PER_UNKNOWN * layout(structure).unknowns
    return -(-starts // ROUND) * ROUND


def search(
    structure: Structure,
    *,
    seed: int = 0,
    highest_index: int = COUNTED_INDEX,
    most_starts: int | None = None,
) -> SearchResult:
    """All critical points of a structure up to ``highest_index``, by the stopping rule above.

    ``highest_index``: points of higher index in the span are not returned (at least 2).
    ``most_starts`` bounds the search (default: twenty times the patience); ``complete`` in the
    result says whether the rule was met. Raises ``InputError`` for fractional blocks.
    """
    if not structure.is_integral:
        raise InputError(f"{structure.name!r} has blocks of fractional size; give whole numbers.")
    limit = most_starts if most_starts is not None else MOST_PATIENCES * patience(structure)
    state = _Search(structure, max(highest_index, COUNTED_INDEX))
    while not state.complete and (state.rounds + 1) * ROUND <= max(limit, ROUND):
        state.add(_round(structure, seed, state.rounds))
    return state.result()


def classify(structure: Structure, deviations: Array, signs: Array) -> list[Verdict]:
    """Loss, indices and smallest eigenvalues of a batch of critical points of one structure."""
    table = layout(structure)
    return verdicts(table, deviations, signs, components(table, deviations, signs))


def verdicts(
    table: Layout, deviations: Array, signs: Array, found: list[Component]
) -> list[Verdict]:
    """The same from components that are known already."""
    here = evaluate(table, deviations, signs)
    return [
        Verdict(float(loss), float(np.linalg.norm(gradient)), summary)
        for loss, gradient, summary in zip(here.loss, here.gradient, summaries(found), strict=True)
    ]


@dataclass
class _Seen:
    """A point as a round found it: the start that did so first, and how many did."""

    point: Point
    start: int
    hits: int


@dataclass(frozen=True)
class _Round:
    points: list[_Seen]
    set_aside: dict[str, int]


def _round(structure: Structure, seed: int, number: int) -> _Round:
    """One round of starts: distinct critical points and counts of what was set aside."""
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
    known: list[Array] = []
    points: list[_Seen] = []
    for row, reason in enumerate(_reasons(table, deviations, signs)):
        if reason:
            aside[reason] += 1
            continue
        place = identity.nearest(known, keys[row], tolerance=identity.POLISHED)
        if place is not None:
            points[place].hits += 1
            continue
        known.append(keys[row])
        point = Point(structure, tuple(int(s) for s in signs[row]), deviations[row])
        points.append(_Seen(point, number * ROUND + int(kept[row]), 1))
    return _Round(points, aside)


class _Search:
    """Rounds joined so far, and the state of the stopping rule."""

    def __init__(self, structure: Structure, highest_index: int) -> None:
        self.structure = structure
        self.table = layout(structure)
        self.highest_index = highest_index
        self.patience = patience(structure)
        self.rounds = 0
        self.news = 0  # starts up to and including the last round with a new point of low index
        self.aside = dict.fromkeys(SET_ASIDE, 0)
        self.keys: list[Array] = []  # of the points, in one order with
        self.seen: list[_Seen] = []
        self.verdicts: list[Verdict] = []

    @property
    def complete(self) -> bool:
        return self.rounds * ROUND - self.news >= self.patience

    def add(self, item: _Round) -> None:
        self.rounds += 1
        for reason, count in item.set_aside.items():
            self.aside[reason] += count
        if not item.points:
            return
        keys = _invariants(self.table, *stacked([seen.point for seen in item.points]))
        known_before = len(self.seen)
        for key, seen in zip(keys, item.points, strict=True):
            place = identity.nearest(self.keys, key, tolerance=identity.POLISHED)
            if place is not None:
                self.seen[place].hits += seen.hits
                continue
            self.keys.append(key)
            self.seen.append(seen)
        if len(self.seen) > known_before:
            self._classify(self.seen[known_before:])

    def _classify(self, fresh: list[_Seen]) -> None:
        deviations, signs = _rebase(self.table, *stacked([seen.point for seen in fresh]))
        deviations, _ = refine(self.table, deviations, signs)
        found = classify(self.structure, deviations, signs)
        for seen, row, sign, verdict in zip(fresh, deviations, signs, found, strict=True):
            seen.point = Point(self.structure, tuple(int(s) for s in sign), row)
            self.verdicts.append(verdict)
            if verdict.index_span <= COUNTED_INDEX:
                self.news = self.rounds * ROUND

    def result(self) -> SearchResult:
        points = [
            CriticalPoint(**vars(verdict), point=seen.point, first_start=seen.start, hits=seen.hits)
            for seen, verdict in zip(self.seen, self.verdicts, strict=True)
            if verdict.index_span <= self.highest_index
        ]
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
    eigenvalues = np.linalg.eigvalsh(evaluate(table, deviations, signs).hessian)
    flat = np.min(np.abs(eigenvalues), axis=1) <= FLAT
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
