"""Tasks, compositions and the runner that executes them here; on a problem of two lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from relu_landscape.engine.model.arrays import Backend, backend_named
from relu_landscape.engine.tasks import (
    Composed,
    Composition,
    Monitor,
    Runner,
    SilentMonitor,
    Task,
    run_here,
)
from relu_landscape.wire.base import Wire
from relu_landscape.wire.requests import LandscapeRequest


class Total(Wire):
    value: int


@dataclass(frozen=True)
class Product:
    value: int


@dataclass(frozen=True, kw_only=True)
class Multiply(Task[int, Product]):
    kind: ClassVar[str] = "multiply"
    answer: ClassVar[type[Product]] = Product

    by: int

    def run(self, problem: int, backend: Backend) -> Product:
        return Product(problem * self.by)


def compose(problem: int, *, run: Runner, monitor: Monitor, chunk_starts: int | None) -> Composed:
    tasks = [Multiply(key=f"multiply/{by}", by=by) for by in range(4)]
    monitor.phase("multiply", len(tasks))
    total = 0
    for task, answer in run(tasks):
        monitor.check()
        total += answer.value
        monitor.advance(task)
        monitor.findings([Total(value=total)])
    return Composed(Total(value=total), {})


COMPOSITION = Composition(
    request=LandscapeRequest, problem=lambda request: 7, tasks=(Multiply,), compose=compose
)


def test_a_runner_here_executes_tasks_in_order() -> None:
    run = run_here(7, backend_named("numpy"))
    tasks = [Multiply(key=str(by), by=by) for by in (3, 1)]
    pairs: Iterable[tuple[Task[int, Product], Product]] = run(tasks)
    assert [(task.key, answer.value) for task, answer in pairs] == [("3", 21), ("1", 7)]
    assert tasks[0].starts == 0


def test_a_composition_knows_its_tasks() -> None:
    assert COMPOSITION.task_type("multiply") is Multiply
    with pytest.raises(ValueError, match="no task of kind 'dance'"):
        COMPOSITION.task_type("dance")
    problem = COMPOSITION.problem(None)
    run = run_here(problem, backend_named("numpy"))
    composed = COMPOSITION.compose(problem, run=run, monitor=SilentMonitor(), chunk_starts=None)
    assert composed == Composed(Total(value=42), {})
