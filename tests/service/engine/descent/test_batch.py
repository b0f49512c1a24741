"""From starts to ends: where SciPy's integrators end, whatever the company; polish; slow paths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from relu_landscape.engine.descent import batch as descents
from relu_landscape.engine.descent import creeping, quasi_newton, starts
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.crediting import Crediting
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.errors import Cancelled
from tests.service.engine import known
from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real, loss_by_loop
from tests.service.engine.reference_flow import integrate


def _starts(K: int, M: int, indices: list[int], d: int, seed: int = 1) -> Real:
    return starts.draw(indices, seed=seed, students=K, teacher=make_teacher(M), dimension=d)


def _descent(K: int, M: int) -> Descent:
    return Descent(make_teacher(M), K, xp=NUMPY, flow_tolerance=1e-3)


def _loss(width: int) -> Loss:
    return Loss.of(make_teacher(width), NUMPY)


@pytest.mark.parametrize("shape", [(6, 6), (8, 8), (5, 7)])
def test_ends_are_those_of_scipy(shape: tuple[int, int]) -> None:
    """DOP853 through the time in which basins are decided, LSODA on, Newton at the very end."""
    K, M = shape
    indices = [0, 1, 2]
    W = _starts(K, M, indices, M + 2)
    method = _descent(K, M)
    ends, unfinished = method.run(method.begin(indices, W))
    assert not unfinished
    for end in ends:
        assert end.outcome is Outcome.FIXED_POINT
        early = integrate(W[end.start], M, 50.0, method="DOP853")
        late = integrate(early, M, 3000.0, rtol=1e-8)
        assert np.linalg.norm(late[:, M:]) < 1e-4
        wanted = points.newton(late[:, :M], M)
        assert np.linalg.norm(points.gradient(wanted, M)) < 1e-12
        # Gradient 1e-11 over the smallest eigenvalue, which is above 1e-3 at these widths.
        np.testing.assert_allclose(end.W, wanted, atol=1e-8)


def test_global_ends_are_those_of_scipy() -> None:
    K, M = 9, 8
    indices = [0, 1, 2]
    W = _starts(K, M, indices, M)
    method = _descent(K, M)
    for end in method.run(method.begin(indices, W))[0]:
        late = integrate(W[end.start], M, 3000.0, rtol=1e-8)
        loss = loss_by_loop(late, np.eye(M))
        # Spurious points at this width have a loss of 0.02; the way to zero is a power of time.
        assert (end.outcome is Outcome.GLOBAL_SET) == (loss < 1e-4)


def _same(first: End, second: End) -> None:
    assert first.start == second.start
    assert first.outcome is second.outcome
    assert np.array_equal(first.W, second.W)
    assert np.array_equal(first.path_end, second.path_end)
    assert (first.moved, first.aligned, first.steps) == (
        second.moved, second.aligned, second.steps,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(6, 6), (7, 5), (4, 6)])
def test_ends_do_not_depend_on_company(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: batches of 12, of one, of lanes that are refilled, and handed back half-way."""
    K, M = shape
    indices = list(range(12))
    W = _starts(K, M, indices, M + 3)
    method = _descent(K, M)
    together = {end.start: end for end in method.run(method.begin(indices, W))[0]}
    assert sorted(together) == indices
    for index in (0, 5, 11):
        (alone,) = method.run(method.begin([index], W[[index]]))[0]
        _same(alone, together[index])

    monkeypatch.setattr(descents, "lane_count", lambda *_args, **_options: 10)
    narrow = _descent(K, M)
    order = [7, 3, 0, 11, 1, 9, 5, 2, 10, 8, 4, 6]
    ends, unfinished = narrow.run(narrow.begin(order, W[order]), hand_back=True)
    held = narrow.held(unfinished)
    assert held is not None  # of ten lanes the last two are left
    waiting = held.start.tolist()
    assert sorted([end.start for end in ends] + waiting) == indices
    more, rest = narrow.run(narrow.resume(held))
    assert not rest
    assert sorted(end.start for end in more) == waiting
    for end in [*ends, *more]:
        _same(end, together[end.start])


def test_nothing_to_do() -> None:
    method = _descent(3, 3)
    assert method.run(method.begin([], np.empty((0, 3, 3)))) == ([], [])


def test_a_path_that_creeps_too_long_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descents, "CREEPING_STEPS", 20)
    monkeypatch.setattr(creeping, "STEP_LIMIT", 3)
    method = _descent(4, 4)
    ends, _ = method.run(method.begin([0, 1], _starts(4, 4, [0, 1], 10)))
    assert [end.outcome for end in ends] == [Outcome.STEP_LIMIT, Outcome.STEP_LIMIT]
    assert not ends[0].outcome.converged
    assert "step limit" in ends[0].outcome.value


