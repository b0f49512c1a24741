"""How much work a structure is, by plain arithmetic, before any of it is done.

The reduced problem of n student and B teacher blocks, c of the former natural, has m = n B + c
unknowns and a class for each kind of pair. A trial of one start costs about ``pairs m^2 + 3 m^3``
multiplications: the Hessian from the pairs, its square, and a linear system.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from relu_landscape.engine.families.structures import Structure
from relu_landscape.errors import InputError

#: Starts in a round of the search: enough to amortise NumPy's overhead, about 0.05 s of work.
ROUND = 128
#: Starts without news per unknown before the search stops. With 64, all points of index 0, 1, 2
#: known from 60,000 starts at widths 8 and 10 are found (tests); ten times as many find no more.
PATIENCE_PER_UNKNOWN = 64
#: Seconds of a round of ``ROUND`` starts, measured on one core of a server of 2024 for 5 to 90
#: unknowns, where arrays drive the starts: this much however small it is, and this much per unit of
#: ``work``. Within a factor of 2 there; the native kernel takes about a tenth. Rounds have one size
#: for both, and find the same.
SECONDS_PER_ROUND, SECONDS_PER_WORK = 0.04, 2.5e-6
#: A round shall take no longer than this: with more than 45 unknowns it has fewer starts.
LONGEST_ROUND_SECONDS = 1.5
#: Judging a point costs about as much as two of the starts that look for it (measured for 11 to 30
#: unknowns), so this share of the starts that take a second are judged in a batch.
JUDGED_PER_START = 0.5
#: More unknowns are not searched at all: the pair table alone, of the order of their cube, would
#: fill the memory of a worker (0.3 GB with as many as these).
MOST_UNKNOWNS = 256


@dataclass(frozen=True)
class Effort:
    """Size of the reduced problem of a structure: ``unknowns`` and classes of ``pairs``."""

    unknowns: int
    pairs: int

    @property
    def work(self) -> float:
        """Multiplications of one trial of one start, to within a factor."""
        return self.pairs * float(self.unknowns) ** 2 + 3 * float(self.unknowns) ** 3

    @property
    def patience(self) -> int:
        """Starts without a new point of index <= 2 after which the search stops."""
        return math.ceil(PATIENCE_PER_UNKNOWN * self.unknowns / ROUND) * ROUND

    @property
    def full_round_seconds(self) -> float:
        """What ``ROUND`` starts take."""
        return SECONDS_PER_ROUND + SECONDS_PER_WORK * self.work

    @property
    def round_starts(self) -> int:
        """Starts of a round: ``ROUND``, or halves of it until a round is short enough."""
        starts = ROUND
        while starts > 1 and self.full_round_seconds * starts > LONGEST_ROUND_SECONDS * ROUND:
            starts //= 2
        return starts

    @property
    def round_seconds(self) -> float:
        """What a round takes, about."""
        return self.full_round_seconds * self.round_starts / ROUND

    @property
    def judged_at_once(self) -> float:
        """Points that are polished and classified in one batch: about a second of work."""
        return JUDGED_PER_START * self.round_starts / self.round_seconds


def effort(structure: Structure) -> Effort:
    """The effort of a structure; nothing is built, however many blocks it has.

    Pairs of natural blocks on one teacher block have two classes, equal labels and unequal ones;
    of one such block with itself and with its teachers likewise.
    """
    natural = sum(c for p, c in zip(structure.sizes, structure.counts, strict=True) if p > 1)
    students = sum(structure.counts) + structure.extra
    blocks = len(structure.sizes)
    same = sum(
        c * (c - 1) // 2 for p, c in zip(structure.sizes, structure.counts, strict=True) if p > 1
    )
    return Effort(
        unknowns=students * blocks + natural,
        pairs=students * (students - 1) // 2 + natural + same + students * blocks + natural,
    )


def check_searchable(structure: Structure) -> None:
    """Raise ``InputError`` for fractional blocks, and where the search would have no room."""
    if not structure.is_integral:
        raise InputError(f"{structure.name!r} has blocks of fractional size; give whole numbers.")
    unknowns = effort(structure).unknowns
    if unknowns > MOST_UNKNOWNS:
        raise InputError(
            f"The structure {structure.name[:80]!r} has {unknowns} unknowns; those of at most "
            f"{MOST_UNKNOWNS} can be searched. Name one with fewer blocks."
        )
