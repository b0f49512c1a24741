"""Whether one-pass SGD for d to infinity is drawn to where its equations come to rest.

With S the students' part in the teacher's span and P the second moments outside it, the equations

    dS/dt = -grad_S L(S, P),      dP/dt = gamma Sigma(S, P) - (A P + P A)

are linearised at a fixed point (``fixed_points``). It attracts where no eigenvalue has a real part
above zero. That is another question than whether second moments are bounded with all else held
(``second_moment``): a direction within the span may give way first, among students that are alike,
and, where loss stays, feedback on A and the span may hold what second moments alone would lose.

**Accuracy**: differences at distance ``APART``; eigenvalues to about 1e-5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import places
from relu_landscape.engine.noise.fixed_points import Rest
from relu_landscape.engine.noise.sigma import noise

Real = NDArray[np.float64]

#: Distance of the differences, in units of the teacher: Sigma, with 1e-9 at worst, is known to 1e-4
#: by it where units coincide, and to its own second derivative times it elsewhere.
APART = 1e-5


def growth(rest: Rest, teacher: Teacher) -> float:
    """The largest real part of the eigenvalues at a fixed point with noise; negative: it attracts.

    For ``rest.span`` (K, M): one value of Sigma for each of its K M entries and K (K + 1)/2 second
    moments. Rates per unit of time.
    """
    S, P = rest.span, rest.learning_rate * rest.X
    K, M = S.shape
    unit = teacher.mean_norm
    loss = Loss.of(teacher, NUMPY)
    i, j = np.triu_indices(K)

    def moved(S: Real, P: Real) -> Real:
        """Time derivatives, in units of the teacher: S, then P's upper triangle."""
        W = places.weights(S, P)
        slope = np.asarray(loss.gradient(NUMPY.asarray(W[None])))[0, :, :M]
        pulled = places.perpendicular_block(W, teacher) @ P
        change = rest.learning_rate * noise(W, teacher) - pulled - pulled.T
        return np.concatenate([-slope.ravel() / unit, change[i, j] / unit**2])

    here = moved(S, P)
    columns = []
    for place in range(K * M):
        aside = np.zeros(K * M)
        aside[place] = APART * unit
        columns.append((moved(S + aside.reshape(K, M), P) - here) / APART)
    # Second moments have to stay positive: they are moved along v v' alone, and mixed afterwards.
    squares = {}
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        v = np.zeros(K)
        v[[a, b]] = 1.0
        squares[a, b] = (moved(S, P + APART * unit**2 * np.outer(v, v)) - here) / APART
    for a, b in squares:
        own = squares[a, a] + squares[b, b] if a != b else 0.0
        columns.append(squares[a, b] - own)
    return float(np.linalg.eigvals(np.stack(columns, axis=1)).real.max())
