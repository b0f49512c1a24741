"""What students have outside the teacher's span at a learning rate: its equation near a minimum.

At a minimum W in the span, one-pass SGD at learning rate gamma (d -> infinity) keeps second
moments ``Q_perp = gamma X`` outside it. With A the perpendicular block, Sigma the noise, b the
batch, and A and the part in the span held where they are at the minimum,

    dX/dt = Sigma/b - (A X + X A) + (gamma/b) P4[X],    P4[X]_ij = sum_ab P(i, j, a, b active) X_ab

since ``E[(sum_a 1_a z_a)^2 1_i 1_j]`` for the fluctuations z of the outputs is that sum. The fixed
point exists and attracts as long as no eigenvalue of ``A (x) 1 + 1 (x) A - (gamma/b) P4`` is
negative. P4 is symmetric and positive semidefinite, so that fails at ``b/mu``, mu the largest
eigenvalue of the pencil (P4, A (x) 1 + 1 (x) A).

Where units leak, in the unit of ``activation``, an output moves by ``sum_a p_a z_a`` with the
derivatives ``p = 1 + kappa`` of active units and kappa of others (``sigma``), and P of four units
is E[p_i p_j p_a p_b]: expanded, it has orthants of four units and less.

At the global minimum Sigma and all that was held vanish with X: the rate is exact there, and its
closed form for K = M (``learning_rates.critical_learning_rate``) a test. Elsewhere terms of the
same order are left out: at K = M = 8, one anti-aligned student, the rise of the loss is that of
simulated SGD to 2% at a quarter of the critical rate, and 6% above it at half.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import orthants
from relu_landscape.engine.noise.orthants import Quadruples
from relu_landscape.engine.noise.places import perpendicular_block
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.engine.noise.units import Units
from relu_landscape.errors import InputError

Real = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class SecondMoment:
    """The linear equation of X, in the orthonormal basis of symmetric matrices.

    ``decay`` (N, N) of ``A X + X A`` and ``gain`` (N, N) of P4, N = K (K + 1) / 2; ``source`` (N,)
    of Sigma; ``block`` (N,) of A. ``batch`` b.
    """

    decay: Real
    gain: Real
    source: Real
    block: Real
    batch: int

    @staticmethod
    def at(
        W: Real, teacher: Teacher, *, label_noise: float = 0.0, batch_size: int = 1
    ) -> SecondMoment:
        """At the minimum ``W`` (K, M). Raises ``InputError`` where A is not positive definite, and
        what lies outside the span does not decay even without noise."""
        K = len(W)
        A = perpendicular_block(W, teacher)
        if float(np.linalg.eigvalsh(A)[0]) <= 0.0:
            raise InputError(
                "What students have outside the teacher's span does not decay at this point, so no "
                "learning rate has a bounded second moment there: ask for an isolated minimum."
            )
        i, j = np.triu_indices(K)
        basis = np.zeros((len(i), K, K))
        basis[np.arange(len(i)), i, j] = basis[np.arange(len(i)), j, i] = np.where(
            i == j, 1.0, np.sqrt(0.5)
        )
        flat = basis.reshape(len(i), -1)
        turned = np.einsum("ab,nbc->nac", A, basis)
        decay = flat @ (turned + np.swapaxes(turned, 1, 2)).reshape(len(i), -1).T
        length = np.where(i == j, 1.0, np.sqrt(2.0))
        gain = length[:, None] * _together(W, teacher, i, j) * length
        source = noise(W, teacher, label_noise=label_noise)
        return SecondMoment(decay, gain, length * source[i, j], length * A[i, j], batch_size)

    @cached_property
    def critical_rate(self) -> float:
        """The largest stable learning rate; about 1e-9 of itself, as P4."""
        last = len(self.gain) - 1
        (mu,) = scipy.linalg.eigh(
            self.gain, self.decay, eigvals_only=True, subset_by_index=(last, last)
        )
        return self.batch / float(mu)

    def eigenvalue(self, rate: float) -> float:
        """The largest eigenvalue of ``-(A (x) 1 + 1 (x) A) + (gamma/b) P4``: above zero, what lies
        outside the span grows at that rate."""
        operator = self.decay - rate / self.batch * self.gain
        return -float(scipy.linalg.eigvalsh(operator, subset_by_index=(0, 0))[0])

    def rise(self, rate: float) -> float:
        """What the learning rate adds to the loss, ``gamma tr(A X) / 2``, where it is stable.

        Raises ``InputError`` from the critical rate on.
        """
        return float(rate * (self.block @ self._solved(rate)) / 2.0)

    def at_rest(self, rate: float) -> Real:
        """X (K, K) at a learning rate at which the minimum is stable; ``InputError`` beyond."""
        found = self._solved(rate)
        K = (math.isqrt(8 * len(found) + 1) - 1) // 2
        i, j = np.triu_indices(K)
        X = np.zeros((K, K))
        X[i, j] = X[j, i] = np.where(i == j, found, found * math.sqrt(0.5))
        return X

    def _solved(self, rate: float) -> Real:
        if not 0.0 <= rate < self.critical_rate:
            raise InputError(f"At learning rate {rate:g} the minimum is not stable.")
        operator = self.decay - rate / self.batch * self.gain
        return np.asarray(scipy.linalg.solve(operator, self.source / self.batch, assume_a="pos"))


def _together(W: Real, teacher: Teacher, i: Whole, j: Whole) -> Real:
    """E[p_i p_j p_a p_b] for pairs (i, j) and (a, b), i <= j, of students; (N, N). Without a leak
    that is P(students i, j, a, b all active)."""
    K = len(W)
    units = Units.of(W, teacher)
    angle = units.angle[:K, :K] * (1.0 - np.eye(K))
    found = _table(K, angle, units, activation.slope(teacher.leak))
    pairs = np.stack([i, j], axis=1)
    sets = np.sort(
        np.concatenate(
            [np.repeat(pairs, len(pairs), axis=0), np.tile(pairs, (len(pairs), 1))], axis=1
        ),
        axis=1,
    )
    return np.asarray(found[tuple(sets.T)].reshape(len(pairs), len(pairs)))


def _table(K: int, angle: Real, units: Units, slope: float) -> Real:
    """The average at each ascending index (i <= j <= a <= b); (K, K, K, K)."""
    values: dict[tuple[int, ...], float] = {(): 1.0, **{(k,): 0.5 for k in range(K)}}
    for size, rule in ((2, orthants.two), (3, orthants.three)):
        sets = list(itertools.combinations(range(K), size))
        if sets:
            sides = [
                np.array([angle[chosen[p], chosen[q]] for chosen in sets])
                for p, q in itertools.combinations(range(size), 2)
            ]
            values |= dict(zip(sets, np.asarray(rule(*sides)).tolist(), strict=True))
    four = np.array(list(itertools.combinations(range(K), 4)), dtype=np.int64).reshape(-1, 4)
    if len(four):
        quadruples = Quadruples.of(units, four)
        found = quadruples.probabilities(units, np.arange(len(four)))
        values |= dict(zip(map(tuple, four.tolist()), found.tolist(), strict=True))
    table = np.full((K, K, K, K), np.nan)
    for chosen in itertools.combinations_with_replacement(range(K), 4):
        if slope == 0.0:
            table[chosen] = values[tuple(sorted(set(chosen)))]
        else:
            table[chosen] = _expanded(chosen, values, slope)
    return table


def _expanded(
    chosen: tuple[int, ...], values: Mapping[tuple[int, ...], float], slope: float
) -> float:
    """E of the product of ``1(unit active) + slope`` over four units, some of them the same."""
    count = len(chosen)
    return math.fsum(
        slope ** (count - size) * values[tuple(sorted(set(places)))]
        for size in range(count + 1)
        for places in itertools.combinations(chosen, size)
    )
