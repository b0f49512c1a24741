"""Proofs about units that leak: against plain sums, mpmath, other bits and a plain descent."""

from __future__ import annotations

import copy
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from flint import arb

from relu_landscape.engine.certificates import attributed, certify, certify_reduced, verify
from relu_landscape.engine.certificates.attribution import stored_weights
from relu_landscape.engine.certificates.balls import precision
from relu_landscape.engine.certificates.dense import Mode, evaluate
from relu_landscape.engine.certificates.lipschitz import lipschitz
from relu_landscape.engine.certificates.reduced import evaluate as evaluate_blocks
from relu_landscape.engine.certificates.structure import Structure
from relu_landscape.errors import InputError
from tests.service.engine import leaky
from tests.service.engine.certificates.points import Doubles, anti_aligned, leaky_point
from tests.service.engine.certificates.test_reduced import STRUCTURES, expanded, random_blocks

LEAKS = (-0.9, -0.5, 0.1, 0.5, 0.9)
SHAPES = ((2, 2), (3, 2), (5, 4), (2, 5))


def _random(K: int, M: int) -> Doubles:
    return np.random.default_rng([K, M]).normal(size=(K, M))


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize(("K", "M"), SHAPES)
@pytest.mark.parametrize("mode", ["fast", "strict"])
def test_what_is_enclosed_is_what_plain_sums_give(K: int, M: int, leak: float, mode: Mode) -> None:
    W, V = _random(K, M), np.eye(M)
    with precision(128):
        point = evaluate(W, mode, leak)
        value, slope = float(point.evidence.loss), float(point.evidence.gradient)
    size = float(np.sum(W * W) + M) * K  # no term of the sums is larger
    assert value == pytest.approx(float(leaky.loss(W, V, leak)), abs=1e-14 * size)
    assert slope == pytest.approx(float(np.linalg.norm(leaky.gradient(W, V, leak))), rel=1e-12)
    # differences of plain gradients keep nine digits; A stands in one dimension more
    wider = leaky.hessian(
        np.hstack([W, np.zeros((K, 1))]), np.hstack([V, np.zeros((M, 1))]), leak
    ).reshape(K, M + 1, K, M + 1)
    span = wider[:, :M, :, :M].reshape(K * M, K * M)
    np.testing.assert_allclose(point.span.doubles, span, atol=1e-7)
    np.testing.assert_allclose(point.perpendicular.doubles, wider[:, M, :, M], atol=1e-7)
    assert float(np.linalg.norm(span, 2)) <= float(point.evidence.hessian) + 1e-7


@pytest.mark.parametrize("leak", LEAKS)
def test_the_loss_of_a_certificate_is_that_of_mpmath(leak: float) -> None:
    W = leaky_point(6, 1, leak)
    found = certify(W, mode="fast", teacher_width=6, leak=leak)
    with mp.workdps(50):
        value = _loss_by_mpmath(W, leak)
        low, high = (mp.mpf(found["loss"][end]) for end in ("lower", "upper"))
        # the exact critical point is within the radius, and the loss below by |g|^2/(2 lambda)
        assert low <= value
        assert value - high <= mp.mpf("1e-28")
        assert high - low < mp.mpf("1e-24")


def _loss_by_mpmath(W: Doubles, leak: float) -> Any:
    rows = [mp.matrix(row.tolist()) for row in W]
    axes = [mp.matrix(row.tolist()) for row in np.eye(W.shape[1])]
    c = mp.mpf(leak)

    def pair(a: Any, b: Any) -> Any:
        size, inner = mp.norm(a) * mp.norm(b), (a.T * b)[0]
        t = mp.acos(max(mp.mpf(-1), min(mp.mpf(1), inner / size)))
        relu = size * (mp.sin(t) + (mp.pi - t) * mp.cos(t)) / (2 * mp.pi)
        return (1 - c) ** 2 * relu + c * inner

    return (
        sum(pair(a, b) for a in rows for b in rows) / 2
        - sum(pair(a, b) for a in rows for b in axes)
        + sum(pair(a, b) for a in axes for b in axes) / 2
    )


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize(("K", "M"), [(3, 2), (6, 6), (9, 4)])
def test_doubles_are_within_their_proven_error(K: int, M: int, leak: float) -> None:
    """Against balls at 300 bits; where only the leak's own rounding counts, too."""
    W = _random(K, M)
    with precision(300):
        fast, strict = evaluate(W, "fast", leak).span, evaluate(W, "strict", leak).span
    difference = float(np.linalg.norm(fast.doubles - strict.doubles, 2))
    rounding = 2.0**-53 * float(np.linalg.norm(strict.doubles))  # of the balls to doubles
    assert 0.0 < difference <= fast.error + rounding  # type: ignore[attr-defined]
    assert fast.error < 1e-12  # type: ignore[attr-defined]


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_blocks_are_those_of_all_weights(structure: Structure, leak: float) -> None:
    blocks = random_blocks(Structure(structure.teachers, structure.students, leak))
    W = expanded(blocks)
    with precision(160):
        reduced, dense = evaluate_blocks(blocks), evaluate(W, "strict", leak)
        relu = evaluate_blocks(random_blocks(structure)).evidence.students
    for name in ("gradient", "loss"):
        own, other = (float(getattr(point.evidence, name)) for point in (reduced, dense))
        assert own == pytest.approx(other, rel=1e-12), name
    # every eigenvalue of either Hessian is one of the small matrix of the finest splitting
    for small, whole in (
        (reduced.span, dense.span.doubles),
        (reduced.perpendicular, dense.perpendicular.doubles),
    ):
        few = np.linalg.eigvalsh([[float(x) for x in row] for row in small])
        many = np.linalg.eigvalsh(whole)
        assert np.abs(many[:, None] - few).min(axis=1).max() < 1e-12
        assert np.abs(few[:, None] - many).min(axis=1).max() < 1e-12
    # the bounds are ReLU's own: curvatures do not know of the leak
    for h, wanted in zip(reduced.evidence.students.curvatures, relu.curvatures, strict=True):
        assert float(h) == pytest.approx(float(wanted), rel=1e-12, abs=1e-20)


