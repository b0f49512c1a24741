"""Random starts of the multistart search; start ``n`` of seed ``s`` depends on (s, n) alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.layout import Array, Layout

#: Own-block row sums up to this and |y| between these: wider than the critical points found at
#: widths 8 to 1,000, with row sums up to 1.2 and |y| from 0.69 to 1.25. A third of the starts is
#: shortened.
ROW_SUM = 2.5
SIZES = (0.2, 1.4)
SHORT_SHARE, SHORT = 1 / 3, 0.3


def random_starts(table: Layout, seed: int, first: int, count: int) -> tuple[Array, Array]:
    """Starts ``first`` to ``first + count``: deviations (S, m) and signs (S, c)."""
    drawn, scale, positive = _drawn(table, seed, first, count)
    couplings, naturals = len(table.q) * len(table.p), len(table.natural)
    signs = np.where(positive, 1.0, -1.0)
    z = np.empty((count, table.unknowns))
    own, scales = _own(table), _scales(table)
    x, y = drawn[:, :couplings], drawn[:, couplings : couplings + naturals]
    row_sums = (-ROW_SUM + 2 * ROW_SUM * x) / np.sqrt(np.tile(table.p, len(table.q)))
    coupled = x * scales[np.arange(couplings), scale]
    z[:, :couplings] = np.where(own, row_sums, coupled)
    z[:, couplings:] = signs * (SIZES[0] + (SIZES[1] - SIZES[0]) * y)
    z[drawn[:, -1] < SHORT_SHARE] *= SHORT
    z -= table.base_x
    z[:, couplings:] -= signs
    return z, signs


def _drawn(
    table: Layout, seed: int, first: int, count: int
) -> tuple[Array, NDArray[np.intp], NDArray[np.bool_]]:
    """The numbers that starts are made from, each start's in the order of its own stream.

    A uniform number for each own block of a natural one, else a normal one and which scale it has;
    then the signs of y, a uniform number for each of their sizes, and one for the whole start.
    """
    naturals = len(table.natural)
    kinds = _own(table).tolist()
    drawn = np.empty((count, len(kinds) + naturals + 1))
    scale = np.zeros((count, len(kinds)), dtype=np.intp)
    positive = np.empty((count, naturals), dtype=np.bool_)
    # One generator, set to the beginning of each stream: to make one takes as long as a start.
    bits = np.random.Philox(key=seed, counter=[0, 0, 0, first])
    generator = np.random.Generator(bits)
    normal, uniform = generator.standard_normal, generator.random
    # What generator.integers(2**k) is made from, to the bit: the upper k of 32.
    integer, source = bits.ctypes.next_uint32, bits.ctypes.state
    beginning = bits.state
    for row in range(count):
        beginning["state"]["counter"][3] = first + row
        bits.state = beginning
        numbers = []
        for place, is_own in enumerate(kinds):
            if is_own:
                numbers.append(uniform())
            else:
                numbers.append(normal())
                scale[row, place] = integer(source) >> 30
        positive[row] = [integer(source) >> 31 for _ in range(naturals)]
        numbers += [uniform() for _ in range(naturals + 1)]
        drawn[row] = numbers
    return drawn, scale, positive


def _own(table: Layout) -> NDArray[np.bool_]:
    """Whether a coupling (n B,) is that of a natural student block with its own teachers."""
    blocks = range(len(table.p))
    return np.array([own == t for own in table.own for t in blocks], dtype=np.bool_)


def _scales(table: Layout) -> Array:
    """Those at which critical points of different kinds have their couplings: (n B, 4)."""
    return np.array(
        [
            (1.0, 1 / math.sqrt(q * p), math.sqrt(p) / q, 1 / math.sqrt(q))
            for q in table.q
            for p in table.p
        ]
    )
