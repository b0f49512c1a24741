"""From starts to ends: gradient flow, then a guarded polish, in a batch that is kept full.

A member leaves the batch as soon as its gradient is small; its place is taken by the next start,
so nobody waits for the slowest. Those that left are polished together (quasi-Newton). A polished
point is credited to a path only where the path was demonstrably going (``crediting``); otherwise
the path flows on with a gradient tolerance four times smaller. Whoever knows the smallest
eigenvalue of the end (``landscape.catalogue``) repeats the first of those tests with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import crediting, creeping, death, global_set, quasi_newton
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.company import Company, Queue, Real, together
from relu_landscape.engine.descent.ends import End, ends_of
from relu_landscape.engine.descent.held import Held
from relu_landscape.engine.descent.lanes import NativeFlow, ZeroLossCheck, minimiser
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.descent.passage import Passage
from relu_landscape.engine.descent.single import MixedFlow
from relu_landscape.engine.lanes.follower import PathKernel
from relu_landscape.engine.model.arrays import Array, ArrayNamespace, on_host
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.stiff import frobenius
from relu_landscape.engine.model.teacher import Teacher

FIRST_GRADIENT_TOLERANCE = 2e-4
GRADIENT_FACTOR = 4.0
#: The polish needs 20 to 40 evaluations near well-conditioned minima (K = 8 to 32).
POLISH_ITERATIONS = 80
GLOBAL_CHECK_STEPS = 8
#: At loss 1e-6 the gradient is about 3e-4 (K = 9 to 19).
GLOBAL_CHECK_GRADIENT = 2e-3
STEP_LIMIT = 20_000
#: Steps after which a path counts as creeping and is followed alone (``creeping``): a few Hessians
#: (0.1 to 0.5 s at K = 17) instead of 3,000 to 20,000 further steps. One path in twenty at
#: K = 18, M = 17; one in a thousand where K = M.
CREEPING_STEPS = 1_200
#: The same for the native kernel, which makes hundreds of steps in the time of one Hessian.
NATIVE_CREEPING_STEPS = 6_000
#: Entries of the largest temporary of a batch: 160 kB, so that a step stays in the second cache.
LANE_ENTRIES = 20_000


def lane_count(students: int, teachers: int) -> int:
    """How many paths are followed side by side by arrays."""
    return max(8, min(512, LANE_ENTRIES // (students * max(students, teachers))))


class _Why(IntEnum):
    """Why a path leaves the batch; a later reason takes the place of an earlier one."""

    STAYS = 0
    POLISH = 1  # its gradient is small
    DEATH = 2  # a student falls to zero, or is there and may leave
    STEP_LIMIT = 3
    GLOBAL_SET = 4
    NOT_FINITE = 5


class Descent:
    """Runs paths to their ends. Everything about a path depends on that path alone.

    ``is_mixed``: the native kernel follows their beginning in single precision (``single``).
    """

    def __init__(
        self,
        teacher: Teacher,
        students: int,
        *,
        xp: ArrayNamespace,
        flow_tolerance: float,
        kernel: PathKernel | None = None,
        is_mixed: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.teacher = teacher
        self.loss = Loss.of(teacher, xp)
        self._xp = xp
        self._lanes = lane_count(students, teacher.width)
        #: With fewer than these left, the slowest are worth handing back. (A third of the lanes
        #: takes as much time, and gives back up to twice as many, each with its weights.)
        self._few = max(2, self._lanes // 8)
        self._check = check
        #: Starts whose time began anew: carried past a death, or crept.
        self.untimed: set[int] = set()
        self._passage = Passage(teacher, check)
        self._crediting = crediting.Crediting.of(teacher)
        self._resting_gradient = self._crediting.resting_gradient(students)
        self._polished_gradient = self._crediting.polished_gradient(students)
        self._may_be_global = students > teacher.width
        self.method = flows.Flow(self.loss, flow_tolerance)
        self._kernel: PathKernel | None = None
        self._minimise: Callable[..., quasi_newton.Polished] = quasi_newton.minimise
        if kernel is not None:
            due = ZeroLossCheck(GLOBAL_CHECK_STEPS, GLOBAL_CHECK_GRADIENT)
            asked = due if self._may_be_global else None
            if is_mixed:
                self.method = MixedFlow(self.loss, flow_tolerance, teacher, kernel, asked)
            else:
                self.method = NativeFlow(self.loss, flow_tolerance, teacher, kernel, asked)
            self._minimise = minimiser(kernel, teacher)
            self._few = kernel.lanes
            self._kernel = kernel
        affordable = students * teacher.width <= creeping.MOST_WEIGHTS
        creeping_steps = CREEPING_STEPS if kernel is None else NATIVE_CREEPING_STEPS
        self._step_limit = creeping_steps if affordable else STEP_LIMIT

    def begin(
        self,
        starts: Sequence[int],
        W: Real,
        *,
        gradient_tolerance: float = FIRST_GRADIENT_TOLERANCE,
    ) -> list[Company]:
        """Paths at time zero from ``W`` (B, K, p)."""
        numbers = np.asarray(starts, dtype=np.int64)
        self._measure(W)
        return [
            self._company(
                numbers[first : first + self._lanes],
                self.method.begin(self._xp.asarray(W[first : first + self._lanes])),
                gradient_tolerance,
            )
            for first in range(0, len(numbers), self._lanes)
        ]

    def resume(self, held: Held) -> list[Company]:
        """Paths that ``run`` gave back, wherever that was."""
        self._measure(held.W)
        return [
            held.part(first, first + self._lanes).company(self.method, self._xp)
            for first in range(0, len(held), self._lanes)
        ]

    def held(self, unfinished: Sequence[Company]) -> Held | None:
        """What ``run`` gave back, as arrays that can travel; None: nothing."""
        return Held.of(together(unfinished), self.method) if unfinished else None

    def _measure(self, W: Real) -> None:
        """How many paths are followed side by side, from what one is."""
        if self._kernel is not None:
            _, students, coordinates = W.shape
            self._lanes = self._kernel.paths_at_once(self.teacher, students, coordinates)

    def _company(
        self, numbers: NDArray[np.int64], state: flows.FlowState, tolerance: float
    ) -> Company:
        self._check()
        count = len(numbers)
        return Company(
            numbers, np.full(count, tolerance), np.full(count, self._step_limit),
            np.zeros(count, dtype=bool), state, self._xp,
        )  # fmt: skip

    def run(
        self,
        paths: Sequence[Company],
        *,
        hand_back: bool = False,
        strict: bool = False,
    ) -> tuple[list[End], list[Company]]:
        """Follow paths to their ends; returns the ends, and the paths handed back unfinished.

        With ``hand_back``, when nothing waits any more and the batch is nearly empty, the slowest
        are given back to go on together with the slowest of others. With ``strict`` the first test
        of ``crediting`` is left out.
        """
        ends: list[End] = []
        waiting, ready, falling = Queue(paths), Queue(), Queue()
        # Of this batch, not of the lanes: two thirds are always finished, so packing ends.
        few = min(self._few, len(waiting) // 3)
        running: Company | None = None
        while True:
            self._check()
            busy = len(running) if running is not None else 0
            if not (len(waiting) or busy or len(ready) or len(falling)):
                return ends, []
            free = self._lanes - busy
            # Refilling copies the batch; a quarter of free places is worth that.
            if len(waiting) and (not busy or free >= self._lanes // 4):
                parts = waiting.pop(free)
                running = together(parts if running is None else [running, *parts])
            if running is not None:
                running, leaving = self._advance(running)
                ready.put(leaving.get(_Why.POLISH))
                falling.put(leaving.get(_Why.DEATH))
                ends += self._over(leaving)
                if (slow := leaving.get(_Why.STEP_LIMIT)) is not None:
                    for row in range(len(slow)):
                        crept = self._creep(slow.take(np.asarray([row])), strict=strict)
                        if isinstance(crept, Company):
                            waiting.put(crept)
                        else:
                            ends.append(crept)
            busy = len(running) if running is not None else 0
            if len(falling) and (len(falling) >= self._lanes or not busy):
                over, again = self._past_death(falling.all())
                ends += over
                for part in again:
                    waiting.put(part)
            # Polishing wants company, but those left behind should not wait for the slowest.
            if len(ready) and len(ready) >= (self._lanes if len(waiting) else busy // 2):
                polished, failed = self._polish(ready.all(), strict=strict)
                ends += polished
                waiting.put(failed)
            left = len(waiting) + busy
            if hand_back and not len(ready) and not len(falling) and left < few:
                waiting.put(running)
                return ends, waiting.pop(left)

    def _advance(self, company: Company) -> tuple[Company | None, dict[_Why, Company]]:
        """On until something may have to be decided; who stays, and who leaves for what."""
        state = self.method.advance(company.state, company.tolerance, company.step_limit)
        company = company.moved(state)
        reasons = self._leaving(company)
        leaving: dict[_Why, Company] = {
            why: company.take(reasons == why) for why in list(_Why)[1:] if np.any(reasons == why)
        }
        stays = reasons == _Why.STAYS
        return (company.take(stays) if stays.any() else None), leaving

    def _leaving(self, company: Company) -> NDArray[np.int64]:
        """Of each path a ``_Why``."""
        xp, batch = self._xp, company.state
        gradient_norm = on_host(batch.gradient_norm)
        steps = on_host(batch.steps)
        small = gradient_norm <= company.tolerance
        at_limit = steps >= company.step_limit
        reasons = np.where(small, _Why.POLISH, _Why.STAYS)
        shortest = on_host(xp.min(self.loss.norms(batch.W), axis=-1))
        zero = np.flatnonzero((shortest < death.SHORT) & ~at_limit)
        if zero.size:
            needed = self._passage.needed(
                on_host(batch.W)[zero], on_host(batch.force)[zero], gradient_norm[zero],
                steps[zero], small[zero],
            )  # fmt: skip
            reasons[zero[needed]] = _Why.DEATH
        reasons[at_limit & ~small] = _Why.STEP_LIMIT
        if self._may_be_global:
            due = (steps % GLOBAL_CHECK_STEPS == 0) & (gradient_norm < GLOBAL_CHECK_GRADIENT)
            rows = np.flatnonzero(due)
            if rows.size:
                reached = self._reached_global(xp.take(batch.W, xp.asarray(rows), axis=0))
                reasons[rows[reached]] = _Why.GLOBAL_SET
        reasons[~np.isfinite(gradient_norm)] = _Why.NOT_FINITE
        return reasons

    def _over(self, leaving: Mapping[_Why, Company]) -> list[End]:
        """Ends of paths that nothing can be done for, or need be."""
        ends: list[End] = []
        for why, outcome in (
            (_Why.GLOBAL_SET, Outcome.GLOBAL_SET),
            (_Why.NOT_FINITE, Outcome.NOT_FINITE),
        ):
            if (company := leaving.get(why)) is not None:
                ends += self._at_once(company, outcome)
        return ends

    def _at_once(self, company: Company, outcome: Outcome | None) -> list[End]:
        """Ends where the paths are."""
        return ends_of(company, outcome, on_host(company.state.W), self.teacher.width)

    def _past_death(self, falling: Company) -> tuple[list[End], list[Company]]:
        """Carry paths past the deaths of their students; those whose dead have nowhere to go flow
        on to a smaller gradient, and end where that is nothing but rounding."""
        state = falling.state
        W, norms = on_host(state.W), on_host(state.gradient_norm)
        stays = self._passage.stays(W, on_host(state.force), norms)
        rests = stays & (norms <= self._resting_gradient)
        ends = self._at_once(falling.take(rests), Outcome.VANISHED) if rests.any() else []
        again = []
        if (on := stays & ~rests).any():
            company = falling.take(on)
            again.append(replace(company, tolerance=company.tolerance / GRADIENT_FACTOR))
        if not stays.all():
            again.append(self._carried(falling.take(~stays), W[~stays]))
        return ends, again

    def _carried(self, company: Company, W: Real) -> Company:
        """Paths at ``W`` (B, K, p) where nobody dies any more, at time zero of their new life."""
        self.untimed.update(company.start.tolist())
        carried = self._passage.carry(company.start.tolist(), W)
        state = self.method.init(self._xp.asarray(carried.W))
        steps = on_host(company.state.steps) + carried.steps
        limits = np.minimum(company.step_limit + steps, STEP_LIMIT)  # not creeping yet
        return Company(
            company.start, company.tolerance, limits, company.died | carried.died,
            replace(state, steps=self._xp.asarray(steps)), self._xp,
        )  # fmt: skip

    def _creep(self, path: Company, *, strict: bool) -> End | Company:
        """Follow a creeping path to its end with the whole Hessian implicit.

        A path with a short student has no use for its Hessian: it comes back to be followed as
        before, as does one whose student falls to zero on the way.
        """
        point = on_host(path.state.W)[0]
        limit = np.full(1, STEP_LIMIT)
        if not creeping.SlowFlow.suits(point, self.teacher):
            if path.step_limit[0] < STEP_LIMIT:
                return replace(path, step_limit=limit)
            return self._at_once(path, Outcome.STEP_LIMIT)[0]
        self.untimed.update(path.start.tolist())
        crawl = creeping.SlowFlow(self.teacher, point, float(on_host(path.state.step_size)[0]))
        steps, here = on_host(path.state.steps), path
        while crawl.steps < creeping.STEP_LIMIT:
            self._check()
            if not crawl.step():
                continue
            W = self._xp.asarray(crawl.W[None])
            rests = np.asarray([crawl.gradient_norm <= here.tolerance[0]])
            if death.falling(crawl.W[None], crawl.force[None], rests)[0]:
                return replace(here.moved(self._state_at(W, steps, crawl)), step_limit=limit)
            if self._may_be_global and bool(self._reached_global(W)[0]):
                state = self._state_at(W, steps, crawl)
                return self._at_once(here.moved(state), Outcome.GLOBAL_SET)[0]
            if rests[0]:
                here = here.moved(self._state_at(W, steps, crawl))
                ends, again = self._polish(here, strict=strict)
                if again is None:
                    return ends[0]
                here = again
        return self._at_once(here, Outcome.STEP_LIMIT)[0]

    def _state_at(
        self, W: Array, steps: NDArray[np.int64], crawl: creeping.SlowFlow
    ) -> flows.FlowState:
        state = self.method.init(W)
        return replace(state, steps=self._xp.asarray(steps + crawl.steps))

    def _reached_global(self, W: Array) -> NDArray[np.bool_]:
        reached = global_set.reached(W, self.loss, self._crediting.separation)
        return np.asarray(on_host(reached), dtype=np.bool_)

    def _polish(self, ready: Company, *, strict: bool) -> tuple[list[End], Company | None]:
        """Polish paths together; the ends, and those whose polish is not believed."""
        xp, state, M = self._xp, ready.state, self.teacher.width
        polished = self._minimise(
            self.loss, state.W, tolerance=self._polished_gradient, iterations=POLISH_ITERATIONS,
            reach=self._crediting.longest_polish,
        )  # fmt: skip
        way = state.W - polished.W
        moved = on_host(frobenius(way, xp=xp))
        work = on_host(-xp.sum(state.force * way, axis=(-2, -1)))
        residual = on_host(polished.gradient_norm)
        gradient = on_host(state.gradient_norm)
        aligned = self._crediting.aligned(moved, work, gradient)
        credited = aligned if strict else aligned | self._crediting.near(moved, work)
        credited &= residual <= self._polished_gradient
        rests = ~credited & (gradient <= self._resting_gradient)
        ends: list[End] = []
        if credited.any():
            rows = np.flatnonzero(credited)
            W = on_host(polished.W)[rows]
            ends += ends_of(ready, None, W, M, moved[rows], aligned[rows], rows)
        for row in np.flatnonzero(rests):
            ends.append(self._at_rest(ready.take(np.asarray([row]))))
        again = ~credited & ~rests
        if not again.any():
            return ends, None
        on = ready.take(again)
        smaller = np.maximum(on.tolerance / GRADIENT_FACTOR, self._resting_gradient)
        return ends, replace(on, tolerance=smaller)

    def _at_rest(self, path: Company) -> End:
        """The end of a path that does not move any more, and that no polish has explained."""
        W = on_host(path.state.W)[0]
        if W.shape[0] * self.teacher.width <= creeping.MOST_WEIGHTS:
            point = crediting.settled(W, self.teacher)
            if point is not None:
                moved = np.asarray([np.linalg.norm(point - W)])
                is_aligned = np.ones(1, dtype=bool)
                width = self.teacher.width
                return ends_of(path, None, point[None], width, moved, is_aligned)[0]
        return self._at_once(path, None)[0]
