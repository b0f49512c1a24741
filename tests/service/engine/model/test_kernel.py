"""Loss and gradient on every array namespace, against loops, 40 digits and Monte Carlo."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from relu_landscape.engine.model import kernel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine import oracles
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real

#: K, M, perpendicular coordinates: one unit, narrow, equal, wide, odd and even.
SHAPES = [(1, 1, 0), (1, 3, 1), (2, 1, 2), (3, 5, 0), (4, 4, 4), (5, 4, 1), (9, 6, 3)]
BATCHES = [0, 1, 2, 3, 7]


def _teacher(width: int, orthonormal: bool, seed: int = 5) -> Teacher:
    rng = np.random.default_rng([seed, width])
    return make_teacher(width, None if orthonormal else oracles.gram_matrix(width, rng))


def _padded(teacher: Teacher, p: int) -> Real:
    return np.pad(teacher.V, ((0, 0), (0, p - teacher.width)))


def _bound(teacher: Teacher, backend: Backend) -> Loss:
    V, norms = backend.asarray(teacher.V), backend.asarray(teacher.norms)
    return Loss(V, norms, teacher.is_orthonormal, backend.xp)


def _loss(W: Real, teacher: Teacher, backend: Backend) -> Real:
    result = _bound(teacher, backend).value(backend.asarray(W))
    backend.check_kind(result, backend.asarray(W))
    return backend.to_numpy(result)


def _gradient(W: Real, teacher: Teacher, backend: Backend) -> Real:
    result = _bound(teacher, backend).gradient(backend.asarray(W))
    backend.check_kind(result, backend.asarray(W))
    return backend.to_numpy(result)


@pytest.fixture
def numpy_backend() -> Backend:
    return Backend("numpy", NUMPY, np.array, np.asarray)


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_is_the_sum_over_pairs(
    backend: Backend, shape: tuple[int, int, int], orthonormal: bool
) -> None:
    K, M, extra = shape
    teacher = _teacher(M, orthonormal)
    everything = np.random.default_rng([K, M]).standard_normal((BATCHES[-1], K, M + extra))
    wanted = [oracles.loss_by_loop(member, _padded(teacher, M + extra)) for member in everything]
    for batch in BATCHES:
        found = _loss(everything[:batch], teacher, backend)
        assert found.shape == (batch,)
        # The naive sum loses a few units in the last place of its largest terms, about K^2.
        np.testing.assert_allclose(found, wanted[:batch], rtol=0.0, atol=1e-15 * (K + M) ** 2)


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_the_slope_of_the_loop(
    backend: Backend, shape: tuple[int, int, int], orthonormal: bool
) -> None:
    K, M, extra = shape
    teacher = _teacher(M, orthonormal)
    rng = np.random.default_rng([K, M, 1])
    W = rng.standard_normal((3, K, M + extra))
    assert _gradient(W[:0], teacher, backend).shape == (0, K, M + extra)
    found = _gradient(W, teacher, backend)
    assert found.shape == W.shape
    V = _padded(teacher, M + extra)
    # Step 1e-5: the third derivative (at most 10 here) makes 2e-10, rounding 1e-15 K^2 / 1e-5.
    h = 1e-5
    for member, slope in zip(W, found, strict=True):
        direction = rng.standard_normal(member.shape)
        direction /= np.linalg.norm(direction)
        sides = [oracles.loss_by_loop(member + s * h * direction, V) for s in (1.0, -1.0)]
        assert np.sum(slope * direction) == pytest.approx((sides[0] - sides[1]) / (2 * h), abs=5e-9)


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
def test_loss_keeps_its_digits_beside_the_global_minimum(
    backend: Backend, orthonormal: bool
) -> None:
    """At distance s the loss is about s^2, where the naive sum has 1e-15 and no digit left."""
    teacher = _teacher(6, orthonormal)
    noise = np.random.default_rng(8).standard_normal((6, 6))
    for distance in (1.0, 1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-12):
        W = teacher.V + distance * noise
        wanted = float(oracles.precise_loss(W, teacher.V))
        found = float(_loss(W[None], teacher, backend)[0])
        if orthonormal:  # lengths are known to 1e-16, so the loss to 1e-16 times its root
            assert abs(found - wanted) < 5e-16 * (np.sqrt(wanted) + wanted)
        else:  # overlaps among teachers and among students cancel only to rounding
            assert found == pytest.approx(wanted, rel=1e-15, abs=1e-16)


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("kind", ["teachers", "students", "antiparallel"])
def test_gradient_is_accurate_beside_parallel_vectors(
    backend: Backend, kind: str, orthonormal: bool
) -> None:
    """An angle t known to 1e-16/t costs only 1e-16: its error meets a vector of length t."""
    teacher = _teacher(5, orthonormal)
    rng = np.random.default_rng(4)
    W = rng.standard_normal((5, 5))
    if kind == "teachers":
        W = teacher.V * rng.uniform(0.5, 1.5, (5, 1))
    else:
        W[1] = (0.7 if kind == "students" else -1.3) * W[0]
        W[2] = -teacher.V[3]
    noise = rng.standard_normal(W.shape)
    for distance in (1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 0.0):
        beside = W + distance * noise
        found = _gradient(beside[None], teacher, backend)
        wanted = oracles.precise_gradient(beside, teacher.V)
        # 4e-16 from each of 2 K cosines at worst; seen: 4e-16 in all.
        np.testing.assert_allclose(found[0], wanted, rtol=0.0, atol=1.5e-15)


def test_accuracy_at_a_hundred_students(numpy_backend: Backend) -> None:
    teacher = make_teacher(100)
    W = np.eye(100) + 0.02 * np.random.default_rng(3).standard_normal((100, 100))
    found = float(_loss(W[None], teacher, numpy_backend)[0])
    # 2e-14 as the kernel promises.
    assert abs(found - float(oracles.precise_loss(W, teacher.V))) < 2e-14


@pytest.mark.parametrize("shape", [(3, 3, 2), (5, 2, 1), (2, 6, 0)])
@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
def test_loss_is_the_mean_over_gaussian_inputs(
    numpy_backend: Backend, shape: tuple[int, int, int], orthonormal: bool
) -> None:
    K, M, extra = shape
    teacher = _teacher(M, orthonormal)
    rng = np.random.default_rng([7, K])
    W = rng.standard_normal((K, M + extra)) / np.sqrt(M)
    found = float(_loss(W[None], teacher, numpy_backend)[0])
    mean, error = oracles.loss_by_sampling(W, _padded(teacher, M + extra), 400_000, rng)
    assert abs(found - mean) < 4.0 * error
    assert error < 0.01 * mean  # the comparison means something


def test_members_do_not_see_each_other(numpy_backend: Backend) -> None:
    """Bit for bit: chunking must not change a result."""
    W = np.random.default_rng(2).standard_normal((7, 6, 9))
    for teacher in (_teacher(5, True), _teacher(5, False)):
        gradients = _gradient(W, teacher, numpy_backend)
        losses = _loss(W, teacher, numpy_backend)
        for cut in (slice(0, 1), slice(2, 5), slice(6, 7)):
            assert np.array_equal(_gradient(W[cut], teacher, numpy_backend), gradients[cut])
            assert np.array_equal(_loss(W[cut], teacher, numpy_backend), losses[cut])


def test_zero_and_nan_students_spoil_their_member_alone(backend: Backend) -> None:
    W = np.random.default_rng(2).standard_normal((4, 3, 3))
    W[1, 2] = 0.0
    W[3, 0, 1] = np.nan
    teacher = make_teacher(3)
    with np.errstate(all="ignore"):
        gradients = _gradient(W, teacher, backend)
        losses = _loss(W, teacher, backend)
    assert np.isnan(gradients[1]).any()
    assert np.isnan(gradients[3]).any()
    assert np.isnan(losses[3])
    assert np.isfinite(gradients[[0, 2]]).all()
    assert np.array_equal(losses[[0, 2]], _loss(W[[0, 2]], teacher, backend))


@pytest.mark.parametrize("c", [-1.0, -0.5, -1e-9, 0.0, 1e-300, 1e-9, 0.3, 1.0 - 1e-15, 1.0])
def test_remainder_is_the_kernel_without_its_linear_part(c: float) -> None:
    with mpmath.workdps(40):
        x = mpmath.mpf(c)
        wanted = float((mpmath.sqrt(1 - x * x) + x * mpmath.asin(x) - 1) / (2 * mpmath.pi))
    found = float(kernel.remainder(np.asarray(c), xp=NUMPY))
    # Near c = 1 the arcsine's slope turns one unit in the last place of c into 1e-15 of the rest.
    assert found == pytest.approx(wanted, rel=2e-15, abs=1e-323)


def test_the_loss_of_a_teacher_is_bound_once(backend: Backend) -> None:
    """Lengths and overlaps as defined, on the device; the teacher is moved there by ``of``."""
    for orthonormal in (True, False):
        teacher = _teacher(3, orthonormal)
        W = np.random.default_rng(1).standard_normal((2, 4, 5))
        here = _bound(teacher, backend)
        norms, R = (f(backend.asarray(W)) for f in (here.norms, here.overlaps))
        backend.check_kind(R, backend.asarray(W))
        np.testing.assert_allclose(backend.to_numpy(norms), np.linalg.norm(W, axis=-1), rtol=1e-15)
        np.testing.assert_allclose(backend.to_numpy(R), W @ _padded(teacher, 5).T, atol=1e-14)
        moved = Loss.of(teacher, backend.xp)
        assert moved.width == here.width == 3
        assert np.array_equal(backend.to_numpy(moved.V), teacher.V)


@pytest.mark.parametrize(("K", "M"), [(2, 2), (6, 6), (20, 20), (20, 5), (5, 20)])
@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
def test_the_stated_accuracy_of_the_loss_covers_its_rounding(
    numpy_backend: Backend, K: int, M: int, orthonormal: bool
) -> None:
    teacher = _teacher(M, orthonormal)
    mean_square = float(np.mean(teacher.norms**2))
    rng = np.random.default_rng([K, M])
    nearby = np.eye(K, M) @ teacher.V + 0.1 * rng.standard_normal((K, M))
    for W in (nearby, *(scale * rng.standard_normal((K, M)) for scale in (0.3, 1.0, 3.0))):
        found = float(_loss(W[None], teacher, numpy_backend)[0])
        wanted = float(oracles.precise_loss(W, teacher.V))
        assert abs(found - wanted) <= kernel.loss_accuracy(found, max(K, M), mean_square)
