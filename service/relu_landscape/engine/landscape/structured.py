"""The structured side of a landscape: symmetric families, as tasks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import Summary, search
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.classified import classified
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Task
from relu_landscape.wire.landscape import SearchSummary

Real = NDArray[np.float64]


@dataclass(frozen=True)
class StructuredPoint:
    """A critical point that the search of ``structure`` found, embedded: ``W`` (K, M)."""

    structure: str
    loss: float
    W: Real


@dataclass(frozen=True)
class Searched:
    """The points that one structure adds to the landscape, and how its search went."""

    summary: Summary
    points: tuple[StructuredPoint, ...]


@dataclass(frozen=True, kw_only=True)
class SearchStructure(Task[Problem, Searched]):
    """Minima of the structure called ``name``, and with ``saddles`` its points of index 1 and 2."""

    kind: ClassVar[str] = "structure"
    answer: ClassVar[type[Searched]] = Searched

    name: str

    def run(self, problem: Problem, backend: Backend) -> Searched:  # noqa: ARG002
        structure = parse(self.name)
        found = search(structure)
        copies = problem.perpendicular_copies
        points = tuple(
            StructuredPoint(structure.name, item.loss, embed(item.point))
            for item in found.points
            if item.is_minimum or (problem.saddles and item.summary.index(copies) in (1, 2))
        )
        return Searched(found.summary(), points)


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


def search_structures(
    problem: Problem, phases: Phases, catalogue: Catalogue, names: list[str]
) -> list[SearchSummary]:
    """Enter the points of symmetric structures into the catalogue; how each search went."""
    tasks = [SearchStructure(key=f"structure/{name}", name=name) for name in names]
    answers = phases.map("structures", tasks)
    # A canonical order, so that the first finder does not depend on the order of the answers.
    found = sorted(
        (point for answer in answers for point in answer.points),
        key=lambda point: (point.loss, point.structure),
    )
    points = classified(problem, phases, "classify/structured", [item.W for item in found])
    for item, point in zip(found, points, strict=True):
        if point is not None:
            catalogue.add(f"structured {item.structure}", point, "structured")
    return [SearchSummary.model_validate(asdict(answer.summary)) for answer in answers]
