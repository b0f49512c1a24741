"""The structured side of a landscape: symmetric families, searched in tasks by rounds of starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.compiled import kernel_beside
from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.rounds import Round, run_round
from relu_landscape.engine.families.search import Fresh, Judged, Search, batches, judged
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.classified import classified_structured
from relu_landscape.engine.landscape.phases import Asking, Beside, Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points import identity
from relu_landscape.engine.tasks import Task
from relu_landscape.wire.landscape import SearchSummary

Real = NDArray[np.float64]

#: What the search is called in ``wire.landscape.PHASES``.
PHASE = "structures"
#: Rounds of a task take about as many seconds together, by the estimate of ``effort``.
TASK_SECONDS = 1.0


@dataclass(frozen=True)
class Rounds:
    """What some rounds found, in order."""

    rounds: tuple[Round, ...]


@dataclass(frozen=True, kw_only=True)
class SearchRounds(Task[Problem, Rounds]):
    """Rounds ``first`` to ``first + count`` of the search of the structure called ``name``, whose
    units have this ``leak``."""

    kind: ClassVar[str] = "structure"
    answer: ClassVar[type[Rounds]] = Rounds
    beside: ClassVar[str] = PHASE

    name: str
    first: int
    count: int
    leak: float = 0.0

    @property
    def memo(self) -> str:
        """The name says the widths, and of the teacher that it is orthonormal; the leak is here."""
        return ""

    def run(self, problem: Problem, backend: Backend) -> Rounds:  # noqa: ARG002
        structure, kernel = parse(self.name, leak=self.leak), kernel_beside(backend)
        numbers = range(self.first, self.first + self.count)
        return Rounds(tuple(run_round(structure, 0, number, kernel=kernel) for number in numbers))


@dataclass(frozen=True)
class Verdicts:
    """What is known of the points of some rounds, in order."""

    rounds: tuple[Judged, ...]


@dataclass(frozen=True, kw_only=True)
class JudgePoints(Task[Problem, Verdicts]):
    """Polish and classify the points that some rounds of one search brought."""

    kind: ClassVar[str] = "judge"
    answer: ClassVar[type[Verdicts]] = Verdicts
    beside: ClassVar[str] = PHASE

    name: str
    rounds: tuple[Fresh, ...]
    leak: float = 0.0

    @property
    def memo(self) -> str:
        """As of the rounds that brought the points."""
        return ""

    def run(self, problem: Problem, backend: Backend) -> Verdicts:  # noqa: ARG002
        structure = parse(self.name, leak=self.leak)
        return Verdicts(tuple(judged(structure, self.rounds)))


def chosen(problem: Problem) -> tuple[list[str], str]:
    """Structures to search, and a sentence that says what that covers and what not."""
    if not problem.structured:
        return [], "The structured search was switched off: only what random starts reach is here."
    if not problem.searches_structures:
        return [], (
            "The structured search needs an orthonormal teacher: "
            "only what random starts reach is here."
        )
    if problem.structures is not None:
        named = list(problem.structures)
        return named, "Only the structures named in the request were searched."
    default = default_structures(problem.students, problem.teachers)
    return [structure.name for structure in default], (
        "Searched: teachers in one block, in two, and in one unit with two blocks, "
        "with the students that fit (documented under families). "
        "Points of other symmetry can exist; random starts may find them."
    )


def begin_search(problem: Problem, phases: Phases, names: list[str]) -> Beside[list[Search]]:
    """Begin the searches of these structures beside the next phases; ``search_structures`` ends it.

    They depend on nothing that another phase finds.
    """
    return phases.beside(_searching(problem, phases, names))


def search_structures(
    problem: Problem, phases: Phases, catalogue: Catalogue, begun: Beside[list[Search]]
) -> list[SearchSummary]:
    """Enter the points of symmetric structures into the catalogue; how each search went.

    Minima, and with ``saddles`` points of index 1 and 2.
    """
    searches = phases.result(PHASE, begun)
    copies = problem.perpendicular_copies
    wanted = [
        (item.loss, found.structure.name, item.point)
        for found in (each.result() for each in searches)
        for item in found.points
        if item.is_minimum or (problem.saddles and item.summary.index(copies) in (1, 2))
    ]
    # A canonical order, so that the first finder does not depend on the order of the searches.
    wanted.sort(key=lambda item: item[:2])
    # A point of much symmetry is a point of every structure with less, and is found in all of them.
    weights, losses = [embed(point) for _, _, point in wanted], [loss for loss, _, _ in wanted]
    firsts = [wanted[each[0]] for each in identity.copies(weights, losses, problem.teacher)]
    found = [point for _, _, point in firsts]
    points = classified_structured(problem, phases, "spectra/structured", found)
    for (_, name, _), point in zip(firsts, points, strict=True):
        if point is not None:
            catalogue.add(f"structured {name}", point, "structured")
    return [SearchSummary.model_validate(asdict(each.result().summary())) for each in searches]


def searched(problem: Problem, phases: Phases, names: list[str]) -> list[Search]:
    """The searches of these structures, to their ends."""
    return phases.result(PHASE, begin_search(problem, phases, names))


def _searching(problem: Problem, phases: Phases, names: list[str]) -> Asking[list[Search]]:
    """The searches of these structures, all of them side by side, to their ends.

    None of their tasks depends on anything but structures, so a runner may have the answers from
    another job (``Task.memo``), whatever its starts, seed and dimension were.

    In turns: the rounds that each is sure to need, then the points that they brought. So no round
    is run in vain, and a long search does not keep its workers from helping another.
    """
    searches = [Search(parse(name, leak=problem.teacher.leak)) for name in names]
    while tasks := [task for search in searches for task in _rounds(search)]:
        found: dict[str, list[Round]] = {}
        answers = yield tasks
        for task, answer in zip(tasks, answers, strict=True):
            found.setdefault(task.name, []).extend(answer.rounds)
        judging = [
            (search, judge)
            for search in searches
            for judge in _judging(search, phases, found.get(search.structure.name, []))
        ]
        answers = yield [judge for _, judge in judging]
        for (search, points), verdicts in zip(judging, answers, strict=True):
            for fresh, judgement in zip(points.rounds, verdicts.rounds, strict=True):
                search.judge(fresh, judgement)
    return searches


def _rounds(search: Search) -> Iterator[SearchRounds]:
    """Tasks for the rounds that the search is sure to need."""
    name = search.structure.name
    wanted = search.wanted()
    size = max(1, int(TASK_SECONDS / effort(search.structure).round_seconds))
    for first in wanted[::size]:
        count = min(size, wanted.stop - first)
        key = f"structure/{name}/{first}"
        leak = search.structure.leak
        yield SearchRounds(key=key, name=name, first=first, count=count, leak=leak)


def _judging(search: Search, phases: Phases, found: list[Round]) -> Iterator[JudgePoints]:
    """Join the rounds to the search; tasks for the points that are new."""

    def joined() -> Iterator[Fresh | None]:
        for item in found:
            phases.check()  # comparing with thousands of points takes its time
            yield search.add(item)

    name = search.structure.name
    for rounds in batches(search.structure, joined()):
        key = f"judge/{name}/{rounds[0].place}"
        leak = search.structure.leak
        yield JudgePoints(key=key, name=name, rounds=tuple(rounds), leak=leak)
