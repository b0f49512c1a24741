"""What is asked of a fixed point grows with its width, as rounding does, and not before."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import gradient_tolerance
from relu_landscape.errors import NumericalError


def test_the_gradient_asked_for_is_its_floor_in_doubles() -> None:
    """Up to a thousand students 1e-13; beyond, a unit in the last place for each of them."""
    assert [gradient_tolerance(width) for width in (1, 20, 1000)] == [1e-13] * 3
    assert gradient_tolerance(5000) == pytest.approx(5e-13, rel=1e-12, abs=0)


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


def test_the_floor_grows_with_the_students_not_with_the_teachers() -> None:
    """Each teacher split into five: 25 students rest at zero gradient, known to 2.5e-13 at best."""
    teacher = make_teacher(5)
    resting = np.repeat(np.eye(5), 5, axis=0) / 5
    move = np.random.default_rng(6).standard_normal(resting.shape)
    slope = np.linalg.norm(population.gradient(resting + 1e-6 * move, teacher)) / 1e-6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classify, "NEWTON_STEPS", 0)
        # Between 1e-13 (what is asked) and 2.5e-13; five students would have 2e-14.
        assert classify.newton(resting + 1.8e-13 / slope * move, teacher)[1] > 1e-13
        with pytest.raises(NumericalError, match="there is no isolated fixed point"):
            classify.newton(resting + 4e-13 / slope * move, teacher)


@pytest.mark.parametrize("flat", [0.0, 1e-17, -1e-17, 1e-12])
def test_a_step_leaves_flat_directions_alone(flat: float) -> None:
    """A gradient of 1e-14 over a curvature of 1e-17 would be a step of a thousand."""
    frame = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))[0]
    H = (frame * np.array([2.0, -0.5, flat])) @ frame.T
    # Rounding of H makes a flat direction one of curvature 1e-17, of either sign.
    step = classify._newton_step((H + H.T) / 2, frame @ np.array([1e-7, 1e-7, 1e-11]))
    np.testing.assert_allclose(frame.T @ step, [5e-8, -2e-7, 0.0], rtol=0, atol=1e-15)


def test_a_step_goes_along_every_direction_that_is_curved() -> None:
    """The flattest published minimum has an eigenvalue of 4e-5; here one of 1e-5."""
    H = np.diag([2.0, -0.5, 1e-5])
    step = classify._newton_step(H, np.array([1e-7, 1e-7, 1e-7]))
    np.testing.assert_allclose(step, [5e-8, -2e-7, 1e-2], rtol=1e-12)


def test_a_curvature_of_exactly_zero_divides_nothing() -> None:
    """A student that no direction feels: LAPACK refuses the matrix, and warnings are errors."""
    step = classify._newton_step(np.diag([2.0, -0.5, 0.0]), np.array([1e-7, 1e-7, 1e-11]))
    np.testing.assert_allclose(step, [5e-8, -2e-7, 0.0], rtol=1e-12)
