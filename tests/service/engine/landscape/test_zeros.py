"""What is shown of a number that cannot be told from zero."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import body, details, solve


def _zeros(value: object) -> list[float]:
    """Every floating-point zero of a JSON document."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [zero for each in inner for zero in _zeros(each)]
    return [value] if isinstance(value, float) and value == 0 else []


@pytest.mark.parametrize(("K", "M"), [(3, 3), (4, 3), (3, 4), (6, 6)])
def test_what_cannot_be_told_from_zero_is_answered_as_zero(K: int, M: int) -> None:
    """Losses of 2e-32 and eigenvalues of -3e-16 were once printed as if they were data."""
    found = solve(LandscapeRequest(student_width=K, teacher_width=M, starts=20))
    overview = body(found)
    assert overview.fixed_points
    for point in overview.fixed_points:
        stability = point.stability
        assert point.loss == 0 or point.loss > point.loss_accuracy > 0
        values = [line.eigenvalue for line in stability.spectrum]
        smallest = [stability.min_eigenvalue_span, stability.min_eigenvalue_perpendicular]
        for value in (*values, *(each for each in smallest if each is not None)):
            assert value == 0 or abs(value) > stability.eigenvalue_tolerance
        flat = [int(line.multiplicity) for line in stability.spectrum if not line.eigenvalue]
        assert sum(flat) == stability.nullity
        assert (point.loss == 0) is point.is_global
    assert not any(np.signbit(_zeros(overview.model_dump())))


def test_the_details_keep_what_was_computed() -> None:
    """K > M: the continuum is flat in some directions, and rounding shows in the details alone."""
    found = solve(LandscapeRequest(student_width=4, teacher_width=3, starts=8))
    (continuum,) = (p for p in body(found).fixed_points if p.kind == "global_continuum")
    assert int(continuum.stability.nullity) > 0
    raw = np.array(details(found)[continuum.key].eigenvalues_span)
    flat = np.abs(raw) <= continuum.stability.eigenvalue_tolerance
    assert flat.any()
    assert (raw[flat] != 0).any()
