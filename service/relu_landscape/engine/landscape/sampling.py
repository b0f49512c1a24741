"""The sampled side: follow random starts, follow some again, leave saddles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descent.batch import (
    FIRST_GRADIENT_TOLERANCE,
    Descent,
    lane_count,
)
from relu_landscape.engine.descent.company import Company
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.held import Held, joined
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.ends import EndGroup, Ends, grouped
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points import classify
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import NumericalError

Real = NDArray[np.float64]

#: A second look at a path begins with a gradient this much smaller.
STRICT_FACTOR = 16.0
STRICT_GRADIENT = FIRST_GRADIENT_TOLERANCE / STRICT_FACTOR
#: Distance at which a path is put beside a saddle, in units of the teacher's separation. The
#: closest minimum known is 1e-3 from its saddle. The noise takes it off symmetric ridges, on which
#: other saddles lie.
PUSH = 1e-4
PUSH_NOISE = 1e-7
#: The smallest task for a fast runner is this part of what it does in the time in which arrays on
#: one core follow a batch: less would not fill a GPU.
LEAST_SHARE = 16
#: The last slow starts are shared out among up to ``LAST_TASKS`` tasks, each of which gets so many
#: at least. Fewer leave most lanes empty, for the time of the slowest: 37 of them at K = 17 took
#: 0.38 s in four tasks, 0.25 s in two. Where K > M most of them creep, one after the other, and
#: half as many do: 43 of them at K = 18, M = 17 took 9.1 s in two tasks, the longer one 6.9 s, and
#: 10.4 s in three, the longest 4.6 s.
LAST_TASKS = 4
TOGETHER = 32


def new_descent(problem: Problem, backend: Backend) -> Descent:
    """The integrator of this problem on the chosen backend."""
    return Descent(
        problem.teacher,
        problem.students,
        xp=backend.xp,
        flow_tolerance=problem.flow_tolerance,
        kernel=backend.kernel,
        is_mixed=problem.precision == "float32",
    )


def draw_starts(problem: Problem, numbers: Sequence[int]) -> Real:
    """Starts (B, K, p) with the given numbers."""
    return starts.draw(
        numbers,
        seed=problem.seed,
        students=problem.students,
        teacher=problem.teacher,
        dimension=problem.dimension,
        scale=problem.scale,
    )


@dataclass(frozen=True, kw_only=True)
class Sample(Task[Problem, Ends]):
    """Follow the starts with these ``numbers`` to their ends.

    With ``hand_back`` the slowest come back unfinished, to go on packed together (``Resume``).
    """

    kind: ClassVar[str] = "sample"
    answer: ClassVar[type[Ends]] = Ends

    numbers: tuple[int, ...]
    hand_back: bool

    @property
    def starts(self) -> int:
        return len(self.numbers)

    def run(self, problem: Problem, backend: Backend) -> Ends:
        descent = new_descent(problem, backend)
        # The radius inside which a certificate attributes an end is some ten times smaller than the
        # one inside which it demonstrably belongs there.
        first = FIRST_GRADIENT_TOLERANCE if problem.certify == "none" else STRICT_GRADIENT
        drawn = draw_starts(problem, self.numbers)
        paths = descent.begin(self.numbers, drawn, gradient_tolerance=first)
        return _followed(problem, descent, paths, hand_back=self.hand_back)


@dataclass(frozen=True, kw_only=True)
class Resume(Task[Problem, Ends]):
    """Go on with paths that other tasks handed back; see ``Sample``."""

    kind: ClassVar[str] = "resume"
    answer: ClassVar[type[Ends]] = Ends

    held: Held
    hand_back: bool

    def run(self, problem: Problem, backend: Backend) -> Ends:
        descent = new_descent(problem, backend)
        paths = descent.resume(self.held)
        return _followed(problem, descent, paths, hand_back=self.hand_back)


def _followed(
    problem: Problem, descent: Descent, paths: Sequence[Company], *, hand_back: bool
) -> Ends:
    ends, unfinished = descent.run(paths, hand_back=hand_back)
    return grouped(problem, ends, descent.held(unfinished))


@dataclass(frozen=True, kw_only=True)
class Follow(Task[Problem, Ends]):
    """Follow starts again with strict crediting, for those whose end was in doubt."""

    kind: ClassVar[str] = "follow"
    answer: ClassVar[type[Ends]] = Ends

    numbers: tuple[int, ...]

    def run(self, problem: Problem, backend: Backend) -> Ends:
        return grouped(problem, _strict_ends(problem, self.numbers, backend))


@dataclass(frozen=True, kw_only=True)
class Escape(Task[Problem, Ends]):
    """Leave the saddles at which starts came to rest, on both sides; credit the path's own side.

    A path that rests at a saddle is still off it by a rounding-sized amount; the sign of its
    component along the unstable directions says where the flow would have taken it. The other
    side's end is reported without a hit. A start is pushed ``rounds`` times at most.
    """

    kind: ClassVar[str] = "escape"
    answer: ClassVar[type[Ends]] = Ends

    numbers: tuple[int, ...]
    rounds: int

    def run(self, problem: Problem, backend: Backend) -> Ends:
        descent = new_descent(problem, backend)
        credited: list[End] = []
        other: list[End] = []
        for end in _strict_ends(problem, self.numbers, backend):
            current = end
            for attempt in range(self.rounds):
                if current.outcome is not Outcome.FIXED_POINT:
                    break
                try:
                    sides = _sides(problem, current, attempt)
                except NumericalError:  # no fixed point beside it: classifying it says so
                    break
                if sides is None:
                    break
                paths = descent.begin([end.start, end.start + problem.starts], sides)
                found, _ = descent.run(paths, strict=True)
                found.sort(key=lambda item: item.start)
                current = found[0]
                other.append(found[1])
            credited.append(current)
        found_here = grouped(problem, credited)
        without_hits = [_without_hits(problem, group) for group in grouped(problem, other).groups]
        return replace(found_here, groups=(*found_here.groups, *without_hits))


def _without_hits(problem: Problem, group: EndGroup) -> EndGroup:
    """Ends of the other sides: the same point, reached by nobody."""
    start = group.start - problem.starts
    return replace(group, start=start, members=(), moved=np.zeros(0), aligned=())


def _strict_ends(problem: Problem, numbers: Sequence[int], backend: Backend) -> list[End]:
    descent = new_descent(problem, backend)
    drawn = draw_starts(problem, numbers)
    paths = descent.begin(numbers, drawn, gradient_tolerance=STRICT_GRADIENT)
    return descent.run(paths, strict=True)[0]


def _sides(problem: Problem, end: End, attempt: int) -> Real | None:
    """Two weights (2, K, p) beside the saddle at ``end``, the path's own side first."""
    point = classify.classify(end.W, problem.teacher)
    span, perpendicular = classify.unstable_directions(point, problem.teacher)
    rng = np.random.Generator(
        np.random.Philox(key=[problem.seed, 1], counter=[0, 0, attempt, end.start])
    )
    K, M = point.W.shape
    columns = min(K, problem.perpendicular_copies)
    base = np.concatenate([point.W, np.zeros((K, columns))], axis=1)
    direction = np.zeros_like(base)
    if len(span):
        components = np.tensordot(span, end.path_end - point.W, axes=([1, 2], [0, 1]))
        if np.linalg.norm(components) < 1e-13:
            components = np.eye(len(span))[0]
        chosen = np.tensordot(components, span, axes=1)
        direction[:, :M] = chosen / np.linalg.norm(chosen)
    elif len(perpendicular) and columns:
        direction[:, M] = perpendicular[0]
    else:
        return None
    noise = rng.standard_normal((2, *base.shape))
    near = problem.separation
    return base + near * PUSH * np.stack([direction, -direction]) + near * PUSH_NOISE * noise


