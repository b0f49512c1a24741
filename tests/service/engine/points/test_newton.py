"""What is asked of a fixed point grows with its width, as rounding does, and not before."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import gradient_tolerance
from relu_landscape.errors import NumericalError


def test_the_gradient_asked_for_is_its_floor_in_doubles() -> None:
    """Up to a thousand students 1e-13; beyond, a unit in the last place for each of them."""
    assert [gradient_tolerance(width) for width in (1, 20, 1000)] == [1e-13] * 3
    assert gradient_tolerance(5000) == pytest.approx(5e-13, rel=1e-12)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-8, 1e-12])
def test_newton_ends_at_the_floor_wherever_it_began(distance: float) -> None:
    """An order of magnitude below what is asked, so that another machine's rounding passes too."""
    teacher = make_teacher(6)
    move = np.random.default_rng(5).standard_normal((6, 6))
    W, norm = classify.newton(np.eye(6) + distance * move / np.linalg.norm(move), teacher)
    assert norm <= gradient_tolerance(6) / 10
    np.testing.assert_allclose(W, np.eye(6), rtol=0, atol=1e-13)


def test_what_is_no_fixed_point_to_the_floor_is_refused_with_its_gradient() -> None:
    """With no step allowed the start itself is judged: by its gradient, against the tolerance."""
    teacher = make_teacher(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classify, "NEWTON_STEPS", 0)
        for distance, refused in ((1e-15, False), (1e-14, False), (1e-11, True), (1e-3, True)):
            W = np.eye(6) + distance * np.eye(6)[::-1]
            if refused:
                with pytest.raises(NumericalError, match=r"above 1e-13"):
                    classify.newton(W, teacher)
            else:
                assert classify.newton(W, teacher)[1] <= gradient_tolerance(6)
