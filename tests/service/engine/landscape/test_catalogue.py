"""What the catalogue says of distances, and in which order it lists."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.landscape.catalogue import Catalogue, Entry, Group
from relu_landscape.engine.landscape.ends import EndGroup, Ends
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import known
from tests.service.engine.oracles import Real

SPURIOUS = known.locate(known.WELL_SPECIFIED[1])


def _problem(**fields: Any) -> Problem:
    request = {"student_width": 7, "teacher_width": 7, "input_dimension": 7, "structured": False}
    return Problem.from_request(LandscapeRequest.model_validate(request | fields))


def _point(W: Real = SPURIOUS) -> Point:
    return classify.spectrum_at(W, _problem().teacher)


def _ends(start: int, W: Real, moved: float) -> Ends:
    loss = _point().loss
    return Ends((EndGroup(start, W, loss, (start,), np.array([moved]), (False,)),))


def _beside(length: float) -> Real:
    """A copy of the minimum with its labels exchanged, this far from the same copy of it."""
    way = np.random.default_rng(3).standard_normal(SPURIOUS.shape)
    rng = np.random.default_rng(4)
    there = SPURIOUS + length * way / np.linalg.norm(way)
    return np.ascontiguousarray(there[rng.permutation(7)])


def test_a_distance_within_a_group_counts_from_its_representative() -> None:
    """The path was 0.02 from its own end, and that 1e-7 from the one that stands for all."""
    catalogue = Catalogue(_problem(certify="fast"))
    (group,) = catalogue.collect([_ends(1, SPURIOUS, 0.02), _ends(2, _beside(1e-7), 0.02)])
    assert np.array_equal(group.W, SPURIOUS)
    moved = {start: distance for start, (distance, _) in group.members.items()}
    assert moved[1] == 0.02
    assert moved[2] == pytest.approx(0.02 + 1e-7, abs=1e-11)


def _credited(moved: float, polished: float, **fields: Any) -> tuple[list[int], Entry]:
    """One path ``moved`` from its end, which Newton's method moved by ``polished``."""
    catalogue = Catalogue(_problem(**fields))
    point = replace(_point(), moved=polished)
    entry = catalogue.add("a", _point(), "sampled")
    group = Group(0, point.W, {0: (moved, False)})
    doubtful, _ = catalogue.credit(group, entry, point)
    return doubtful, entry


def test_a_distance_is_of_the_way_and_of_the_polish_together() -> None:
    """The ball in which the flow goes to this minimum is 0.037 wide (its eigenvalue is 0.014)."""
    assert _credited(0.02, 0.01)[0] == []
    assert _credited(0.03, 0.01)[0] == [0]
    assert _credited(0.01, 0.03)[0] == [0]


def test_with_a_proof_asked_for_the_way_to_the_certified_copy_is_added() -> None:
    catalogue = Catalogue(_problem(certify="fast"))
    entry = catalogue.add("a", _point(), "sampled")
    other = replace(_point(), W=_beside(1e-7), moved=0.01)
    catalogue.credit(Group(0, other.W, {0: (0.01, False)}), entry, other)
    assert entry.distances[0] == pytest.approx(0.02 + 1e-7, abs=1e-11)


def test_a_distance_that_is_stated_is_an_upper_bound() -> None:
    """Of numbers that are themselves sums of 49 squares with their rounding; and hardly more."""
    rounding = 1 + 49 * Fraction(1, 2**53)
    for moved, polished in np.random.default_rng(5).uniform(0.0, 0.015, (50, 2)).tolist():
        _, entry = _credited(moved, polished)
        exact = Fraction(moved) + Fraction(polished)
        assert exact * rounding <= Fraction(entry.distances[0]) <= exact * (1 + Fraction(1, 10**11))


def test_minima_come_before_saddles_whatever_their_loss() -> None:
    problem = _problem(input_dimension=8)
    plain = _point()
    down = np.array([-0.1, *plain.span[1:]])
    points = {
        "two ways down": (replace(plain, span=np.array([-0.2, *down[:-1]]), loss=0.001)),
        "higher minimum": replace(plain, loss=0.03),
        "one way down": replace(plain, span=down, loss=0.002),
        "lower minimum": replace(plain, loss=0.02),
        "one way down, perpendicular": replace(
            plain, perpendicular=np.array([-0.1, *plain.perpendicular[1:]]), loss=0.003
        ),
    }
    catalogue = Catalogue(problem)
    for label, point in points.items():
        catalogue.add(label, point, "sampled")
    assert [entry.label for entry in catalogue.in_order()] == [
        "lower minimum", "higher minimum",
        "two ways down", "one way down", "one way down, perpendicular",
    ]  # fmt: skip
