"""A branch as sheets: pieces on which width is monotone, cut at the folds.

``width`` here is what the curve's parameter stands for (``Curve.value``): the leak, along one.

What is said of a branch (points at given widths, folds, where eigenvalues vanish) is read off the
arcs of ``trace``, which do not depend on what is asked: events are roots on an arc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from relu_landscape.engine.families.curve import Arc, Node
from relu_landscape.engine.families.layout import Array, layout
from relu_landscape.engine.families.points import Point, stacked
from relu_landscape.engine.families.reduced import loss
from relu_landscape.engine.families.spectrum import Component, component, components
from relu_landscape.errors import NumericalError

#: Events closer than this share of an arc are one: several components can vanish at once.
ONE_EVENT = 1e-7
#: The eigenvalue that vanishes at a fold is zero within this share of the arc from it.
AT_FOLD = 1e-3
#: The component in which a branch folds, and in which it meets branches of its own symmetry.
OWN = "trivial"


@dataclass(frozen=True)
class Station:
    """What is reported of a point of the branch."""

    width: float
    loss: float
    components: dict[str, Component]

    @property
    def is_stable(self) -> bool:
        return all(c.eigenvalues[0, 0] > 0 for c in self.components.values())


def station(point: Point, width: float) -> Station:
    """Loss and spectrum of a point."""
    table, batch = layout(point.structure), stacked([point])
    found = components(table, *batch)
    return Station(width, float(loss(table, *batch)[0]), {c.key: c for c in found})


@dataclass(frozen=True)
class Crossing:
    """A share of an arc at which eigenvalues of one component vanish."""

    share: float
    key: str
    name: str
    eigenvalue: float


@dataclass(frozen=True)
class Piece:
    """An arc with the spectra of its nodes; ``turned`` is the share of its fold, if any."""

    arc: Arc
    left: Station
    right: Station
    turned: float | None

    def width(self, share: float) -> float:
        """The width there."""
        return self.arc.curve.value(float(self._position(share)[-1]))

    def station(self, share: float) -> Station:
        """Loss and spectrum there."""
        position = self._position(share)
        point = self.arc.curve.point(position, self.arc.left.signs)
        return station(point, self.arc.curve.value(float(position[-1])))

    def loss(self, share: float) -> float:
        """The loss there."""
        point = self.arc.curve.point(self._position(share), self.arc.left.signs)
        return float(loss(layout(point.structure), *stacked([point]))[0])

    def _position(self, share: float) -> Array:
        position = self.arc.position(share)
        if position is None:
            raise NumericalError(f"The branch was lost near width {self.left.width!r}.")
        return position

    @property
    def meets_another(self) -> bool:
        """Whether a branch of the same symmetry is met: the determinant changes its sign."""
        return self.arc.left.turn != self.arc.right.turn

    @cached_property
    def crossings(self) -> list[Crossing]:
        """Where eigenvalues pass through zero, but for the one that vanishes at the fold."""
        found: list[Crossing] = []
        for key in sorted(self.left.components.keys() & self.right.components.keys()):
            a, b = (end.components[key].eigenvalues[0] for end in (self.left, self.right))
            if len(a) != len(b):
                continue  # the component changes its size here, at a block of two
            # ascending eigenvalues of one smooth family of matrices keep their position
            found += [self._crossing(key, int(at)) for at in np.flatnonzero((a < 0) != (b < 0))]
        turned = self.turned
        if turned is not None:
            own = [c for c in found if c.key == OWN and abs(c.share - turned) < AT_FOLD]
            nearest = min(own, key=lambda c: abs(c.share - turned), default=None)
            found = [c for c in found if c is not nearest]
        return sorted(found, key=lambda crossing: (crossing.share, crossing.key))

    def _crossing(self, key: str, place: int) -> Crossing:
        def eigenvalue(share: float) -> float:
            if share in (0, 1):
                end = self.left if share == 0 else self.right
                return float(end.components[key].eigenvalues[0, place])
            point = self.arc.curve.point(self._position(share), self.arc.left.signs)
            values = component(layout(point.structure), *stacked([point]), key)
            return float(values[0, place])

        share = self.arc.root(eigenvalue)
        return Crossing(share, key, self.left.components[key].name, eigenvalue(share))

    def around(self, share: float) -> tuple[Station, Station]:
        """Stations on either side of an event, before the next event; the narrower one first."""
        events = [crossing.share for crossing in self.crossings]
        events += [] if self.turned is None else [self.turned]
        before = [e for e in events if e < share - ONE_EVENT]
        after = [e for e in events if e > share + ONE_EVENT]
        found = [
            self.station((share + max(before)) / 2) if before else self.left,
            self.station((share + min(after)) / 2) if after else self.right,
        ]
        lower, upper = sorted(found, key=lambda each: each.width)
        return lower, upper


def pieces(arcs: Iterator[Arc]) -> Iterator[Piece]:
    """The arcs with their folds and the spectra of their nodes."""
    known: tuple[float, Station] | None = None
    for arc in arcs:
        for part in _parted(arc):
            left = known[1] if known and known[0] == part.left.parameter else _of(part, 0)
            right = _of(part, 1)
            known = (part.right.parameter, right)
            yield Piece(part, left, right, part.fold())


def _of(arc: Arc, end: int) -> Station:
    node: Node = arc.right if end else arc.left
    point = arc.curve.point(node.position, node.signs)
    return station(point, arc.curve.value(node.parameter))


def _parted(arc: Arc) -> list[Arc]:
    """The arc, cut where two folds in it would hide each other (a branch that folds twice)."""
    if arc.left.heading != arc.right.heading:
        return [arc]
    shares = np.linspace(0, 1, 9)
    paces = np.diff([arc.guess(share)[-1] for share in shares]) * arc.left.heading
    if np.all(paces > 0):
        return [arc]
    middle = arc.at(float(shares[int(np.argmin(paces))] + 1 / 16))
    if middle is None or middle.heading == arc.left.heading:
        return [arc]
    return [Arc(arc.curve, *ends, arc.metric) for ends in pairwise((arc.left, middle, arc.right))]
