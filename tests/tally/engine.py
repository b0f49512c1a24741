"""How a tally is computed: one task per ten numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Composed, Composition, Monitor, Runner, Task
from tests.tally.wire import TallyBody, TallyFinding, TallyRequest

CHUNK = 10


@dataclass(frozen=True)
class Subtotal:
    """Answer of ``Add``."""

    value: int


@dataclass(frozen=True, kw_only=True)
class Add(Task[TallyRequest, Subtotal]):
    """Add the numbers of one chunk."""

    kind: ClassVar[str] = "add"
    answer: ClassVar[type[Subtotal]] = Subtotal

    first: int

    def run(self, problem: TallyRequest, backend: Backend) -> Subtotal:
        time.sleep(problem.seconds)
        return Subtotal(sum(range(self.first, min(self.first + CHUNK, problem.numbers))))


def compose(
    problem: TallyRequest, *, run: Runner, monitor: Monitor, chunk_starts: int | None
) -> Composed:
    """The sum of all chunks; no parts."""
    tasks = [Add(key=f"add:{first}", first=first) for first in range(0, problem.numbers, CHUNK)]
    monitor.phase("adding", len(tasks))
    total = 0
    for task, answer in run(tasks):
        total += answer.value
        monitor.advance(task)
        monitor.findings([TallyFinding(so_far=total)])
    return Composed(TallyBody(sum=total), {})


def _problem(request: TallyRequest) -> TallyRequest:
    return request


COMPOSITION = Composition(request=TallyRequest, problem=_problem, tasks=(Add,), compose=compose)
