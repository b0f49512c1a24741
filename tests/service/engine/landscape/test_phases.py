"""Phases, and what is done beside them: cores were idle while the slowest task of a phase ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import pytest

from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.phases import Asking, Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.errors import Cancelled
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape import solving
from tests.service.engine.landscape.solving import NUMPY, as_bytes

#: Whether the same holds for the kernel is asked beside it (``tests/service/engine/lanes``).
solve = partial(solving.solve, backend=NUMPY)

#: Nobody looks at it here.
PROBLEM = cast("Problem", None)
Answers = Iterator[tuple[Task[Any, Any], Any]]


@dataclass(frozen=True, kw_only=True)
class Square(Task[Problem, int]):
    kind: ClassVar[str] = "square"
    answer: ClassVar[type[int]] = int

    of: int

    def run(self, problem: Problem, backend: Backend) -> int:
        return self.of * self.of


def _squares(numbers: Sequence[int], name: str = "square") -> list[Square]:
    return [Square(key=f"{name}/{of}", of=of) for of in numbers]


def _asking(rounds: int) -> Asking[list[int]]:
    """Squares two numbers, then the squares, and so on; once it asks for nothing at all."""
    found = [2, 3]
    for turn in range(rounds):
        found = yield _squares(found, f"beside/{turn}")
        assert (yield []) == []
    return found


class Told(SilentMonitor):
    """Phases with their tasks, and what was told as done."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int]] = []
        self.done: list[str] = []

    def phase(self, name: str, tasks: int) -> None:
        self.phases.append((name, tasks))

    def advance(self, task: Task[Any, Any]) -> None:
        self.done.append(task.key)


def _one_by_one(tasks: Sequence[Task[Any, Any]], problem: Problem = PROBLEM) -> Answers:
    for task in tasks:  # a list that grows is followed to its end
        yield task, task.run(problem, NUMPY)


def _backwards(tasks: Sequence[Task[Any, Any]], problem: Problem = PROBLEM) -> Answers:
    seen = 0
    waiting: list[Task[Any, Any]] = []
    while waiting or seen < len(tasks):
        waiting.extend(tasks[seen:])
        seen = len(tasks)
        task = waiting.pop()
        yield task, task.run(problem, NUMPY)


def _looks_once(tasks: Sequence[Task[Any, Any]], problem: Problem = PROBLEM) -> Answers:
    yield from [(task, task.run(problem, NUMPY)) for task in tasks]


RUNNERS = [_one_by_one, _backwards, _looks_once]


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_what_is_done_beside_a_phase_comes_to_the_same(
    run: Callable[..., Answers], rounds: int
) -> None:
    told, seen = Told(), list[int]()
    phases = Phases(run, told)
    beside = phases.beside(_asking(rounds))
    assert phases.map("first", _squares([4, 5, 6]), seen=seen.append) == [16, 25, 36]
    assert phases.map("none", []) == []
    assert phases.map("second", _squares([7, 8])) == [49, 64]
    assert phases.result("beside", beside) == [2 ** (2**rounds), 3 ** (2**rounds)]
    assert phases.map("last", _squares([9])) == [81]
    assert sorted(seen) == [16, 25, 36]
    # Each phase is told once with all of its tasks; of what was done beside them, what was left.
    own = [each for each in told.phases if each[0] != "beside"]
    assert own == [("first", 3), ("second", 2), ("last", 1)]
    assert all(count == 2 for name, count in told.phases if name == "beside")
    assert len(told.done) == len(set(told.done)) == sum(count for _, count in told.phases)


def test_no_core_waits_for_the_slowest_task_of_a_phase() -> None:
    """Two cores, and a task that is long: the phase had both for the time of that one."""
    together: list[set[str]] = []

    def two_cores(tasks: Sequence[Task[Any, Any]]) -> Answers:
        seen, waiting, busy = 0, list[Task[Any, Any]](), list[Task[Any, Any]]()
        while busy or waiting or seen < len(tasks):
            waiting.extend(tasks[seen:])
            seen = len(tasks)
            while waiting and len(busy) < 2:
                busy.append(waiting.pop(0))
            together.append({task.key for task in busy})
            # The long one ends when it is alone.
            ends = next((task for task in busy if task.key != "square/0"), busy[0])
            busy.remove(ends)
            yield ends, ends.run(PROBLEM, NUMPY)

    phases = Phases(two_cores, SilentMonitor())
    beside = phases.beside(_asking(3))
    phases.map("first", _squares([0]))
    assert phases.result("beside", beside) == [256, 6561]
    # The six others were done beside it, two for each turn; it was alone for the end.
    assert [len(each) for each in together] == [2] * 6 + [1]


def test_what_is_left_of_it_is_a_phase_of_its_own() -> None:
    """With nothing before it, as without starts, it is told as it always was."""
    told = Told()
    phases = Phases(_one_by_one, told)
    assert phases.result("beside", phases.beside(_asking(2))) == [16, 81]
    assert told.phases == [("beside", 2), ("beside", 2)]
    assert told.done == ["beside/0/2", "beside/0/3", "beside/1/4", "beside/1/9"]


def test_who_cancels_ends_both() -> None:
    class Cancelling(Told):
        def check(self) -> None:
            if self.done:
                raise Cancelled("enough")

    told, ended = Cancelling(), list[str]()

    def run(tasks: Sequence[Task[Any, Any]]) -> Answers:
        try:
            yield from _backwards(tasks)
        finally:
            ended.append("runner")

    phases = Phases(run, told)
    phases.beside(_asking(2))
    with pytest.raises(Cancelled, match="enough"):
        phases.map("first", _squares([1, 2, 3]))
    del phases
    assert len(told.done) == 1
    assert ended == ["runner"]


def test_a_runner_that_leaves_a_task_out_is_told_so() -> None:
    def lazy(tasks: Sequence[Task[Any, Any]]) -> Answers:
        yield from ((task, 0) for task in tasks if task.key != "square/2")

    with pytest.raises(RuntimeError, match="left out square/2"):
        Phases(lazy, SilentMonitor()).map("first", _squares([1, 2, 3]))


@pytest.mark.parametrize("run", [_backwards, _looks_once])
def test_a_landscape_does_not_depend_on_what_is_done_first(run: Callable[..., Answers]) -> None:
    """The search begins with the starts; both come to the bytes of one after the other."""
    request = LandscapeRequest(
        student_width=3, teacher_width=3, starts=30, seed=3, input_dimension=9, saddles=True
    )
    problem = COMPOSITION.problem(request)
    told = Told()
    found = solve(request, run=partial(run, problem=problem), monitor=told)
    assert next(name for name, _ in told.phases) == "sample"
    assert as_bytes(found) == as_bytes(solve(request))
