"""Families of units that leak: plain sums over all weights, landscapes, the way along the leak."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from relu_landscape.engine import verify
from relu_landscape.engine.families.answers import family_answer
from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.leaks import leaks
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.errors import InputError
from relu_landscape.wire.families import Family, FamilyPoint, FamilyQuery
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import leaky
from tests.service.engine.landscape.solving import body, solve

LEAKS = (-0.5, 0.3)
#: Branch, or the lowest minimum; saddles and widths that differ are among them.
ASKED = [
    (6, 6, "1+5", None),
    (6, 6, "one-anti-aligned", None),
    (6, 6, "2+4", 2),
    (6, 6, "all-anti-aligned", None),
    (5, 6, "4+2x0 extra 1", None),
    (7, 6, "6 extra 1", 1),
]


@cache
def _found(students: int, teachers: int, structure: str, branch: int | None, leak: float) -> Family:
    return family(students, teachers, structure, branch, leak)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_what_is_answered_is_so_of_the_whole_weights(
    asked: tuple[int, int, str, int | None], leak: float
) -> None:
    """Loss, gradient and every eigenvalue with its multiplicity, by plain sums over pairs."""
    found = _found(*asked, leak)
    point = Point.from_wire(FamilyPoint.model_validate_json(found.point.model_dump_json()))
    W, V = embed(point), np.eye(int(found.teacher_width))
    assert found.leak == point.structure.leak == leak
    assert found.loss == pytest.approx(float(leaky.loss(W, V, leak)), abs=1e-14)
    assert float(np.linalg.norm(leaky.gradient(W, V, leak))) < 1e-13
    assert found.stability.gradient_norm < 1e-13
    # One input more than the teacher has: the spectrum lists one copy of what is beside the span.
    H = leaky.hessian(np.pad(W, ((0, 0), (0, 1))), np.eye(len(V), len(V) + 1), leak)
    told = [[line.eigenvalue] * int(line.multiplicity) for line in found.spectrum]
    # Differences of the plain gradient leave 1e-9 or so of an eigenvalue.
    np.testing.assert_allclose(
        np.sort(np.concatenate(told)), np.linalg.eigvalsh(H), rtol=0.0, atol=1e-8
    )
    lowest = min(line.eigenvalue for line in found.spectrum)
    assert found.kind == ("minimum" if lowest > 0.0 else "saddle")
    if found.kind == "minimum":
        assert found.stability.relaxation_time == pytest.approx(1.0 / lowest, rel=1e-9)
    for listed in found.branches:
        again = _found(*asked[:3], listed.branch, leak)
        assert (again.loss, again.kind) == (listed.loss, listed.kind)
        assert again.stability.min_eigenvalue_span == listed.min_eigenvalue_span


@pytest.mark.parametrize("leak", LEAKS)
def test_the_same_minima_as_in_a_landscape_with_this_leak(leak: float) -> None:
    request = LandscapeRequest(student_width=6, teacher_width=6, starts=50, leak=leak)
    names = ("1+5", "2+4", "6")
    minima = [
        point
        for point in body(solve(request)).fixed_points
        if point.kind == "minimum" and point.structure.name in names and not point.is_global
    ]
    assert len(minima) >= 2
    for point in minima:
        listed = _found(6, 6, point.structure.name, None, leak).branches
        nearest = min(listed, key=lambda branch: abs(branch.loss - point.loss))
        assert nearest.loss == pytest.approx(point.loss, abs=1e-14)
        assert nearest.kind == "minimum"
        assert nearest.min_eigenvalue_span == pytest.approx(
            point.stability.min_eigenvalue_span, abs=1e-11
        )


@pytest.mark.parametrize("end", [-0.9, -0.5, 0.5, 0.9])
def test_a_name_is_what_relu_s_point_becomes(end: float) -> None:
    """As the way along the leak at this width has it, which no search at the leak is part of."""
    relu = family(6, 6, "1+5")
    named = family(6, 6, "one-anti-aligned")
    assert relu.loss == pytest.approx(named.loss, abs=1e-15)
    way = leaks(6, 6, "1+5", 0.0, end, 5, relu.branch)
    for there in way.points:
        found = family(6, 6, "one-anti-aligned", leak=there.leak)
        assert found.loss == pytest.approx(there.loss, abs=1e-14)
        assert found.kind == ("minimum" if there.is_stable else "saddle")
        assert found.anti_aligned == 1
        lowest = min(line.eigenvalue for line in found.spectrum)
        assert lowest == pytest.approx(min(there.smallest.values()), abs=1e-11)


@pytest.mark.parametrize("leak", [-0.9, -0.5, 0.5, 0.9])
@pytest.mark.parametrize(
    ("students", "teachers", "structure"),
    [
        (17, 17, "1+16"), (18, 17, "4+13 extra 1"), (5, 6, "4+2x0 extra 1"),
        (10**6, 10**6, "one-anti-aligned"), (10**9, 10**9, "two-anti-aligned"),
    ],
)  # fmt: skip
def test_a_certificate_holds_beside_it(
    students: int, teachers: int, structure: str, leak: float
) -> None:
    query = FamilyQuery(
        student_width=students, teacher_width=teachers, structure=structure, certify=True, leak=leak
    )
    found = family_answer(query)
    certificate = found.certificate
    assert certificate is not None
    assert certificate.verdict == found.kind
    assert certificate.loss is not None
    assert float(certificate.loss.lower) <= found.loss + found.loss_accuracy
    assert float(certificate.loss.upper) >= found.loss - found.loss_accuracy
    document = found.model_dump(mode="json")
    (answer,) = verify(document)
    assert answer["holds"] is True, answer["reason"]
    assert {"loss", "is_global", "spectrum", "leak"} <= set(answer["covers"])
    document["leak"] = -leak
    (answer,) = verify(document)
    assert answer["holds"] is False
    assert "leak" in answer["reason"]


@pytest.mark.parametrize("leak", [-0.9, -0.5, 0.5, 0.9])
@pytest.mark.parametrize("width", [100, 10**9])
def test_only_the_teacher_itself_is_global(width: int, leak: float) -> None:
    """Rounding of gradients is 361 times as large at 0.9; taken as it is, all would be."""
    assert family(width, width, "global", leak=leak).is_global
    found = family(width, width, "one-anti-aligned", leak=leak)
    assert found.kind == "minimum"
    assert not found.is_global


@pytest.mark.parametrize("leak", LEAKS)
def test_along_the_width_it_is_the_family_of_each_width(leak: float) -> None:
    way = continuation("one-anti-aligned", 5.0, 20.0, 2, leak=leak)
    assert way.leak == leak
    assert way.ends is None
    for point in way.points:
        found = family(int(point.width), int(point.width), "one-anti-aligned", leak=leak)
        assert point.loss == pytest.approx(found.loss, abs=1e-14)
        assert point.is_stable == (found.kind == "minimum")
        lowest = min(line.eigenvalue for line in found.spectrum)
        assert min(point.smallest.values()) == pytest.approx(lowest, abs=1e-11)
    pattern = continuation("1+*", 5.0, 20.0, 2, leak=leak)
    listed = family(5, 5, "1+4", leak=leak)
    assert pattern.points[0].loss == pytest.approx(listed.loss, abs=1e-14)


def test_changes_along_the_width_are_in_the_unit_of_the_loss() -> None:
    """One anti-aligned student stops being a minimum below 5.5855 units of ReLU, not of others."""
    assert continuation("one-anti-aligned", 7.0, 5.0, 2).changes[-1].width == pytest.approx(
        5.5855052474, abs=1e-9
    )
    way = continuation("one-anti-aligned", 7.0, 4.0, 2, leak=0.3)
    change = way.changes[0]
    event = next(each for each in way.events if each.width == change.width)
    here = continuation("one-anti-aligned", 7.0, change.width, 2, leak=0.3).points[-1]
    assert event.loss == pytest.approx(here.loss, abs=1e-12)
    assert abs(here.smallest[change.component]) < 1e-9
    beyond = continuation("one-anti-aligned", 7.0, change.width - 0.01, 2, leak=0.3)
    assert beyond.points[0].is_stable
    assert not beyond.points[-1].is_stable


def test_without_a_leak_nothing_is_said_of_one() -> None:
    for leak in (0.0, -0.0):
        query = FamilyQuery(student_width=6, teacher_width=6, structure="1+5", leak=leak)
        assert "leak" not in query.model_dump(mode="json")
        assert "leak" not in family_answer(query).model_dump_json()
    assert "leak" not in continuation("1+*", 6.0, 7.0, 2).model_dump_json()


def test_a_family_that_turns_back_on_its_way_is_refused() -> None:
    with pytest.raises(InputError, match="does not reach the width 1000"):
        family(1000, 1000, "all-anti-aligned", leak=-0.9)


@pytest.mark.parametrize("leak", [0.95, -1.0, float("nan")])
def test_leaks_out_of_range_are_refused(leak: float) -> None:
    with pytest.raises(InputError, match=r"-0\.9 to 0\.9"):
        family(6, 6, "1+5", leak=leak)
    with pytest.raises(InputError, match=r"-0\.9 to 0\.9"):
        continuation("1+*", 6.0, 7.0, 2, leak=leak)
