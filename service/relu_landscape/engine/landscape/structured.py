"""The structured side of a landscape: symmetric families, as tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.errors import InputError


def names(problem: Problem) -> tuple[list[str], str]:
    """Structures to search, and a sentence that says what that covers and what not."""
    if not problem.structured:
        return [], "The structured search was switched off: only what random starts reach is here."
    if not problem.teacher.is_orthonormal:
        return [], (
            "The structured search needs an orthonormal teacher: "
            "only what random starts reach is here."
        )
    K, M = problem.students, problem.teachers
    if problem.structures is not None:
        chosen = [_fitting(name, problem) for name in problem.structures]
        return sorted(set(chosen)), "Only the structures named in the request were searched."
    default = [structure.name for structure in default_structures(K, M)]
    return default, (
        "Searched: teachers in one block, in two, and in one unit with two blocks, "
        "with the students that fit (documented under families). "
        "Points of other symmetry can exist; random starts may find them."
    )


def _fitting(name: str, problem: Problem) -> str:
    """Canonical spelling of a structure's name; ``InputError`` where it does not fit the widths."""
    K, M = problem.students, problem.teachers
    structure = parse(name, student_width=K, teacher_width=M)
    if not structure.is_integral:
        raise InputError(f"The structure {name!r} has blocks of fractional size.")
    return structure.name


def search_structure(problem: Problem, name: str) -> dict[str, Any]:
    """Minima of one structure, and with ``saddles`` its points of index 1 and 2, embedded."""
    structure = parse(name)
    found = search(structure)
    points = [
        {"structure": structure.name, "loss": item.loss, "index": item.index,
         "W": embed(item.point)}
        for item in found.points
        if item.is_minimum or (problem.saddles and _whole_index(item, problem) in (1, 2))
    ]  # fmt: skip
    return {"summary": found.summary(), "points": points}


def _whole_index(item: CriticalPoint, problem: Problem) -> int:
    """Negative eigenvalues in input dimension d."""
    return item.index + item.perpendicular_index * (problem.dimension - problem.teachers)


def distinct(answers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Points of all structures in a canonical order: by loss, then by structure."""
    points = [item for answer in answers for item in answer["points"]]
    return sorted(points, key=lambda item: (item["loss"], item["structure"]))
