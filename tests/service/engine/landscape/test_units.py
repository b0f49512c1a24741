"""A landscape in other units is the same landscape: no threshold of the engine knows a scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.landscape import Problem, compose
from relu_landscape.engine.landscape.units import unit_of
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.errors import TeacherError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import FixedPointDetails, LandscapeBody, LandscapeFinding
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.usual import USUAL

#: Not orthogonal, with a spurious minimum for as many students.
GRAM = np.array(
    [
        [1.0, -0.1875, -0.1875, -0.140625],
        [-0.1875, 1.0, -0.25, -0.2109375],
        [-0.1875, -0.25, 1.0, -0.2109375],
        [-0.140625, -0.2109375, -0.2109375, 1.265625],
    ]
)


#: A landscape, its details by key, and the losses that were told last.
Found = tuple[LandscapeBody, dict[str, FixedPointDetails], tuple[float, ...]]


class Listener(SilentMonitor):
    """Keeps the losses that were told last."""

    losses: tuple[float, ...] = ()

    def findings(self, points: Sequence[Wire]) -> None:
        self.losses = tuple(p.loss for p in points if isinstance(p, LandscapeFinding))


def landscape(gram: Any, scale: float = 1.0, **more: Any) -> Found:
    """The landscape of a square problem whose lengths are all ``scale`` times longer."""
    width = len(gram)
    asked = LandscapeRequest(
        student_width=width,
        teacher_width=width,
        teacher_gram=tuple(map(tuple, (np.asarray(gram) * scale * scale).tolist())),
        init_scale=more.pop("init_scale", 1.0),
        **({"starts": 60, "input_dimension": width} | more),
    )
    problem, monitor = Problem.from_request(asked), Listener()
    run = run_here(problem, USUAL)
    composed = compose(problem, run=run, monitor=monitor, chunk_starts=None)
    assert isinstance(composed.result, LandscapeBody)
    parts = {k: v for k, v in composed.parts.items() if isinstance(v, FixedPointDetails)}
    return composed.result, parts, monitor.losses


@pytest.fixture(scope="module")
def orthonormal() -> Found:
    return landscape(np.eye(6), saddles=True)


@pytest.mark.parametrize("power", [-6, 6])
def test_equal_orthogonal_teachers_are_orthonormal_in_their_own_unit(
    orthonormal: Found, power: int
) -> None:
    """A teacher of 1e-6 I had 'a group of order 25401600' and one copy of each point, and no
    structured search; at 1e6 I every start was said to fail."""
    scale = 10.0**power
    expected, details, losses = orthonormal
    found, parts, told = landscape(np.eye(6), scale, saddles=True, init_scale=scale)
    assert found.starts == expected.starts
    assert [p.structure for p in found.fixed_points] == [p.structure for p in expected.fixed_points]
    assert [p.attraction for p in found.fixed_points] == [
        p.attraction for p in expected.fixed_points
    ]
    for point, other in zip(expected.fixed_points, found.fixed_points, strict=True):
        assert other.stability.spectrum == point.stability.spectrum
        assert other.stability.relaxation_time == point.stability.relaxation_time
        assert math.isclose(other.loss, point.loss * scale**2, rel_tol=1e-14)
        assert np.allclose(other.norms, np.multiply(point.norms, scale), rtol=1e-14)
        assert np.allclose(other.overlaps.R, np.multiply(point.overlaps.R, scale**2), rtol=1e-14)
        assert np.allclose(other.overlaps.Q, np.multiply(point.overlaps.Q, scale**2), rtol=1e-14)
        mine, theirs = details[point.key], parts[point.key]
        assert np.allclose(theirs.weights, np.multiply(mine.weights, scale), rtol=1e-14)
        # The details alone give the overlaps: weights and teacher are in one unit.
        R = np.array(theirs.weights) @ np.array(theirs.teacher).T
        assert np.allclose(R, other.overlaps.R, rtol=1e-12, atol=1e-14 * scale**2)
    assert np.allclose(told, np.multiply(losses, scale**2), rtol=1e-14)
    barriers = [p.barriers for p in expected.pathways]
    assert np.allclose([p.barriers for p in found.pathways], np.multiply(barriers, scale**2))
    assert [(p.minima, p.relation) for p in found.pathways] == [
        (p.minima, p.relation) for p in expected.pathways
    ]
    assert found.disconnectivity is not None
    assert expected.disconnectivity is not None
    leaves = [leaf.loss for leaf in expected.disconnectivity.leaves]
    assert np.allclose(
        [leaf.loss for leaf in found.disconnectivity.leaves], np.multiply(leaves, scale**2)
    )


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**39])
def test_a_power_of_two_changes_no_digit(scale: float) -> None:
    expected, _, _ = landscape(GRAM)
    found = far_away(scale)
    assert found.starts == expected.starts
    for point, other in zip(expected.fixed_points, found.fixed_points, strict=True):
        assert other.loss == point.loss * scale**2
        assert [[entry * scale**2 for entry in row] for row in point.overlaps.R] == other.overlaps.R
        assert other.stability.spectrum == point.stability.spectrum
        assert other.attraction == point.attraction


def far_away(scale: float) -> LandscapeBody:
    """The same problem beyond the scales that ``init_scale`` may have: set past the door."""
    asked = LandscapeRequest(student_width=4, teacher_width=4, starts=60, input_dimension=4)
    asked = asked.model_copy(
        update={
            "teacher_gram": tuple(map(tuple, (GRAM * scale * scale).tolist())),
            "init_scale": scale,
        }
    )
    problem = Problem.from_request(asked)
    run = run_here(problem, USUAL)
    body = compose(problem, run=run, monitor=SilentMonitor(), chunk_starts=None).result
    assert isinstance(body, LandscapeBody)
    return body


def test_a_certificate_is_about_teachers_of_unit_norm() -> None:
    found, _, _ = landscape(np.eye(3), 2.0, certify="fast", init_scale=2.0, starts=10)
    certificate = found.fixed_points[0].certificate
    assert certificate is not None
    assert certificate.verdict == "not certified"
    assert certificate.reason is not None
    assert "whose landscape is the same in other units" in certificate.reason


@pytest.mark.parametrize(
    ("gram", "unit"),
    [
        (None, 1.0),
        (np.eye(3), 1.0),
        (9.0 * np.eye(3), 3.0),
        (np.diag([1.0, 1.44]), 1.0),
        (np.diag([16.0, 17.0]), 4.0),
        (np.array([[-1.0, 0.0], [0.0, 1.0]]), 1.0),
    ],
)
def test_the_unit(gram: Any, unit: float) -> None:
    assert unit_of(None if gram is None else gram.tolist()) == unit


@pytest.mark.parametrize("entry", [1e-130, 1e130, 1e308])
def test_norms_far_outside_are_refused(entry: float) -> None:
    with pytest.raises(TeacherError, match="mean norm"):
        unit_of([[entry, 0.0], [0.0, entry]])
