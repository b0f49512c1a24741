"""The time of the flow until it is seen to go to its end, against flows that know their time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.locating.test_locating import locate, one

Real = NDArray[np.float64]

#: Gradient at which an end is judged, in mean norms of the teacher; the longest step of the flow.
SMALL, LONGEST_STEP = 2e-4, 4.0
#: Steps that err by so little shift the time of arrival by less than a part in a thousand.
EXACT = 1e-6


@pytest.mark.parametrize("length", [1.5, 0.6, 4.0])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_one_student_along_its_teacher(length: float, scale: float) -> None:
    """L = (r - 1)^2/4, so r - 1 falls like exp(-t/2) and the gradient is half of it."""
    V = scale * np.eye(1, 3)
    point, end = one(locate(length * V, V, nearest=0, flow_tolerance=EXACT))
    assert end is not None
    due = 2.0 * math.log(abs(length - 1.0) / 2.0 / SMALL)
    assert point.flow_time is not None
    assert due * 0.999 <= point.flow_time <= due + LONGEST_STEP


@pytest.mark.parametrize("seed", range(4))
def test_a_flow_of_another_make_arrives_then(seed: int) -> None:
    """SciPy's LSODA from the given point: so small a gradient then, and not a step earlier."""
    K, teacher = 3, make_teacher(3)
    W = np.eye(K) + 0.3 * np.random.default_rng(seed).standard_normal((K, K))
    point, end = one(locate(W, nearest=0, flow_tolerance=EXACT, input_dimension=3))
    assert end is not None
    assert point.flow_time is not None

    def slope(t: float, x: Real) -> Real:
        return -population.gradient(x.reshape(1, K, K), teacher).ravel()

    before = max(point.flow_time - LONGEST_STEP, 0.0)
    flow = solve_ivp(
        slope, (0.0, point.flow_time), W.ravel(), method="LSODA", rtol=1e-10, atol=1e-12,
        t_eval=[before, point.flow_time],
    )  # fmt: skip
    early, late = (float(np.linalg.norm(slope(0.0, x))) for x in flow.y.T)
    assert late <= 1.01 * SMALL
    assert before == 0.0 or early > SMALL / 1.01


def test_the_unit_of_length_has_no_say() -> None:
    W = np.eye(3, 5) + 0.2 * np.random.default_rng(9).standard_normal((3, 5))
    times = [one(locate(s * W, s * np.eye(3, 5), nearest=0))[0].flow_time for s in (1.0, 7.0)]
    assert times[0] is not None
    assert times[1] is not None
    assert abs(times[0] - times[1]) < 1e-9 * times[0]


def test_no_time_is_told_where_a_student_was_zero_on_the_way() -> None:
    """The clock begins anew there: a number would be the time since."""
    W = np.array([[-0.5, 1e-9, 0.0]])
    point, end = one(locate(W, np.eye(1, 3), nearest=0))
    assert end is not None
    assert point.flow_time is None
