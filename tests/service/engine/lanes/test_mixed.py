"""Paths that begin in single precision: to the ends of doubles, by the same rules."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from relu_landscape.engine.descent import single
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.company import Company
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.descent.single import MixedFlow
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.tasks import Runner, run_here
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import as_bytes, body, solve
from tests.service.engine.lanes.setups import KERNELS, a_teacher, name, some_starts
from tests.service.engine.oracles import Real

#: The first is what a service would choose here; that all have the same bits is test_single.py's.
KERNEL = pytest.mark.parametrize("kernel", KERNELS[:1], ids=name)
EACH = pytest.mark.parametrize("kernel", KERNELS, ids=name)

#: K, M, d, orthonormal or not, starts.
CASES = [
    (8, 8, 8, True, 300),
    (9, 8, 8, True, 60),
    (6, 6, 6, False, 150),
    (5, 4, 9, False, 60),
    (6, 8, 1000, False, 60),
    (17, 17, 17, True, 60),
    (17, 17, 1000, True, 40),
    (12, 17, 17, True, 30),
    (32, 32, 40, True, 16),
]


def method(kernel: Kernel, width: int, tolerance: float = 1e-3) -> MixedFlow:
    teacher = a_teacher(width)
    return MixedFlow(Loss.of(teacher, NUMPY), tolerance, teacher, kernel, None)


def ends_of(W: Real, kernel: Kernel, width: int, *, is_mixed: bool, is_orthonormal: bool = True,
            hand_back: bool = False) -> tuple[list[End], list[Company]]:  # fmt: skip
    teacher = a_teacher(width, is_orthonormal)
    descent = Descent(
        teacher, W.shape[1], xp=NUMPY, flow_tolerance=1e-3, kernel=kernel, is_mixed=is_mixed
    )
    ends, back = descent.run(descent.begin(range(len(W)), W), hand_back=hand_back)
    return sorted(ends, key=lambda end: end.start), back


@KERNEL
@pytest.mark.parametrize("case", CASES, ids=str)
def test_ends_are_those_of_doubles(kernel: Kernel, case: tuple[int, int, int, bool, int]) -> None:
    """One start in a thousand passes so near to a border that rounding decides (measured at K = 17,
    three times fewer than the method's own error takes elsewhere). These do not, and as their bits
    are the same on every machine, none may."""
    K, M, d, is_orthonormal, count = case
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, count)
    mine, _ = ends_of(W, kernel, M, is_mixed=True, is_orthonormal=is_orthonormal)
    theirs, _ = ends_of(W, kernel, M, is_mixed=False, is_orthonormal=is_orthonormal)
    assert [end.start for end in mine] == list(range(count))
    for found, wanted in zip(mine, theirs, strict=True):
        assert found.outcome is wanted.outcome
        if found.outcome is Outcome.GLOBAL_SET:  # a continuum: where on it is the path's own
            assert population.loss(found.W, teacher) < 1e-6
            continue
        # A polish ends at a gradient of 1e-11; the flattest minimum here has 1e-2, and a point that
        # is found from two sides differs by twice their quotient.
        np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=2e-9)


@EACH
@pytest.mark.parametrize("shape", [(6, 6), (7, 5), (4, 6)])
def test_ends_do_not_depend_on_company(kernel: Kernel, shape: tuple[int, int]) -> None:
    """Nor on the set of instructions."""
    K, M = shape
    W = some_starts(K, a_teacher(M), M + 3, 40)
    together, _ = ends_of(W, KERNELS[0], M, is_mixed=True)
    order = np.random.default_rng(2).permutation(40)
    for rows in [order, *np.split(np.arange(40), [9, 18, 27])]:
        part, _ = ends_of(W[rows], kernel, M, is_mixed=True)
        for mine, start in zip(part, rows.tolist(), strict=True):
            theirs = together[start]
            assert mine.outcome is theirs.outcome
            assert (mine.moved, mine.aligned, mine.steps) == (
                theirs.moved, theirs.aligned, theirs.steps,
            )  # fmt: skip
            assert np.array_equal(mine.W, theirs.W)
            assert np.array_equal(mine.path_end, theirs.path_end)


@KERNEL
def test_the_slowest_are_handed_back(kernel: Kernel) -> None:
    W = some_starts(7, a_teacher(7), 7, 100)
    ends, back = ends_of(W, kernel, 7, is_mixed=True, hand_back=True)
    waiting = [start for company in back for start in company.start.tolist()]
    assert 0 < len(waiting) < kernel.lanes
    assert sorted([end.start for end in ends] + waiting) == list(range(100))
    # Carried on elsewhere, they end where they would have ended here.
    descent = Descent(a_teacher(7), 7, xp=NUMPY, flow_tolerance=1e-3, kernel=kernel, is_mixed=True)
    held = descent.held(back)
    assert held is not None
    later, _ = descent.run(descent.resume(held))
    whole, _ = ends_of(W, kernel, 7, is_mixed=True)
    for end in later:
        same = whole[end.start]
        assert (end.outcome, end.moved, end.steps) == (same.outcome, same.moved, same.steps)
        np.testing.assert_array_equal(end.W, same.W)


@KERNEL
def test_paths_come_out_of_single_precision_with_a_state_of_doubles(kernel: Kernel) -> None:
    flow = method(kernel, 8)
    W = some_starts(8, flow.teacher, 8, 40)
    state = flow.begin(W)
    steps = np.asarray(state.steps)
    assert np.all((steps > 100) & (steps < single.STEPS))
    force = kernel.forces(flow.teacher, np.asarray(state.W))
    assert np.array_equal(np.asarray(state.force), force)
    norms = np.linalg.norm(force, axis=(1, 2))
    np.testing.assert_allclose(np.asarray(state.gradient_norm), norms, rtol=1e-14)
    assert np.all(norms <= single.GRADIENT + 8.0 * 2.0**-24 * 32)
    W = np.asarray(state.W)
    assert np.array_equal(W, W.astype(np.float32))


def begun(kernel: Kernel, W: Real, width: int, tolerance: float = 1e-3) -> list[bool]:
    """Which paths single precision took anywhere."""
    flow, given = method(kernel, width, tolerance), W.copy()
    state, unmoved = flow.begin(W), flow.init(W)
    assert np.array_equal(W, given, equal_nan=True)  # what it is given is not changed
    moved = np.asarray(state.steps) > 0
    for name_of, value in vars(state).items():  # who stays is where doubles begin
        theirs = getattr(unmoved, name_of)[~moved]
        assert np.array_equal(np.asarray(value)[~moved], theirs, equal_nan=True)
    return [bool(each) for each in moved]


@KERNEL
def test_where_rounding_counts_paths_are_doubles_from_their_start(kernel: Kernel) -> None:
    """Rounding is 6e-8 of the longest vector; a step may make an error of ``flow_tolerance``."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 6, 5)
    W[1, 2] *= 1e-4 / np.linalg.norm(W[1, 2])  # a direction for doubles
    W[2, 3] *= 1e3 / np.linalg.norm(W[2, 3])
    W[3, 1, 0] = np.nan
    W[4, 0] = 1e200
    with np.errstate(over="ignore", invalid="ignore"):
        assert begun(kernel, W, 6) == [True, False, False, False, False]
        assert not any(begun(kernel, W, 6, tolerance=1e-6))
        assert begun(kernel, W[:1], 6, tolerance=1e-4) == [True]
    wide = some_starts(256, a_teacher(256), 256, 1)
    assert begun(kernel, wide, 256) == [False]


@KERNEL
def test_who_is_at_rest_already_stays(kernel: Kernel) -> None:
    """As the two sides of a saddle do, which are 1e-4 from it."""
    teacher = a_teacher(6)
    ends, _ = ends_of(some_starts(6, teacher, 6, 1), kernel, 6, is_mixed=False)
    W = np.zeros((1, 6, 12))
    W[0, :, :6] = ends[0].W
    assert begun(kernel, W + 1e-5, 6) == [False]


@KERNEL
def test_a_path_that_blows_up_begins_again(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its squares are infinite in single precision, and finite in double."""
    teacher = a_teacher(4)
    W = some_starts(4, teacher, 4, 3)
    W[1] *= 1e25
    monkeypatch.setattr(single, "LARGEST_SHARE", np.inf)
    flow = method(kernel, 4)
    state = flow.begin(W)
    assert np.asarray(state.steps).tolist()[1] == 0
    assert np.array_equal(np.asarray(state.W)[1], W[1])
    assert np.all(np.asarray(state.steps)[[0, 2]] > 0)
    assert np.all(np.isfinite(np.asarray(state.gradient_norm)))


@KERNEL
def test_a_path_that_creeps_goes_on_in_double(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    W = some_starts(6, a_teacher(6), 8, 20)
    wanted, _ = ends_of(W, kernel, 6, is_mixed=False)
    monkeypatch.setattr(single, "STEPS", 40)
    assert np.asarray(method(kernel, 6).begin(W).steps).tolist() == [40] * 20
    found, _ = ends_of(W, kernel, 6, is_mixed=True)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.outcome is theirs.outcome is Outcome.FIXED_POINT
        np.testing.assert_allclose(mine.W, theirs.W, rtol=0, atol=2e-9)


@KERNEL
@pytest.mark.parametrize(("K", "scale"), [(5, 1.0), (3, 10.0), (3, 1000.0), (3, 2e-3)])
def test_students_that_fall_leave_single_precision(kernel: Kernel, K: int, scale: float) -> None:
    """They die and leave zero by the rules of doubles, at any scale of the start."""
    teacher = a_teacher(3)
    W = scale * some_starts(K, teacher, 3, 24)
    W[3, 1] *= 1e-8 / np.linalg.norm(W[3, 1])
    W[7, 2] *= 1e-2 / np.linalg.norm(W[7, 2])
    mine, _ = ends_of(W, kernel, 3, is_mixed=True)
    theirs, _ = ends_of(W, kernel, 3, is_mixed=False)
    assert [end.outcome for end in mine] == [end.outcome for end in theirs]
    assert [end.died for end in mine] == [end.died for end in theirs]
    for found, wanted in zip(mine, theirs, strict=True):
        if found.outcome is Outcome.FIXED_POINT:
            np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=2e-9)


def request(K: int, M: int, precision: str = "float32") -> LandscapeRequest:
    return LandscapeRequest.model_validate({
        "student_width": K, "teacher_width": M, "starts": 60, "structured": False,
        "input_dimension": M + 3, "seed": 4, "precision": precision,
    })  # fmt: skip


def runner(asked: LandscapeRequest, kernel: object) -> Runner:
    backend = Backend("here", NUMPY, kernel=kernel)  # type: ignore[arg-type]
    return run_here(COMPOSITION.problem(asked), backend)


@cache
def landscape(K: int, M: int, chunk: int | None, precision: str = "float32") -> bytes:
    asked = request(K, M, precision)
    return as_bytes(solve(asked, run=runner(asked, KERNELS[0]), chunk_starts=chunk))


@EACH
@pytest.mark.parametrize("shape", [(7, 7), (5, 4), (3, 5)])
@pytest.mark.parametrize("chunk", [1, 9])
def test_the_cut_of_a_landscape_does_not_matter(
    kernel: Kernel, shape: tuple[int, int], chunk: int
) -> None:
    asked = request(*shape)
    found = solve(asked, run=runner(asked, kernel), chunk_starts=chunk)
    assert as_bytes(found) == landscape(*shape, None)


@KERNEL
def test_a_landscape_counts_what_doubles_count(kernel: Kernel) -> None:
    found, wanted = (
        body(solve(asked, run=runner(asked, kernel)))
        for asked in (request(7, 7), request(7, 7, "float64"))
    )
    assert found.starts == wanted.starts
    hits = [
        [(each.key, each.attraction.hits) for each in one.fixed_points if each.attraction]
        for one in (found, wanted)
    ]
    assert hits[0] == hits[1]


def test_numpy_computes_doubles_whatever_is_asked() -> None:
    single_, double = (
        as_bytes(solve(asked, run=runner(asked, None)))
        for asked in (request(4, 4), request(4, 4, "float64"))
    )
    assert single_ == double
