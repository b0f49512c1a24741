"""What a question about a family is said to cost: what is asked every day passes, floods do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from relu_landscape import analyses
from relu_landscape.engine.families.asking import (
    continuation_cost,
    family_cost,
    leaks_cost,
    learning_rates_cost,
)
from relu_landscape.jobs.running.short import ACCEPTED_SHARE, LONG_SECONDS
from relu_landscape.settings import Settings
from relu_landscape.wire.families import ContinuationQuery, FamilyQuery
from relu_landscape.wire.leaks import LeaksQuery

LIMIT = ACCEPTED_SHARE * Settings.load().call_seconds


def _family(structure: str, teacher_width: int, student_width: int | None = None) -> FamilyQuery:
    width = teacher_width if student_width is None else student_width
    return FamilyQuery(student_width=width, teacher_width=teacher_width, structure=structure)


def _along(structure: str, start: float, end: float, points: int = 50) -> ContinuationQuery:
    return ContinuationQuery(structure=structure, from_width=start, to_width=end, points=points)


@pytest.mark.parametrize(
    "query",
    [
        _family("one-anti-aligned", 17),
        _family("one-anti-aligned", 10**9),
        _family("1+16", 17),
        _family("1+*", 10**9),
        _family("4+2x0 extra 1", 6, 5),
    ],
    ids=lambda query: str(query.structure),
)
def test_what_is_asked_every_day_is_short(query: FamilyQuery) -> None:
    assert family_cost(query).seconds < LONG_SECONDS


@pytest.mark.parametrize(
    ("structure", "teachers", "students"),
    [("1+7+8", 16, 16), ("1+400+599", 1000, 1000), ("2+3+4+5", 14, 14), ("1x2+5x2+11x2", 17, 34)],
)
def test_three_and_four_blocks_are_answered(structure: str, teachers: int, students: int) -> None:
    assert family_cost(_family(structure, teachers, students)).seconds < LIMIT


@pytest.mark.parametrize(
    "query",
    [
        _along("one-anti-aligned", 4, 20),
        _along("one-anti-aligned", 5, 1e9, 1000),
        _along("1+*", 1000, 4, 1000),
        _along("1+*+* extra 1", 20, 200),
        _along("1+2+*+*", 10, 1000),
    ],
    ids=lambda query: str(query.structure),
)
def test_continuations_are_answered(query: ContinuationQuery) -> None:
    assert continuation_cost(query).seconds < LIMIT


@pytest.mark.parametrize(
    ("structure", "width"),
    [
        ("+".join(str(size) for size in range(1, 11)), 55),
        ("+".join(["1"] * 17), 17),
        ("1+*+2+*+3+*+4+*", 30),
        ("+".join(["9999x999"] * 20) + " extra 9999", 199980),
    ],
)
def test_many_blocks_are_refused_without_being_built(structure: str, width: int) -> None:
    """Each of these four held one of the four threads there were for minutes."""
    found = family_cost(FamilyQuery.model_construct(
        student_width=_students(structure, width), teacher_width=width, structure=structure
    ))  # fmt: skip
    assert found.seconds > 10 * LIMIT
    assert found.field == "structure"
    assert "fewer blocks" in found.instead


def _students(structure: str, width: int) -> int:
    return 999 * width + 9999 if "x999" in structure else width


def test_a_continuation_may_have_too_many_blocks_or_points() -> None:
    blocks = continuation_cost(_along("1+*+2+*+3+*+4+*", 30, 40))
    assert blocks.seconds > 10 * LIMIT
    assert blocks.field == "structure"
    points = continuation_cost(_along("1+*+*", 10, 1000, 1000))
    assert points.seconds > LIMIT
    assert points.field == "points"
    assert continuation_cost(_along("1+*+*", 10, 1000, 500)).seconds < LIMIT


def test_what_is_no_structure_costs_nothing_and_is_refused_by_what_computes() -> None:
    for name in ("nonsense", "1+7", "x"):
        assert family_cost(_family(name, 7)).seconds == 0.0
        assert continuation_cost(_along(name, 4, 7)).seconds == 0.0


def test_the_registry_knows_the_costs() -> None:
    costs = [call.cost and analyses.cost(call.cost) for call in analyses.ANALYSES.calls]
    assert costs == [family_cost, continuation_cost, leaks_cost, learning_rates_cost, None, None]


def test_who_judges_imports_nothing_heavy() -> None:
    """The first question waited for the engine's imports, in the process that serves everybody."""
    script = (
        "import sys, relu_landscape.engine.families.asking\n"
        "print(sorted({'numpy', 'scipy', 'flint'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def _leaks(structure: str, width: int, points: int = 50) -> LeaksQuery:
    return LeaksQuery(
        student_width=width, teacher_width=width, structure=structure, from_leak=-0.9, to_leak=0.9,
        points=points,
    )  # fmt: skip


def test_points_along_the_leak_are_answered_but_for_floods() -> None:
    assert leaks_cost(_leaks("1+7", 8, 20)).seconds < LONG_SECONDS
    assert leaks_cost(_leaks("1+2+14", 17, 200)).seconds < LIMIT
    many = leaks_cost(_leaks("1+7", 8, 1000))
    assert many.field == "points"
    assert many.seconds > leaks_cost(_leaks("1+7", 8)).seconds
    blocks = leaks_cost(_leaks("1+2+3+4+5+6+7+8+9+10", 55))
    assert (blocks.field, blocks.seconds > LIMIT) == ("structure", True)
