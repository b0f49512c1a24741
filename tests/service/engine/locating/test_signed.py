"""Networks with second layers of both signs: what is there, and where the flow takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import root

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.locating.falling import AT_SADDLE
from relu_landscape.engine.locating.sampling_error import Place, predicted
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.wire.located import LocatedPoint, PointsBody, SignedEnd
from tests.service.engine.locating.test_locating import CONVERGED, bare, locate, rotation

Real = NDArray[np.float64]
#: Second layers of both signs and of different sizes.
A, B = np.array([2.0, -0.5, 1.0]), np.array([1.5, -1.0])
V = np.array([[1.0, 0.2, 0.0, 0.0, 0.0], [-0.3, 0.8, 0.4, 0.0, 0.0]])
#: A third unit beside them.
TEACHER, BESIDE = np.concatenate([V, [[0.0, 0.5, 0.0, 0.9, 0.0]]]), np.array([1.5, -1.0, 0.7])


def signed(weights: Real, teacher: Real, a: Any, b: Any, **options: Any) -> PointsBody:
    """Points of networks with these second layers."""
    return locate(
        weights, teacher, second_layer=np.asarray(a, dtype=float),
        teacher_second_layer=np.asarray(b, dtype=float), **options,
    )  # fmt: skip


def only(body: PointsBody) -> tuple[LocatedPoint, SignedEnd]:
    (point,) = body.points
    (end,) = body.signed_ends or []
    return point, end


def output(x: Real, W: Real, a: Real) -> Real:
    return np.maximum(x @ W.T, 0.0) @ a


def test_loss_and_gradient_are_means_over_inputs() -> None:
    W = np.random.default_rng(1).standard_normal((3, 5))
    (point,) = signed(W, V, A, B, follow=False).points
    x = np.random.default_rng(2).standard_normal((400_000, 5))
    error = output(x, W, A) - output(x, V, B)
    squares = error**2 / 2.0
    assert abs(point.loss - squares.mean()) < 4.0 * squares.std() / np.sqrt(len(x))
    # By the folded first layer, whose outputs have the signs alone.
    active = (x @ W.T > 0.0) * np.sign(A)
    slope = np.einsum("n,ni,nj->ij", error, active, x) / len(x)
    spread = np.sqrt(np.mean((error[:, None] * active) ** 2) * 15 / len(x))
    assert abs(point.gradient_norm - np.linalg.norm(slope)) < 4.0 * spread
    assert np.allclose(point.norms, np.abs(A) * np.linalg.norm(W, axis=1), rtol=1e-14)
    assert (point.outcome, point.end, point.nearest, point.widening) == (None,) * 4


def test_the_spectrum_is_that_of_differences() -> None:
    """In all five dimensions, by a loss that knows nothing of coordinates."""
    W = np.random.default_rng(3).standard_normal((3, 5))
    (point,) = signed(W, V, A, B, follow=False).points
    T, flat = V @ V.T, (np.abs(A)[:, None] * W).ravel()
    basis = np.linalg.solve(np.linalg.cholesky(T), V)
    whole = np.concatenate([basis, np.linalg.svd(basis)[2][2:]])
    layers = Layers.beside(np.sign(A), B, make_teacher(2, T))
    step, H = 1e-5, np.zeros((15, 15))
    for place in range(15):
        move = np.zeros(15)
        move[place] = step
        ends = np.stack([(flat + s * move).reshape(3, 5) @ whole.T for s in (1.0, -1.0)])
        slopes = layers.gradient(ends) @ whole
        H[place] = (slopes[0] - slopes[1]).ravel() / (2.0 * step)
    found = np.repeat(
        [line.eigenvalue for line in point.spectrum or []],
        [int(line.multiplicity) for line in point.spectrum or []],
    )
    expected = np.linalg.eigvalsh((H + H.T) / 2.0)
    # Differences of 1e-5 err by 1e-10 of the third derivative.
    assert np.abs(np.sort(found) - expected).max() < 1e-8
    assert (point.index, point.nullity) == (int(np.sum(expected < 0.0)), 0)


def test_units_of_one_sign_are_matched() -> None:
    """The student that is closest to a teacher of the other sign is not its student."""
    W = np.array([[1.0, 0.1, 0.0], [0.9, 0.0, 0.3], [0.0, 0.0, 1.0]])
    body = signed(W, np.eye(3), [1, -1, 1], [1, 1, -1], follow=False)
    (point,) = body.points
    assert point.matched_teacher == [0, 2, 1]
    assert point.unmatched_teachers == []


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_flow_arrives_where_another_integrator_does(scale: float) -> None:
    """SciPy's LSODA on the folded first layer, for the time that is told and long after."""
    W, a, b, teacher = np.random.default_rng(0).standard_normal((2, 5)), A[:2], BESIDE, TEACHER
    point, end = only(signed(W * scale, teacher * scale, a, b, flow_tolerance=1e-6))
    assert (point.outcome, end.kind) == (CONVERGED, "minimum")
    T = teacher @ teacher.T
    basis = np.linalg.solve(np.linalg.cholesky(T), teacher)
    whole = np.concatenate([basis, np.linalg.svd(basis)[2][3:]])
    layers = Layers.beside(np.sign(a), b, make_teacher(3, T))
    begun = (np.abs(a)[:, None] * W) @ whole.T

    def slope(t: float, x: Real) -> Real:
        return -layers.gradient(x.reshape(1, 2, 5)).ravel()

    assert point.flow_time is not None
    flow = solve_ivp(
        slope, (0.0, point.flow_time + 400.0), begun.ravel(), method="LSODA", rtol=1e-10,
        atol=1e-12,
    )  # fmt: skip
    last = flow.y[:, -1].reshape(2, 5)
    assert np.linalg.norm(slope(0.0, last)) < 1e-6
    assert end.loss == pytest.approx(float(layers.loss(last[None])[0]) * scale**2, abs=1e-10)
    assert point.distance == pytest.approx(np.linalg.norm(last - begun) * scale, abs=1e-4)
    assert point.loss_to_lose == pytest.approx(point.loss - end.loss, abs=1e-12)