@pytest.mark.parametrize("leak", LEAKS)
def test_the_hessian_changes_by_no_more_than_is_said(leak: float) -> None:
    """Random moves, and moves of one student across itself, which change most."""
    W, V = _random(5, 4), np.eye(4)
    with precision(128):
        students = evaluate(W, "fast", leak).evidence.students
        relu = float(lipschitz(evaluate(W, "fast", 0.0).evidence.students, arb(1e-3)))
        bound = float(lipschitz(students, arb(1e-3)))
    assert bound == pytest.approx((1.0 - leak) ** 2 * relu, rel=1e-15)
    here, rng, largest = leaky.hessian(W, V, leak), np.random.default_rng(0), 0.0
    for trial in range(60):
        move = rng.normal(size=W.shape)
        if trial % 2:
            move[np.arange(5) != trial % 5] = 0.0
        move *= 1e-3 / np.linalg.norm(move)
        change = np.linalg.norm(leaky.hessian(W + move, V, leak) - here, 2)
        largest = max(largest, float(change) / 1e-3)
    assert 0.05 * bound < largest <= bound


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("mode", ["fast", "strict"])
def test_minima_are_proven(leak: float, mode: Mode) -> None:
    W, V = leaky_point(6, 1, leak), np.eye(6)
    found = certify(W, mode=mode, teacher_width=6, leak=leak)
    lowest = float(np.linalg.eigvalsh(leaky.hessian(W, V, leak))[0])
    assert (found["verdict"], found["spurious"], found["leak"]) == ("minimum", True, leak)
    assert found["smallest_eigenvalue_span"] == pytest.approx(lowest, abs=1e-6)
    assert found["smallest_eigenvalue_span"] <= lowest + 1e-8  # of differences
    assert f"of units max(x, {leak!r} x)" in found["statement"]
    (answer,) = verify(found)
    assert answer["holds"] is True, answer["reason"]


@pytest.mark.parametrize("leak", LEAKS)
def test_the_teacher_is_proven_to_be_no_spurious_minimum(leak: float) -> None:
    found = certify(np.eye(5), mode="fast", teacher_width=5, leak=leak)
    assert (found["verdict"], found["spurious"]) == ("minimum", False)


@pytest.mark.parametrize("leak", LEAKS)
def test_the_index_of_a_saddle_is_that_of_the_plain_hessian(leak: float) -> None:
    W = leaky_point(4, 4, leak)
    students, teachers = (np.hstack([rows, np.zeros((4, 1))]) for rows in (W, np.eye(4)))
    blocks = leaky.hessian(students, teachers, leak).reshape(4, 5, 4, 5)
    span = np.linalg.eigvalsh(blocks[:, :4, :, :4].reshape(16, 16))
    beyond = np.linalg.eigvalsh(blocks[:, 4, :, 4])
    found = certify(W, mode="strict", teacher_width=4, leak=leak)
    assert found["verdict"] == "saddle"
    assert found["index_span"] == int((span < 0).sum()) > 0
    assert found["index_perpendicular"] == int((beyond < 0).sum())


def reduced_certificate(leak: float) -> dict[str, Any]:
    """That of the point with one anti-aligned student, from its blocks."""
    W = leaky_point(6, 1, leak)
    x = [[W[0, 0], W[0, 1:].sum() / 5**0.5], [W[1, 0], W[1, 1:].sum() / 5**0.5]]
    return certify_reduced([1, 5], [(1, 0), (5, 1)], x, [None, W[1, 1] - W[1, 2]], leak=leak)


