"""What the stored point of a certificate says by itself, for comparing what stands beside it.

Everything here is computed by the verifier from the stored point alone, with its own formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from relu_landscape.engine.certificates.balls import Doubles

Space = Literal["span", "perpendicular"]

#: Eigenvalues beside a certificate are copies of those at the stored point, shown as zero within
#: 1e-9 of it: as far as this they may differ, or by the rounding of an eigenvalue routine, which is
#: a modest multiple of 2^-53 of the largest eigenvalue.
EIGENVALUE, EIGENVALUE_RELATIVE = 2e-9, 1e-14


@dataclass(frozen=True)
class StoredBlocks:
    """Unknowns of a structured point: ``x`` (student blocks, teacher blocks), ``y`` (student
    blocks), and for each student block its size, the teacher block it is listed with, and whether
    ``y`` is an unknown there."""

    teachers: tuple[int, ...]
    students: tuple[tuple[int, int | None, bool], ...]
    x: Doubles
    y: Doubles


@dataclass(frozen=True)
class Stored:
    """The stored point: widths, spectrum, and its weights or blocks.

    ``below(space, bound)`` counts the eigenvalues below a bound, multiplicities included, of one
    copy of the block; ``sizes`` is how many there are; ``largest`` bounds the absolute values.
    ``scale`` is by how much absolute errors are larger than ReLU's: 1, or the ``height`` of a leak
    below zero, in units of which losses and eigenvalues are computed.
    """

    students: int
    teachers: int
    below: Callable[[Space, float], int]
    sizes: Mapping[Space, int]
    largest: float
    scale: float = 1.0
    weights: Doubles | None = None
    blocks: StoredBlocks | None = None

    @property
    def tolerance(self) -> float:
        """How far a stated eigenvalue may be from one of the stored point's."""
        return max(EIGENVALUE * self.scale, EIGENVALUE_RELATIVE * self.largest)

    def is_smallest(self, value: float, spaces: Sequence[Space]) -> bool:
        """Whether the smallest eigenvalue of these blocks is ``value``, from both sides."""
        step = self.tolerance
        return not any(self.below(space, value - step) for space in spaces) and any(
            self.below(space, value + step) for space in spaces
        )

    def is_spectrum(self, space: Space, lines: Sequence[tuple[float, int]]) -> bool:
        """Whether these (eigenvalue, multiplicity) are the spectrum of one copy of the block.

        Lines closer than twice the tolerance are counted together.
        """
        if sum(count for _, count in lines) != self.sizes[space]:
            return False
        step = self.tolerance
        ordered = sorted(lines)
        ends = [k for k, (a, b) in enumerate(pairwise(ordered), 1) if b[0] - a[0] > 2 * step]
        for first, stop in pairwise([0, *ends, len(ordered)]):
            group = ordered[first:stop]
            low, high = group[0][0] - step, group[-1][0] + step
            stated = sum(count for _, count in group)
            if self.below(space, high) - self.below(space, low) != stated:
                return False
        return True