def test_a_network_is_its_teacher_whatever_it_is_disguised_by() -> None:
    """Units of one sign exchanged, sizes moved between layers, inputs rotated into d = 30."""
    rng = np.random.default_rng(6)
    signs, d = np.array([1.0, 1.0, -1.0, -1.0]), 30
    teacher = rotation(d, 1)[:4]
    order = np.array([1, 0, 3, 2])
    sizes = np.exp(rng.normal(size=4))
    W = (teacher[order] + 1e-2 * rng.standard_normal((4, d)) / np.sqrt(d)) / sizes[:, None]
    body = signed(W, teacher, sizes * signs, signs)
    point, end = only(body)
    assert (point.outcome, point.end, end.key, end.kind) == (CONVERGED, "g1", "g1", "global")
    assert (end.loss, end.points, end.outside_span) == (0.0, 1, 0)
    assert point.matched_teacher == order.tolist()
    folded = sizes[:, None] * W
    assert point.distance == pytest.approx(np.linalg.norm(folded - teacher[order]), rel=1e-9)
    assert end.student_signs == signs.tolist()
    assert end.curvature is not None
    assert (end.curvature.index, end.curvature.nullity) == (0, 0)
    assert (body.fixed_points, body.searched) == ([], [])


def test_ends_are_one_up_to_exchanges_of_one_sign() -> None:
    """Two networks that differ by an exchange of equal signs end at one place; the order in which
    units stand there is told. Teachers that look unlike are not exchanged."""
    W = np.random.default_rng(0).standard_normal((2, 5))
    body = signed(np.stack([W, W[::-1]]), TEACHER, [1, 1], BESIDE)
    first, second = body.points
    (end,) = body.signed_ends or []
    assert (end.kind, end.points) == ("minimum", 2)
    assert (first.students, first.teachers) == ([0, 1], [0, 1, 2])
    assert (second.students, second.teachers) == ([1, 0], [0, 1, 2])
    assert first.distance == pytest.approx(second.distance, rel=1e-12)
    other = signed(np.stack([W, W[::-1]]), TEACHER, [1, -1], BESIDE)
    assert [point.students for point in other.points if point.students] != [[0, 1], [1, 0]]


