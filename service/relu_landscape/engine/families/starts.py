"""Random starts of the multistart search; start ``n`` of seed ``s`` depends on (s, n) alone."""

from __future__ import annotations

import math

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout

#: Own-block row sums up to this and |y| between these: wider than the critical points found at
#: widths 8 to 1,000, with row sums up to 1.2 and |y| from 0.69 to 1.25. A third of the starts is
#: shortened.
ROW_SUM = 2.5
SIZES = (0.2, 1.4)
SHORT_SHARE, SHORT = 1 / 3, 0.3


def random_starts(table: Layout, seed: int, first: int, count: int) -> tuple[Array, Array]:
    """Starts ``first`` to ``first + count``: deviations (S, m) and signs (S, c)."""
    deviations = np.empty((count, table.unknowns))
    signs = np.empty((count, len(table.natural)))
    for row in range(count):
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, first + row]))
        z, sign = _one_start(table, generator)
        base = table.base_x.copy()
        base[len(base) - len(sign) :] = sign
        deviations[row], signs[row] = z - base, sign
    return deviations, signs


def _one_start(table: Layout, generator: np.random.Generator) -> tuple[Array, Array]:
    n, blocks = len(table.q), len(table.p)
    z = np.empty(table.unknowns)
    for s in range(n):
        for t in range(blocks):
            p, q = table.p[t], table.q[s]
            if table.own[s] == t:
                z[table.x(s, t)] = generator.uniform(-ROW_SUM, ROW_SUM) / math.sqrt(p)
            else:
                # the scales at which critical points of different kinds have their couplings
                scales = (1.0, 1 / math.sqrt(q * p), math.sqrt(p) / q, 1 / math.sqrt(q))
                z[table.x(s, t)] = generator.standard_normal() * scales[generator.integers(4)]
    sign = generator.choice([-1.0, 1.0], size=len(table.natural))
    z[n * blocks :] = sign * generator.uniform(*SIZES, size=len(table.natural))
    if generator.random() < SHORT_SHARE:
        z *= SHORT
    return z, sign
