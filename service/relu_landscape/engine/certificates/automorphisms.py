"""Which relabellings of students and teachers leave a matrix of weights as it is: order and orbits.

A search of its own, that shares nothing with the solver's (which hands a coloured graph to BLISS):
colour refinement, individualisation and a chain of stabilisers, as in McKay (1981), "Practical
graph isomorphism". The order is an exact integer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.certificates.balls import Doubles

Labels = NDArray[np.int64]

#: Refinements before the search gives up. The points of a landscape need some hundreds at width
#: 64; only matrices with much regularity and little symmetry would need more.
MOST_REFINEMENTS = 20_000


@dataclass(frozen=True)
class Automorphisms:
    """Order of the group, and the orbit of every row and column (equal numbers: one orbit)."""

    order: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]


def labelled(matrix: Doubles, gap: float) -> tuple[Labels, float]:
    """Labels of the entries of ``matrix`` (K, M), and the widest spread of entries of one label.

    Sorted entries with steps of at most ``gap`` between them have one label.
    """
    flat = matrix.ravel()
    order = np.argsort(flat, kind="stable")
    breaks = np.diff(flat[order]) > gap
    labels = np.empty(flat.size, dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(breaks)])
    ends = np.split(flat[order], np.flatnonzero(breaks) + 1)
    return labels.reshape(matrix.shape), max(float(part[-1] - part[0]) for part in ends)


def automorphisms(labels: Labels) -> Automorphisms | None:
    """Pairs of permutations of rows and columns that leave ``labels`` (K, M) unchanged.

    None where the search gives up.
    """
    search = _Search(labels)
    try:
        order = search.order()
    except _GivenUpError:
        return None
    orbits = [search.orbit(vertex) for vertex in range(search.size)]
    rows = len(labels)
    return Automorphisms(order, tuple(orbits[:rows]), tuple(orbits[rows:]))


class _GivenUpError(Exception):
    """The search would take too long."""


class _Search:
    """Vertices are the rows, then the columns. A colouring (K + M,) is refined until vertices of
    one colour see the same labels beside the same colours."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.rows, self.columns = labels.shape
        self.size = self.rows + self.columns
        self._left = MOST_REFINEMENTS
        self._parent = list(range(self.size))

    def orbit(self, vertex: int) -> int:
        """Representative of the orbit under the automorphisms found so far."""
        while self._parent[vertex] != vertex:
            vertex = self._parent[vertex]
        return vertex

    def order(self) -> int:
        """Order of the group: the product of orbits along a chain of stabilisers.

        The chain is climbed from its end, so that what is found below serves the orbits above.
        """
        chain: list[tuple[Labels, list[int]]] = []
        colours = self._refined(np.repeat([0, 1], self.labels.shape))
        while (cell := self._cell(colours)) is not None:
            chain.append((colours, cell))
            colours = self._fixed(colours, cell[0])
        order = 1
        for colours, cell in reversed(chain):
            base = cell[0]
            for vertex in cell[1:]:
                if self.orbit(vertex) != self.orbit(base):
                    self._note(self._image(colours, base, vertex))
            order *= sum(self.orbit(vertex) == self.orbit(base) for vertex in cell)
        return order

    def _note(self, found: Labels | None) -> None:
        for vertex, image in enumerate([] if found is None else found.tolist()):
            self._parent[self.orbit(vertex)] = self.orbit(image)

    def _image(self, colours: Labels, base: int, vertex: int) -> Labels | None:
        """An automorphism that keeps the colours and takes ``base`` to ``vertex``, if there is."""
        guess = self._exchange(colours, base, vertex)
        if guess is not None:
            return guess
        return self._matched(self._fixed(colours, base), self._fixed(colours, vertex))

    def _exchange(self, colours: Labels, base: int, vertex: int) -> Labels | None:
        """The exchange of two columns (or rows) with what it takes of the others, if that does."""
        on_columns = base >= self.rows
        table = self.labels if on_columns else self.labels.T
        first = self.rows if on_columns else 0
        moved = np.arange(table.shape[1])
        moved[[base - first, vertex - first]] = vertex - first, base - first
        here, there = (np.lexsort(lines.T) for lines in (table, table[:, moved]))
        others = np.empty(len(table), dtype=np.int64)
        others[here] = there
        both = (others, moved) if on_columns else (moved, others)
        found = np.concatenate([both[0], both[1] + self.rows])
        return found if self._keeps(found, colours, colours) else None

    def _keeps(self, found: Labels, before: Labels, after: Labels) -> bool:
        """Whether a permutation of vertices keeps labels and takes one colouring to the other."""
        rows, columns = found[: self.rows], found[self.rows :] - self.rows
        moved = self.labels[np.ix_(rows, columns)]
        return np.array_equal(moved, self.labels) and np.array_equal(after[found], before)

    def _matched(self, before: Labels, after: Labels) -> Labels | None:
        """An automorphism that takes one refined colouring to another, by trying all of them."""
        if not np.array_equal(np.bincount(before), np.bincount(after)):
            return None
        cell = self._cell(before)
        if cell is None:
            found = np.empty(self.size, dtype=np.int64)
            found[np.argsort(before)] = np.argsort(after)
            return found if self._keeps(found, before, after) else None
        fixed = self._fixed(before, cell[0])
        for vertex in np.flatnonzero(after == before[cell[0]]).tolist():
            deeper = self._matched(fixed, self._fixed(after, vertex))
            if deeper is not None:
                return deeper
        return None

    def _cell(self, colours: Labels) -> list[int] | None:
        """The vertices of the last colour that several have; columns before rows."""
        shared = np.flatnonzero(np.bincount(colours) > 1)
        return np.flatnonzero(colours == shared[-1]).tolist() if shared.size else None

    def _fixed(self, colours: Labels, vertex: int) -> Labels:
        """The refined colouring with ``vertex`` told apart from the others of its colour."""
        apart = 2 * colours
        apart[vertex] += 1
        return self._refined(apart)

    def _refined(self, colours: Labels) -> Labels:
        """Colours are ranks of what a vertex sees, so they do not depend on its number."""
        self._left -= 1
        if self._left < 0:
            raise _GivenUpError
        known = -1
        for finer in self._rounds(colours):
            colours, before, known = finer, known, int(finer.max())
            if known == before:
                break
        return colours

    def _rounds(self, colours: Labels) -> Iterator[Labels]:
        """Ever finer colourings; rows keep the lower colours."""
        rows, columns = colours[: self.rows], colours[self.rows :]
        step = 2 * self.size + 2
        while True:
            rows = _ranks(rows, self.labels * step + columns)
            columns = _ranks(columns, self.labels.T * step + rows)
            yield np.concatenate([rows, columns + int(rows.max()) + 1])


def _ranks(own: Labels, seen: Labels) -> Labels:
    """Rank of each line of ``seen`` (n, m) as a multiset, beside its own colour (n,)."""
    lines = np.column_stack([own, np.sort(seen, axis=1)])
    order = np.lexsort(lines.T[::-1])
    steps = (np.diff(lines[order], axis=0) != 0).any(axis=1)
    ranks = np.empty(len(own), dtype=np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    return ranks