def follow_starts(
    problem: Problem,
    phases: Phases,
    *,
    chunk_starts: int | None,
    seen: Callable[[Ends], None],
) -> list[Ends]:
    """Follow every start to its end; the slowest are packed together in later rounds.

    ``chunk_starts``: starts per task of the first round (default: about a second of work);
    ``seen`` is told every answer.
    """
    lanes = lane_count(problem.students, problem.teachers)
    pace = phases.pace
    least = max(lanes // 2, pace * lanes // LEAST_SHARE)
    chunk = chunk_starts or min(3 * pace * lanes, max(least, -(-problem.starts // 8)))
    tasks = [
        Sample(
            key=f"sample/0/{chunk}/{first}",
            numbers=tuple(range(first, min(first + chunk, problem.starts))),
            hand_back=True,
        )
        for first in range(0, problem.starts, chunk)
    ]
    answers = phases.map("sample", tasks, seen=seen)
    held = _unfinished(answers)
    for turn in itertools.count(1):
        if held is None:
            break
        last = len(held) <= 2 * pace * lanes
        fewest = max(TOGETHER, LAST_TASKS * pace) // (2 if problem.has_continuum else 1)
        together = max(fewest, -(-len(held) // LAST_TASKS))
        size = together if last else pace * lanes
        slow = [
            Resume(
                key=f"resume/{turn}/{size}/{first}",
                held=held.part(first, first + size),
                hand_back=not last,
            )
            for first in range(0, len(held), size)
        ]
        found = phases.map("slow starts", slow, seen=seen)
        held = _unfinished(found)
        answers += found
    return answers


def _unfinished(answers: Sequence[Ends]) -> Held | None:
    """All paths that were handed back, by ascending start; None: nobody's."""
    return joined([answer.unfinished for answer in answers if answer.unfinished is not None])
