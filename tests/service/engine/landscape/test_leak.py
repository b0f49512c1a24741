"""Landscapes of units that leak: against a plain descent, plain sums, and the verifier."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.certificates import verify
from relu_landscape.engine.descent import starts
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.lanes import native
from relu_landscape.engine.model.arrays import NUMPY as ARRAYS
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import run_here
from relu_landscape.wire.landscape import FixedPoint, FixedPointDetails, LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import leaky
from tests.service.engine.landscape import solving
from tests.service.engine.lanes.setups import KERNELS
from tests.service.engine.oracles import Real

GRAM = ((4.0, 1.0, 0.0), (1.0, 5.0, 0.5), (0.0, 0.5, 3.0))

Solved = tuple[LandscapeBody, dict[str, FixedPointDetails]]


def _solve(K: int, M: int, leak: float, *, arrays: bool = False, **more: Any) -> Solved:
    asked = {"starts": 40, "input_dimension": M} | more
    request = LandscapeRequest(student_width=K, teacher_width=M, leak=leak, **asked)
    problem = COMPOSITION.problem(request)
    kernel = None if arrays or not KERNELS else KERNELS[0]
    name = "numpy" if kernel is None else f"native-{native.VERSION}"
    run = run_here(problem, Backend(name, ARRAYS, kernel))
    found = solving.solve(request, run=run)
    return solving.body(found), solving.details(found)


@cache
def _solved(K: int, M: int, leak: float) -> Solved:
    return _solve(K, M, leak)


def _hits(body: LandscapeBody) -> list[tuple[float, int]]:
    return [(p.loss, p.attraction.hits) for p in body.fixed_points if p.attraction is not None]


@pytest.mark.parametrize("leak", [-0.5, 0.1, 0.5])
@pytest.mark.parametrize(("K", "M"), [(4, 4), (6, 6), (5, 6), (6, 5)])
def test_starts_end_where_a_plain_descent_takes_them(K: int, M: int, leak: float) -> None:
    """The same starts by Dormand and Prince on plain sums: the same minima, as often each."""
    body, _ = _solved(K, M, leak)
    teacher = make_teacher(M)
    W = starts.draw(range(40), seed=0, students=K, teacher=teacher, dimension=M)
    ends, norms = leaky.flow(W, np.eye(M), leak, until=4000.0, rest=1e-5)
    losses = leaky.loss(ends, np.eye(M), leak)
    height = (1.0 - leak) ** 2
    if K > M:
        # The set of zero loss is approached like a power of time; spurious losses are above 1e-3.
        assert np.all(losses < 1e-4 * height)
        assert body.fixed_points[0].kind == "global_continuum"
        assert _hits(body)[0] == (0.0, 40)
        return
    assert norms.max() <= 1e-5
    # off by |g|^2 / (2 smallest eigenvalue), 1e-2 of the height at least among these points
    groups = [(loss, hits) for loss, hits in _hits(body) if hits]
    counted = [int(np.sum(np.abs(losses - loss) < 1e-8)) for loss, _ in groups]
    assert counted == [hits for _, hits in groups]
    assert sum(counted) == 40


@pytest.mark.parametrize(
    ("K", "M", "leak"), [(4, 4, -0.9), (4, 4, -0.5), (4, 4, 0.5), (4, 4, 0.9), (4, 3, -0.5)]
)
def test_every_isolated_point_is_certified(K: int, M: int, leak: float) -> None:
    """The verifier has formulas of its own, and compares every number beside a certificate."""
    asked: dict[str, Any] = {"saddles": True, "certify": "fast", "input_dimension": M + 2}
    body, parts = _solve(K, M, leak, **asked)
    document = body.model_dump(mode="json") | {
        "request": {"student_width": K, "teacher_width": M, "leak": leak} | asked,
        "details": {key: part.model_dump(mode="json") for key, part in parts.items()},
    }
    isolated = {point.key for point in body.fixed_points if point.kind != "global_continuum"}
    answers = verify(document)
    assert {answer["key"] for answer in answers if answer["holds"]} == isolated
    for answer in answers:
        if answer["key"] in isolated:
            assert {"kind", "loss", "stability.spectrum"} <= set(answer["covers"])
    proved = [point.attraction for point in body.fixed_points if point.kind == "minimum"]
    assert K > M or any(seen and seen.attributed for seen in proved)
    document["request"].pop("leak")
    others = [answer for answer in verify(document) if answer["key"] in isolated]
    assert others
    assert all("leak of the request" in answer["reason"] for answer in others)


def test_a_minimum_appears_where_units_leak_backwards() -> None:
    """ReLU has no spurious minimum at four and four; with a slope of -1/2 below zero there is one,
    and every seventh start or so of a larger sample ends there."""
    relu, _ = _solve(4, 4, 0.0, saddles=False)
    assert [point.loss for point in relu.fixed_points] == [0.0]
    leaking, _ = _solved(4, 4, -0.5)
    assert len([point for point in leaking.fixed_points if point.kind == "minimum"]) == 2


def test_losses_vanish_as_the_network_becomes_linear() -> None:
    """Minima of 6 and 6 are the same two kinds at every leak, and their losses come together."""
    spurious = []
    for leak in (0.0, 0.5, 0.9):
        body, _ = _solve(6, 6, leak, starts=0, structures=("1+5",))
        spurious.append(max(point.loss for point in body.fixed_points))
    assert spurious[0] > 3.0 * spurious[1] > 60.0 * spurious[2] > 0.0


@pytest.mark.parametrize(("leak", "gram"), [(-0.5, None), (0.5, None), (0.5, GRAM), (-0.5, GRAM)])
def test_what_is_answered_is_of_the_network_itself(leak: float, gram: Any) -> None:
    """Loss, gradient, spectrum and time in the units of the request, at minima and saddles, by
    plain sums at the weights that are answered."""
    K = M = 3 if gram else 5
    body, parts = _solve(K, M, leak, teacher_gram=gram, saddles=True, input_dimension=M + 2)
    assert body.fixed_points
    for point in body.fixed_points:
        found = parts[point.key]
        W, V = np.array(found.weights), np.array(found.teacher)
        size = float(np.sum(V * V)) * (1.0 + abs(leak)) ** 2
        assert point.loss == pytest.approx(float(leaky.loss(W, V, leak)), abs=1e-13 * size)
        assert np.linalg.norm(leaky.gradient(W, V, leak)) < 1e-12 * size
        _check_spectrum(point, found, leaky.hessian(W, V, leak))
    kinds = {point.key: point for point in body.fixed_points}
    for pathway in body.pathways:
        for key, barrier in zip(pathway.minima, pathway.barriers, strict=True):
            wanted = kinds[pathway.saddle].loss - kinds[key].loss
            assert barrier == pytest.approx(wanted, abs=1e-13)


def _check_spectrum(point: FixedPoint, found: FixedPointDetails, H: Real) -> None:
    wanted = np.linalg.eigvalsh(H)
    # Third derivatives jump where a student is parallel to a teacher, as at zero loss: differences
    # are then off by their step.
    tolerance = leaky.STEP * float(np.abs(wanted).max())
    np.testing.assert_allclose(found.eigenvalues_span, wanted, rtol=0.0, atol=tolerance)
    stability = point.stability
    lines = [line for line in stability.spectrum if line.space == "span"]
    assert lines[0].eigenvalue == pytest.approx(float(wanted[0]), abs=tolerance)
    assert stability.min_eigenvalue_span == pytest.approx(float(wanted[0]), abs=tolerance)
    if stability.relaxation_time is not None:
        beside = stability.min_eigenvalue_perpendicular
        assert beside is not None
        slowest = min(stability.min_eigenvalue_span, beside)
        assert stability.relaxation_time == pytest.approx(1.0 / slowest, rel=1e-9)


@pytest.mark.skipif(not KERNELS, reason="no kernel was compiled")
@pytest.mark.parametrize(("K", "M", "leak"), [(4, 4, -0.5), (4, 3, 0.5), (3, 4, 0.9)])
def test_kernel_and_arrays_find_one_landscape(K: int, M: int, leak: float) -> None:
    mine, _ = _solve(K, M, leak, saddles=True)
    theirs, _ = _solve(K, M, leak, saddles=True, arrays=True)
    assert [hits for _, hits in _hits(mine)] == [hits for _, hits in _hits(theirs)]
    losses = [[point.loss for point in body.fixed_points] for body in (mine, theirs)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_one_more_student_gains_what_is_said(leak: float) -> None:
    """The best student put beside the answered weights, by plain sums; where two flows lead is the
    wider landscape's business."""
    body, parts = _solve(2, 3, leak, widen=True)
    for point in body.fixed_points:
        W, V = np.array(parts[point.key].weights), np.array(parts[point.key].teacher)
        assert point.widening is not None
        best = point.widening.best
        assert best is not None
        u = np.linalg.solve(V, np.array(best.cosines))
        assert np.linalg.norm(u) == pytest.approx(1.0, abs=1e-12)

        def after(length: float) -> float:
            return float(leaky.loss(np.vstack([W, length * u]), V, leak))  # noqa: B023

        gain = float(leaky.loss(W, V, leak)) - after(best.norm)
        assert best.gain == pytest.approx(gain, abs=1e-14)
        assert best.loss == pytest.approx(after(best.norm), abs=1e-14)
        assert best.value == pytest.approx(-2.0 * best.gain / best.norm, rel=1e-12)
        assert after(1.01 * best.norm) > best.loss < after(0.99 * best.norm)
        assert best.gain >= point.widening.guaranteed_gain > 0.0
        assert abs(point.widening.residual) < 1e-13
        assert best.leads_to.loss is not None
        assert best.leads_to.loss < best.loss
