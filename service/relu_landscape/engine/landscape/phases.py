"""The phases of a landscape: tasks handed to the runner, the monitor told of each answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Monitor, Runner, Task, pace_of

AnswerT = TypeVar("AnswerT")


class Phases:
    """Runs one phase after another."""

    def __init__(self, run: Runner, monitor: Monitor) -> None:
        self._run = run
        self._monitor = monitor

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
        for task, answer in self._run(tasks):
            self._monitor.check()
            answers[task.key] = answer
            self._monitor.advance(task)
            if seen is not None:
                seen(answer)
        return [answers[task.key] for task in tasks]
