"""When a path counts as having reached zero loss, at weights made to obey or break the rule."""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real


def _global(W: Real, backend: Backend) -> list[bool]:
    M = W.shape[-1] if W.shape[-1] < 4 else 3
    found = global_set.reached(backend.asarray(W), Loss.of(make_teacher(M), backend.xp))
    return [bool(found[row]) for row in range(len(W))]


def test_rule_of_the_global_set(backend: Backend) -> None:
    exact = np.vstack([np.eye(3), np.eye(3)[0]])
    exact[[0, 3]] *= [[0.4], [0.6]]
    beside = exact.copy()
    beside[0, 1], beside[3, 1] = 1e-3, -1e-3  # the split units lean apart and sum to the teacher
    far = exact.copy()
    far[1] *= 1.02  # more than SUM away, loss 1e-4
    missing = np.vstack([np.eye(3)[[0, 0, 1]] * [[0.5], [0.5], [1.0]], [[0.6, 0.0, 0.8]]])
    dying = np.vstack([np.eye(3), [[-3e-4, 1e-4, 0.0]]])  # short, of no direction
    found = _global(np.stack([exact, beside, far, missing, dying]), backend)
    assert found == [True, True, False, False, True]


def test_a_short_student_beside_its_teacher_carries_its_share(backend: Backend) -> None:
    """It was left out of the sum, so that a path at loss 5e-11 with a unit of length 0.049 never
    counted as arrived and was given up outside the teacher's span."""
    W = np.vstack([np.eye(3), np.eye(3)[0]]) * [[0.951], [1.0], [1.0], [0.049]]
    without = W * [[1.0], [1.0], [1.0], [0.01]]
    assert _global(np.stack([W, without]), backend) == [True, False]


def test_the_perpendicular_part_counts(backend: Backend) -> None:
    W = np.zeros((2, 4, 7))
    W[:, :3, :3] = np.eye(3)
    W[:, 3, 0], W[:, 0, 0] = 0.5, 0.5
    W[1, 1, 3] = 0.02
    assert _global(W, backend) == [True, False]


def test_a_general_teacher(backend: Backend) -> None:
    """The rule looks at each teacher in units of its own length."""
    teacher = make_teacher(2, np.array([[4.0, 0.5], [0.5, 0.25]]))
    loss = Loss.of(teacher, backend.xp)
    exact = np.stack([0.3 * teacher.V[0], teacher.V[1], 0.7 * teacher.V[0]])
    off = exact.copy()
    off[1] *= 1.02  # its loss is below LOSS already, its sum is not close enough
    found = global_set.reached(backend.asarray(np.stack([exact, off])), loss)
    assert [bool(found[0]), bool(found[1])] == [True, False]


def test_a_small_loss_is_not_enough(backend: Backend) -> None:
    """Beside a teacher of length 0.05 students may be off by 2% of it, at a loss of 2e-7, and every
    one of them near a teacher: only the sums tell."""
    teacher = make_teacher(2, np.array([[1.0, 0.0], [0.0, 0.0025]]))
    loss = Loss.of(teacher, backend.xp)
    W = np.stack([0.3 * teacher.V[0], 0.7 * teacher.V[0], 1.02 * teacher.V[1]])
    within = np.stack([0.3 * teacher.V[0], 0.7 * teacher.V[0], 1.005 * teacher.V[1]])
    both = backend.asarray(np.stack([W, within]))
    assert float(loss.value(both)[0]) < global_set.LOSS
    found = global_set.reached(both, loss)
    assert [bool(found[0]), bool(found[1])] == [False, True]
