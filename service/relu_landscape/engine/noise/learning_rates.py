"""What a finite learning rate does to fixed points, as far as it is elementary; d -> infinity.

Time is ``gamma n / d`` after n steps ``w_i -= (gamma / d) e 1_i x``; gamma has no unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise.sigma import squared_errors
from relu_landscape.errors import InputError

Real = NDArray[np.float64]


def critical_learning_rate(width: int, leak: float = 0.0) -> float:
    """Largest learning rate at which the global minimum is stable, K = M, orthonormal teacher.

    The second moment X of what students have outside the teacher's span obeys
    ``dX/dt = -(A X + X A) + gamma P4[X]``, ``P4[X]_ij = sum_ab P(i, j, a, b active) X_ab``. In the
    sector that permutations leave alone that is a matrix of order two, for equal and for different
    students, and its largest eigenvalue changes sign at

        8 / (K + 2 + sqrt((K + 2)^2 - 4 (K^2 + K + 2) / (K + 1))).

    About 4/K for large K. That no other sector is unstable earlier is checked in the tests, for
    some widths and leaks. Raises ``InputError`` for a width below 1.

    With a leak the derivatives p of different units are independent still, so that matrix is made
    of their moments; the answer is for learning rates of ``max(x, c x)`` itself.

    >>> [round(critical_learning_rate(K), 6) for K in (1, 2, 8)]
    [2.0, 1.267949, 0.43975]
    """
    if width < 1:
        raise InputError(f"A width is 1 at least, not {width}.")
    K = width
    if leak != 0.0:
        return _critical_with_leak(K, leak)
    root = math.sqrt((K + 2) ** 2 - 4 * (K * K + K + 2) / (K + 1))
    return 8.0 / (K + 2 + root)


def _critical_with_leak(K: int, leak: float) -> float:
    """On ``X = x I + y (J - I)``: A X + X A and P4[X], as (diagonal, other entries) of x and y."""
    mean, square, cube, fourth = ((1.0 + leak**power) / 2.0 for power in (1, 2, 3, 4))
    far = mean * mean
    decay = 2.0 * np.array([[square, (K - 1) * far], [far, square + (K - 2) * far]])
    gain = np.array([
        [
            fourth + (K - 1) * square**2,
            (K - 1) * (2.0 * cube * mean + (K - 2) * square * far),
        ],
        [
            2.0 * cube * mean + (K - 2) * far * square,
            2.0 * square**2 + (K - 2) * (4.0 * square * far + (K - 3) * far * far),
        ],
    ])  # fmt: skip
    if K == 1:
        return float(decay[0, 0] / gain[0, 0])
    return 1.0 / float(np.linalg.eigvals(np.linalg.solve(decay, gain)).real.max())


def loss_shift(
    W: Real, teacher: Teacher, *, label_noise: float = 0.0, batch_size: int = 1
) -> float:
    """First order of the loss at a minimum at learning rate gamma: dL/dgamma at gamma = 0.

    One-pass SGD around a minimum ``W`` (K, p) in the teacher's span has
    ``Q_perp = gamma X``, ``A X + X A = Sigma``; the loss rises by ``tr(A X) gamma / 2``, which is

        gamma/4 sum_i E[e^2 1_i] / b + gamma s^2 K / (8 b)

    for batches of b and label noise of standard deviation s; ``E[e^2 1_i]`` is Sigma_ii, and with a
    leak the second term has the factor ``activation.lone``, twice E[p_i^2]. Elementary, in units of
    squared output, with a leak all in the unit of ``activation``: in the leak's own units it is
    ``height`` times as much per gamma. Accuracy as ``sigma.squared_errors``.

    >>> from relu_landscape.engine.model.teacher import make_teacher
    >>> loss_shift(np.eye(3), make_teacher(3), label_noise=2.0)
    1.5
    """
    squared = float(np.sum(squared_errors(W, teacher)))
    labels = label_noise**2 * len(W) / 8.0
    if teacher.leak != 0.0:
        labels *= activation.lone(teacher.leak)
    return (squared / 4.0 + labels) / batch_size
