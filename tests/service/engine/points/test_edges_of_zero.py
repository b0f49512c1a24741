"""Every eigenvalue is negative, zero or positive: one of the three, on the edge as well."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.points.spectrum import (
    ZERO,
    Block,
    Eigenvalue,
    grouped,
    summarise,
    zero_tolerance,
)

JUST_BELOW, JUST_ABOVE = np.nextafter(ZERO, 0.0), np.nextafter(ZERO, 1.0)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(-1.0, "negative"), (-JUST_ABOVE, "negative"), (-ZERO, "zero"), (-JUST_BELOW, "zero"),
     (0.0, "zero"), (ZERO, "zero"), (JUST_ABOVE, "positive"), (1.0, "positive")],
)  # fmt: skip
def test_an_eigenvalue_on_the_edge_is_of_one_kind(value: float, kind: str) -> None:
    """Index, nullity and relaxation time are read together: what is flat has no time constant.

    An eigenvalue that is as large as the tolerance is zero in all of them, not zero for one and
    the slowest mode for another.
    """
    found = summarise(Block(np.array([value, 2.0])), Block(np.array([1.0])))
    assert found.tolerance == ZERO
    assert (found.index(1), found.nullity(1)) == (int(kind == "negative"), int(kind == "zero"))
    assert found.is_attractive(1) == (kind != "negative")
    time = found.relaxation_time(1)
    assert time == (pytest.approx(1.0 / min(value, 1.0)) if kind == "positive" else None)
    mirrored = summarise(Block(np.array([1.0])), Block(np.array([value, 2.0])))
    assert (mirrored.index(3), mirrored.nullity(3)) == (3 * found.index(1), 3 * found.nullity(1))


def test_the_larger_block_sets_the_tolerance_of_both() -> None:
    """Both are blocks of one matrix, so the rounding of the one is in the other."""
    large, small = Block(np.array([-1e15, 1.0])), Block(np.array([-1.0, 5.0]))
    for span, perpendicular in ((large, small), (small, large)):
        found = summarise(span, perpendicular)
        assert found.tolerance == zero_tolerance(1e15) > 1.0
        assert (found.index(1), found.nullity(1)) == (1, 2 + int(found.tolerance >= 5.0))


def test_an_eigenvalue_counts_once_unless_copies_are_asked_for() -> None:
    assert grouped(np.array([2.0])) == [Eigenvalue(2.0, 1)]


def test_neighbours_are_one_line_as_far_apart_as_zero_is_wide() -> None:
    """A chain of neighbours is one line, and the line stands at their mean."""
    step = ZERO / 2
    (line,) = grouped(step * np.arange(5.0))
    assert line.multiplicity == 5
    assert line.eigenvalue == pytest.approx(2 * step, rel=1e-12, abs=0)
    assert [each.multiplicity for each in grouped(np.array([0.0, ZERO, 2.5 * ZERO]))] == [2, 1]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_eigenvalue_sets_the_tolerance_at_whichever_end_it_is(sign: float) -> None:
    """At 1e9 rounding is 4e-6: two eigenvalues 1e-6 apart are one, beside 1e9 and beside -1e9."""
    lines = grouped(np.sort(sign * np.array([0.5, 0.5 + 1e-6, 1.0, 1e9])))
    assert sorted(line.multiplicity for line in lines) == [1, 1, 2]
