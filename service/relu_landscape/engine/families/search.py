"""All critical points of a structure: multistart with a stated stopping rule.

Starts come in numbered rounds (``rounds``). Which of them are run, and what is found, depends on
structure and seed alone, so a search is the same, bit for bit, on machines of one kind, whether
``search`` runs them here one after the other or a composition hands them out as tasks: ``Search``
says which rounds are wanted and which points are to be judged, and takes the answers in order.

Stopping rule: the search is complete when the last ``patience`` starts brought no new point of
index 0, 1 or 2 (index of the whole Hessian in the teacher's span, with multiplicities). Points of
higher index may still be missing then; in structures of three blocks they keep trickling in for
tens of thousands of starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from relu_landscape.engine.families.effort import check_searchable, effort
from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.points import Point, from_values, rebased, stacked, values
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.rounds import (
    SET_ASIDE,
    Known,
    Round,
    invariants,
    run_round,
)
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.spectrum import Component, components, summaries
from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.points.spectrum import HessianSummary

#: The rule looks at points up to this index.
COUNTED_INDEX = 2
#: The search gives up after this many times its patience and says so.
MOST_PATIENCES = 20


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
    """How the search of one structure went; ``set_aside``: starts, by the words of ``rounds``."""

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


def search(
    structure: Structure,
    *,
    seed: int = 0,
    highest_index: int = COUNTED_INDEX,
    most_starts: int | None = None,
    kernel: Kernel | None = None,
) -> SearchResult:
    """All critical points of a structure up to ``highest_index``, by the stopping rule above.

    ``highest_index``: points of higher index in the span are not returned (at least 2).
    ``most_starts`` bounds the search (default: twenty times the patience); ``complete`` in the
    result says whether the rule was met. ``kernel`` as for ``run_round``. Raises ``InputError`` for
    fractional blocks, and for structures of too many unknowns.
    """
    state = Search(structure, highest_index=highest_index, most_starts=most_starts)
    while wanted := state.wanted():
        found = (state.add(run_round(structure, seed, number, kernel=kernel)) for number in wanted)
        for rounds in batches(structure, found):
            for fresh, judgement in zip(rounds, judged(structure, rounds), strict=True):
                state.judge(fresh, judgement)
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


@dataclass(frozen=True)
class Fresh:
    """Points that a round found first, in one batch: deviations (S, m), signs (S, c).

    ``place``: of the first one among all points of the search; ``starts``: run up to this round.
    """

    place: int
    starts: int
    deviations: Array
    signs: Array


@dataclass(frozen=True)
class Judged:
    """The same points polished, with what is known of each: ``loss``, ``gradient_norm`` (S,)."""

    deviations: Array
    signs: Array
    loss: Array
    gradient_norm: Array
    summaries: tuple[HessianSummary, ...]


def batches(structure: Structure, found: Iterable[Fresh | None]) -> Iterator[list[Fresh]]:
    """What rounds brought, in the batches that are judged: the same wherever a search runs."""
    most = effort(structure).judged_at_once
    waiting: list[Fresh] = []
    for fresh in found:
        if fresh is None:
            continue
        waiting.append(fresh)
        if sum(len(each.signs) for each in waiting) >= most:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def judged(structure: Structure, rounds: Sequence[Fresh]) -> list[Judged]:
    """Polish and classify the points of some rounds (at least one), all in one batch."""
    table = layout(structure)
    deviations, signs = (
        np.concatenate([getattr(fresh, name) for fresh in rounds])
        for name in ("deviations", "signs")
    )
    deviations, signs = _rebase(table, deviations, signs)
    deviations, _ = refine(table, deviations, signs)
    found = verdicts(table, deviations, signs, components(table, deviations, signs))
    ends = np.cumsum([len(fresh.signs) for fresh in rounds])
    return [
        Judged(
            deviations[first:end],
            signs[first:end],
            np.array([each.loss for each in found[first:end]]),
            np.array([each.gradient_norm for each in found[first:end]]),
            tuple(each.summary for each in found[first:end]),
        )
        for first, end in pairwise([0, *ends.tolist()])
    ]


@dataclass
class _Seen:
    """A point as it was found: the start that did so first, and how many did."""

    start: int
    hits: int
    point: Point | None = None
    verdict: Verdict | None = None


class Search:
    """Rounds joined so far, and the state of the stopping rule.

    Rounds are added in order; every round that ``wanted`` names is needed whatever the others
    bring, so they may run side by side. Raises ``InputError`` as ``search`` does.
    """

    def __init__(
        self,
        structure: Structure,
        *,
        highest_index: int = COUNTED_INDEX,
        most_starts: int | None = None,
    ) -> None:
        check_searchable(structure)
        needs = effort(structure)
        self.structure = structure
        self.patience = needs.patience
        self.rounds = 0
        self._size = needs.round_starts
        self._most = most_starts if most_starts is not None else MOST_PATIENCES * needs.patience
        self._table = layout(structure)
        self._highest_index = max(highest_index, COUNTED_INDEX)
        self._news = 0  # starts up to and including the last round with a new point of low index
        self._aside = dict.fromkeys(SET_ASIDE, 0)
        self._known = Known()  # the points, in one order with
        self._seen: list[_Seen] = []

    @property
    def starts(self) -> int:
        """Starts that were run."""
        return self.rounds * self._size

    @property
    def complete(self) -> bool:
        """Whether the stopping rule is met, by the points that were judged."""
        return self.starts - self._news >= self.patience

    def wanted(self) -> range:
        """The next rounds that must be run, once all points so far are judged; empty at the end."""
        most = max(self._most // self._size, 1)
        needed = -(-(self._news + self.patience) // self._size)
        return range(self.rounds, min(needed, most))

    def add(self, item: Round) -> Fresh | None:
        """Take in the next round; the points to be judged, if it brought new ones."""
        self.rounds += 1
        for reason, count in item.set_aside.items():
            self._aside[reason] += count
        place = len(self._seen)
        fresh: list[int] = []
        for row, key in enumerate(invariants(self._table, item.deviations, item.signs)):
            known = self._known.place_of(key)
            if known is not None:
                self._seen[known].hits += int(item.hits[row])
                continue
            fresh.append(row)
            self._known.add(key)
            self._seen.append(_Seen(int(item.starts[row]), int(item.hits[row])))
        if not fresh:
            return None
        return Fresh(place, self.starts, item.deviations[fresh], item.signs[fresh])

    def judge(self, fresh: Fresh, found: Judged) -> None:
        """Take in what is known of a round's points; rounds in any order."""
        for row, summary in enumerate(found.summaries):
            seen = self._seen[fresh.place + row]
            signs = tuple(int(sign) for sign in found.signs[row])
            seen.point = Point(self.structure, signs, found.deviations[row])
            seen.verdict = Verdict(float(found.loss[row]), float(found.gradient_norm[row]), summary)
            if summary.index_span <= COUNTED_INDEX:
                self._news = max(self._news, fresh.starts)

    def result(self) -> SearchResult:
        """What was found, once every point is judged."""
        points = [
            CriticalPoint(
                **vars(seen.verdict), point=seen.point, first_start=seen.start, hits=seen.hits
            )
            for seen in self._seen
            if seen.point and seen.verdict and seen.verdict.index_span <= self._highest_index
        ]
        points.sort(key=lambda point: (point.loss, point.first_start))
        return SearchResult(
            self.structure, points, self.starts, self.patience, self.complete, self._aside
        )


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
