"""The dense method against published points, and everything it has to refuse."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from relu_landscape.engine.certificates import certify, verify
from relu_landscape.errors import InputError
from tests.service.engine.certificates import points
from tests.service.engine.certificates.points import Doubles, anti_aligned
from tests.service.engine.certificates.published import (
    WELL_SPECIFIED,
    WIDER_STUDENTS,
    Minimum,
    Wider,
    locate,
    locate_wider,
)

MODES = ["fast", "strict"]

# Width, anti-aligned students, and what an independent prototype with Arb balls proved: radius
# (to the accuracy of its doubles), lower bounds of the eigenvalues of H and A, loss.
PROTOTYPE = [
    (6, 1, 7e-14, 0.00470035, 0.199803, "0.0250805810024630104"),
    (10, 1, 3e-14, 0.03196399, 0.218638, "0.0187021945856069725"),
    (10, 2, 6e-14, 0.01599206, 0.199290, "0.0353268803189280680"),
    (17, 1, 6e-14, 0.05076667, 0.230247, "0.0127962454934667030"),
    (17, 2, 1e-13, 0.03973737, 0.217213, "0.0247664285268516232"),
    (17, 3, 1.2e-13, 0.03167778, 0.205683, "0.0361749154866226603"),
    (20, 10, 3e-13, 0.01148346, 0.188688, "0.0739753860585451635"),
]


def _certify(W: Doubles, mode: Any = "fast") -> dict[str, Any]:
    return certify(W, mode=mode, teacher_width=W.shape[1])


def _last_digit(number: str) -> Fraction:
    return Fraction(1, 10 ** len(number.partition(".")[2]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", PROTOTYPE, ids=lambda case: f"{case[0]}-{case[1]}")
def test_prototype_is_reproduced(case: Any, mode: str) -> None:
    width, anti, radius, span, perpendicular, value = case
    found = _certify(anti_aligned(width, anti), mode)
    assert found["verdict"] == "minimum"
    assert found["spurious"] is True
    # radii follow the rounding of the doubles at hand: a factor of 3
    assert found["radius"] < 3 * radius
    # both are lower bounds, given to 7 and 6 digits, and no more than 3e-6 apart
    assert found["smallest_eigenvalue_span"] == pytest.approx(span, rel=3e-6, abs=1e-8)
    assert found["smallest_eigenvalue_perpendicular"] == pytest.approx(perpendicular, rel=6e-6)
    low, high = (Fraction(found["loss"][end]) for end in ("lower", "upper"))
    assert low - _last_digit(value) <= Fraction(value) <= high + _last_digit(value)
    assert 0 < high - low < Fraction(1, 10**24)


@pytest.mark.parametrize("point", WELL_SPECIFIED, ids=lambda point: point.name)
def test_published_minima_up_to_width_20_are_certified(point: Minimum) -> None:
    found = _certify(locate(point))
    assert found["verdict"] == "minimum"
    assert found["index_span"] == found["index_perpendicular"] == 0
    assert found["spurious"] is (point.anti > 0 or point.start == "three blocks")
    low, high = (float(found["loss"][end]) for end in ("lower", "upper"))
    assert low - 1e-12 <= point.loss <= high + 1e-12  # published to 12 or 13 digits
    # published to 7 digits from finitely converged points, ours a lower bound
    assert found["smallest_eigenvalue_span"] == pytest.approx(
        point.min_eigenvalue, rel=1e-5, abs=3e-9
    )


@pytest.mark.parametrize("point", WIDER_STUDENTS, ids=lambda point: point.name)
def test_published_points_of_wider_students_are_certified(point: Wider) -> None:
    found = _certify(locate_wider(point))
    is_saddle = point.min_eigenvalue < 0
    assert found["verdict"] == ("saddle" if is_saddle else "minimum")
    assert found["index_span"] == (1 if is_saddle else 0)
    assert found["spurious"] is (None if is_saddle else True)
    assert float(found["loss"]["lower"]) == pytest.approx(point.loss, abs=1e-12)
    assert found["smallest_eigenvalue_span"] == pytest.approx(
        point.min_eigenvalue, rel=3e-5, abs=1e-7
    )
    assert found["smallest_eigenvalue_perpendicular"] == pytest.approx(
        point.perpendicular_min_eigenvalue, rel=1e-5
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_published_minimum_is_a_saddle_of_index_one(mode: str) -> None:
    """Gradient descent had converged to it (gradient 2e-10) and it was listed as a minimum."""
    point = next(p for p in WIDER_STUDENTS if p.min_eigenvalue < 0)
    found = _certify(locate_wider(point), mode)
    assert found["verdict"] == "saddle"
    assert (found["index_span"], found["index_perpendicular"]) == (1, 0)
    low, high = (Fraction(found["loss"][end]) for end in ("lower", "upper"))
    published = Fraction("0.011698913345")
    assert published <= low < high <= published + Fraction(1, 10**12)
    assert high - low < Fraction(1, 10**20)
    assert "saddle of index 1" in found["statement"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("width", "anti", "index"), [(3, 3, 1), (4, 4, 3), (5, 5, 6)])
def test_all_anti_aligned_is_a_saddle_at_small_width(
    width: int, anti: int, index: int, mode: str
) -> None:
    """At widths 3, 4, 5 the one-block family is unstable in its alternating component."""
    found = _certify(anti_aligned(width, anti), mode)
    assert (found["verdict"], found["index_span"]) == ("saddle", index)
    spectrum = np.linalg.eigvalsh(points.hessian(anti_aligned(width, anti), width))
    assert index == (spectrum < 0).sum()
    assert found["smallest_eigenvalue_span"] == pytest.approx(spectrum[0], rel=3e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [1, 2, 6])
def test_global_minimum_with_equal_widths_is_certified_and_not_spurious(
    width: int, mode: str
) -> None:
    order = np.random.default_rng(width).permutation(width)
    found = _certify(np.eye(width)[order], mode)
    assert found["verdict"] == "minimum"
    assert found["spurious"] is False
    assert Fraction(found["loss"]["lower"]) == 0
    assert Fraction(found["loss"]["upper"]) < Fraction(1, 10**30)
    # 1/4 - 1/(2 pi) for two or more units, 1/2 for one
    expected = 0.5 if width == 1 else 0.25 - 1 / (2 * np.pi)
    assert found["smallest_eigenvalue_span"] == pytest.approx(expected, rel=2e-6)


def test_global_minimum_reached_to_rounding_is_still_not_spurious() -> None:
    noise = 1e-15 * np.random.default_rng(1).normal(size=(4, 4))
    found = _certify(np.eye(4) + noise)
    assert found["verdict"] == "minimum"
    assert found["spurious"] is False


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("share", [0.5, 0.3])
def test_global_minimum_with_more_students_is_no_isolated_point(share: float, mode: str) -> None:
    W = np.vstack([np.eye(3), np.eye(3)[2:]])
    W[2:] *= np.array([[share], [1 - share]])
    found = _certify(W, mode)
    assert found["verdict"] == "not certified"
    assert "continuum of dimension at least 1" in found["reason"]


@pytest.mark.parametrize("mode", MODES)
def test_a_zero_student_is_refused(mode: str) -> None:
    found = _certify(np.vstack([np.eye(3), np.zeros(3)]), mode)
    assert found["verdict"] == "not certified"
    assert found["reason"].startswith("student unit 4 is zero")


@pytest.mark.parametrize("mode", MODES)
def test_a_split_student_of_a_spurious_minimum_is_refused(mode: str) -> None:
    """A critical point exactly: the gradient is 1e-16, and one direction is flat."""
    W = anti_aligned(6, 1)
    split = np.vstack([W[:5], 0.4 * W[5:], 0.6 * W[5:]])
    assert np.linalg.norm(points.gradient(split, 6)) < 1e-14
    found = _certify(split, mode)
    assert found["verdict"] == "not certified"
    assert "units 6 and 7 are parallel" in found["reason"]


@pytest.mark.parametrize("mode", MODES)
def test_duplicate_students_are_refused(mode: str) -> None:
    rng = np.random.default_rng(2)
    found = _certify(rng.normal(size=(3, 3))[[0, 1, 1]], mode)
    assert found["verdict"] == "not certified"


@pytest.mark.parametrize("mode", MODES)
def test_antiparallel_students_are_refused(mode: str) -> None:
    W = np.random.default_rng(3).normal(size=(3, 3))
    W[2] = -0.7 * W[1]
    found = _certify(W, mode)
    assert found["verdict"] == "not certified"
    assert found["reason"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("K", "M"), [(1, 1), (2, 4), (5, 5), (7, 3)])
def test_random_points_are_refused(K: int, M: int, mode: str) -> None:
    found = _certify(np.random.default_rng([K, M]).normal(size=(K, M)), mode)
    assert found["verdict"] == "not certified"
    assert "too large" in found["reason"] or "too close to zero" in found["reason"]
    assert found["radius"] is found["loss"] is found["index_span"] is None


def test_a_half_converged_point_is_refused_with_the_remedy() -> None:
    W = anti_aligned(6, 1) + 1e-4 * np.random.default_rng(4).normal(size=(6, 6))
    found = _certify(W)
    assert found["verdict"] == "not certified"
    assert "Newton" in found["reason"]


def test_a_narrow_student_has_minima_that_are_not_called_spurious() -> None:
    """K < M: positive loss cannot be avoided, so it proves nothing."""
    start = np.array([[0.9, 0.1, 0.2], [0.1, 1.0, 0.3]])
    W = points.newton(points.descend(start, 3, 20000), 3)
    found = _certify(W)
    assert found["verdict"] == "minimum"
    assert found["spurious"] is None
    assert float(found["loss"]["lower"]) > 0.01


def test_general_teacher_is_refused_with_the_reason() -> None:
    gram = np.array([[1.0, 0.1], [0.1, 1.0]])
    found = certify(np.eye(2), mode="fast", teacher_width=2, teacher_gram=gram)
    assert found["verdict"] == "not certified"
    assert "orthonormal" in found["reason"]
    same = certify(np.eye(2), mode="fast", teacher_width=2, teacher_gram=np.eye(2))
    assert same["verdict"] == "minimum"


@pytest.mark.parametrize(
    ("W", "teachers"),
    [
        (np.eye(2), 3),
        (np.ones(3), 3),
        (np.zeros((0, 2)), 2),
        (np.array([[np.nan, 1.0]]), 2),
        (np.array([[1e31, 1.0]]), 2),
        (np.array([[1e-31, 0.0]]), 2),
    ],
)
def test_impossible_weights_raise(W: Doubles, teachers: int) -> None:
    with pytest.raises(InputError, match="not accepted"):
        certify(W, mode="fast", teacher_width=teachers)


def test_unknown_mode_raises() -> None:
    mode: Any = "quick"
    with pytest.raises(InputError, match="'fast' or 'strict'"):
        certify(np.eye(2), mode=mode, teacher_width=2)


def test_fast_and_strict_agree() -> None:
    fast, strict = (_certify(anti_aligned(10, 2), mode) for mode in MODES)
    assert strict["smallest_eigenvalue_span"] == pytest.approx(
        fast["smallest_eigenvalue_span"], rel=1e-6
    )
    assert strict["loss"] == fast["loss"]
    assert strict["radius"] == pytest.approx(fast["radius"], rel=1e-4)


def test_a_certificate_is_checked_as_it_was_made_unless_asked_otherwise() -> None:
    """Balls prove a little more than the fast mode does. A certificate that claims as much for the
    fast mode does not hold by itself, and holds where balls are asked for."""
    fast, strict = (_certify(anti_aligned(6, 1), mode) for mode in MODES)
    assert strict["smallest_eigenvalue_span"] > fast["smallest_eigenvalue_span"]
    claim = strict | {"mode": "fast"}
    verdicts = [verify(claim), verify(claim, strict=False), verify(claim, strict=True)]
    assert [answer["holds"] for (answer,) in verdicts] == [False, False, True]


def test_certificate_survives_json_to_the_last_bit() -> None:
    found = _certify(anti_aligned(6, 1))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert np.array_equal(np.array(again["weights"]), anti_aligned(6, 1))


@pytest.mark.parametrize("mode", MODES)
def test_the_exact_point_is_where_the_certificate_says(mode: str) -> None:
    """Newton from the edge of the attribution ball comes back to the same doubles."""
    W = anti_aligned(7, 1)
    found = _certify(W, mode)
    step = np.random.default_rng(6).normal(size=W.shape)
    away = W + 0.9 * found["attribution_radius"] * step / np.linalg.norm(step)
    back = points.newton(away, 7, 20)
    assert np.linalg.norm(back - W) < 1e-13


def test_gradient_flow_from_the_attribution_ball_ends_at_the_minimum() -> None:
    """Also from outside the teacher's span: two dimensions are added."""
    W = anti_aligned(10, 1)
    found = _certify(W)
    padded = np.hstack([W, np.zeros((10, 2))])
    step = np.random.default_rng(7).normal(size=padded.shape)
    start = padded + 0.99 * found["attribution_radius"] * step / np.linalg.norm(step)
    flow = solve_ivp(
        lambda _t, w: -points.gradient(w.reshape(10, 12), 10).ravel(),
        (0.0, 400.0),
        start.ravel(),
        rtol=1e-8,
        atol=1e-11,
        t_eval=np.linspace(0, 400, 9),
    )
    distances = np.linalg.norm(flow.y - padded.reshape(-1, 1), axis=0)
    assert (np.diff(distances) < 1e-9).all()
    # the slowest mode decays like exp(-0.0319 * 400) = 3e-6
    assert distances[-1] < 1e-5 * distances[0] + 1e-9
