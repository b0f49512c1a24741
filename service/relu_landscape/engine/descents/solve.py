"""Descents: from every start to its end, the distinct ends, and what each of them is; and, where
asked for, critical points that a structured search finds beside them.

The result is a function of the request alone: start n has a stream of its own, and what a descent
does depends on itself alone.
"""

from __future__ import annotations

from relu_landscape.engine.descents import joining, report, sorting
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.report import Found
from relu_landscape.engine.descents.running import Landed, Outcome
from relu_landscape.engine.descents.tasks import Descend, Judge
from relu_landscape.engine.tasks import Composed, Monitor, Runner
from relu_landscape.wire.descents import DescentsFinding

#: Of a descent's price, weights (K p) whose descents make a task of a second (measured at K = M =
#: 17 and d = 1,000: 0.2 s a start).
WEIGHTS_PER_TASK = 3000


def compose(
    problem: Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Follow all descents.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` starts per task. Returns a ``wire.descents.DescentsBody``, without parts.
    Raises ``Cancelled`` if the monitor says so.
    """
    landed = _descended(problem, run, monitor, chunk_starts)
    numbers = [n for n, each in enumerate(landed) if each.outcome == Outcome.POINT.name]
    groups = sorting.groups(
        [landed[n].W for n in numbers], [landed[n].loss for n in numbers], problem.layers
    )
    hits = [tuple(numbers[place] for place in group) for group in groups]
    ends = [landed[group[0]].W for group in hits]
    sought = joining.sought(problem, run, monitor) if problem.structured else None
    joined = joining.joined(problem, ends, sought)
    tasks = [Judge(key=f"judge/{group[0]}", W=W) for group, W in zip(hits, ends, strict=True)]
    batches = joining.judging(problem, joined.fresh)
    if tasks or batches:
        monitor.phase("classify", len(tasks) + len(batches))
    judged = dict(joining.answered(tasks, run, monitor))
    found = [
        Found(task.W, judged[task.key], group, is_structured=place in joined.again)
        for place, (task, group) in enumerate(zip(tasks, hits, strict=True))
    ]
    found += joining.kept(batches, dict(joining.answered(batches, run, monitor)))
    searched = None if sought is None else sought.searched
    return report.composed(problem, landed, found, searched)


def _descended(problem: Problem, run: Runner, monitor: Monitor, chunk: int | None) -> list[Landed]:
    """The end of every start, by its number."""
    weights = problem.students * (problem.teachers + problem.students)
    size = chunk or max(1, min(100, WEIGHTS_PER_TASK // weights))
    tasks = [
        Descend(key=f"descend/{size}/{first}", first=first, last=min(first + size, problem.starts))
        for first in range(0, problem.starts, size)
    ]
    monitor.phase("descend", len(tasks))
    landed: dict[int, Landed] = {}
    for task, answer in run(tasks):
        monitor.check()
        landed.update(zip(answer.numbers, answer.landed, strict=True))
        monitor.advance(task)
        zero = sum(report.is_zero_loss(problem, each) for each in landed.values())
        monitor.findings([
            DescentsFinding(ended=len(landed), starts=problem.starts, zero_loss=zero)
        ])  # fmt: skip
    return [report.of_the_set(problem, landed[number]) for number in range(problem.starts)]
