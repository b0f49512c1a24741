"""The structured search in tasks: short ones, each needed, whatever the structures are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest

from relu_landscape.engine.families import network
from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.classified import ClassifyStructured, Structured
from relu_landscape.engine.landscape.structured import JudgePoints, SearchRounds
from relu_landscape.engine.lanes.native import available, load
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.points import classify
from relu_landscape.engine.tasks import Runner, Task, run_here
from relu_landscape.wire.requests import LandscapeRequest

from .solving import NUMPY, body, solve

AnswerT = TypeVar("AnswerT")
#: Arrays, and the native kernel where there is one (tests/service/engine/lanes notices if not).
BACKENDS = [NUMPY, *(backend_named(load(each).info.label) for each in available()[:1])]
#: What a task may take by the estimate, so that a cancelled job leaves its cores soon.
LONGEST_SECONDS = 2.0


class Enough(Exception):  # noqa: N818 - no error
    """The test has seen what it wanted."""


def _first_rounds(request: LandscapeRequest) -> list[SearchRounds]:
    """The tasks of the first turn of a structured search, none of them executed."""
    seen: list[Any] = []

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        seen.extend(tasks)
        raise Enough

    with pytest.raises(Enough):
        solve(request, run=run)
    assert all(isinstance(task, SearchRounds) for task in seen)
    return seen


@pytest.mark.parametrize(
    ("width", "structures"),
    [
        (64, ("2+3+4+5+6+7+8+9+10+6+4", "1+1+2+3+4+5+6+7+8+9+18")),
        (15, ("1+2+3+4+5",)),
        (64, None),
    ],
)
def test_no_task_of_a_structured_search_is_long(
    width: int, structures: tuple[str, ...] | None
) -> None:
    """Two structures of eleven blocks were two tasks of hours, which no cancelling ended."""
    request = LandscapeRequest(
        student_width=width, teacher_width=width, starts=0, structures=structures
    )
    tasks = _first_rounds(request)
    names = {task.name for task in tasks}
    assert structures is None or len(names) == len(structures)
    assert len({task.key for task in tasks}) == len(tasks)
    for name in names:
        mine = sorted((task for task in tasks if task.name == name), key=lambda task: task.first)
        needs = effort(parse(name))
        assert max(task.count for task in mine) * needs.round_seconds <= LONGEST_SECONDS
        numbers = [n for task in mine for n in range(task.first, task.first + task.count)]
        assert numbers == list(range(needs.patience // needs.round_starts))


def test_the_landscape_has_what_each_search_finds() -> None:
    """The same rounds, points and stopping rule, though every turn is handed out in tasks."""
    request = LandscapeRequest(
        student_width=7, teacher_width=7, starts=0, structures=("1+6", "1+2+4"), saddles=True
    )
    seen: list[Task[Any, Any]] = []
    here = run_here(COMPOSITION.problem(request), NUMPY)

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        seen.extend(tasks)
        yield from reversed(list(here(tasks)))

    runner: Runner = run
    found = body(solve(request, run=runner))
    listed = {each.structure: each for each in found.searched.structures}
    for name in ("1+6", "1+2+4"):
        alone = search(parse(name)).summary()
        assert listed[name].starts == alone.starts
        assert listed[name].points == alone.points
        assert listed[name].minima == alone.minima
        assert listed[name].complete
        assert listed[name].set_aside == alone.set_aside
        rounds = [task for task in seen if isinstance(task, SearchRounds) and task.name == name]
        size = effort(parse(name)).round_starts
        assert sum(task.count for task in rounds) * size == alone.starts  # none in vain
        points = [task for task in seen if isinstance(task, JudgePoints) and task.name == name]
        assert sum(len(fresh.signs) for task in points for fresh in task.rounds) >= alone.points


def test_rounds_are_the_same_however_they_are_cut_into_tasks() -> None:
    """To the bit, on each kind of backend: tasks of one round, of some, and of all."""
    problem = COMPOSITION.problem(LandscapeRequest(student_width=7, teacher_width=7, starts=0))
    for backend in BACKENDS:
        found = []
        for size in (1, 2, 6):
            tasks = [
                SearchRounds(key="", name="1+2+4", first=n, count=size) for n in range(0, 6, size)
            ]
            found.append([each for task in tasks for each in task.run(problem, backend).rounds])
        for other in found[1:]:
            for one, same in zip(found[0], other, strict=True):
                assert one.set_aside == same.set_aside
                for field in ("deviations", "signs", "starts", "hits"):
                    assert getattr(one, field).tobytes() == getattr(same, field).tobytes()


def test_a_native_backend_finds_the_points_of_arrays() -> None:
    request = LandscapeRequest(student_width=7, teacher_width=7, starts=0)
    problem = COMPOSITION.problem(request)
    lists = [
        sorted(
            (point.loss, point.kind)
            for point in body(solve(request, run=run_here(problem, backend))).fixed_points
        )
        for backend in BACKENDS
    ]
    assert len(lists[0]) > 2
    for found in lists[1:]:
        assert [kind for _, kind in found] == [kind for _, kind in lists[0]]
        np.testing.assert_allclose(
            [loss for loss, _ in found], [loss for loss, _ in lists[0]], rtol=0, atol=1e-13
        )


def test_a_point_of_many_structures_is_classified_once() -> None:
    """The identity is a point of every structure; at widths of 40, 273 points were 57."""
    request = LandscapeRequest(student_width=7, teacher_width=7, starts=0)
    problem = COMPOSITION.problem(request)
    here = run_here(problem, NUMPY)
    sent: list[Structured] = []

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        for task in tasks:
            sent.extend(task.found if isinstance(task, ClassifyStructured) else ())
            assert task.kind != "classify"  # no dense eigenproblem: none of these needs one
        yield from here(tasks)

    runner: Runner = run
    found = body(solve(request, run=runner))
    every = sum(each.minima for each in found.searched.structures)
    assert len(sent) == len(found.fixed_points) < every
    # And no two of them have the loss of one.
    losses = sorted(
        classify.spectrum_at(embed(each.point(0.0)), problem.teacher).loss for each in sent
    )
    assert all(right - left > 1e-9 for left, right in pairwise(losses))


def test_where_the_search_has_not_polished_enough_newtons_method_does() -> None:
    problem = COMPOSITION.problem(LandscapeRequest(student_width=7, teacher_width=7, starts=0))
    point = search(parse("1+6"), most_starts=256).points[0].point
    beside = replace(point, deviations=point.deviations + 1e-9)
    task = ClassifyStructured(key="a", found=tuple(map(Structured.of, (point, beside))))
    plain, polished = task.run(problem, NUMPY).points
    assert plain is not None
    assert polished is not None
    assert network.at_rest(beside, problem.teacher) is None
    assert polished.moved > 1e-10
    np.testing.assert_allclose(polished.W, plain.W, rtol=0, atol=1e-13)
    np.testing.assert_allclose(polished.span, plain.span, rtol=0, atol=1e-12)
