"""The complete Hessian spectrum of a structured point, at any width, with exact multiplicities.

The Hessian in the teacher's span commutes with the structure's group, so it is one small matrix on
each isotypic component (``standard``, ``isotypic``; the trivial one is the reduced Hessian), and
each of its eigenvalues there has the representation's dimension as multiplicity:

    trivial                          1
    standard(t)                      p - 1                for p >= 2
    standard(t) x standard(u)        (p - 1)(p' - 1)      for p, p' >= 2
    symmetric(t)    (p-2, 2)         p (p - 3) / 2        for p >= 4, natural students on t
    alternating(t)  (p-2, 1, 1)      (p - 1)(p - 2) / 2   for p >= 3, natural students on t
    perpendicular trivial            1                    once per perpendicular dimension
    perpendicular standard(t)        p - 1                once per perpendicular dimension

(Arjevani and Field, arXiv:1912.11939 and 2107.10370, for the equal-width case.) Along real widths
the matrices are smooth in the block sizes; multiplicities are these polynomials, and components are
told apart by name. Components are named by the position of the teacher block in the structure,
counted from 1, with its size: ``standard(2:16)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from relu_landscape.engine.families.frame import frame
from relu_landscape.engine.families.isotypic import (
    perpendicular_standard,
    perpendicular_trivial,
    product,
    two_index,
)
from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.points import Point, stacked
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.standard import standard
from relu_landscape.engine.points.spectrum import Block, HessianSummary, summarise
from relu_landscape.wire.landscape import Space


@dataclass(frozen=True)
class Component:
    """Eigenvalues (S, k), ascending, of one isotypic component for a batch of points."""

    name: str
    space: Space
    multiplicity: float  # an exact int for integral structures
    eigenvalues: Array
    sizes: tuple[float, ...]  # of the structure's teacher blocks

    @property
    def sized_name(self) -> str:
        """The name with the sizes of its blocks: ``standard(2)`` is ``standard(2:16)``."""
        name = self.name
        for t in range(len(self.sizes), 0, -1):
            name = name.replace(f"({t})", f"({t}:{self.sizes[t - 1]!r})")
        return name

    @property
    def key(self) -> str:
        """Name with the space, unique within a spectrum and free of sizes."""
        return _key(self.name, self.space)


@dataclass(frozen=True)
class Line:
    """One eigenvalue with its multiplicity, an exact ``int`` for integral structures."""

    eigenvalue: float
    multiplicity: float
    space: Space
    component: str


def components(
    table: Layout, deviations: Array, signs: Array, *, perpendicular: bool = True
) -> list[Component]:
    """The spectrum of every point of a batch, component by component.

    ``deviations`` (S, m), ``signs`` (S, c). Every point of the fixed space is allowed, critical or
    not, as long as no student is zero. ``perpendicular``: with the block for the dimensions
    outside the teacher's span.

    **Accuracy.** 1e-14 to 1e-13 at widths up to 100 (measured against dense spectra); beyond, the
    trivial and standard components contain one stiff eigenvalue of about K/4 per teacher block,
    which leaves an absolute error of about 1e-16 K in the others; all other components keep 1e-14.
    """
    return [
        Component(name, space, multiplicity, _eigenvalues(matrix()), table.structure.sizes)
        for name, space, multiplicity, matrix in _matrices(table, deviations, signs)
        if perpendicular or space == "span"
    ]


def component(table: Layout, deviations: Array, signs: Array, key: str) -> Array:
    """Eigenvalues (S, k) of the component with this key alone; ``KeyError`` if there is none."""
    for name, space, _, matrix in _matrices(table, deviations, signs):
        if _key(name, space) == key:
            return _eigenvalues(matrix())
    raise KeyError(key)


def spectrum(point: Point) -> list[Line]:
    """The lines of one point: the span first, each space ascending.

    Perpendicular lines hold once per perpendicular dimension d - M. Multiplicities are Python
    integers where the block sizes are, and exact at any width.
    """
    return lines(components(layout(point.structure), *stacked([point])))


def lines(found: list[Component]) -> list[Line]:
    """The lines of the first point of a batch."""
    found_lines = [
        Line(float(value), component.multiplicity, component.space, component.sized_name)
        for component in found
        for value in component.eigenvalues[0]
    ]
    return sorted(found_lines, key=lambda line: (line.space != "span", line.eigenvalue))


def whole(found: list[Component], space: Space) -> Array:
    """Every eigenvalue of the first point in one space, as often as it occurs, ascending.

    ``found``: the components of an integral structure. (K M,) in the span, (K,) perpendicular.
    """
    chosen = [component for component in found if component.space == space]
    values = np.concatenate([component.eigenvalues[0] for component in chosen])
    times = [int(c.multiplicity) for c in chosen for _ in c.eigenvalues[0]]
    return np.sort(np.repeat(values, times))


def summaries(found: list[Component]) -> list[HessianSummary]:
    """Counts and smallest eigenvalues of every point of a batch, exact at any width.

    ``found``: the components of an integral structure, those of both spaces.
    """
    spaces: tuple[Space, Space] = ("span", "perpendicular")
    chosen = [[c for c in found if c.space == space] for space in spaces]
    times = [[int(c.multiplicity) for c in cs for _ in c.eigenvalues[0]] for cs in chosen]
    return [
        summarise(
            *(
                Block(np.concatenate([c.eigenvalues[point] for c in cs]), counts)
                for cs, counts in zip(chosen, times, strict=True)
            )
        )
        for point in range(len(found[0].eigenvalues))
    ]


def _matrices(
    table: Layout, deviations: Array, signs: Array
) -> Iterator[tuple[str, Space, float, Callable[[], Array]]]:
    """Name, space, multiplicity and (on demand) matrix of every component."""
    here = frame(table, deviations, signs)
    sizes = table.structure.sizes
    yield "trivial", "span", 1, lambda: evaluate(table, deviations, signs).hessian
    for t, p in enumerate(sizes):
        naturals = here.naturals(t)
        if p > 1:
            yield f"standard{_place(t)}", "span", p - 1, partial(standard, here, t)
        for name, least, doubled in (
            ("symmetric", 4, p * (p - 3)),
            ("alternating", 3, (p - 1) * (p - 2)),
        ):
            if naturals and _exists(p, least):
                matrix = partial(two_index, here, t, alternating=name == "alternating")
                yield f"{name}{_place(t)}", "span", _half(doubled), matrix
    for t, p in enumerate(sizes):
        for u in range(t):
            if p > 1 and sizes[u] > 1 and (here.naturals(t) or here.naturals(u)):
                name = f"standard{_place(u)} x standard{_place(t)}"
                yield name, "span", (sizes[u] - 1) * (p - 1), partial(product, here, u, t)
    yield "trivial", "perpendicular", 1, partial(perpendicular_trivial, here)
    for t, p in enumerate(sizes):
        if p > 1 and here.naturals(t):
            matrix = partial(perpendicular_standard, here, t)
            yield f"standard{_place(t)}", "perpendicular", p - 1, matrix


def _key(name: str, space: Space) -> str:
    return name if space == "span" else f"perpendicular {name}"


def _exists(p: float, smallest_size: int) -> bool:
    """Integral blocks have the component from this size; along real sizes from where it counts."""
    return p >= smallest_size if isinstance(p, int) else p > smallest_size - 1


def _half(doubled: float) -> float:
    return doubled // 2 if isinstance(doubled, int) else doubled / 2


def _place(t: int) -> str:
    return f"({t + 1})"


def _eigenvalues(matrices: Array) -> Array:
    return np.asarray(np.linalg.eigvalsh((matrices + np.swapaxes(matrices, 1, 2)) / 2))