def test_a_path_that_rests_at_a_saddle_is_told_to() -> None:
    """A saddle that SciPy's ``root`` finds; from a ten-thousandth beside it the flow goes on."""
    signs = np.array([1.0, 1.0, -1.0])
    layers = Layers(signs, signs)

    def slope(x: Real) -> Real:
        return layers.gradient(x.reshape(1, 3, 3)).ravel()

    begun = np.random.default_rng(26).standard_normal(9)
    W = root(slope, begun, tol=1e-14).x.reshape(3, 3)
    many = np.pad([W, W + 1e-4], ((0, 0), (0, 0), (0, 3)))
    body = signed(many, np.eye(3, 6), signs, signs)
    there, beside = body.points
    assert (there.outcome, there.end, there.loss_to_lose) == (AT_SADDLE, "s1", 0.0)
    assert beside.outcome == CONVERGED
    saddle = (body.signed_ends or [])[-1]
    assert (saddle.key, saddle.kind, saddle.relaxation_time) == ("s1", "saddle", None)
    assert saddle.curvature is not None
    H, A_ = layers.hessian(W)
    below = np.sum(np.linalg.eigvalsh(H) < 0.0) + 3 * np.sum(np.linalg.eigvalsh(A_) < 0.0)
    assert saddle.curvature.index == there.index == below > 0
    assert there.distance is not None
    assert there.distance < 1e-14


def test_equal_signs_are_the_network_that_is_folded() -> None:
    """Both layers negative: the same square of the same difference."""
    W = np.random.default_rng(8).standard_normal((2, 3)) + np.eye(2, 3)
    plain = locate(2.0 * W, np.eye(2, 3), nearest=0)
    assert plain.signed_ends is None
    assert bare(signed(W, np.eye(2, 3), [-2, -2], [-1, -1], nearest=0)) == bare(plain)


def test_more_students_come_to_the_set_of_zero_loss() -> None:
    W = np.array([[1.0, 0.2, 0.0], [0.6, -0.1, 0.1], [0.1, 1.0, 0.0]])
    point, end = only(signed(W, np.eye(2, 3), [1, 1, -1], [1, -1]))
    assert (point.end, end.kind, end.loss, end.curvature) == ("g1", "global", 0.0, None)
    assert point.loss_to_lose == point.loss


def test_the_error_of_samples_is_that_of_sampled_gradients() -> None:
    """Gradients of single inputs in all six dimensions, at a minimum with a loss."""
    W = np.array([[0.3, 0.5, 0.1, 0.0, 0.0, 0.0], [0.2, -0.4, 0.6, 0.0, 0.0, 0.0]])
    b = np.array([1.0, -1.0, 0.7])
    body = signed(W, np.eye(3, 6), [1, -1], b, sample_size=1000, label_noise=0.3)
    point, end = only(body)
    assert end.kind == "minimum"
    assert end.outside_span == 0
    error = end.statistical_error
    assert error is not None
    assert point.distance_in_errors == pytest.approx((point.distance or 0.0) / error.distance)
    layers = Layers(np.array([1.0, -1.0]), b)
    R = np.array(end.overlaps.R) / np.abs(b)  # overlaps are with the folded teacher
    assert np.allclose(np.linalg.norm(R, axis=1), end.norms, rtol=1e-12)
    place = Place.beside(R, layers)
    whole = predicted(place, dimension=6, label_noise=0.3)
    assert whole is not None
    assert error.distance == pytest.approx(np.sqrt(whole.square / 1000), rel=1e-9)
    H, A_ = layers.hessian(R)
    full = np.zeros((2, 6, 2, 6))
    full[:, :3, :, :3] = H.reshape(2, 3, 2, 3)
    for axis in range(3, 6):
        full[:, axis, :, axis] = A_
    rng = np.random.default_rng(9)
    x = rng.standard_normal((200_000, 6))
    active = (x[:, :3] @ R.T > 0.0) * layers.a
    wrong = np.maximum(x[:, :3] @ R.T, 0.0) @ layers.a - np.maximum(x[:, :3], 0.0) @ b
    wrong = wrong - 0.3 * rng.standard_normal(len(x))
    slopes = (wrong[:, None, None] * active[:, :, None] * x[:, None]).reshape(len(x), -1)
    moved = np.linalg.solve(full.reshape(12, 12), slopes.T)
    squares = np.sum(moved**2, axis=0)
    spread = squares.std() / np.sqrt(len(x)) + whole.square * whole.accuracy
    assert abs(squares.mean() - whole.square) < 4.0 * spread


def test_how_the_work_is_cut_up_does_not_matter() -> None:
    """Each point alone is what it is among others."""
    W = np.random.default_rng(12).standard_normal((4, 3, 5))
    together = signed(W, V, A, B)
    for number, point in enumerate(together.points):
        (alone,) = signed(W[number], V, A, B).points
        for name in ("loss", "gradient_norm", "outcome", "distance", "flow_time", "loss_to_lose"):
            assert getattr(alone, name) == getattr(point, name)
