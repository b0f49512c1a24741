"""What the tests share: structures of every kind, and seeded random points on them."""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, from_values
from relu_landscape.engine.families.structures import parse

#: One block, two, three; single teachers; student-only units; teacher-only blocks; several natural
#: blocks on one teacher block; blocks of 1, 2, 3 and 4, where components begin to exist.
KINDS = (
    "1", "2", "3", "4", "6", "1+5", "2+4", "3+4", "2+3", "1+1+4", "1+2+3", "2+3+4",
    "3+3 extra 1", "4 extra 2", "1+3 extra 1", "4x2", "3x2+2x2", "2x2+3", "2+4x2 extra 2",
    "3+2x0 extra 1", "1+2x0+3", "4+3x0 extra 2", "3x0+4", "1x0+4 extra 3", "1+1x0 extra 2",
    "5x0+1 extra 1", "3x3",
)  # fmt: skip


def random_point(name: str, seed: int = 0) -> Point:
    table = layout(parse(name))
    z = np.random.default_rng([seed, *name.encode()]).normal(size=table.unknowns)
    return from_values(table, z)
