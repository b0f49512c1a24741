"""The phases of a landscape: tasks handed to the runner, the monitor told of each answer.

What depends on nothing that another phase finds is begun at once and done beside it
(``Phases.beside``), so no core waits for the slowest task of a phase while there is other work.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Monitor, Runner, Task, pace_of

AnswerT = TypeVar("AnswerT")
FoundT = TypeVar("FoundT")

#: Asks for tasks, several at a time, gets their answers in the same order, and returns a finding.
Asking = Generator[Sequence[Task[Problem, Any]], list[Any], FoundT]


@dataclass(eq=False)
class Beside(Generic[FoundT]):
    """Work that goes on beside the phases: what it asks for now, and what is answered of that.

    ``found`` is what it came to, once it ``is_over``.
    """

    asking: Asking[FoundT]
    tasks: list[Task[Problem, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    is_over: bool = False
    found: FoundT | None = None

    def take(self, key: str, answer: Any) -> Sequence[Task[Problem, Any]]:
        """Keep an answer; the tasks that are asked for next, once it was the last one."""
        self.answers[key] = answer
        if len(self.answers) < len(self.tasks):
            return ()
        return self.go_on([self.answers[task.key] for task in self.tasks])

    def go_on(self, answers: list[Any] | None) -> Sequence[Task[Problem, Any]]:
        """The next tasks, from the answers to the last ones; None: at the beginning."""
        self.answers, self.tasks = {}, []
        while not self.tasks:
            try:
                asked = next(self.asking) if answers is None else self.asking.send(answers)
            except StopIteration as over:
                self.is_over, self.found = True, over.value
                return ()
            self.tasks, answers = list(asked), []
        return self.tasks


class Phases:
    """Runs one phase after another, and beside them what was begun with ``beside``."""

    def __init__(self, run: Runner, monitor: Monitor) -> None:
        self._run = run
        self._monitor = monitor
        self._queue: list[Task[Problem, Any]] = []  # grows while the runner is at it
        self._answers: Iterator[tuple[Task[Problem, Any], Any]] | None = None
        self._besides: dict[str, Beside[Any]] = {}  # by the keys of what they ask for
        self._done: set[str] = set()

    @property
    def pace(self) -> int:
        """Of the runner (``tasks.pace_of``)."""
        return pace_of(self._run)

    def check(self) -> None:
        """Raise ``Cancelled`` where the monitor does."""
        self._monitor.check()

    def map(
        self,
        phase: str,
        tasks: Sequence[Task[Problem, AnswerT]],
        *,
        seen: Callable[[AnswerT], None] | None = None,
    ) -> list[AnswerT]:
        """Answers in the order of the tasks; a phase without tasks is not announced.

        ``phase`` is one of ``wire.landscape.PHASES``; ``seen`` is told each answer as it comes.
        Raises ``Cancelled`` where the monitor does.
        """
        if not tasks:
            return []
        self._monitor.phase(phase, len(tasks))
        answers: dict[str, AnswerT] = {}
        self._queue.extend(tasks)
        while len(answers) < len(tasks):
            found = self._next()
            if found is None:
                continue
            task, answer = found
            answers[task.key] = answer
            self._monitor.advance(task)
            if seen is not None:
                seen(answer)
        self._rest()
        return [answers[task.key] for task in tasks]

    def beside(self, asking: Asking[FoundT]) -> Beside[FoundT]:
        """Begin work that is done beside the next phases, before their own tasks."""
        found = Beside(asking)
        self._ask(found, found.go_on(None))
        return found

    def result(self, phase: str, beside: Beside[FoundT]) -> FoundT:
        """What the work came to: what is left of it is done now, as this phase.

        Raises ``Cancelled`` where the monitor does.
        """
        while not beside.is_over:
            asked, told = list(beside.tasks), set[str]()
            self._monitor.phase(phase, len(asked))
            while beside.tasks and beside.tasks[0] is asked[0]:
                self._tell(asked, told, beside.answers.keys())
                self._next()
            self._tell(asked, told, {task.key for task in asked})
        self._rest()
        return beside.found  # type: ignore[return-value] # it is over

    def _tell(
        self, asked: Sequence[Task[Problem, Any]], told: set[str], done: Container[str]
    ) -> None:
        """Tell the monitor of what is done and was not told."""
        for task in asked:
            if task.key in done and task.key not in told:
                told.add(task.key)
                self._monitor.advance(task)

    def _ask(self, beside: Beside[Any], tasks: Sequence[Task[Problem, Any]]) -> None:
        self._queue.extend(tasks)
        self._besides.update(dict.fromkeys((task.key for task in tasks), beside))

    def _next(self) -> tuple[Task[Problem, Any], Any] | None:
        """The next answer; None: it was of work beside the phase, which has it."""
        if self._answers is None:
            self._queue = [task for task in self._queue if task.key not in self._done]
            self._done = set()
            self._answers = iter(self._run(self._queue))
        found = next(self._answers, None)
        self._monitor.check()
        if found is None:  # the runner did not look again at what came later
            if not self._done:
                raise RuntimeError(f"The runner left out {self._queue[0].key}.")
            self._answers = None
            return None
        task, answer = found
        self._done.add(task.key)
        beside = self._besides.pop(task.key, None)
        if beside is None:
            return found
        self._ask(beside, beside.take(task.key, answer))
        return None

    def _rest(self) -> None:
        """Let the runner end where it has nothing to do."""
        if self._answers is not None and len(self._done) == len(self._queue):
            next(self._answers, None)
            self._answers, self._queue, self._done = None, [], set()
