"""What leaky units add to the noise of one-pass SGD; all of it elementary.

In the unit of ``activation`` a leaky unit is ``ReLU(x) + kappa x`` (kappa its ``slope``), so with
``S = sum_a m_a u_a`` over all units and their signed lengths, and e_0 the error of ReLU,

    e = e_0 + kappa s,    s = S . x,        p_i = 1_i + kappa the derivative of unit i,
    E[e^2 p_i p_j] = F_ij + kappa (F_i + F_j) + kappa^2 F,       F_I = E[e^2 1(Z_c > 0, c in I)]
    F_I = E[e_0^2 1_I] + 2 kappa sum_a m_a E[Z_a s 1_a 1_I] + kappa^2 E[s^2 1_I].

The first term of F_ij is ReLU's Sigma, that of F_i its diagonal, and that of F twice ReLU's loss.
The others have three conditions at most: by parts twice (``sigma``), which never asked that the two
factors be among the conditions,

    E[Z_a s 1_I] = (u_a . S) P(I) + sum_{q<r in I} beta_qr(a, S) P(rest of I | Z_q = Z_r = 0) / 2 pi

where beta is linear in S, so that S needs no direction, and may vanish.

**Accuracy**: that of ``sigma`` times (1 + |kappa|)^4: 1e-15 (K + M)^2 of the largest squared
length, 1e-9 where units coincide. It is absolute: S may be small beside its terms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.noise import orthants
from relu_landscape.engine.noise.units import Units

Real = NDArray[np.float64]

PI = np.pi


def noise(units: Units, relu: Real, slope: float, *, label_noise: float = 0.0) -> Real:
    """E[(e - noise of the label)^2 p_i p_j] (K, K) from ``relu``, E[e_0^2 1_i 1_j].

    ``label_noise``: standard deviation of the labels, in the unit. Exactly symmetric where ``relu``
    is.
    """
    sums = _Sums(units)
    K = units.students
    both = relu + 2.0 * slope * sums.mixed_two() + slope**2 * sums.linear_two()
    one = np.diagonal(relu) + 2.0 * slope * sums.mixed_one() + slope**2 * sums.square / 2.0
    np.fill_diagonal(both, one)
    found = both + slope * (one[:, None] + one) + slope**2 * sums.all_inputs(slope)
    active = orthants.two(units.angle[:K, :K] * (1.0 - np.eye(K)))
    return np.asarray(found + label_noise**2 * (active + slope + slope**2))


def squared(units: Units, relu: Real, slope: float) -> Real:
    """E[e^2 p_i^2] (K,) from ``relu``, E[e_0^2 1_i]: the diagonal of ``noise``."""
    sums = _Sums(units)
    one = relu + 2.0 * slope * sums.mixed_one() + slope**2 * sums.square / 2.0
    return np.asarray(one * (1.0 + 2.0 * slope) + slope**2 * sums.all_inputs(slope))


class _Sums:
    """The averages. ``along`` (n,): u_a . S; ``square``: |S|^2; ``plus``, ``minus`` (K, n): the
    parts of beta_ia at S over 2 pi (``sigma``)."""

    def __init__(self, units: Units) -> None:
        self.units = units
        K, count = units.students, len(units.signed)
        S = units.signed @ units.directions
        self.square = float(S @ S)
        self.along = along = units.directions @ S
        # A student's pair with itself is never asked for.
        half = np.where(np.eye(K, count, dtype=bool), 1.0, units.half[:K])
        self.scale, self.inverse = np.sqrt(half / (4.0 * PI)), 1.0 / np.sqrt(half * (4.0 * PI))
        self.plus = self.scale * (along[:K, None] + along)
        self.minus = self.inverse * (along[:K, None] - along)
        self.others = 1.0 - np.eye(K, count)
        self.pairs = orthants.two(units.angle[:K])

    def all_inputs(self, slope: float) -> float:
        """E[e^2]: twice the loss."""
        units, m = self.units, self.units.signed
        kernel = units.sine + (PI - units.angle) * units.cosine
        np.fill_diagonal(kernel, PI)
        relu = float(m @ kernel @ m) / (2.0 * PI)
        # E[ReLU(z) s] is half of E[z s], so E[e_0 s] is |S|^2 / 2.
        return relu + (slope + slope**2) * self.square

    def mixed_one(self) -> Real:
        """E[e_0 s 1_i] (K,)."""
        m, S = self.units.signed, self.along
        K = self.units.students
        moment = S * self.pairs + self._own()
        return np.asarray(m[:K] * S[:K] / 2.0 + (moment * self.others) @ m)

    def _own(self) -> Real:
        """beta_ia at a and S over 2 pi, (K, n)."""
        c = self.units.cosine[: self.units.students]
        plus = self.scale * (c + 1.0) * self.plus
        return np.asarray(plus - self.inverse * (c - 1.0) * self.minus)

    def linear_two(self) -> Real:
        """E[s^2 1_i 1_j] (K, K), i != j."""
        K = self.units.students
        plus, minus = self.plus[:, :K], self.minus[:, :K]
        return np.asarray(self.square * self.pairs[:, :K] + plus**2 - minus**2)

    def mixed_two(self) -> Real:
        """E[e_0 s 1_i 1_j] (K, K), i != j."""
        units, m, S = self.units, self.units.signed, self.along
        K, c = units.students, units.cosine[: units.students]
        angle = units.angle[:K]
        # beta_ij at a and S over 2 pi, (K, K, n).
        first = (self.scale * self.plus)[:, :K, None] * (c[:, None] + c)
        first -= (self.inverse * self.minus)[:, :K, None] * (c[:, None] - c)
        own = self._own()
        P = orthants.three(angle[:, :K, None], angle[:, None], angle[None])
        three = S * P + 0.5 * (first + own[:, None] + own)
        three *= self.others[:, None] * self.others
        # Sets of two: a is i or j.
        i = np.arange(K)
        at_i = S[:K, None] * self.pairs[:, :K] + first[i[:, None], i, i[:, None]]
        of_two = m[:K, None] * at_i
        found = three @ m + of_two + of_two.T
        return np.asarray((found + found.T) / 2.0)