def test_creeping_on_reaches_the_same_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """From step 40 with the whole Hessian implicit, or never: the same points."""
    indices = [0, 1, 2]
    W = _starts(6, 6, indices, 8)
    plain = _descent(6, 6)
    wanted = sorted(plain.run(plain.begin(indices, W))[0], key=lambda end: end.start)
    monkeypatch.setattr(descents, "CREEPING_STEPS", 40)
    creeping = _descent(6, 6)
    found = sorted(creeping.run(creeping.begin(indices, W))[0], key=lambda end: end.start)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.outcome is theirs.outcome is Outcome.FIXED_POINT
        np.testing.assert_allclose(mine.W, theirs.W, atol=1e-8)


def test_a_path_with_a_short_student_is_not_given_up_early() -> None:
    """Start 7 of seed 4 has a student of length 7e-5 when it counts as creeping (step 1,200), at
    loss 4e-6 and falling; it was given up there, though the limit of such paths is 20,000 steps."""
    W = _starts(4, 1, [7], 4, seed=4)
    method = _descent(4, 1)
    (end,) = method.run(method.begin([7], W))[0]
    assert end.outcome is Outcome.GLOBAL_SET


def test_weights_that_are_not_finite_and_students_that_are_tiny() -> None:
    W = _starts(4, 4, [0, 1, 2], 8)
    W[0, 1] = 1e200  # its square is infinite
    W[1, 2] = 1e-9 * W[1, 2] / np.linalg.norm(W[1, 2])
    method = _descent(4, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        ends, _ = method.run(method.begin([0, 1, 2], W))
    outcomes = {end.start: end.outcome for end in ends}
    assert outcomes[0] is Outcome.NOT_FINITE
    assert outcomes[1].converged
    assert outcomes[2].converged


def test_cancellation_comes_through() -> None:
    def stop() -> None:
        raise Cancelled("Asked to stop.")

    method = Descent(make_teacher(3), 3, xp=NUMPY, flow_tolerance=1e-3, check=stop)
    with pytest.raises(Cancelled):
        method.run(method.begin([0], _starts(3, 3, [0], 3)))


def _slow_direction(tilt: float = 0.3) -> Real:
    """A slow mode of the near-degenerate minimum. Without ``tilt`` it treats two of the three
    turned students alike, and the flow along it stays on a symmetric ridge."""
    H = points.hessian(known.near_degenerate(), 17)
    values, vectors = np.linalg.eigh(H)
    assert values[1] < 1e-4 < values[2]
    first = np.zeros((18, 17))
    first[0, 0], first[1, 1] = 1.0, tilt
    direction = (vectors[:, :2] @ (vectors[:, :2].T @ first.ravel())).reshape(18, 17)
    return np.asarray(direction / np.linalg.norm(direction))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_a_near_degenerate_minimum_keeps_its_own(strict: bool, tilt: float) -> None:
    """5e-4 off either way the flow goes back, through modes of eigenvalue 3.8e-5: the ball of that
    curvature is 1e-4 wide, so credit is for moving along a single mode, or for going all the way.
    """
    minimum = known.near_degenerate()
    direction = _slow_direction(tilt)
    offsets = 5e-4 * np.stack([direction, -direction])
    method = _descent(18, 17)
    ends, _ = method.run(method.begin([0, 1], minimum + offsets), strict=strict)
    assert len(ends) == 2
    for end in ends:
        assert end.outcome is Outcome.FIXED_POINT
        assert end.aligned or end.moved <= Crediting(1.0).safe_distance(3.8e-5)
        if tilt == 0.0:
            assert end.moved == pytest.approx(5e-4, rel=0.01)
        # Gradient 1e-10 at most (RESTING_GRADIENT) over an eigenvalue of 3.8e-5.
        np.testing.assert_allclose(end.W, minimum, atol=3e-6)


def test_behind_the_saddle_nobody_is_credited_to_the_near_minimum() -> None:
    """5e-3 off, on the far side of the saddles: Newton's method and BFGS still fall back to the
    minimum, the flow does not (LSODA with rtol 1e-9 ends at zero loss as well)."""
    minimum = known.near_degenerate()
    direction = _slow_direction()
    outcomes = []
    for sign in (1.0, -1.0):
        method = _descent(18, 17)
        W = minimum + sign * 5e-3 * direction
        slope = points.gradient(W, 17)
        goes_away = bool(np.sum(slope * sign * direction) < 0.0)
        (end,) = method.run(method.begin([0], W[None]))[0]
        returned = end.outcome is Outcome.FIXED_POINT and np.linalg.norm(end.W - minimum) < 1e-5
        # Downhill along the slow mode and away from the minimum: it must not be credited.
        assert not (goes_away and returned)
        outcomes.append((goes_away, end.outcome))
    assert (True, Outcome.GLOBAL_SET) in outcomes


def test_lanes_are_at_least_eight() -> None:
    assert descents.lane_count(64, 64) == 8
    assert descents.lane_count(1, 1) == 512


@pytest.mark.parametrize("published", known.WELL_SPECIFIED[1:8], ids=known.name)
def test_polish_ends_where_root_finding_does(published: dict[str, int]) -> None:
    width = published["width"]
    W = known.locate(published)
    moves = np.random.default_rng(1).standard_normal((3, *W.shape))
    distances = np.array([1e-6, 1e-3, 1e-2])
    beside = W + moves * (distances / np.linalg.norm(moves, axis=(1, 2)))[:, None, None]
    found = quasi_newton.minimise(_loss(width), beside, tolerance=1e-11, iterations=120, reach=0.4)
    assert on_host(found.gradient_norm).max() <= 1e-11

    def slope(y: Real) -> Real:
        return points.gradient(y.reshape(W.shape), width).ravel()

    def jacobian(y: Real) -> Real:
        return points.hessian(y.reshape(W.shape), width)

    root = optimize.root(slope, beside[2].ravel(), jac=jacobian, tol=1e-13)
    for polished in on_host(found.W):
        # Gradient 1e-11 over the smallest eigenvalue, 2e-3 here.
        np.testing.assert_allclose(polished, root.x.reshape(W.shape), atol=1e-8)
        assert np.linalg.norm(points.gradient(polished, width)) < 2e-11


def test_polish_stays_within_reach_and_leaves_the_finished_alone() -> None:
    W = known.locate(known.WELL_SPECIFIED[1])
    beside = W + 1e-2 * np.random.default_rng(3).standard_normal((2, *W.shape))
    beside[0] = W
    near = quasi_newton.minimise(_loss(7), beside, tolerance=1e-11, iterations=50, reach=1e-3)
    assert np.array_equal(on_host(near.W)[0], W)
    assert np.linalg.norm(near.W[1] - beside[1]) <= 1e-3
    assert near.gradient_norm[1] > 1e-11
    nothing = quasi_newton.minimise(_loss(7), beside, tolerance=1e-11, iterations=0, reach=1.0)
    assert np.array_equal(on_host(nothing.W), beside)
    assert nothing.iterations == 0


def test_polish_of_a_member_does_not_see_the_others() -> None:
    W = known.locate(known.WELL_SPECIFIED[1])
    beside = W + 3e-3 * np.random.default_rng(3).standard_normal((4, *W.shape))
    options = {"tolerance": 1e-11, "iterations": 80, "reach": 1.0}
    together = quasi_newton.minimise(_loss(7), beside, **options)  # type: ignore[arg-type]
    for row in range(4):
        alone = quasi_newton.minimise(_loss(7), beside[row : row + 1], **options)  # type: ignore[arg-type]
        assert np.array_equal(on_host(alone.W)[0], on_host(together.W)[row])


@pytest.mark.parametrize("shape", [(6, 6), (5, 7)])
def test_slow_flow_from_early_on_ends_where_lsoda_does(shape: tuple[int, int]) -> None:
    K, M = shape
    teacher = make_teacher(M)
    W = integrate(_starts(K, M, [4], M + 1)[0], M, 5.0)
    path = creeping.SlowFlow(teacher, W, 0.1)
    while path.gradient_norm > 1e-9 and path.steps < creeping.STEP_LIMIT:
        path.step()
    assert path.gradient_norm <= 1e-9
    late = integrate(W, M, 3000.0, rtol=1e-8)
    np.testing.assert_allclose(path.W[:, :M], points.newton(late[:, :M], M), atol=1e-6)
    assert np.linalg.norm(path.W[:, M:]) < 1e-6


def test_slow_flow_keeps_to_the_path_along_a_valley() -> None:
    """Against LSODA at the same time, along the flat valley of the near-degenerate minimum."""
    teacher = make_teacher(17)
    direction = _slow_direction()
    W = known.near_degenerate() + 5e-4 * direction
    path = creeping.SlowFlow(teacher, np.asarray(W), 1.0)
    while path.elapsed < 2e4:
        path.step_size = min(path.step_size, 2e4 - path.elapsed)
        path.step()
    wanted = integrate(W, 17, 2e4, rtol=1e-8)
    done = np.linalg.norm(wanted - W)
    assert done > 1e-4
    # The relative error of a step is 2e-4 by design (RELATIVE_TOLERANCE).
    assert np.linalg.norm(path.W - wanted) < 5e-3 * done


def test_slow_flow_declines_what_it_cannot_do() -> None:
    assert creeping.SlowFlow.suits(np.ones((3, 3)), make_teacher(3))
    short = np.ones((3, 3))
    short[1] *= 1e-4
    assert not creeping.SlowFlow.suits(short, make_teacher(3))
    assert not creeping.SlowFlow.suits(np.ones((40, 40)), make_teacher(40))
