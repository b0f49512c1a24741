r"""Proven spectra of a structured point: gap and exact index with multiplicities.

The Hessian of a structured point commutes with the permutations of equivalent units. Its spectrum
on R^{K x M} consists of the components trivial, standard of a block, product of two standards,
symmetric (p - 2, 2) and alternating (p - 2, 1, 1) of a block. Restricted to the fixed space of the
finest splitting (``structure.finest``) every component appears at least once: the *set* of
eigenvalues is that of the small matrix there. How often each occurs follows from coarser splittings
(Young's rule for the permutation module of a block of size p):

    (1, p-1)       trivial + standard                          x (p - 1)
    (2, p-2)       trivial + standard + symmetric              x p (p - 3) / 2           p >= 4
    (1, 1, p-2)    trivial + 2 standard + symmetric + alternating   x (p-1)(p-2) / 2     p >= 3
    two blocks (1, p-1), (1, q-1)    adds the product of standards  x (p - 1)(q - 1)

The perpendicular block A holds trivial and standard components only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import combinations

import numpy as np
from flint import arb

from relu_landscape.engine.certificates.derivatives import derivatives, perpendicular_block
from relu_landscape.engine.certificates.spectrum import (
    ABSOLUTE_MARGIN,
    FALLBACKS,
    RELATIVE_MARGIN,
    Spectrum,
    negative_pivots,
)
from relu_landscape.engine.certificates.structure import Blocks, split
from relu_landscape.errors import NumericalError

Rows = list[list[arb]]
#: The small matrix of a point under some splitting: ``span_rows`` or ``perpendicular_rows``.
Restriction = Callable[[Blocks], Rows]


def span_rows(point: Blocks) -> Rows:
    """The Hessian in the teacher's span, restricted to the fixed space."""
    return derivatives(point)[1]


def perpendicular_rows(point: Blocks) -> Rows:
    """The perpendicular block A, restricted to the fixed space."""
    return perpendicular_block(point)[0]


class Restricted:
    """A block of the Hessian of a structured point, restricted to fixed spaces of splittings.

    Each restriction is computed once, however many bounds its eigenvalues are counted below.
    """

    def __init__(self, point: Blocks, restriction: Restriction) -> None:
        self.teachers = point.structure.teachers
        self._rows = cache(lambda parts: restriction(split(point, dict(parts))))

    def count(self, bound: arb, parts: Mapping[int, tuple[int, ...]]) -> int:
        """Eigenvalues below ``bound`` in the fixed space; raises ``NumericalError``."""
        found = negative_pivots(self._rows(tuple(parts.items())), bound)
        if found is None:
            where = "zero" if bound == 0 else f"{float(bound):.2g}"
            raise NumericalError(f"an eigenvalue is too close to {where} to know its side.")
        return found

    def standards(self, bound: arb, trivial: int) -> dict[int, int]:
        """Those of the standard component of every block of at least two teachers."""
        return {
            t: self.count(bound, {t: (1, p - 1)}) - trivial
            for t, p in enumerate(self.teachers)
            if p >= 2
        }


def perpendicular_below(block: Restricted, bound: arb) -> int:
    """Eigenvalues of A below ``bound`` with multiplicities.

    Raises ``NumericalError`` if one is too near the bound.
    """
    trivial = block.count(bound, {})
    standards = block.standards(bound, trivial)
    return trivial + sum(found * (block.teachers[t] - 1) for t, found in standards.items())


def span_below(block: Restricted, bound: arb) -> int:
    """Eigenvalues of H below ``bound`` with multiplicities; raises as ``perpendicular_below``."""
    trivial = block.count(bound, {})
    standards = block.standards(bound, trivial)
    return trivial + sum(_multiples(block, bound, trivial, standards))


def perpendicular_index(point: Blocks) -> int:
    """Negative eigenvalues of A with multiplicities; ``NumericalError`` if one is near 0."""
    return perpendicular_below(Restricted(point, perpendicular_rows), arb(0))


def span_index(point: Blocks) -> int:
    """Negative eigenvalues of H with multiplicities; ``NumericalError`` if one is near 0."""
    return span_below(Restricted(point, span_rows), arb(0))


def _multiples(
    block: Restricted, bound: arb, trivial: int, standards: dict[int, int]
) -> Iterator[int]:
    """What every component but the trivial one adds to the count."""
    teachers = block.teachers
    for t, standard in standards.items():
        p = teachers[t]
        yield standard * (p - 1)
        symmetric = 0
        if p >= 4:
            symmetric = block.count(bound, {t: (2, p - 2)}) - trivial - standard
            yield symmetric * (p * (p - 3) // 2)
        if p >= 3:
            all_four = block.count(bound, {t: (1, 1, p - 2)})
            alternating = all_four - trivial - 2 * standard - symmetric
            yield alternating * ((p - 1) * (p - 2) // 2)
    for t, u in combinations(standards, 2):
        p, q = teachers[t], teachers[u]
        both = block.count(bound, {t: (1, p - 1), u: (1, q - 1)})
        yield (both - trivial - standards[t] - standards[u]) * ((p - 1) * (q - 1))


def _gap_holds(rows: Rows, gap: arb, negative: int) -> bool:
    """Whether no eigenvalue lies within ``gap > 0`` of zero."""
    above = negative_pivots(rows, gap)
    return above == negative and (negative == 0 or negative_pivots(rows, -gap) == negative)


def _proven(guess: float, holds: Callable[[float], bool]) -> float | None:
    """The first of a falling sequence of positive bounds that holds.

    The guess comes from doubles, and is worthless where the entries span more than 16 digits; the
    powers of two that follow are found without it.
    """
    margins = [f * guess * (1 - RELATIVE_MARGIN) - ABSOLUTE_MARGIN for f in FALLBACKS]
    for bound in [*margins, *(2.0**-k for k in range(2, 30))]:
        if bound > 0 and holds(bound):
            return bound
    return None


def prove_rows(rows: Rows, index: Callable[[], int]) -> Spectrum | None:
    """Spectrum of the component matrix on the finest splitting, ``None`` if degenerate.

    ``index`` counts with multiplicities; it is called only where something is negative.
    """
    negative = negative_pivots(rows, arb(0))
    if negative is None:
        return None
    eigenvalues = np.linalg.eigvalsh([[float(x) for x in row] for row in rows])
    guess = float(np.abs(eigenvalues).min())
    gap = _proven(guess, lambda bound: _gap_holds(rows, arb(bound), negative))
    if gap is None:
        return None
    if negative == 0:
        return Spectrum(0, gap, gap)
    lowest = float(eigenvalues[0]) * (1 + RELATIVE_MARGIN) - ABSOLUTE_MARGIN
    if negative_pivots(rows, arb(lowest)) != 0:
        return None
    try:
        return Spectrum(index(), gap, lowest)
    except NumericalError:
        return None


def rows_hold(rows: Rows, index: Callable[[], int], claim: Spectrum) -> bool:
    """Whether the claim can be proven here and now."""
    negative = negative_pivots(rows, arb(0))
    if negative is None or not (claim.gap > 0 and _gap_holds(rows, arb(claim.gap), negative)):
        return False
    if negative == 0:
        return claim.index == 0 and claim.lowest <= claim.gap
    if negative_pivots(rows, arb(claim.lowest)) != 0:
        return False
    try:
        return index() == claim.index
    except NumericalError:
        return False
