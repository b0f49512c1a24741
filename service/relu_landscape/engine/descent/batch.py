"""From starts to ends: gradient flow, then a guarded polish, in a batch that is kept full.

A member leaves the batch as soon as its gradient is small; its place is taken by the next start,
so nobody waits for the slowest. Those that left are polished together (quasi-Newton). A polished
point is credited to a path only where the path was demonstrably going (``crediting``); otherwise
the path flows on with a gradient tolerance four times smaller. Whoever knows the smallest
eigenvalue of the end (``landscape.catalogue``) repeats the first of those tests with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import crediting, creeping, death, global_set, quasi_newton
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.lanes import NativeFlow, ZeroLossCheck, minimiser
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.descent.passage import Passage
from relu_landscape.engine.lanes.native import Kernel
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
#: Paths that the native kernel gets at once, for each of its lanes: so many that the last ones,
#: which do not fill the lanes, are few.
PATHS_PER_LANE = 32
#: Entries of the largest temporary of a batch: 160 kB, so that a step stays in the second cache.
LANE_ENTRIES = 20_000


@dataclass(frozen=True)
class End:
    """End of one start.

    ``W`` (K, M) in the teacher's span; ``moved`` the distance of the last polish; ``aligned``
    whether the second or the third test of ``crediting`` held; ``path_end`` (K, M) where the path
    itself was then; ``died`` whether a student was zero on the way.
    """

    start: int
    outcome: Outcome
    W: NDArray[np.float64]
    path_end: NDArray[np.float64]
    moved: float
    aligned: bool
    steps: int
    died: bool = False


def lane_count(students: int, teachers: int, *, on_gpu: bool) -> int:
    """How many paths run side by side."""
    if on_gpu:
        return 16_384
    return max(8, min(512, LANE_ENTRIES // (students * max(students, teachers))))


@dataclass(frozen=True)
class Path:
    """A path on its way: its number, gradient tolerance, state (a batch of one), the step after
    which it counts as creeping, and whether a student of it has ``died``."""

    start: int
    tolerance: float
    state: flows.FlowState
    step_limit: int
    died: bool = False


class _Next(Enum):
    """What a path needs that leaves the batch without an end."""

    POLISH = "its gradient is small"
    DEATH = "a student falls to zero, or is there and may leave"


class Descent:
    """Runs paths to their ends. Everything about a path depends on that path alone."""

    def __init__(
        self,
        teacher: Teacher,
        students: int,
        *,
        xp: ArrayNamespace,
        flow_tolerance: float,
        on_gpu: bool = False,
        kernel: Kernel | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.teacher = teacher
        self.loss = Loss.of(teacher, xp)
        self._xp = xp
        self._lanes = lane_count(students, teacher.width, on_gpu=on_gpu)
        #: With fewer than these left, the slowest are worth handing back.
        self._few = self._lanes // 3
        self._check = check
        self._passage = Passage(teacher, check)
        self._crediting = crediting.Crediting.of(teacher)
        self._resting_gradient = self._crediting.resting_gradient(students)
        self._polished_gradient = self._crediting.polished_gradient(students)
        self._may_be_global = students > teacher.width
        self.method = flows.Flow(self.loss, flow_tolerance)
        self._minimise: Callable[..., quasi_newton.Polished] = quasi_newton.minimise
        if kernel is not None:
            due = ZeroLossCheck(GLOBAL_CHECK_STEPS, GLOBAL_CHECK_GRADIENT)
            asked = due if self._may_be_global else None
            self.method = NativeFlow(self.loss, flow_tolerance, teacher, kernel, asked)
            self._minimise = minimiser(kernel, teacher)
            self._few = kernel.lanes
            self._lanes = max(self._lanes, PATHS_PER_LANE * kernel.lanes)
        affordable = students * teacher.width <= creeping.MOST_WEIGHTS
        creeping_steps = CREEPING_STEPS if kernel is None else NATIVE_CREEPING_STEPS
        self._step_limit = creeping_steps if affordable else STEP_LIMIT

    def begin(
        self,
        starts: Sequence[int],
        W: NDArray[np.float64],
        *,
        gradient_tolerance: float = FIRST_GRADIENT_TOLERANCE,
    ) -> list[Path]:
        """Paths at time zero from ``W`` (B, K, p)."""
        paths = []
        for first in range(0, len(starts), self._lanes):
            state = self.method.init(self._xp.asarray(W[first : first + self._lanes]))
            paths += [
                Path(start, gradient_tolerance, self._take(state, [row]), self._step_limit)
                for row, start in enumerate(starts[first : first + self._lanes])
            ]
        return paths

    def run(
        self,
        paths: Sequence[Path],
        *,
        hand_back: bool = False,
        strict: bool = False,
    ) -> tuple[list[End], list[int]]:
        """Follow paths to their ends; returns the ends, and the starts handed back unfinished.

        With ``hand_back``, when nothing waits any more and the batch is less than a third full,
        the slowest are given back to be run again together with the slowest of others. With
        ``strict`` the first test of ``crediting`` is left out.
        """
        ends: list[End] = []
        waiting = list(paths)
        # Of this batch, not of the lanes: two thirds are always finished, so packing ends.
        few = min(self._few, len(waiting) // 3)
        running: list[Path] = []  # number and tolerance; the states are in `batch`
        batch: flows.FlowState | None = None
        ready: list[Path] = []
        falling: list[Path] = []
        while waiting or running or ready or falling:
            self._check()
            free = self._lanes - len(running)
            # Refilling copies the batch; a quarter of free places is worth that.
            if waiting and (not running or free >= self._lanes // 4):
                new, waiting = waiting[:free], waiting[free:]
                parts = [path.state for path in new]
                if batch is not None and running:
                    parts.insert(0, batch)
                batch = flows.join(parts, xp=self._xp)
                running += new
            if running and batch is not None:
                batch, running, leaving = self._advance(batch, running)
                for path, reason in leaving:
                    if reason is _Next.POLISH:
                        ready.append(path)
                    elif reason is _Next.DEATH:
                        falling.append(path)
                    elif reason is Outcome.STEP_LIMIT:
                        crept = self._creep(path, strict=strict)
                        if isinstance(crept, Path):
                            waiting.append(crept)
                        else:
                            ends.append(crept)
                    else:
                        ends.append(self._end(path, reason, path.state.W))
            if falling and (len(falling) >= self._lanes or not running):
                over, waiting_again = self._past_death(falling)
                ends, waiting, falling = [*ends, *over], [*waiting, *waiting_again], []
            # Polishing wants company, but those left behind should not wait for the slowest.
            enough = self._lanes if waiting else len(running) // 2
            if ready and len(ready) >= enough:
                polished, failed = self._polish(ready, strict=strict)
                ends += polished
                waiting += failed
                ready = []
            if hand_back and not ready and not falling and len(waiting) + len(running) < few:
                return ends, sorted(path.start for path in [*waiting, *running])
        return ends, []

    def _advance(
        self, batch: flows.FlowState, running: list[Path]
    ) -> tuple[flows.FlowState, list[Path], list[tuple[Path, Outcome | _Next]]]:
        """On until something may have to be decided; who stays, and who leaves with what."""
        batch = self.method.advance(batch, running)
        leave, reasons = self._leaving(batch, running)
        if not leave.any():
            return batch, running, []
        leaving = [
            (replace(running[row], state=self._take(batch, [row])), reasons[row])
            for row in np.nonzero(leave)[0].tolist()
        ]
        stay = np.nonzero(~leave)[0]
        return self._take(batch, stay), [running[row] for row in stay], leaving

    def _take(
        self, batch: flows.FlowState, positions: NDArray[np.int64] | list[int]
    ) -> flows.FlowState:
        return flows.take(batch, self._xp.asarray(np.asarray(positions)), xp=self._xp)

    def _leaving(
        self, batch: flows.FlowState, running: Sequence[Path]
    ) -> tuple[NDArray[np.bool_], list[Outcome | _Next]]:
        """Who leaves the batch, and with which outcome or for what."""
        xp = self._xp
        gradient_norm = on_host(batch.gradient_norm)
        steps = on_host(batch.steps)
        outcomes: list[Outcome | _Next] = [_Next.POLISH] * len(steps)
        leave = gradient_norm <= np.asarray([path.tolerance for path in running])
        limits = np.asarray([path.step_limit for path in running])
        arrived = np.zeros(len(steps), dtype=bool)
        if self._may_be_global:
            due = (steps % GLOBAL_CHECK_STEPS == 0) & (gradient_norm < GLOBAL_CHECK_GRADIENT)
            if due.any():
                positions = np.nonzero(due)[0]
                W = xp.take(batch.W, xp.asarray(positions), axis=0)
                arrived[positions] = self._reached_global(W)
        shortest = on_host(xp.min(self.loss.norms(batch.W), axis=-1))
        zero = (shortest < death.SHORT) & (steps < limits)
        if zero.any():
            zero[zero] = self._passage.needed(
                on_host(batch.W)[zero], on_host(batch.force)[zero], gradient_norm[zero],
                steps[zero], leave[zero],
            )  # fmt: skip
        for reason, hit in (
            (_Next.DEATH, zero),
            (Outcome.STEP_LIMIT, (steps >= limits) & ~leave),
            (Outcome.GLOBAL_SET, arrived),
            (Outcome.NOT_FINITE, ~np.isfinite(gradient_norm)),
        ):
            for position in np.nonzero(hit)[0]:
                leave[position] = True
                outcomes[position] = reason
        return leave, outcomes

    def _past_death(self, falling: list[Path]) -> tuple[list[End], list[Path]]:
        """Carry paths past the deaths of their students; those whose dead have nowhere to go flow
        on to a smaller gradient, and end where that is nothing but rounding."""
        ends, again, moving = [], [], []
        state = flows.join([path.state for path in falling], xp=self._xp)
        W, norms = on_host(state.W), on_host(state.gradient_norm)
        stays = self._passage.stays(W, on_host(state.force), norms)
        for row, path in enumerate(falling):
            if not stays[row]:
                moving.append(path)
            elif norms[row] <= self._resting_gradient:
                ends.append(self._end(path, Outcome.VANISHED, path.state.W))
            else:
                again.append(replace(path, tolerance=path.tolerance / GRADIENT_FACTOR))
        if moving:
            again += self._carried(moving, W[~stays])
        return ends, again

    def _carried(self, paths: list[Path], W: NDArray[np.float64]) -> list[Path]:
        """Paths at ``W`` (B, K, p) where nobody dies any more, at time zero of their new life."""
        carried = self._passage.carry([path.start for path in paths], W)
        state = self.method.init(self._xp.asarray(carried.W))
        found = []
        for row, path in enumerate(paths):
            steps = path.state.steps + int(carried.steps[row])
            own = replace(self._take(state, [row]), steps=steps)
            limit = min(path.step_limit + int(on_host(steps)[0]), STEP_LIMIT)  # not creeping yet
            died = path.died or bool(carried.died[row])
            found.append(replace(path, state=own, step_limit=limit, died=died))
        return found

    def _creep(self, path: Path, *, strict: bool) -> End | Path:
        """Follow a creeping path to its end with the whole Hessian implicit.

        A path with a short student has no use for its Hessian: it comes back to be followed as
        before, as does one whose student falls to zero on the way.
        """
        point = on_host(path.state.W)[0]
        if not creeping.SlowFlow.suits(point, self.teacher):
            if path.step_limit < STEP_LIMIT:
                return replace(path, step_limit=STEP_LIMIT)
            return self._end(path, Outcome.STEP_LIMIT, path.state.W)
        crawl = creeping.SlowFlow(self.teacher, point, float(on_host(path.state.step_size)[0]))
        here = path
        while crawl.steps < creeping.STEP_LIMIT:
            self._check()
            if not crawl.step():
                continue
            W = self._xp.asarray(crawl.W[None])
            rests = np.asarray([crawl.gradient_norm <= here.tolerance])
            if death.falling(crawl.W[None], crawl.force[None], rests)[0]:
                state = replace(self.method.init(W), steps=path.state.steps + crawl.steps)
                return replace(path, state=state, step_limit=STEP_LIMIT)
            if self._may_be_global and bool(self._reached_global(W)[0]):
                return self._end(path, Outcome.GLOBAL_SET, W)
            if crawl.gradient_norm <= here.tolerance:
                state = replace(self.method.init(W), steps=path.state.steps + crawl.steps)
                here = replace(here, state=state)
                ends, again = self._polish([here], strict=strict)
                if ends:
                    return ends[0]
                here = again[0]
        return self._end(here, Outcome.STEP_LIMIT, here.state.W)

    def _reached_global(self, W: Array) -> NDArray[np.bool_]:
        reached = global_set.reached(W, self.loss, self._crediting.separation)
        return np.asarray(on_host(reached), dtype=np.bool_)

    def _polish(self, ready: list[Path], *, strict: bool) -> tuple[list[End], list[Path]]:
        """Polish paths together; those whose polish is not believed flow on."""
        xp = self._xp
        state = flows.join([path.state for path in ready], xp=xp)
        polished = self._minimise(
            self.loss, state.W, tolerance=self._polished_gradient, iterations=POLISH_ITERATIONS,
            reach=self._crediting.longest_polish,
        )  # fmt: skip
        way = state.W - polished.W
        distance = on_host(frobenius(way, xp=xp))
        work = on_host(-xp.sum(state.force * way, axis=(-2, -1)))
        residual = on_host(polished.gradient_norm)
        path_gradient = on_host(state.gradient_norm)
        ends, again = [], []
        for row, path in enumerate(ready):
            moved, done = float(distance[row]), float(work[row])
            aligned = self._crediting.aligned(moved, done, float(path_gradient[row]))
            near = not strict and self._crediting.near(moved, done)
            if residual[row] <= self._polished_gradient and (near or aligned):
                ends.append(self._end(path, None, polished.W[row : row + 1], moved, aligned))
            elif path_gradient[row] <= self._resting_gradient:
                ends.append(self._at_rest(path))
            else:
                smaller = max(path.tolerance / GRADIENT_FACTOR, self._resting_gradient)
                again.append(replace(path, tolerance=smaller))
        return ends, again

    def _at_rest(self, path: Path) -> End:
        """The end of a path that does not move any more, and that no polish has explained."""
        W = on_host(path.state.W)[0]
        if W.shape[0] * self.teacher.width <= creeping.MOST_WEIGHTS:
            point = crediting.settled(W, self.teacher)
            if point is not None:
                moved = float(np.linalg.norm(point - W))
                return self._end(path, None, self._xp.asarray(point[None]), moved, aligned=True)
        return self._end(path, None, path.state.W)

    def _end(
        self,
        path: Path,
        outcome: Outcome | None,
        W: Array,
        moved: float = 0.0,
        aligned: bool = False,
    ) -> End:
        M = self.teacher.width
        point = on_host(W)[0]
        if outcome is None:
            outcome = Outcome.FIXED_POINT
            # A perpendicular part decays to the polish's accuracy at every isolated fixed point.
            if point.shape[1] > M and np.linalg.norm(point[:, M:]) > 1e-5:
                outcome = Outcome.OUTSIDE_SPAN
        here = on_host(path.state.W)[0]
        beside = float(np.linalg.norm(here[:, M:])) if outcome is Outcome.FIXED_POINT else 0.0
        return End(
            start=path.start,
            outcome=outcome,
            W=point[:, :M].copy(),
            path_end=here[:, :M].copy(),
            moved=math.hypot(moved, beside),
            aligned=aligned,
            steps=int(on_host(path.state.steps)[0]),
            died=path.died,
        )
