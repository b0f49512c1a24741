"""What a spectrum says: which eigenvalues are zero or negative, how often each occurs, how fast.

The Hessian has a block in the teacher's span and a smaller one that is repeated for each
perpendicular dimension of the inputs. The loss is homogeneous of degree 2 in students and teachers
together, so its Hessian has no scale of its own: the rule for zero looks at the spectrum alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

#: Eigenvalues within this of zero count as zero, while the largest are of order one. A polished
#: point is known to 1e-10 and better, and eigenvalues change by about 1 per unit of distance; the
#: smallest eigenvalue of a published strict minimum is 3.8e-5.
ZERO = 1e-9
#: Where the largest eigenvalue is above 2.5e5, rounding decides instead: a symmetric eigenvalue
#: routine returns the exact eigenvalues of a matrix that differs from H by a modest multiple of
#: eps |H| (LAPACK Users' Guide, section 4.7). 18 eps is 1e-15 K for the stiff eigenvalues of about
#: K/4, ten times the error seen in the others at K = 10^6 to 10^9.
ROUNDING = 4e-15


def zero_tolerance(largest: float) -> float:
    """Eigenvalues within this of zero are zero; ``largest``: the largest absolute eigenvalue.

    >>> zero_tolerance(16.0), zero_tolerance(2.0**30) == 2.0**30 * ROUNDING
    (1e-09, True)
    """
    return max(ZERO, ROUNDING * abs(largest))


def shown(value: float, accuracy: float) -> float:
    """A number as it is answered: exactly 0.0 where its own accuracy cannot tell it from zero.

    Never -0.0. ``accuracy`` is stated beside the number: a loss's ``loss_accuracy``, an
    eigenvalue's ``eigenvalue_tolerance``.

    >>> shown(2e-32, 1e-15), shown(-3e-16, 1e-9), shown(-0.02, 1e-9)
    (0.0, 0.0, -0.02)
    """
    return 0.0 if abs(value) <= accuracy else value


@dataclass(frozen=True)
class Eigenvalue:
    """One line of a spectrum; the multiplicity is exact."""

    eigenvalue: float
    multiplicity: int


@dataclass(frozen=True)
class Block:
    """Eigenvalues (n,) of one block of the Hessian, in any order, n at least 1.

    ``multiplicities``: how often each occurs, exact integers of any size; None: once each.
    """

    values: Real
    multiplicities: Sequence[int] | None = None

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue."""
        return float(self.values.min())

    @property
    def largest(self) -> float:
        """The largest absolute eigenvalue."""
        return float(np.abs(self.values).max())

    def negative(self, tolerance: float) -> int:
        """How many eigenvalues are below minus ``tolerance``, multiplicities counted."""
        return self._count(self.values < -tolerance)

    def zero(self, tolerance: float) -> int:
        """How many eigenvalues are within ``tolerance`` of zero, multiplicities counted."""
        return self._count(np.abs(self.values) <= tolerance)

    def _count(self, chosen: NDArray[np.bool_]) -> int:
        if self.multiplicities is None:
            return int(np.count_nonzero(chosen))
        return sum(self.multiplicities[place] for place in np.flatnonzero(chosen).tolist())


@dataclass(frozen=True)
class HessianSummary:
    """What the whole Hessian says about a point, in any input dimension.

    ``tolerance``: eigenvalues within this of zero count as zero, in both blocks. Numbers of the
    perpendicular block hold for each perpendicular dimension; ``copies`` below is how many of those
    there are, d - M, and none of them counts where it is 0.
    """

    tolerance: float
    index_span: int
    nullity_span: int
    min_eigenvalue_span: float
    index_perpendicular: int
    nullity_perpendicular: int
    min_eigenvalue_perpendicular: float

    def index(self, copies: int) -> int:
        """Negative eigenvalues."""
        return self.index_span + copies * self.index_perpendicular

    def nullity(self, copies: int) -> int:
        """Eigenvalues that are zero."""
        return self.nullity_span + copies * self.nullity_perpendicular

    def is_attractive(self, copies: int) -> bool:
        """No negative eigenvalue."""
        return self.index(copies) == 0

    def min_eigenvalue(self, copies: int) -> float:
        """The smallest eigenvalue."""
        if not copies:
            return self.min_eigenvalue_span
        return min(self.min_eigenvalue_span, self.min_eigenvalue_perpendicular)

    def relaxation_time(self, copies: int) -> float | None:
        """Time constant of gradient flow's slowest mode, 1 / smallest eigenvalue.

        None where an eigenvalue is zero or negative: then something does not come to rest here.
        """
        smallest = self.min_eigenvalue(copies)
        return 1.0 / smallest if smallest > self.tolerance else None


def summarise(span: Block, perpendicular: Block) -> HessianSummary:
    """Counts and smallest eigenvalues of both blocks, by the one rule for zero."""
    tolerance = zero_tolerance(max(span.largest, perpendicular.largest))
    return HessianSummary(
        tolerance=tolerance,
        index_span=span.negative(tolerance),
        nullity_span=span.zero(tolerance),
        min_eigenvalue_span=span.smallest,
        index_perpendicular=perpendicular.negative(tolerance),
        nullity_perpendicular=perpendicular.zero(tolerance),
        min_eigenvalue_perpendicular=perpendicular.smallest,
    )


def grouped(values: Real, copies: int = 1) -> list[Eigenvalue]:
    """Distinct eigenvalues of one block, ascending: means of those that agree.

    ``values`` (n,) ascending; each occurs ``copies`` times. Neighbours closer than the tolerance
    for zero are one: computed copies of an eigenvalue agree to 1e-13 K, distinct ones of a
    symmetric point are 1e-6 apart and more.
    """
    if not len(values) or copies == 0:
        return []
    tolerance = zero_tolerance(float(np.abs(values[[0, -1]]).max()))
    breaks = np.nonzero(np.diff(values) > tolerance)[0] + 1
    return [Eigenvalue(float(part.mean()), len(part) * copies) for part in np.split(values, breaks)]
