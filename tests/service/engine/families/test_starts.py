"""Random starts of structures: each from a stream of its own, drawn one number after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.starts import ROW_SUM, SHORT, SIZES, random_starts
from relu_landscape.engine.families.structures import parse

from .shapes import KINDS


def _plain(table: Layout, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns and signs of one start, by the plain calls of a generator made for it."""
    generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, number]))
    z = np.empty(table.unknowns)
    for s, q in enumerate(table.q):
        for t, p in enumerate(table.p):
            if table.own[s] == t:
                z[table.x(s, t)] = generator.uniform(-ROW_SUM, ROW_SUM) / math.sqrt(p)
            else:
                scales = (1.0, 1 / math.sqrt(q * p), math.sqrt(p) / q, 1 / math.sqrt(q))
                z[table.x(s, t)] = generator.standard_normal() * scales[generator.integers(4)]
    naturals = len(table.natural)
    signs = generator.choice([-1.0, 1.0], size=naturals)
    z[table.unknowns - naturals :] = signs * generator.uniform(*SIZES, size=naturals)
    return (z * SHORT if generator.random() < 1 / 3 else z), signs


@pytest.mark.parametrize("name", [*KINDS, "1+39", "1+5x2+11 extra 2"])
def test_starts_are_those_of_a_generator_for_each(name: str) -> None:
    """To the bit: found lists, and numbers of starts in results, hang on these streams."""
    table = layout(parse(name))
    for seed, first in ((0, 0), (3, 1000), (2**40, 128)):
        deviations, signs = random_starts(table, seed, first, 12)
        for row in range(12):
            z, sign = _plain(table, seed, first + row)
            base = table.base_x.copy()
            base[len(base) - len(sign) :] = sign
            assert np.array_equal(signs[row], sign)
            assert np.array_equal(deviations[row], z - base)
