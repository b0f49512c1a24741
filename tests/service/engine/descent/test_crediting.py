"""When a point is credited to a path; teachers that are nearly parallel, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import solve_ivp

from relu_landscape.engine.descent import crediting, global_set, starts
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.crediting import Crediting, separation, settled
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine import known
from tests.service.engine.oracles import Real

PAIR = [[1.0, 0.999], [0.999, 1.0]]
PAIR_AND_ONE = [[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]]
#: Three students for a pair and a triple: both ways of sharing them out are minima.
PAIR_AND_TRIPLE = np.kron(np.diag([1.0, 0.0]), np.full((3, 3), 0.99))[1:, 1:]
PAIR_AND_TRIPLE = PAIR_AND_TRIPLE + np.kron(np.diag([0.0, 1.0]), np.full((3, 3), 0.99))[1:, 1:]
np.fill_diagonal(PAIR_AND_TRIPLE, 1.0)


def _slope(W: Real, V: Real) -> Real:
    """Gradient of 1/2 E (sum ReLU(w.x) - sum ReLU(v.x))^2, term by term (Cho and Saul 2009)."""

    def pulled(w: Real, v: Real) -> Real:
        n, m = np.linalg.norm(w), np.linalg.norm(v)
        sine = np.linalg.norm(v / m - (w @ v) / (n * m) * w / n)
        angle = np.arctan2(sine, w @ v / (n * m))
        return np.asarray((m * sine * w / n + (np.pi - angle) * v) / (2 * np.pi))

    return np.stack([sum(pulled(w, u) for u in W) - sum(pulled(w, v) for v in V) for w in W])


def _scipy_end(W: Real, V: Real) -> Real:
    """Where gradient flow is after 2 10^7 units of time, forty times its slowest mode's."""
    found = solve_ivp(
        lambda _t, y: -_slope(y.reshape(W.shape), V).ravel(),
        (0.0, 2e7),
        W.ravel(),
        "LSODA",
        rtol=1e-7,
        atol=1e-10,
    )
    assert found.success, found.message
    return np.asarray(found.y[:, -1]).reshape(W.shape)


def _begun(teacher: Teacher, students: int, number: int) -> Real:
    """Start ``number`` in inputs as wide as the teacher; (1, K, M)."""
    M = teacher.width
    return starts.draw([number], seed=0, students=students, teacher=teacher, dimension=M)


@pytest.mark.parametrize(
    ("gram", "students", "number"),
    [(PAIR, 2, 0), (PAIR, 2, 1), (PAIR_AND_TRIPLE, 3, 2)],
)
def test_among_nearly_parallel_teachers_ends_are_those_of_scipy(
    gram: list[list[float]], students: int, number: int
) -> None:
    """At correlation 0.999 the smallest eigenvalue is 2.4e-6: a gradient of 1e-10 is 4e-5 off."""
    teacher = make_teacher(len(gram), gram)
    W = _begun(teacher, students, number)
    method = Descent(teacher, students, xp=NUMPY, flow_tolerance=1e-3)
    wanted = _scipy_end(W[0], teacher.V)
    for strict in (False, True):
        (end,) = method.run(method.begin([number], W), strict=strict)[0]
        assert end.outcome is Outcome.FIXED_POINT
        assert end.aligned
        # SciPy stops at a gradient of 1e-11; tighter, it follows the rounding of its own slope.
        np.testing.assert_allclose(end.W, wanted, atol=1e-5)


def _beside(W: Real, distance: float) -> Real:
    direction = np.random.default_rng(3).standard_normal(W.shape)
    return W + distance * direction / np.linalg.norm(direction)


@pytest.mark.parametrize("gram", [PAIR, PAIR_AND_ONE, np.eye(3)])
def test_a_path_at_rest_is_settled_where_newton_contracts(gram: Real) -> None:
    teacher = make_teacher(len(gram), gram)
    near, far = _beside(teacher.V, 1e-6), _beside(teacher.V, 0.5)
    found = settled(near, teacher)
    assert found is not None
    np.testing.assert_allclose(found, teacher.V, atol=1e-9)
    assert settled(far, teacher) is None  # no quadratic convergence there
    M = teacher.width
    outside = np.concatenate([near, np.full((M, 1), 1e-7)], axis=1)
    found = settled(outside, teacher)
    assert found is not None
    np.testing.assert_allclose(found[:, :M], teacher.V, atol=1e-9)
    assert not found[:, M:].any()
    outside[:, M] = 1e-3  # has not decayed: it is not at rest
    assert settled(outside, teacher) is None


def test_nothing_is_settled_at_saddles_or_on_flat_sets() -> None:
    """At either, Newton's method converges as well."""
    saddle = known.locate(known.ONE_MORE[2])
    assert settled(_beside(saddle, 1e-9), make_teacher(17)) is None
    flat = np.eye(3)[[0, 1, 2, 2]] * [[1], [1], [0.3], [0.7]]
    assert settled(flat, make_teacher(3)) is None
    zero = np.zeros((1, 2))
    assert settled(zero, make_teacher(2)) is None


