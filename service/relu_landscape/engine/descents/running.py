"""Descents of a batch of starts, side by side, until each has an end with a name.

Steps are those of the rule; for gradient flow they are Bogacki and Shampine's third-order steps,
each member with a length of its own. Every so often each member is looked at: has it run away, is
it at zero loss, is it so close to a strict minimum that Newton's method may finish (``ending``)?
Members that have ended leave the batch. What a member does depends on itself alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.descents import ending
from relu_landscape.engine.descents.rules import Normalised, Orthonormalised, Rule, TwoLayer
from relu_landscape.engine.model.arrays import NUMPY

Real = NDArray[np.float64]

#: Steps between looks.
LOOK = 20
#: Norm of the gradient, in units of the loss, at which Newton's method is tried first; where that
#: is refused, it is tried again at a third of it.
FIRST_TRY, LATER_TRY = 3e-3, 1.0 / 3.0
#: The loss of zero, with signs, in units of the loss: spurious points have a thousand times it.
ZERO = 1e-8
#: Norm of a student at which it has run away, in lengths of the longest that stands for a teacher,
#: 1 at least.
FAR = 1e3
#: Norm of the gradient, in units of the loss, of a descent at rest: on a flat set, and at a saddle,
#: which rounding takes longer to leave.
RESTS, STUCK = 1e-10, 1e-13
#: One less the cosine of students that are merged.
MERGED = 1e-8
#: In the place of a loss that is not finite.
NO_LOSS = -1.0
#: Looks in a row at which a step would carry the same student past norm zero.
DYING = 50


class Outcome(Enum):
    """End of one descent; the value is the sentence that users read."""

    POINT = "came to rest at a strict minimum"
    ZERO_LOSS = "reached zero loss"
    FLAT = "came to rest on a flat set"
    MERGED = (
        "came to rest with students of opposite signs merged: a flat set, "
        "along which both may grow without end"
    )
    SADDLE = "rests at a saddle"
    RAN_AWAY = "runs away: a student's norm grows beyond a thousand"
    DIED = "keeps a student at norm zero, stepping across it"
    CHANGED_SIGN = "took a second-layer weight through zero; a smaller step keeps it positive"
    NOT_FINITE = "left the range of floating-point numbers; use a smaller step"
    UNSETTLED = "did not settle in the time allowed"


@dataclass(frozen=True)
class Landed:
    """One descent's end: name of an ``Outcome``, weights (K, p), loss, and the time it took.

    At a point weights are polished, in as many coordinates as it needs. What is not finite has no
    weights, (0, 0), and ``NO_LOSS``.
    """

    outcome: str
    W: Real
    loss: float
    time: float


@dataclass(frozen=True)
class Pace:
    """How steps are made: of fixed length ``step``, or adaptive to ``tolerance`` where it is None;
    ``until`` this time."""

    step: float | None
    tolerance: float
    until: float


@dataclass
class _Batch:
    """Members still on their way, as arrays by member."""

    states: Real
    numbers: NDArray[np.int64]
    times: Real
    lengths: Real  # of adaptive steps
    levels: Real  # gradient at which Newton's method is tried next
    dying: NDArray[np.int64]
    changed: NDArray[np.bool_]  # whose second layer has been through zero
    slopes: Real | None = field(default=None)

    def keep(self, members: NDArray[np.bool_]) -> None:
        for name in ("states", "numbers", "times", "lengths", "levels", "dying", "changed"):
            setattr(self, name, getattr(self, name)[members])
        self.slopes = None


def descend(rule: Rule, states: Real, pace: Pace, dimension: int) -> list[Landed]:
    """The end of each start ``states`` (B, K, p), in input dimension d."""
    count = len(states)
    batch = _Batch(
        states=states,
        numbers=np.arange(count),
        times=np.zeros(count),
        lengths=np.full(count, 0.01),
        levels=np.full(count, FIRST_TRY * rule.layers.unit),
        dying=np.zeros(count, dtype=np.int64),
        changed=np.zeros(count, dtype=bool),
    )
    landed: dict[int, Landed] = {}
    with np.errstate(all="ignore"):  # what is not finite is looked for
        while len(batch.numbers):
            for _ in range(LOOK):
                _advance(rule, batch, pace)
            _look(rule, batch, pace, dimension, landed)
    return [landed[number] for number in range(count)]


def _advance(rule: Rule, batch: _Batch, pace: Pace) -> None:
    if pace.step is not None:
        batch.states = rule.moved(batch.states, pace.step)
        batch.times = batch.times + pace.step
        if isinstance(rule, TwoLayer):
            batch.changed |= np.min(batch.states[..., -1], axis=-1) <= 0.0
        return
    _flow(rule, batch, pace.tolerance)


#: Bounds of adaptive steps. The lower one, over the unit of curvatures where that is above 1,
#: carries a dying student across zero. The upper one, over the largest curvature of about
#: (K + 2)/4, or that of students that share teachers (``problem``), is inside the 2.51 at which
#: these steps are stable: beyond, a descent would jitter about its end by the tolerance, and its
#: gradient never be small.
SHORTEST, LONGEST = 1e-3, 2.0


def _flow(rule: Rule, batch: _Batch, tolerance: float) -> None:
    """One step of Bogacki and Shampine (1989), taken by the members whose error allows it."""
    h = batch.lengths[:, None, None]
    if batch.slopes is None:
        batch.slopes = rule.slope(batch.states)
    first = batch.slopes
    second = rule.slope(batch.states - 0.5 * h * first)
    third = rule.slope(batch.states - 0.75 * h * second)
    moved = batch.states - h * (2.0 * first + 3.0 * second + 4.0 * third) / 9.0
    last = rule.slope(moved)
    errors = h * (-5.0 * first / 72.0 + second / 12.0 + third / 9.0 - last / 8.0)
    error = np.sqrt(np.max(np.sum(errors * errors, axis=-1), axis=-1))
    layers = rule.layers
    shortest = SHORTEST / max(1.0, layers.stiffest)
    taken = (error <= tolerance) | (batch.lengths <= shortest)
    batch.states = np.where(taken[:, None, None], moved, batch.states)
    batch.slopes = np.where(taken[:, None, None], last, first)
    batch.times = batch.times + np.where(taken, batch.lengths, 0.0)
    factor = 0.9 * (tolerance / np.maximum(error, 1e-300)) ** (1.0 / 3.0)
    change = np.where(np.isfinite(factor), np.clip(factor, 0.2, 2.0), 0.2)
    longest = max(shortest, LONGEST / layers.curvature)
    batch.lengths = np.clip(batch.lengths * change, shortest, longest)


def _look(rule: Rule, batch: _Batch, pace: Pace, dimension: int, landed: dict[int, Landed]) -> None:
    W = rule.weights(batch.states)
    finite = np.all(np.isfinite(batch.states), axis=(1, 2))
    slope = rule.slope(batch.states)
    # Rows, so that the order of a sum does not depend on the batch.
    steep = np.sqrt(np.sum((slope * slope).reshape(len(W), -1), axis=-1))
    loss = rule.layers.loss(W)
    zero = _at_zero_loss(rule, W, loss)
    away = np.any(np.sum(W * W, axis=-1) > far(rule) ** 2, axis=-1)
    reach = batch.lengths if pace.step is None else np.full(len(W), pace.step)
    crossing = np.sum(W * W, axis=-1) < (2.0 * reach[:, None]) ** 2 * np.sum(slope**2, axis=-1)
    batch.dying = np.where(np.any(crossing, axis=-1), batch.dying + 1, 0)

    keep = np.ones(len(W), dtype=bool)

    def land(member: int, outcome: Outcome, weights: Real, value: float) -> None:
        time = float(batch.times[member])
        landed[int(batch.numbers[member])] = Landed(outcome.name, weights, value, time)
        keep[member] = False

    for member in range(len(W)):
        here = W[member]
        value = float(loss[member]) if np.isfinite(loss[member]) else NO_LOSS
        if batch.changed[member]:
            land(member, Outcome.CHANGED_SIGN, here, value)
        elif not finite[member]:
            land(member, Outcome.NOT_FINITE, np.zeros((0, 0)), NO_LOSS)
        elif zero[member] and _is_held(rule, here, batch.states[member], pace, dimension):
            land(member, Outcome.ZERO_LOSS, here, value)
        elif away[member]:
            land(member, Outcome.RAN_AWAY, here, value)
        elif steep[member] < batch.levels[member]:
            batch.levels[member] = steep[member] * LATER_TRY
            found = ending.polished(rule, here, dimension)
            if found is None:
                rest = _at_rest(rule, here, steep[member], dimension)
                if rest is not None:
                    land(member, rest, here, value)
            elif _is_held(rule, found, batch.states[member], pace, dimension):
                land(member, Outcome.POINT, found, float(rule.layers.loss(found[None])[0]))
        if keep[member] and batch.dying[member] >= DYING:
            land(member, Outcome.DIED, here, value)
        if keep[member] and batch.times[member] >= pace.until:
            land(member, Outcome.UNSETTLED, here, value)
    if not np.all(keep):
        batch.keep(keep)


def far(rule: Rule) -> Real:
    """Norms (K,) beyond which students have run away."""
    lengths = np.abs(rule.layers.b).max() / np.abs(rule.layers.a)
    return np.asarray(FAR * np.maximum(1.0, lengths))


def _is_held(rule: Rule, W: Real, state: Real, pace: Pace, dimension: int) -> bool:
    """Whether the descent comes to rest at an end ``W`` beside its ``state``: where the step is so
    long that it is driven away, it goes on."""
    return pace.step is None or ending.is_held(rule, W, state, pace.step, dimension)


def _at_rest(rule: Rule, W: Real, steep: float, dimension: int) -> Outcome | None:
    """What a descent that stands still at no strict minimum has come to; None: it does not yet."""
    if steep > RESTS * rule.layers.unit:
        return None
    if not ending.is_flat(rule, W, dimension):
        return Outcome.SADDLE if steep < STUCK * rule.layers.unit else None
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    opposite = rule.layers.a[:, None] * rule.layers.a < 0.0
    merged = opposite & (unit @ unit.T > 1.0 - MERGED)
    return Outcome.MERGED if np.any(merged) else Outcome.FLAT


def _at_zero_loss(rule: Rule, W: Real, loss: Real) -> NDArray[np.bool_]:
    """Who is on the continuum of zero loss, for certain enough; isolated points of zero loss are
    left to Newton's method."""
    K, M = len(rule.layers.a), len(rule.layers.b)
    if K <= M or isinstance(rule, (Normalised, Orthonormalised)):
        return np.zeros(len(W), dtype=bool)
    if rule.layers.is_plain:
        return np.asarray(global_set.reached(NUMPY.asarray(W), rule.layers.plain_loss), dtype=bool)
    return np.asarray(loss < ZERO * rule.layers.unit, dtype=bool)
