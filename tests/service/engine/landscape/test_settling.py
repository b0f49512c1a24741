"""What becomes of starts between their first end and their credit, with ends made up here.

Paths end where a table says, first and at every second look; the points are classified as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import pytest

from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import settling
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.ends import Ends, grouped
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Escape, Follow
from relu_landscape.engine.landscape.settling import settle
from relu_landscape.engine.points import classify
from relu_landscape.engine.tasks import SilentMonitor, Task, run_here
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import NUMPY
from tests.service.engine.oracles import Real

ProblemT = TypeVar("ProblemT")
AnswerT = TypeVar("AnswerT")

#: Two students for two teachers.
MINIMUM = np.eye(2)
#: No fixed point is near: Newton's method finds none.
NOWHERE = np.array([[1.0, 3.0], [-2.0, 0.5]])


def _problem() -> Problem:
    request = {"student_width": 2, "teacher_width": 2, "input_dimension": 2, "structured": False}
    return Problem.from_request(LandscapeRequest.model_validate(request))


def _saddle() -> Real:
    """Both students on the bisector b: one student of length r, where its loss is least.

    That is r^2/4 - 2 r g(b, v) and a constant, with Cho and Saul's g at 45 degrees.
    """
    angle = np.pi / 4.0
    g = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2.0 * np.pi)
    b = np.array([1.0, 1.0]) / np.sqrt(2.0)
    return np.stack([1.6 * g * b, 2.4 * g * b])


@dataclass
class _Played:
    """Ends every path of a second look as its table says; keeps the tasks that were asked for.

    ``follow``, ``escape``: by start, the outcome of being followed again or pushed off a saddle.
    """

    problem: Problem
    follow: Mapping[int, End] = field(default_factory=dict)
    escape: Mapping[int, End] = field(default_factory=dict)
    asked: list[Follow | Escape] = field(default_factory=list)

    def __call__(
        self, tasks: Sequence[Task[ProblemT, AnswerT]]
    ) -> Iterator[tuple[Task[ProblemT, AnswerT], AnswerT]]:
        real = run_here(self.problem, NUMPY)
        for task in tasks:
            if not isinstance(task, Follow | Escape):
                yield from real([task])
                continue
            self.asked.append(task)
            table = self.follow if isinstance(task, Follow) else self.escape
            found = grouped(self.problem, [table[number] for number in task.numbers])
            yield cast("Task[ProblemT, AnswerT]", task), cast("AnswerT", found)

    def settled(self, *ends: End) -> Catalogue:
        catalogue = Catalogue(self.problem)
        answers: list[Ends] = [grouped(self.problem, [end]) for end in ends]
        settle(self.problem, Phases(self, SilentMonitor()), catalogue, answers)
        return catalogue

    def numbers(self, kind: type[Follow | Escape]) -> list[tuple[int, ...]]:
        return [task.numbers for task in self.asked if isinstance(task, kind)]


def _end(start: int, W: Real, *, moved: float = 0.0) -> End:
    return End(start, Outcome.FIXED_POINT, W, W, moved, False, 1)


def _credited(catalogue: Catalogue) -> list[int]:
    return sorted(hit for entry in catalogue.entries for hit in entry.hits)


def _hits(catalogue: Catalogue) -> dict[str, list[int]]:
    return {entry.label: entry.hits for entry in catalogue.entries}


#: Farther from the minimum than the ball in which the flow demonstrably goes there.
FAR = 0.5


def test_who_is_at_a_minimum_is_credited_and_nobody_looks_again() -> None:
    played = _Played(_problem())
    catalogue = played.settled(_end(4, MINIMUM), _end(3, MINIMUM[::-1].copy()))
    assert _hits(catalogue) == {"sampled 3": [3, 4]}
    assert catalogue.entries[0].found_by == {"sampled"}
    assert (catalogue.failed, played.asked) == ({}, [])


def test_who_is_in_doubt_is_followed_once_more() -> None:
    played = _Played(_problem(), follow={1: _end(1, MINIMUM), 2: _end(2, MINIMUM, moved=FAR)})
    catalogue = played.settled(
        _end(0, MINIMUM), _end(2, MINIMUM, moved=FAR), _end(1, MINIMUM, moved=FAR)
    )
    assert played.numbers(Follow) == [(1, 2)]
    assert _hits(catalogue) == {"sampled 0": [0, 1]}
    assert catalogue.failed == {2: Outcome.UNDECIDED.name}


def test_an_end_that_is_no_point_is_looked_at_again_before_it_is_said() -> None:
    played = _Played(_problem(), follow={1: _end(1, MINIMUM), 2: _end(2, NOWHERE)})
    catalogue = played.settled(_end(1, NOWHERE), _end(2, 1.5 * NOWHERE))
    assert played.numbers(Follow) == [(1, 2)]
    assert _hits(catalogue) == {"sampled 1": [1]}
    assert catalogue.failed == {2: Outcome.NO_POINT.name}


def test_who_rests_at_a_saddle_is_pushed_off_it_once() -> None:
    saddle = _saddle()
    played = _Played(_problem(), escape={5: _end(5, MINIMUM), 6: _end(6, saddle)})
    assert classify.spectrum_at(saddle, played.problem.teacher).index(2) > 0
    catalogue = played.settled(_end(5, saddle), _end(6, saddle[::-1].copy()))
    assert played.numbers(Escape) == [(5, 6)]
    assert [task.rounds for task in played.asked if isinstance(task, Escape)] == [settling.PUSHES]
    assert catalogue.left_saddles == {5, 6}
    assert catalogue.failed == {6: Outcome.SADDLE.name}
    assert [entry.hits for entry in catalogue.entries if entry.point.index(2) == 0] == [[5]]
    assert all(not entry.hits for entry in catalogue.entries if entry.point.index(2) > 0)


def test_a_doubt_and_a_saddle_are_two_reasons_to_look_again() -> None:
    """Of one start: in doubt, then at a saddle, then at the minimum; and the other way round."""
    saddle = _saddle()
    played = _Played(
        _problem(),
        follow={1: _end(1, saddle), 2: _end(2, MINIMUM)},
        escape={1: _end(1, MINIMUM), 2: _end(2, MINIMUM, moved=FAR)},
    )
    catalogue = played.settled(_end(1, MINIMUM, moved=FAR), _end(2, saddle))
    assert catalogue.failed == {}
    assert _credited(catalogue) == [1, 2]
    assert played.numbers(Follow) == [(1,), (2,)]
    assert played.numbers(Escape) == [(2,), (1,)]
    # No task of a job has the key of another.
    assert len({task.key for task in played.asked}) == 4


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (Follow, [8, 2]),
        (Follow, [33, 33, 33, 32]),
        (Follow, [64, 64, 64, 64, 44]),
        (Escape, [8, 8, 3]),
    ],
)
def test_second_looks_are_cut_into_tasks_that_together_have_every_start_once(
    kind: type[Follow | Escape], sizes: list[int]
) -> None:
    """Few second looks were one task, 3.7 s long at K = 18, M = 17, with one core at work."""
    count = sum(sizes)
    first = (
        [_end(n, MINIMUM, moved=FAR) for n in range(count)]
        if kind is Follow
        else [_end(n, _saddle()) for n in range(count)]
    )
    after = {n: _end(n, MINIMUM) for n in range(count)}
    played = _Played(_problem(), follow=after, escape=after)
    catalogue = played.settled(*first)
    cut = played.numbers(kind)
    assert [len(each) for each in cut] == sizes
    assert [number for each in cut for number in each] == list(range(count))
    assert len({task.key for task in played.asked}) == len(played.asked) == len(sizes)
    assert _credited(catalogue) == list(range(count))
    assert catalogue.failed == {}