def test_curvature_that_only_grows_from_zero_is_not_trusted() -> None:
    """Off the near-degenerate minimum along its slow mode, half of the curvature is soon lost."""
    minimum = known.near_degenerate()
    teacher = make_teacher(17)
    assert settled(_beside(minimum, 1e-6), teacher) is not None
    assert settled(_beside(minimum, 1e-2), teacher) is None


def test_curvatures_are_alike_where_every_ratio_is_near_one() -> None:
    """Against the generalised spectrum, at the limits and beyond; flat ones are not."""
    rng = np.random.default_rng(8)
    found = {True: 0, False: 0}
    for trial in range(300):
        size = 1 + trial % 7
        root = rng.standard_normal((size, size)) + 3.0 * np.eye(size)
        ratios = 1.0 + rng.uniform(-0.11, 0.11, size)
        if trial % 5 == 0:
            ratios[0] = rng.choice([0.9 - 1e-6, 0.9 + 1e-6, 1.1 - 1e-6, 1.1 + 1e-6])
        second = root @ root.T * 10.0 ** rng.uniform(-11.0, 0.0)
        scale = second[0, 0] / (root @ root.T)[0, 0]
        first = root @ np.diag(ratios) @ root.T * scale
        exact = scipy.linalg.eigh(first, second, eigvals_only=True)
        counts = np.linalg.eigvalsh(second)[0] > crediting.FLAT
        wanted = bool(counts and exact[0] >= 0.9 and exact[-1] <= 1.1)
        assert crediting._alike(first, second) is wanted
        found[wanted] += 1
    assert min(found.values()) > 50
    assert not crediting._alike(np.full((2, 2), np.nan), np.eye(2))


def test_safe_distance_is_bounded() -> None:
    tests = Crediting(1.0)
    assert tests.safe_distance(-1.0) == 0.0
    assert tests.safe_distance(0.0) == 0.0
    assert tests.safe_distance(0.03) == pytest.approx(0.08)
    assert tests.safe_distance(10.0) == crediting.LONGEST_POLISH
    assert Crediting(0.1).safe_distance(10.0) == pytest.approx(0.1 * crediting.LONGEST_POLISH)


def test_a_polish_that_went_nowhere_shows_nothing() -> None:
    tests = Crediting(1.0)
    assert tests.aligned(1e-3, work=1e-8, gradient_norm=1e-5)
    assert not tests.aligned(1e-3, work=1e-8, gradient_norm=2e-5)  # two modes
    assert not tests.aligned(0.0, work=0.0, gradient_norm=1e-12)
    assert not tests.aligned(1e-3, work=-1e-8, gradient_norm=1e-5)  # uphill
    assert not Crediting(0.005).aligned(1e-3, work=1e-8, gradient_norm=1e-5)


@pytest.mark.parametrize("width", [1, 3, 30, 500])
def test_the_polish_asks_for_less_than_rest(width: int) -> None:
    """Otherwise a path that creeps would count as its own fixed point."""
    for near in (1.0, 0.3, 0.02):
        tests = Crediting(near)
        assert 0.0 < tests.polished_gradient(width) < tests.resting_gradient(width) <= 1e-10
    assert Crediting(1.0).polished_gradient(width) == crediting.POLISHED_GRADIENT


def test_separation_does_not_depend_on_the_basis() -> None:
    """A short unit counts like a close one, and three units in one plane are not close."""
    assert separation(make_teacher(2, PAIR)) == pytest.approx(2 * np.sqrt(1 - 0.999**2))
    assert separation(make_teacher(2, np.diag([1.0, 0.01]))) == pytest.approx(0.2)
    assert separation(make_teacher(1, [[0.04]])) == pytest.approx(0.4)
    directions = np.array([[1, 0, 0.02], [-0.5, 0.75**0.5, 0.02], [-0.5, -(0.75**0.5), 0.02]])
    assert separation(make_teacher(3, directions @ directions.T)) == 1.0


def test_one_student_in_place_of_two_close_teachers_is_not_the_global_set() -> None:
    """At correlation 0.9998 its loss is 2e-7, below what the rule asks of distant teachers."""
    teacher = make_teacher(2, [[1.0, 0.9998], [0.9998, 1.0]])
    loss = Loss.of(teacher, NUMPY)
    middle = teacher.V.sum(axis=0)
    apart = 1e-3 * (teacher.V[0] - teacher.V[1])
    W = np.stack([middle / 2 + apart, middle / 4 - apart, middle / 4 - apart])[None]
    assert loss.value(W)[0] < global_set.LOSS
    near = separation(teacher)
    assert not global_set.reached(W, loss, near)[0]
    exact = np.stack([teacher.V[0], 0.4 * teacher.V[1], 0.6 * teacher.V[1]])[None]
    assert global_set.reached(exact, loss, near)[0]