@pytest.mark.parametrize("leak", LEAKS)
def test_both_methods_prove_the_same(leak: float) -> None:
    reduced, dense = (
        reduced_certificate(leak),
        certify(leaky_point(6, 1, leak), mode="strict", teacher_width=6, leak=leak),
    )
    assert reduced["verdict"] == dense["verdict"] == "minimum"
    for name in ("smallest_eigenvalue_span", "smallest_eigenvalue_perpendicular"):
        assert reduced[name] == pytest.approx(dense[name], rel=1e-5), name
    assert float(reduced["loss"]["lower"]) == pytest.approx(
        float(dense["loss"]["lower"]), rel=1e-14
    )
    inside, error = stored_weights(reduced)
    assert np.abs(inside - leaky_point(6, 1, leak)).max() < 1e-12 + error
    (answer,) = verify(reduced)
    assert answer["holds"] is True, answer["reason"]


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_descents_from_within_the_proven_ball_come_back(leak: float) -> None:
    W, V = leaky_point(6, 1, leak), np.eye(6)
    found = certify(W, mode="fast", teacher_width=6, leak=leak)
    rng = np.random.default_rng(3)
    moves = rng.normal(size=(4, 6, 6))
    moves *= 0.99 * found["attribution_radius"] / np.linalg.norm(moves, axis=(1, 2))[:, None, None]
    assert attributed(W + moves, found).all()
    assert not attributed(W + 1.02 * moves, found).any()
    ends, norms = leaky.flow(W + moves, V, leak, until=4000.0, rest=1e-6)
    assert norms.max() <= 1e-6
    # strong convexity: what is left of the way is at most the gradient over the curvature
    left = np.linalg.norm(ends - W, axis=(1, 2))
    assert (left <= norms / found["smallest_eigenvalue_span"] + found["radius"]).all()
    assert left.max() < 0.5 * found["attribution_radius"]


CHANGED: dict[str, tuple[Any, str]] = {
    "another leak": (lambda c: c.update(leak=c["leak"] + 1e-9), "statement in words"),
    "no leak": (lambda c: c.pop("leak"), "statement in words"),
    "a leak of one": (lambda c: c.update(leak=1.0), "between -1 and 1"),
    "a leak that is no number": (lambda c: c.update(leak="0.5"), "leak is not a number"),
    "a leak of nothing": (lambda c: c.update(leak=None), "leak is not a number"),
}


@pytest.mark.parametrize("method", ["dense", "reduced"])
@pytest.mark.parametrize("change", list(CHANGED))
def test_a_certificate_of_other_units_does_not_hold(change: str, method: str) -> None:
    leak = -0.5
    found = (
        reduced_certificate(leak)
        if method == "reduced"
        else certify(leaky_point(6, 1, leak), mode="fast", teacher_width=6, leak=leak)
    )
    forged = copy.deepcopy(found)
    alter, words = CHANGED[change]
    alter(forged)
    (answer,) = verify(forged)
    assert answer["holds"] is False
    assert words in answer["reason"]
    if "statement" in words:  # a careful forger rewrites the sentence: the numbers give it away
        slope = forged.get("leak", 0.0)
        named = f", of units max(x, {leak!r} x)"
        other = f", of units max(x, {slope!r} x)" if slope else ""
        forged["statement"] = forged["statement"].replace(named, other)
        (answer,) = verify(forged)
        assert answer["holds"] is False
        assert "statement" not in answer["reason"]


def test_relus_certificates_have_no_leak() -> None:
    W = anti_aligned(6, 1)
    found = certify(W, mode="fast", teacher_width=6)
    assert found == certify(W, mode="fast", teacher_width=6, leak=0.0)
    assert "leak" not in found
    assert "units" not in found["statement"]
    (answer,) = verify({**found, "leak": 0.0})
    assert answer["holds"] is True


@pytest.mark.parametrize("leak", [-1.0, 1.0, float("nan"), 2.0])
def test_other_leaks_are_refused(leak: float) -> None:
    with pytest.raises(InputError, match=r"leak = .* is not accepted: between -1 and 1"):
        certify(np.eye(2), mode="fast", teacher_width=2, leak=leak)
    with pytest.raises(InputError, match=r"leak = .* is not accepted: between -1 and 1"):
        certify_reduced([2], [(2, 0)], [[0.0]], [1.0], leak=leak)


def test_more_bits_make_narrower_balls() -> None:
    """Nothing that the leak brings was rounded to doubles."""
    W = _random(3, 3)
    radii = []
    for bits in (128, 256):
        with precision(bits):
            point = evaluate(W, "strict", 0.3)
            entries = [*point.span.balls.entries(), point.evidence.loss]  # type: ignore[attr-defined]
            radii.append(max(float(x.rad()) for x in entries))
    assert radii[1] < 1e-30 * radii[0]
