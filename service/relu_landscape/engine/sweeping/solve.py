"""A whole sweep: a question for every cell, and the table of what came of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from relu_landscape.engine.sweeping.grid import Problem
from relu_landscape.engine.sweeping.rows import finding, row_of, row_without
from relu_landscape.engine.tasks import Composed, Ended, Monitor, Question, Runner
from relu_landscape.errors import InputError
from relu_landscape.wire.landscape import Landscape
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.sweeps import SweepAxis, SweepBody, SweepRow

#: Rows that are told while the sweep goes on, those that ended last: each time all of them anew.
TOLD = 20


@dataclass(frozen=True)
class CellAnswer:
    """Answer of ``AskCell``: the row, as JSON text."""

    row: str


@dataclass(frozen=True, kw_only=True)
class AskCell(Question[Problem, CellAnswer]):
    """The landscape of one cell."""

    kind: ClassVar[str] = "cell"
    answer: ClassVar[type[CellAnswer]] = CellAnswer

    cell: int
    cell_starts: int

    @property
    def starts(self) -> int:
        return self.cell_starts

    def request(self, problem: Problem) -> LandscapeRequest:
        return problem.request(self.cell)

    def answered(self, problem: Problem, ended: Ended) -> CellAnswer:
        if ended.result is None:
            row = row_without(problem, self.cell, ended.error or "There is no result.", ended.id)
        else:
            row = row_of(problem, self.cell, Landscape.model_validate_json(ended.result))
        return CellAnswer(row.model_dump_json())


def compose(
    problem: Problem,
    *,
    run: Runner,
    monitor: Monitor,
    chunk_starts: int | None,  # noqa: ARG001 - cells are not cut up
) -> Composed:
    """Ask for every cell, in any order, and join the rows in the order of the grid.

    Parameters: ``run`` asks questions (``engine.tasks.Question``); ``monitor`` is told of progress
    and may cancel. A cell that makes no sense has a row that says so, as has one whose landscape
    failed. Returns a ``wire.sweeps.SweepBody``, no parts.
    """
    rows: dict[int, SweepRow] = {}
    tasks: list[AskCell] = []
    for cell in range(problem.asked.cells):
        try:
            starts = problem.request(cell).starts
        except InputError as error:
            rows[cell] = row_without(problem, cell, str(error))
        else:
            tasks.append(AskCell(key=f"cell/{cell}", cell=cell, cell_starts=starts))
    monitor.phase("cells", len(tasks))
    latest = deque([finding(row) for row in rows.values()], maxlen=TOLD)
    for task, answer in run(tasks):
        assert isinstance(task, AskCell)  # noqa: S101 - for the type checker
        row = rows[task.cell] = SweepRow.model_validate_json(answer.row)
        latest.append(finding(row))
        monitor.findings(list(latest))
        monitor.advance(task)
    table = [rows[cell] for cell in range(problem.asked.cells)]
    failed = sum(row.error is not None for row in table)
    body = SweepBody(
        axes=[
            SweepAxis(name=name, values=list(values))
            for name, values in problem.asked.grid.axes.items()
        ],
        finished=len(table) - failed,
        failed=failed,
        rows=table,
    )
    return Composed(body, {})
