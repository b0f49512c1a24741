"""Narrower students copy teacher units or average them: one sweep, against figures found by hand.

Losses and counts of 200 starts each, noted from separate landscapes before there were sweeps; the
question is that of Simsek et al. 2023 (arXiv:2311.01644), the table in
docs/mathematics/widening.md.
"""

from __future__ import annotations

import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.sweeps import Sweep, SweepRequest

#: By student and teacher width: hits of each minimum, by loss, of 200 starts.
HITS = {(2, 3): [200], (3, 4): [200], (3, 5): [190, 10], (4, 5): [200], (4, 8): [191, 9]}
#: Losses of the lowest minimum and of the lowest saddle, where they were written down.
MINIMA = {(2, 3): 0.076833859, (3, 4): 0.069742931}
SADDLES = {(3, 4): 0.070496184}
#: Nine decimal places were.
WRITTEN = 0.5e-9


@pytest.fixture(scope="module")
def table() -> Sweep:
    request = SweepRequest.model_validate(
        {
            "base": {"starts": 200, "saddles": True},
            "grid": {"teacher_width": [3, 4, 5, 8], "student_width": [2, 3, 4]},
        }
    )
    return Sweep.model_validate(solve_locally(request).result)


@pytest.mark.parametrize("widths", HITS)
def test_which_minima_there_are_and_how_often_they_are_reached(
    table: Sweep, widths: tuple[int, int]
) -> None:
    [row] = [each for each in table.rows if (each.student_width, each.teacher_width) == widths]
    assert row.failed_starts == 0
    assert [point.hits for point in row.minima] == HITS[widths]
    assert row.spurious_minima == len(HITS[widths])
    if widths in MINIMA:
        assert row.minima[0].loss == pytest.approx(MINIMA[widths], abs=WRITTEN)
    if widths in SADDLES:
        assert row.lowest_saddle_loss == pytest.approx(SADDLES[widths], abs=WRITTEN)
