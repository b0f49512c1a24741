"""Each condition of the rule of the global set by itself, just inside it and just outside.

Teachers are short here, so that the loss is below its limit whatever the other conditions say.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real, loss_by_loop

SCALE = 1e-2


def _teacher(*lengths: float) -> Teacher:
    return make_teacher(len(lengths), np.diag(lengths) ** 2)


def _reached(members: list[Real], teacher: Teacher, backend: Backend, *far: float) -> list[bool]:
    """What the rule says of each. By the textbook formula the loss is no reason for any of them."""
    W = np.stack(members)
    V = np.zeros((teacher.width, W.shape[-1]))
    V[:, : teacher.width] = teacher.V
    assert max(loss_by_loop(each, V) for each in W) < 0.5 * global_set.LOSS
    found = global_set.reached(backend.asarray(W), Loss.of(teacher, backend.xp), *far)
    return [bool(found[row]) for row in range(len(W))]


def _split(lean: float, *, units: int = 3) -> Real:
    """Unit teachers, the first of them two units that lean apart by this and sum to it."""
    W = np.vstack([np.eye(units), np.eye(units)[0]])
    W[[0, 3]] *= 0.5
    W[0, 1], W[3, 1] = lean, -lean
    return W


def test_the_loss_has_a_limit_of_its_own(backend: Backend) -> None:
    loss = Loss.of(make_teacher(3), backend.xp)
    leans = [
        brentq(lambda x, wanted=wanted: loss_by_loop(_split(x), np.eye(3)) - wanted, 1e-6, 0.1)
        for wanted in (0.9e-6, 1.1e-6)
    ]
    assert max(leans) < 0.5 * global_set.ANGLE / 2.0
    found = global_set.reached(backend.asarray(np.stack([_split(lean) for lean in leans])), loss)
    assert [bool(found[0]), bool(found[1])] == [True, False]


def _leaning(angle: float) -> Real:
    """A fifth of the first teacher at this angle from it; the rest of it makes up for the lean."""
    lean = 0.2 * np.array([np.cos(angle), np.sin(angle), 0.0])
    return SCALE * np.vstack([np.eye(3)[0] - lean, np.eye(3)[1:], lean])


def test_a_student_is_near_a_teacher_within_a_quarter(backend: Backend) -> None:
    members = [_leaning(0.24), _leaning(0.26)]
    teacher = _teacher(SCALE, SCALE, SCALE)
    assert _reached(members, teacher, backend) == [True, False]


def test_where_teachers_are_near_each_other_angles_count_in_units_of_that(backend: Backend) -> None:
    members = [_leaning(0.12), _leaning(0.13)]
    teacher = _teacher(SCALE, SCALE, SCALE)
    assert _reached(members, teacher, backend, 0.5) == [True, False]


def test_a_student_of_no_direction_is_short_beside_the_longest_teacher(backend: Backend) -> None:
    """It belongs to no teacher's sum: its own length alone decides."""
    aside = np.array([-1.0, 0.0, 0.0])
    members = [
        np.vstack([np.diag([SCALE, 0.5 * SCALE, 0.1 * SCALE]), length * SCALE * aside])
        for length in (0.04, 0.049, 0.051, 0.12)
    ]
    teacher = _teacher(SCALE, 0.5 * SCALE, 0.1 * SCALE)
    assert _reached(members, teacher, backend) == [True, True, False, False]


def test_a_sum_is_off_by_the_whole_of_its_difference(backend: Backend) -> None:
    """In units of its own teacher: 1.5% of the short one is 0.3% of the long one. A part of the
    difference that lies along another teacher belongs to the sum all the same."""
    long, short = SCALE, 0.2 * SCALE
    teacher = _teacher(long, short)
    whole = np.diag([long, short])
    extra = 0.5 * whole[:1]

    def moved(row: int, column: int, by: float) -> Real:
        W = np.vstack([whole, extra])
        W[0] -= extra[0]
        W[row, column] += by
        return W

    members = [
        moved(1, 0, 0.009 * short), moved(1, 0, 0.015 * short), moved(1, 1, -0.015 * short),
        moved(0, 1, 0.009 * long), moved(0, 1, 0.015 * long), moved(0, 0, -0.009 * long),
    ]  # fmt: skip
    assert _reached(members, teacher, backend) == [True, False, False, True, False, True]
    both = moved(0, 0, 0.008 * long)
    both[0, 1] += 0.008 * long  # each within 1%, together 1.13%
    assert _reached([both], teacher, backend) == [False]


@pytest.mark.parametrize("dimension", [3, 4, 6])
def test_the_perpendicular_part_belongs_to_its_own_teacher(
    backend: Backend, dimension: int
) -> None:
    long, short = SCALE, 0.2 * SCALE
    teacher = _teacher(long, short)

    def moved(row: int, by: float, column: int = -1) -> Real:
        W = np.zeros((3, dimension))
        W[0, 0], W[1, 1], W[2, 0] = 0.5 * long, short, 0.5 * long
        W[row, column] += by
        return W

    off = moved(0, 0.008 * long)
    off[0, 1] = 0.008 * long  # within the span and beside it: 1.13% together
    members = [
        moved(0, 0.005 * long), moved(0, -0.009 * long), moved(0, 0.015 * long),
        moved(1, 0.009 * short), moved(1, 0.015 * short, 2), moved(1, -0.015 * short), off,
    ]  # fmt: skip
    wanted = [True, True, False, True, False, False, False]
    assert _reached(members, teacher, backend) == wanted
    assert [_reached([each], teacher, backend) for each in members] == [[each] for each in wanted]


@pytest.mark.parametrize("angle", [0.02, 0.1, 0.3])
def test_the_limit_of_the_loss_stays_below_what_one_student_for_two_teachers_costs(
    angle: float,
) -> None:
    """The least loss there is beside two teachers at a small angle, found by SciPy: the limit is a
    thirtieth of it, or less."""
    V = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])

    def cost(w: Real) -> float:
        return loss_by_loop(w.reshape(1, 2), V)

    found = minimize(cost, V.sum(axis=0), method="Nelder-Mead", tol=1e-16)
    separation = min(1.0, 2.0 * np.sin(angle))
    assert found.fun > 0.02 * angle**3
    assert global_set.loss_limit(separation) <= found.fun / 30.0


def test_the_limit_of_the_loss_grows_to_that_of_separate_teachers() -> None:
    limits = [global_set.loss_limit(separation) for separation in (0.05, 0.1, 0.2, 0.31, 0.33, 1.0)]
    assert limits == sorted(limits)
    assert limits[-2:] == [global_set.LOSS] * 2
    assert global_set.loss_limit() == global_set.LOSS
    # With the third power of the separation, as the losses of spurious points.
    assert limits[1] / limits[0] == pytest.approx(8.0, rel=1e-12)
    assert limits[2] / limits[1] == pytest.approx(8.0, rel=1e-12)
    assert limits[3] > 0.8 * global_set.LOSS
