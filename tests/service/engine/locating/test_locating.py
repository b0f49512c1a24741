"""Given networks, located: whatever they are permuted, rotated and scaled by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.lanes import native
from relu_landscape.engine.locating import COMPOSITION
from relu_landscape.engine.locating.falling import AT_SADDLE
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points.classify import classify
from relu_landscape.engine.tasks import Runner, SilentMonitor, Task, run_here
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.wire.base import Wire
from relu_landscape.wire.located import LocatedEnd, LocatedPoint, PointsBody, PointsFinding
from relu_landscape.wire.points import PointsRequest

Real = NDArray[np.float64]

NATIVE = backend_named(f"native-{native.VERSION}")
CONVERGED = "converged to an isolated fixed point"


def locate(
    weights: Real, teacher: Real | None = None, *, run: Any = None, monitor: Any = None,
    **options: Any,
) -> PointsBody:  # fmt: skip
    arrays = {"weights": weights} | ({} if teacher is None else {"teacher": teacher})
    layers = ("second_layer", "teacher_second_layer")
    arrays |= {name: options.pop(name) for name in layers if name in options}
    request = PointsRequest.model_validate(PointsRequest.of_arrays(arrays, options))
    problem = COMPOSITION.problem(request)
    found = COMPOSITION.compose(
        problem, run=run or run_here(problem, NATIVE), monitor=monitor or SilentMonitor(),
        chunk_starts=None,
    )  # fmt: skip
    assert isinstance(found.result, PointsBody)
    assert not found.parts
    return found.result


def one(body: PointsBody) -> tuple[LocatedPoint, LocatedEnd | None]:
    """The only point, and its end."""
    (point,) = body.points
    return point, next((each for each in body.fixed_points if each.key == point.end), None)


@cache
def spurious() -> tuple[Real, ...]:
    """Minima of 1+5 and 1+1+4 at K = M = 6, as the structured search has them."""
    names = ("1+5", "1+1+4")
    return tuple(embed(each.point) for name in names for each in search(parse(name)).minima)


@cache
def saddle() -> Real:
    """A strict saddle at K = M = 4."""
    found = search(parse("1+3")).points
    return embed(next(each.point for each in found if each.index_span == 1))


def rotation(dimension: int, seed: int) -> Real:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension,) * 2))[0]


def bare(body: PointsBody) -> bytes:
    return orjson.dumps(body.model_dump(mode="json"))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_minimum_is_recognised_whatever_it_was_disguised_by(scale: float) -> None:
    """Students and teachers permuted, the inputs rotated into d = 40, noise of 1e-3 added."""
    rng = np.random.default_rng(8)
    d, K = 40, 6
    points, exact = [], []
    for F in spurious():
        W = np.zeros((K, d))
        W[:, :K] = F[rng.permutation(K)][:, rng.permutation(K)]
        exact.append(W @ rotation(d, 1) * scale)
        points.append(exact[-1] + scale * 1e-3 * rng.standard_normal((K, d)))
    V = rotation(d, 1)[:K] * scale
    body = locate(np.array(points), V, nearest=0)
    ends = {each.key: each for each in body.fixed_points}
    for F, W, there, point in zip(spurious(), points, exact, body.points, strict=True):
        assert point.end is not None
        end, loss = ends[point.end], float(population.loss(F, make_teacher(K))) * scale**2
        assert (point.outcome, end.kind) == (CONVERGED, "minimum")
        assert abs(end.loss - loss) < 1e-12 * scale**2
        assert end.found_by == ["flow"]
        # The polish leaves a gradient of 1e-11 over eigenvalues of 0.02 and more.
        assert point.distance is not None
        assert abs(point.distance - np.linalg.norm(W - there)) < 1e-8 * scale
        assert point.loss_to_lose is not None
        assert abs(point.loss - end.loss - point.loss_to_lose) < 1e-14 * scale**2
        assert 0.0 < point.loss_to_lose < 1e-3 * scale**2
        # Which unit of the point stands where in the end's canonical order.
        assert point.students is not None
        assert point.teachers is not None
        R = (there @ V.T)[np.ix_(point.students, point.teachers)]
        assert np.abs(R - end.overlaps.R).max() < 1e-7 * scale**2
    assert {each.structure.name for each in body.fixed_points} <= {"1+5", "6", "1+1+4", "2+4"}


def test_a_teacher_of_any_shape_is_found_by_its_students() -> None:
    """Correlated teachers of different lengths in d = 10, far from unit norm; K = M."""
    rng = np.random.default_rng(15)
    V = 5.0 * (np.eye(3, 10) + 0.2 * rng.standard_normal((3, 10)))
    order = [2, 0, 1]
    noise = 1e-3 * rng.standard_normal((3, 10))
    point, end = one(locate(V[order] + noise, V, nearest=2))
    assert end is not None
    assert (point.outcome, end.loss, point.matched_teacher) == (CONVERGED, 0.0, order)
    assert point.distance is not None
    assert abs(point.distance - np.linalg.norm(noise)) < 1e-8
    assert point.nearest is not None
    assert point.nearest[0].key == end.key
    assert abs(point.nearest[0].distance - np.linalg.norm(noise)) < 1e-8
    assert point.teachers is not None
    assert sorted(point.teachers) == [0, 1, 2]


def test_what_is_at_a_point_is_what_loss_and_gradient_say() -> None:
    rng = np.random.default_rng(9)
    W, V = rng.standard_normal((3, 12)) / 3, rng.standard_normal((2, 12)) / 3
    point, _ = one(locate(W, V, follow=False, nearest=0))
    T = V @ V.T
    basis = np.linalg.solve(np.linalg.cholesky(T), V)
    beside = np.linalg.qr((W - W @ basis.T @ basis).T)[0]
    X = np.hstack([W @ basis.T, W @ beside])
    teacher = make_teacher(2, T)
    assert abs(point.loss - float(population.loss(X, teacher))) < 1e-14
    slope = float(np.linalg.norm(population.gradient(X, teacher)))
    assert abs(point.gradient_norm - slope) < 1e-13
    assert np.allclose(point.norms, np.linalg.norm(W, axis=1), rtol=1e-14)
    assert (point.outcome, point.end, point.distance) == (None, None, None)
    assert sum(int(line.multiplicity) for line in point.spectrum or ()) == W.size


def test_students_are_matched_and_the_others_said() -> None:
    V = np.eye(3)
    W = np.array([[0.1, 0.0, 2.0], [0.9, 0.1, 0.0], [0.05, -0.8, 0.0], [0.5, 0.5, 0.5]])
    point, _ = one(locate(W, V, follow=False, nearest=0))
    assert point.matched_teacher == [2, 0, 1, None]
    assert point.cosines[2] is not None
    assert abs(point.cosines[2] + 0.8 / math.hypot(0.05, 0.8)) < 1e-15
    assert point.cosines[3] is None
    narrow, _ = one(locate(W[:1], V, follow=False, nearest=0))
    assert narrow.unmatched_teachers == [0, 1]


def test_the_known_minimum_of_one_student() -> None:
    """K = 1: L = M/4 + M (M - 1)/(4 pi) - M^2 phi(1/sqrt M)^2 at M = 3 is 0.24235503024122."""
    body = locate(np.array([[0.3, 0.5, 0.1, 0.4]]), np.eye(3, 4), nearest=2)
    point, end = one(body)
    assert end is not None
    assert abs(end.loss - 0.24235503024122) < 1e-14
    # Far off on the way, an eigenvalue's time: 1 / the smallest eigenvalue at the end.
    assert end.stability.relaxation_time is not None
    assert point.nearest is not None
    assert point.nearest[0].key == end.key
    assert point.distance is not None
    assert abs(point.nearest[0].distance - point.distance) < 1e-8


def test_a_saddle_is_where_flow_from_its_ridge_ends() -> None:
    here, end = one(locate(saddle(), np.eye(4), nearest=0))
    assert end is not None
    assert (here.outcome, end.kind, here.index) == (AT_SADDLE, "saddle", 1)
    assert here.distance is not None
    assert here.distance < 1e-9
    noise = 1e-6 * np.random.default_rng(12).standard_normal((4, 4))
    below, end = one(locate(saddle() + noise, np.eye(4), nearest=0))
    assert end is not None
    assert (below.outcome, end.kind) == (CONVERGED, "minimum")
    assert end.loss < here.loss


def test_a_wider_student_ends_on_the_continuum() -> None:
    W = np.array([[0.6, 0.1], [0.5, -0.1], [0.1, 1.0]])
    point, end = one(locate(W, np.eye(2), nearest=0))
    assert end is not None
    assert (point.end, end.kind, end.loss, end.points) == ("g1", "global_continuum", 0.0, 1)
    assert point.loss_to_lose == point.loss
    assert point.students is None
    assert end.found_by == ["flow"]


def test_nearest_points_are_found_by_the_structured_search() -> None:
    body = locate(np.eye(3) + 0.05, np.eye(3), nearest=20)
    (point,) = body.points
    ways = [each.distance for each in point.nearest or ()]
    assert ways == sorted(ways)
    assert len(ways) > 1
    by_key = {each.key: each for each in body.fixed_points}
    assert by_key[(point.nearest or [])[0].key].loss == 0.0
    assert by_key[point.end or ""].found_by == ["flow", "structured"]
    for each in point.nearest or ():
        assert by_key[each.key].kind in ("minimum", "saddle")
    assert body.searched


def test_one_more_student_gains_what_is_said() -> None:
    """The bisector of two teachers: added where it is said, the loss falls by the gain exactly."""
    teacher = make_teacher(2)
    W = classify(np.array([[0.8, 0.8]]), teacher).W
    point, _ = one(locate(W, np.eye(2), nearest=0))
    assert point.widening is not None
    found = point.widening.one_more
    assert found is not None
    more = np.vstack([W, found.norm * np.array([found.cosines])])
    fallen = float(population.loss(W, teacher)) - float(population.loss(more, teacher))
    assert abs(fallen - found.gain) < 1e-14
    assert point.widening.lower_bound is not None
    assert 1.5 * found.slope < point.widening.lower_bound <= found.slope
    # Split in halves: 4 B along (xi, -xi), whose length is the root of two; -0.5959 in all.
    (split,) = point.widening.splitting
    halves = population.hessian(np.repeat(W / 2.0, 2, axis=0), teacher)[0]
    assert split is not None
    assert abs(2.0 * split - float(np.linalg.eigvalsh(halves)[0])) < 1e-12
    perfect, _ = one(locate(np.eye(2), np.eye(2), nearest=0))
    assert perfect.widening is not None
    assert perfect.widening.one_more is None


def test_the_distance_is_told_in_units_of_the_statistical_error() -> None:
    W = classify(np.array([[0.8, 0.8]]), make_teacher(2)).W
    there = np.pad(W, ((0, 0), (0, 18)))
    here = there + 0.01 * np.eye(1, 20, 5)
    point, end = one(locate(here, np.eye(2, 20), sample_size=1000, nearest=0))
    four, other = one(locate(here, np.eye(2, 20), sample_size=4000, nearest=0))
    assert end is not None
    assert end.statistical_error is not None
    assert other is not None
    assert other.statistical_error is not None
    assert point.distance_in_errors is not None
    assert abs(point.distance_in_errors * end.statistical_error.distance - 0.01) < 1e-9
    ratio = end.statistical_error.distance / other.statistical_error.distance
    assert abs(ratio - 2.0) < 1e-12
    assert four.distance_in_errors is not None
    perfect, end = one(locate(np.eye(2) + 0.01, np.eye(2), sample_size=1000, nearest=0))
    assert perfect.distance_in_errors is None  # nothing to measure it by: no input errs there
    assert end is not None
    assert end.statistical_error is not None
    assert end.statistical_error.distance == 0.0


def test_the_statistical_error_does_not_depend_on_labels() -> None:
    rng = np.random.default_rng(14)
    F = next(W for W in spurious() if float(population.loss(W, make_teacher(6))) > 1e-3)
    moved = F[rng.permutation(6)][:, rng.permutation(6)]
    assert np.abs(moved - F).max() > 0.1
    errors = []
    for W in (F, moved):
        _, end = one(locate(W, np.eye(6), sample_size=1000, nearest=0))
        assert end is not None
        assert end.statistical_error is not None
        errors.append(end.statistical_error.distance)
    # Both are computed at the same canonical point, polished to 1e-11 and better.
    assert abs(errors[0] - errors[1]) < 1e-8 * errors[0]


def test_a_point_in_the_proven_ball_is_proved_to_go_there_and_no_other() -> None:
    minimum = spurious()[0]
    near = minimum + 1e-5 * rotation(6, 3)
    far = minimum + 0.05 * rotation(6, 3)
    body = locate(np.stack([near, far]), np.eye(6), certify="fast", nearest=0)
    assert [point.proved for point in body.points] == [True, False]
    (end,) = body.fixed_points
    assert end.certificate is not None
    assert end.certificate.verdict == "minimum"


def test_the_answer_depends_on_the_request_alone() -> None:
    """Not on the order of answers, nor on whether tasks travel as bytes."""
    W = np.random.default_rng(10).standard_normal((40, 3, 4))
    options: dict[str, Any] = {"nearest": 2, "spectrum": True, "sample_size": 100}
    first = locate(W, np.eye(3, 4), **options)
    request = PointsRequest.model_validate(
        PointsRequest.of_arrays({"weights": W, "teacher": np.eye(3, 4)}, options)
    )
    again = PointsRequest.model_validate(request.canonical())
    problem = COMPOSITION.problem(again)

    def shuffled(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in reversed(tasks):
            sent = decode_task(COMPOSITION, encode_task(task))
            yield task, decode_answer(task, encode_answer(sent.run(problem, NATIVE)))

    assert bare(locate(W, np.eye(3, 4), run=shuffled, **options)) == bare(first)


def test_findings_say_how_many_were_followed() -> None:
    told: list[Wire] = []

    class Listening(SilentMonitor):
        def findings(self, points: Sequence[Wire]) -> None:
            told.extend(points)

    W = np.eye(2) + 0.1 * np.random.default_rng(1).standard_normal((30, 2, 2))
    locate(W, monitor=Listening())
    assert told[-1] == PointsFinding(followed=30, points=30)


def test_tasks_of_a_large_batch_are_about_a_second_each() -> None:
    """By what they say they cost: 10,000 points are followed in several tasks, not in one."""
    W = np.eye(2) + 0.1 * np.random.default_rng(1).standard_normal((3000, 2, 2))
    sizes: dict[str, list[int]] = {}
    request = PointsRequest.model_validate(PointsRequest.of_arrays({"weights": W}, {}))
    problem = COMPOSITION.problem(request)
    plain = run_here(problem, NATIVE)

    def counting(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            sizes.setdefault(task.kind, []).append(getattr(task, "starts", 0))
        return plain(tasks)

    run: Runner = counting
    body = locate(W, run=run)
    assert len(sizes["fall"]) >= 8
    assert sum(sizes["fall"]) == 3000
    assert len(body.points) == 3000
    assert {point.end for point in body.points} <= {each.key for each in body.fixed_points}
    assert sum(each.points for each in body.fixed_points) == sum(
        point.end is not None for point in body.points
    )


def test_each_point_is_its_own_whatever_came_with_it() -> None:
    W = np.random.default_rng(11).standard_normal((12, 2, 2))
    many = locate(W, spectrum=True)
    names = {each.key: each.loss for each in many.fixed_points}
    for place in (0, 7):
        alone = locate(W[place], spectrum=True, nearest=0)
        (point,) = alone.points
        other = many.points[place]
        assert (point.loss, point.distance) == (other.loss, other.distance)
        assert alone.fixed_points[0].loss == names[other.end or ""]
