"""Zero, negative, equal: the one rule, against counts of a spectrum known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.points.spectrum import (
    Block,
    Eigenvalue,
    grouped,
    shown,
    summarise,
    zero_tolerance,
)


@pytest.mark.parametrize("largest", [0.0, 0.25, 16.0, -16.0, 2e5])
def test_the_tolerance_is_fixed_where_the_spectrum_is_of_order_one(largest: float) -> None:
    assert zero_tolerance(largest) == 1e-9


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e9, 1e12])
def test_a_zero_of_a_computed_spectrum_is_zero_at_every_scale(scale: float) -> None:
    """A matrix of rank 20 in 60 dimensions: 40 eigenvalues are zero, whatever LAPACK says."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    values = np.zeros(60)
    values[:20] = scale * np.concatenate([-rng.uniform(0.1, 1.0, 7), rng.uniform(0.1, 1.0, 13)])
    matrix = (frame * values) @ frame.T
    computed = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    found = summarise(Block(computed), Block(np.array([scale])))
    assert (found.index_span, found.nullity_span) == (7, 40)


def test_multiplicities_beyond_doubles_are_counted_exactly() -> None:
    large = 2**60 + 1
    block = Block(np.array([-1.0, 0.0, -2.0, 3.0]), (large, 5, 2, 7))
    assert block.negative(1e-9) == large + 2
    assert block.zero(1e-9) == 5
    assert (block.smallest, block.largest) == (-2.0, 3.0)


def test_perpendicular_dimensions_count_each() -> None:
    found = summarise(Block(np.array([-1.0, -1e-10, 1e-10, 1.0])), Block(np.array([-0.5, 0, 2.0])))
    assert (found.index(0), found.nullity(0), found.is_attractive(0)) == (1, 2, False)
    assert (found.index(6), found.nullity(6)) == (1 + 6, 2 + 6)
    assert (found.min_eigenvalue(0), found.min_eigenvalue(6)) == (-1.0, -1.0)
    assert found.relaxation_time(6) is None


def test_the_slowest_mode_may_be_perpendicular() -> None:
    found = summarise(Block(np.array([0.5, 1.0])), Block(np.array([0.25])))
    assert (found.relaxation_time(0), found.relaxation_time(3)) == (2.0, 4.0)
    outside = summarise(Block(np.array([0.5])), Block(np.array([-0.25])))
    assert (outside.is_attractive(0), outside.is_attractive(1)) == (True, False)
    assert (outside.relaxation_time(0), outside.relaxation_time(1)) == (2.0, None)
    flat = summarise(Block(np.array([1e-10, 1.0])), Block(np.array([1.0])))
    assert flat.is_attractive(1)
    assert flat.relaxation_time(1) is None


def test_equal_eigenvalues_make_one_line() -> None:
    values = np.array([-1.0, -1.0 + 1e-12, 0.5, 0.5 + 1e-8, 0.5 + 1e-8 + 1e-12])
    lines = grouped(values, 3)
    assert [line.multiplicity for line in lines] == [6, 3, 6]
    assert lines[1] == Eigenvalue(0.5, 3)
    assert lines[0].eigenvalue == pytest.approx(-1.0, abs=1e-11)
    assert grouped(values, 0) == grouped(values[:0]) == []


@pytest.mark.parametrize(
    ("value", "accuracy", "wanted"),
    [(2e-32, 1e-15, 0.0), (-3e-16, 1e-9, 0.0), (-0.0, 1e-9, 0.0), (1e-9, 1e-9, 0.0),
     (-2e-9, 1e-9, -2e-9), (0.25, 1e-9, 0.25)],
)  # fmt: skip
def test_what_cannot_be_told_from_zero_is_shown_as_zero(
    value: float, accuracy: float, wanted: float
) -> None:
    assert str(shown(value, accuracy)) == str(wanted)  # the sign of zero included
