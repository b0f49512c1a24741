"""What a finite learning rate does to fixed points, as far as it is elementary; d -> infinity.

Time is ``gamma n / d`` after n steps ``w_i -= (gamma / d) e 1_i x``; gamma has no unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise.sigma import squared_errors
from relu_landscape.errors import InputError

Real = NDArray[np.float64]


def critical_learning_rate(width: int) -> float:
    """Largest learning rate at which the global minimum is stable, K = M, orthonormal teacher.

    The second moment X of what students have outside the teacher's span obeys
    ``dX/dt = -(A X + X A) + gamma P4[X]``, ``P4[X]_ij = sum_ab P(i, j, a, b active) X_ab``. In the
    sector that permutations leave alone that is a matrix of order two, for equal and for different
    students, and its largest eigenvalue changes sign at

        8 / (K + 2 + sqrt((K + 2)^2 - 4 (K^2 + K + 2) / (K + 1))).

    About 4/K for large K. That no other sector is unstable earlier is checked in the tests, for
    some widths. Raises ``InputError`` for a width below 1.

    >>> [round(critical_learning_rate(K), 6) for K in (1, 2, 8)]
    [2.0, 1.267949, 0.43975]
    """
    if width < 1:
        raise InputError(f"A width is 1 at least, not {width}.")
    K = width
    root = math.sqrt((K + 2) ** 2 - 4 * (K * K + K + 2) / (K + 1))
    return 8.0 / (K + 2 + root)


def loss_shift(
    W: Real, teacher: Teacher, *, label_noise: float = 0.0, batch_size: int = 1
) -> float:
    """First order of the loss at a minimum at learning rate gamma: dL/dgamma at gamma = 0.

    One-pass SGD around a minimum ``W`` (K, p) in the teacher's span has
    ``Q_perp = gamma X``, ``A X + X A = Sigma``; the loss rises by ``tr(A X) gamma / 2``, which is

        gamma/4 sum_i E[e^2 1_i] / b + gamma s^2 K / (8 b)

    for batches of b and label noise of standard deviation s. Elementary, in units of squared
    output; accuracy as ``sigma.squared_errors``.

    >>> from relu_landscape.engine.model.teacher import make_teacher
    >>> loss_shift(np.eye(3), make_teacher(3), label_noise=2.0)
    1.5
    """
    squared = float(np.sum(squared_errors(W, teacher)))
    return (squared / 4.0 + label_noise**2 * len(W) / 8.0) / batch_size
