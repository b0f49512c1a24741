"""Paths past the deaths and departures of their students, by the rules of ``death``.

Everything here has tolerances of its own, so that neither deaths nor departures depend on
``flow_tolerance``; both are found at a state of the path, not at a step. In main memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import death, fast_time
from relu_landscape.engine.descent.fast_time import Polar, Rates
from relu_landscape.engine.descent.steepest import Steepest, steepest
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import norms
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]
Truth = NDArray[np.bool_]
Whole = NDArray[np.int64]

#: Steps after which a path goes back to the common flow, with its dead if there are any, which
#: asks now and then; counted anew from every event. A step with dead students often costs a search
#: for the slope, as much as several others.
BUDGET = 1_000
DEAD_STEP = 5
FIRST_STEP = 0.1
#: A departure is placed at a slope between ``leaving_slope`` and this many times it.
LATEST = 2.0
#: Gradient norm of the living below which a path waits for its dead in the common flow. With as
#: many students as teachers or fewer it is only met where they leave: their slope is larger.
QUIET = 2e-3
#: Accuracy of the length at which students are turned apart, relative.
TURN_ACCURACY = 1e-6
#: Change of D for each unit of length that a student moves, at most: |dg(w, u)/dw| <= 1/2. The
#: tilt of a leak comes to it.
SLOPE_PER_WAY = 0.5
#: Steps of the common flow after which it is asked whether the dead leave.
CHECK_STEPS = 8


@dataclass(frozen=True)
class Carried:
    """Where paths are afterwards: ``W`` (B, K, p), time passed and steps taken (B,), and whether a
    student ``died`` (B,) on the way."""

    W: Real
    elapsed: Real
    steps: Whole
    died: Truth


@dataclass
class _Company:
    """Paths on their way, one row each.

    Their ``number``, place, rates there, next step, time so far and steps left. The least ``slope``
    at zero (NaN: not known), the time, the weights (``slope_at``) and the ``direction`` of that;
    when the last student died. How many ``departures`` there were, and the ``departure`` (B, K) of
    the students that are still to be turned apart, -1 for others.
    """

    number: Whole
    here: Polar
    rates: Rates
    h: Real
    time: Real
    budget: Whole
    slope: Real
    slope_time: Real
    slope_at: Real
    direction: Real
    death_time: Real
    departure: Whole
    departures: Whole

    @staticmethod
    def of(number: Whole, W: Real, loss: Loss) -> _Company:
        """At time zero from ``W`` (B, K, p)."""
        B, K, _ = W.shape
        here = Polar.of(W)
        return _Company(
            number=number,
            here=here,
            rates=fast_time.rates(here, loss),
            h=np.full(B, FIRST_STEP),
            time=np.zeros(B),
            budget=np.full(B, BUDGET),
            slope=np.full(B, np.nan),
            slope_time=np.zeros(B),
            slope_at=W.copy(),
            direction=here.U[:, 0].copy(),
            death_time=np.zeros(B),
            departure=np.full((B, K), -1),
            departures=np.zeros(B, dtype=np.int64),
        )

    def part(self, rows: Truth) -> _Company:
        """Some of the paths."""
        return _Company(**{name: value[rows] for name, value in vars(self).items()})

    def over(self, lone: float) -> Truth:
        """Who has nobody dead, falling or to be turned any more, or no steps left.

        The dead of a path whose others have almost come to rest stay where they are for long; the
        common flow does that in longer steps.
        """
        quiet = _speed(self.here, self.rates) < QUIET
        well = death.calm(self.here, self.rates, lone) | (self.here.dead & quiet[:, None])
        return np.asarray(np.all(well & (self.departure < 0), axis=-1) | (self.budget <= 0))

    def knows(self, rows: Whole, found: Steepest, time: Real, W: Real) -> None:
        """Keep what the least slope is."""
        self.slope[rows], self.direction[rows] = found.slope, found.direction
        self.slope_time[rows], self.slope_at[rows] = time, W


@dataclass
class _Step:
    """A step of all: where to, the rates and the time there, who makes it, and the factor by which
    the next one is longer."""

    to: Polar
    rates: Rates
    time: Real
    made: Truth
    growth: Real

    def repeat(self, rows: Truth | Whole, share: Real) -> None:
        """Not made by these paths, but to be tried again with this share of it."""
        self.made[rows] = False
        self.growth[rows] = share


class Passage:
    """Carries paths on until no student of theirs falls to zero or is there."""

    def __init__(self, teacher: Teacher, check: Callable[[], None] = lambda: None) -> None:
        self._teacher = teacher
        self._loss = Loss.of(teacher, NUMPY)
        self._lone = activation.lone(teacher.leak)
        self._slope_per_way = SLOPE_PER_WAY + abs(activation.tilt(teacher.leak))
        self._check = check

    def needed(
        self, W: Real, force: Real, gradient_norm: Real, steps: Whole, resting: Truth
    ) -> Truth:
        """Which paths of the common flow (B,) have a student that falls to zero, or dead ones that
        may leave.

        Parameters: ``W``, ``force`` (B, K, p) and the rest (B,) of the flow's state; ``resting``
        as for ``death.falling``.
        """
        found = death.falling(W, force, resting, self._lone)
        dead = death.has_dead(W)
        found |= dead & resting
        asked = dead & (steps % CHECK_STEPS == 0) & ~found
        if asked.any():
            found[asked] = self._due(W[asked], gradient_norm[asked])
        return found

    def stays(self, W: Real, force: Real, gradient_norm: Real) -> Truth:
        """Which paths (B,) have dead students that do not leave, and nobody else to carry."""
        dead = death.has_dead(W)
        stays = dead & ~death.falling(W, force, dead, self._lone)
        if stays.any():
            stays[stays] = ~self._due(W[stays], gradient_norm[stays])
        return stays

    def _due(self, W: Real, gradient_norm: Real) -> Truth:
        """Whether the dead of these networks leave now (B,)."""
        scale = self._scale(W)
        return death.leaves(steepest(W, self._teacher, scale).slope, scale, gradient_norm)

    def carry(self, numbers: Sequence[int], W: Real) -> Carried:
        """Follow paths until no student of theirs falls to zero, or their budget is spent.

        Parameters: ``W`` (B, K, p), where the paths of the starts ``numbers`` are. Those whose
        budget is spent may come back with dead students, of length ``fast_time.ZERO``. What
        becomes of a path depends on that path alone.
        """
        count = len(W)
        steps = np.zeros(count, dtype=np.int64)
        done = Carried(W.copy(), np.zeros(count), steps, death.has_dead(W))
        rows = np.arange(count)
        some = _Company.of(np.asarray(numbers, dtype=np.int64), W, self._loss)
        while len(rows):
            self._check()
            self._advance(some)
            done.steps[rows] += 1
            done.elapsed[rows] = some.time
            done.died[rows] |= np.any(some.here.dead, axis=-1)
            over = some.over(self._lone)
            if over.any():
                done.W[rows[over]] = some.here[over].W
                some, rows = some.part(~over), rows[~over]
        return done

    def _scale(self, W: Real) -> Real:
        """sqrt(L) (B,), the largest slope that there can be."""
        return np.asarray(np.sqrt(np.maximum(np.asarray(self._loss.value(W)), 0.0)))

    def _slope(self, some: _Company, here: Polar, rows: Whole) -> tuple[Steepest, Real, Real]:
        """The least slope at some of the places, sqrt(L) and the weights."""
        W = here[rows].W
        scale = self._scale(W)
        return steepest(W, self._teacher, scale, some.direction[rows]), scale, W

    def _advance(self, some: _Company) -> None:
        """Try a step for every path, and settle who dies, leaves or is turned at its end."""
        to, passed, error = fast_time.step(some.here, some.rates, some.h, self._loss)
        safe = np.where(np.isfinite(error), error, 1e10)
        growth = np.clip(0.9 * (safe + 1e-12) ** -0.2, 0.2, 5.0)
        # A NaN is not accepted.
        rates = fast_time.rates(to, self._loss)
        step = _Step(to, rates, some.time + passed, error <= 1.0, growth)
        turns = _turning(some, step)
        dies = self._die(some, step)
        leaves = self._leave(some, step, dies)
        turns &= step.made
        if turns.any():
            _turn_apart(some, step, turns)
        changed = dies | leaves | turns
        if changed.any():
            step.rates = fast_time.rates(step.to, self._loss)
        some.here = Polar.chosen(step.made, step.to, some.here)
        some.rates = Rates.chosen(step.made, step.rates, some.rates)
        some.time = np.where(step.made, step.time, some.time)
        some.h = np.where(changed, FIRST_STEP, some.h * step.growth)
        cost = np.where(np.any(some.here.dead, axis=-1), DEAD_STEP, 1)
        some.budget = np.where(changed, BUDGET, some.budget - cost)

    @staticmethod
    def _die(some: _Company, step: _Step) -> Truth:
        """Whose student dies at the end of this step (B,)."""
        died = death.dying(step.to, step.rates) & step.made[:, None]
        dies = np.asarray(np.any(died, axis=-1))
        step.to = Polar(step.to.log_length, step.to.U, step.to.dead | died)
        some.departure[died] = -1
        some.death_time = np.where(dies, step.time, some.death_time)
        return dies

    def _leave(self, some: _Company, step: _Step, dies: Truth) -> Truth:
        """Whose dead students leave at the end of this step (B,); a step too far is repeated."""
        leaving = np.zeros(len(dies), dtype=bool)
        way = np.sum(np.asarray(norms(step.to.W - some.slope_at, xp=NUMPY)), axis=-1)
        # Comparisons with a slope that is not known are false.
        positive = (some.slope > self._slope_per_way * way) & ~dies
        rows = np.nonzero(step.made & np.any(step.to.dead, axis=-1) & ~positive)[0]
        if not rows.size:
            return leaving
        found, scale, W = self._slope(some, step.to, rows)
        self._refresh(some, rows[(found.slope < 0.0) & ~dies[rows]])
        least = death.leaving_slope(scale)
        late = ~dies[rows] & (found.slope < LATEST * least) & (some.slope[rows] > least)
        fall = np.where(late, some.slope[rows] - found.slope, 1.0)
        share = (some.slope[rows] - 0.5 * (1.0 + LATEST) * least) / fall
        step.repeat(rows[late], np.clip(share, 0.1, 0.9)[late])
        speed = _speed(step.to[rows], step.rates[rows])
        goes = ~late & death.leaves(found.slope, scale, speed)
        gone = rows[goes]
        leaving[gone] = True
        since = step.time[gone] - some.slope_time[gone]
        fallen = np.where(dies[gone], np.nan, some.slope[gone]) - found.slope[goes]
        rate = fallen / np.where(since > 0.0, since, np.nan)
        dead_for = step.time[gone] - some.death_time[gone]
        length = death.length_by_now(found.slope[goes], rate, dead_for, self._lone)
        _depart(some, step, gone, length, found.direction[goes])
        kept = ~late
        few = Steepest(found.slope[kept], found.direction[kept])
        some.knows(rows[kept], few, step.time[rows[kept]], W[kept])
        some.slope[gone] = np.nan
        return leaving

    def _refresh(self, some: _Company, rows: Whole) -> None:
        """Learn the slope where these paths are, if it was last known before."""
        rows = rows[(some.slope_time[rows] < some.time[rows]) & np.isfinite(some.slope[rows])]
        if rows.size:
            found, _, W = self._slope(some, some.here, rows)
            some.knows(rows, found, some.time[rows], W)


def _speed(here: Polar, after: Rates) -> Real:
    """|grad L| of the living (B,)."""
    squared = here.lengths**2 * (after.log_length**2 + np.sum(after.U**2, axis=-1))
    return np.asarray(np.sqrt(np.sum(squared, axis=-1)) / after.time)


def _depart(some: _Company, step: _Step, rows: Whole, length: Real, direction: Real) -> None:
    """All dead students of these paths set out along one direction."""
    log_length, U, dead = step.to.log_length.copy(), step.to.U.copy(), step.to.dead.copy()
    for row, size, along in zip(rows.tolist(), length.tolist(), direction, strict=True):
        who = step.to.dead[row]
        log_length[row, who], U[row, who], dead[row, who] = np.log(size), along, False
        # In one dimension there is nowhere to turn.
        if np.count_nonzero(who) > 1 and U.shape[-1] > 1:
            some.departure[row, who] = some.departures[row]
        some.departures[row] += 1
    step.to = Polar(log_length, U, dead)


def _turning(some: _Company, step: _Step) -> Truth:
    """Who has students to turn apart at the end of this step (B,); one too far is repeated."""
    young = some.departure >= 0
    if not young.any():
        return np.zeros(len(young), dtype=bool)
    goal = np.log(death.TURN_LENGTH)
    before = np.max(np.where(young, some.here.log_length, goal - 1.0), axis=-1)
    now = np.max(np.where(young, step.to.log_length, goal - 1.0), axis=-1)
    past = step.made & (now > goal + TURN_ACCURACY)
    share = (goal - before) / np.where(past, now - before, 1.0)
    step.repeat(past, np.clip(share, 0.05, 1.0 - TURN_ACCURACY)[past])
    return np.asarray(now >= goal - TURN_ACCURACY)


def _turn_apart(some: _Company, step: _Step, turns: Truth) -> None:
    """Turn the students that have the length for it."""
    U = step.to.U.copy()
    grown = step.to.log_length >= np.log(death.TURN_LENGTH) - 2.0 * TURN_ACCURACY
    for row, i in np.argwhere((some.departure >= 0) & grown & turns[:, None]).tolist():
        number, departure = int(some.number[row]), int(some.departure[row, i])
        U[row, i] = death.turned(U[row, i], number, departure, i)
        some.departure[row, i] = -1
    step.to = Polar(step.to.log_length, U, step.to.dead)
