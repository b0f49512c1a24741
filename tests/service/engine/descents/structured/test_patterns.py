"""Which patterns are searched, and what they leave fixed."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.structured.patterns import (
    MOST_UNKNOWNS,
    Counts,
    Group,
    Pattern,
    Single,
    patterns_of,
)
from relu_landscape.engine.descents.structured.search import MOST_WORK, search_of
from relu_landscape.engine.descents.structured.table import Places, spread
from relu_landscape.engine.families.structures import Structure, default_structures
from relu_landscape.wire.descents import DescentsRequest


def as_pattern(structure: Structure) -> Pattern:
    """A structure of families as a pattern."""
    groups, singles, axes = [], structure.extra, 0
    for size, count in zip(structure.sizes, structure.counts, strict=True):
        if size == 1:
            axes, singles = axes + 1, singles + count
        else:
            groups.append(Group(int(size), (0,) * count, (0,)))
    return Pattern(tuple(sorted(groups)), (Single(0),) * singles, (0,) * axes)


@pytest.mark.parametrize(("students", "teachers"), [(6, 6), (7, 7), (8, 8), (17, 17)])
def test_those_of_landscapes_are_among_them(students: int, teachers: int) -> None:
    found = patterns_of(Counts((students,), (teachers,)))
    assert {as_pattern(each) for each in default_structures(students, teachers)} <= set(found)
    assert len(set(found)) == len(found)
    assert max(each.unknowns for each in found) <= MOST_UNKNOWNS


@pytest.mark.parametrize(
    "fields",
    [
        {"student_width": 5, "teacher_width": 5, "rule": "normalised"},
        {"student_width": 6, "teacher_width": 4, "rule": "orthonormalised"},
        {
            "student_width": 5, "teacher_width": 4, "rule": "gradient_flow",
            "student_layer": [1, -1, 1, 1, -1], "teacher_layer": [1, -2, 1, -2],
        },
    ],
)  # fmt: skip
def test_a_pattern_is_left_alone_by_its_group(fields: dict[str, object]) -> None:
    """Two neighbours of every block of teachers, and of students with it, are exchanged."""
    problem = Problem.from_request(DescentsRequest.model_validate({**fields, "structured": True}))
    search = search_of(problem)
    rng = np.random.default_rng(0)
    for pattern in search.patterns[0]:
        table = search.table(pattern)
        places = Places.of(table, search.student_colours, search.teacher_colours)
        assert sorted(i for rows in places.of_students for i in rows) == list(
            range(problem.students)
        )
        assert sorted(m for rows in places.of_axes for m in rows) == list(range(places.axes))
        W = spread(table, rng.standard_normal(table.unknowns), places)
        for g, group in enumerate(pattern.groups):
            students, axes = list(range(problem.students)), list(range(places.axes))
            for s, block in enumerate(table.students):
                if block.group == g:
                    i, j = places.of_students[s][:2]
                    students[i], students[j] = j, i
                    assert problem.student_layer[i] == problem.student_layer[j]
            for t, axis in enumerate(table.axes):
                if axis.group == g:
                    i, j = places.of_axes[t][:2]
                    axes[i], axes[j] = j, i
                    if j < problem.teachers:
                        assert problem.teacher_layer[i] == problem.teacher_layer[j]
            assert np.array_equal(W[np.ix_(students, axes)], W), (pattern, group)
        assert search.words(pattern)


def test_what_takes_too_long_is_left_out_and_counted() -> None:
    """Two signs on either side at width 17 have more patterns than can be searched."""
    request = DescentsRequest.model_validate({
        "student_width": 17, "teacher_width": 17, "rule": "gradient_flow", "structured": True,
        "student_layer": [1] * 9 + [-1] * 8, "teacher_layer": [1] * 9 + [-1] * 8,
    })  # fmt: skip
    kept, left_out = search_of(Problem.from_request(request)).patterns
    assert left_out > 0
    assert kept
    work = sum(128 * each.unknowns**2 * -(-each.unknowns // 2) for each in kept)
    assert work <= MOST_WORK
    plain = DescentsRequest.model_validate({
        "student_width": 17, "teacher_width": 17, "rule": "orthonormalised", "structured": True,
    })  # fmt: skip
    assert search_of(Problem.from_request(plain)).patterns[1] == 0


def test_words_say_what_moves_together() -> None:
    request = DescentsRequest.model_validate({
        "student_width": 4, "teacher_width": 3, "rule": "gradient_flow", "structured": True,
        "student_layer": [1, 1, 1, -1],
    })  # fmt: skip
    search = search_of(Problem.from_request(request))
    words = [search.words(each) for each in search.patterns[0]]
    assert "3 teachers with 1 positive student each; 1 negative student" in words
