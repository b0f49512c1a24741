"""Gradient flow in lengths and directions, in the fast time of the shortest student.

A student ``w = rho u`` moves by

    rho' = -u . grad_w L,        u' = -(grad_w L)_perpendicular / rho,

and near zero its direction turns at the rate 1/rho, which no step in t follows down to zero. In the
time s with ``dt = tau ds``, ``1/tau = sum_i 1/rho_i``, everything moves at rates of order one, and
log rho falls evenly while a student dies: decade after decade costs the same few steps. (The sum
over students makes the stiff rates K/4 of t into rates of order one as well.)

Integrated by the pair of Dormand and Prince (1980), order 5 with an error of order 4, in log rho
and u; lengths count relatively, so students of length 1,000 need no more steps than those of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import norms
from relu_landscape.engine.model.loss import Loss

Real = NDArray[np.float64]
Truth = NDArray[np.bool_]
Rows = Truth | NDArray[np.int64]

#: Length that stands for zero: so far below one unit in the last place of anything that a student
#: of this length changes no number, while its direction, and with it its own slope, exist.
ZERO = 1e-100
#: Error of a step, relative to a length and in angle; a hundred times below what the flow outside
#: allows itself where it is strictest.
TOLERANCE = 1e-6

_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


@dataclass(frozen=True)
class Polar:
    """A batch of networks: ``log_length`` (B, K), unit ``U`` (B, K, p), and who is ``dead`` (B, K).

    A dead student has length zero and does not move; its direction is where it was last.
    """

    log_length: Real
    U: Real
    dead: Truth

    @staticmethod
    def of(W: Real) -> Polar:
        """Of weights (B, K, p); students of length ``ZERO`` or so are dead."""
        lengths = np.asarray(norms(W, xp=NUMPY))
        return Polar(np.log(lengths), W / lengths[..., None], lengths < np.sqrt(ZERO))

    @property
    def lengths(self) -> Real:
        """Norms (B, K); ``ZERO`` for the dead."""
        return np.where(self.dead, ZERO, np.exp(self.log_length))

    @property
    def W(self) -> Real:
        """Weights (B, K, p)."""
        return self.lengths[..., None] * self.U

    def __getitem__(self, rows: Rows) -> Polar:
        return Polar(self.log_length[rows], self.U[rows], self.dead[rows])

    @staticmethod
    def chosen(which: Truth, one: Polar, other: Polar) -> Polar:
        """For each member of ``one`` or ``other``."""
        return Polar(
            np.where(which[:, None], one.log_length, other.log_length),
            np.where(which[:, None, None], one.U, other.U),
            np.where(which[:, None], one.dead, other.dead),
        )


@dataclass(frozen=True)
class Rates:
    """``log_length`` (B, K) and ``U`` (B, K, p) by s; ``time`` (B,), dt/ds."""

    log_length: Real
    U: Real
    time: Real

    def __getitem__(self, rows: Rows) -> Rates:
        return Rates(self.log_length[rows], self.U[rows], self.time[rows])

    @staticmethod
    def chosen(which: Truth, one: Rates, other: Rates) -> Rates:
        """For each member of ``one`` or ``other``."""
        return Rates(
            np.where(which[:, None], one.log_length, other.log_length),
            np.where(which[:, None, None], one.U, other.U),
            np.where(which, one.time, other.time),
        )


# What a step that is far too long finds on its way does not matter: it is not accepted.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def rates(here: Polar, loss: Loss) -> Rates:
    """How a batch moves; ``loss`` is NumPy's."""
    size = np.sqrt(np.sum(here.U * here.U, axis=-1, keepdims=True))
    unit = here.U / size
    lengths = here.lengths
    slope = np.asarray(loss.gradient(lengths[..., None] * unit))
    radial = np.sum(slope * unit, axis=-1)
    across = slope - radial[..., None] * unit
    inverse = np.where(here.dead, 0.0, 1.0 / lengths)
    total = np.sum(inverse, axis=-1)
    tau = 1.0 / np.where(total > 0.0, total, 1.0)
    share = inverse * tau[:, None]
    return Rates(-share * radial, -share[..., None] * across, tau)


def step(here: Polar, first: Rates, h: Real, loss: Loss) -> tuple[Polar, Real, Real]:
    """One step of length ``h`` (B,) in s, not yet accepted.

    ``first``: the rates at ``here``. Returns the end, the time passed (B,) and the error (B,), at
    most one where the step holds (NaN where it left the range of numbers).
    """
    stages = [first]
    end = here
    for weights in _STAGES:
        end = Polar(
            here.log_length + h[:, None] * _sum(weights, [each.log_length for each in stages]),
            here.U + h[:, None, None] * _sum(weights, [each.U for each in stages]),
            here.dead,
        )
        stages.append(rates(end, loss))
    passed = h * _sum(_STAGES[-1], [each.time for each in stages])
    off_length = np.abs(h[:, None] * _sum(_ERROR, [each.log_length for each in stages]))
    off_U = h[:, None, None] * _sum(_ERROR, [each.U for each in stages])
    off = np.maximum(off_length, np.sqrt(np.sum(off_U * off_U, axis=-1)))
    size = np.sqrt(np.sum(end.U * end.U, axis=-1, keepdims=True))
    return Polar(end.log_length, end.U / size, here.dead), passed, np.max(off, axis=-1) / TOLERANCE


def _sum(weights: tuple[float, ...], parts: list[Real]) -> Real:
    total = weights[0] * parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=False):
        if weight:
            total = total + weight * part
    return total
