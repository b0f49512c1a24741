"""Ends by the native kernel are those by arrays, start for start."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.descent import batch, creeping
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.teacher import Teacher
from tests.service.engine.lanes.setups import KERNELS, a_teacher, name, some_starts
from tests.service.engine.oracles import Real

#: The first is what a service would choose here; that all have the same bits is test_flow.py's.
KERNEL = pytest.mark.parametrize("kernel", KERNELS[:1], ids=name)

#: K, M, d, orthonormal or not, starts.
CASES = [
    (8, 8, 8, True, 200),
    (9, 8, 8, True, 60),
    (6, 6, 6, False, 100),
    (5, 4, 9, False, 40),
    (17, 17, 17, True, 30),
    (17, 17, 1000, True, 20),
    (12, 17, 17, True, 16),
]


def ends_of(
    W: Real, teacher: Teacher, K: int, kernel: Kernel | None, *, hand_back: bool = False
) -> tuple[list[End], list[int]]:
    descent = Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3, kernel=kernel)
    ends, unfinished = descent.run(descent.begin(range(len(W)), W), hand_back=hand_back)
    held = descent.held(unfinished)
    return sorted(ends, key=lambda end: end.start), held.start.tolist() if held else []


@KERNEL
@pytest.mark.parametrize("case", CASES, ids=str)
def test_ends_are_those_of_the_arrays(
    kernel: Kernel, case: tuple[int, int, int, bool, int]
) -> None:
    K, M, d, is_orthonormal, count = case
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, count)
    mine, _ = ends_of(W, teacher, K, kernel)
    theirs, _ = ends_of(W, teacher, K, None)
    assert [end.start for end in mine] == list(range(count))
    for found, wanted in zip(mine, theirs, strict=True):
        assert found.outcome is wanted.outcome
        # Twice the gradient 1e-11 of a polish over the smallest eigenvalue, above 1e-3; a path that
        # creeps is left to its Hessian sooner with arrays, and ends where its own polish says.
        np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=2e-8)
        if wanted.steps < batch.CREEPING_STEPS:
            # Rounding moves no decision of a step's size here: the same number of steps.
            assert found.steps == wanted.steps
            assert found.aligned == wanted.aligned


@KERNEL
@pytest.mark.parametrize("shape", [(6, 6), (7, 5), (4, 6)])
def test_ends_do_not_depend_on_company(kernel: Kernel, shape: tuple[int, int]) -> None:
    K, M = shape
    teacher = a_teacher(M)
    W = some_starts(K, teacher, M + 3, 40)
    together, _ = ends_of(W, teacher, K, kernel)
    for first in range(0, 40, 9):
        part, _ = ends_of(W[first : first + 9], teacher, K, kernel)
        for mine, theirs in zip(part, together[first : first + 9], strict=True):
            assert mine.outcome is theirs.outcome
            assert (mine.moved, mine.aligned, mine.steps) == (
                theirs.moved, theirs.aligned, theirs.steps,
            )  # fmt: skip
            assert np.array_equal(mine.W, theirs.W)
            assert np.array_equal(mine.path_end, theirs.path_end)


@KERNEL
def test_the_slowest_are_handed_back(kernel: Kernel) -> None:
    """As soon as they no longer fill the lanes: with more, nothing is gained by giving them up."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 6, 100)
    ends, back = ends_of(W, teacher, 6, kernel, hand_back=True)
    assert 0 < len(back) < kernel.lanes
    assert sorted([end.start for end in ends] + back) == list(range(100))
    assert ends_of(W, teacher, 6, kernel)[1] == []


@KERNEL
@pytest.mark.parametrize(("K", "scale", "fewest"), [(5, 1.0, 0), (3, 10.0, 3), (3, 1000.0, 12)])
def test_students_that_fall_are_the_arrays_to_follow(
    kernel: Kernel, K: int, scale: float, fewest: int
) -> None:
    """Of some starts a student dies at a scale of 10, of most at 1,000."""
    teacher = a_teacher(3)
    W = scale * some_starts(K, teacher, 3, 24)
    W[3, 1] *= 1e-8 / np.linalg.norm(W[3, 1])
    W[7, 2] *= 1e-8 / np.linalg.norm(W[7, 2])
    mine, _ = ends_of(W, teacher, K, kernel)
    theirs, _ = ends_of(W, teacher, K, None)
    assert [end.outcome for end in mine] == [end.outcome for end in theirs]
    assert [end.died for end in mine] == [end.died for end in theirs]
    assert sum(end.died for end in mine) >= fewest
    for found, wanted in zip(mine, theirs, strict=True):
        if found.outcome is Outcome.FIXED_POINT:  # on a continuum the step decides where it ends
            np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=2e-8)


@KERNEL
def test_weights_that_are_not_finite_end_their_own_path(kernel: Kernel) -> None:
    teacher = a_teacher(4)
    W = some_starts(4, teacher, 8, 3)
    W[0, 1] = 1e200  # its square is infinite
    W[1, 2] *= 1e-9 / np.linalg.norm(W[1, 2])
    with np.errstate(over="ignore", invalid="ignore"):
        ends, _ = ends_of(W, teacher, 4, kernel)
    assert ends[0].outcome is Outcome.NOT_FINITE
    assert ends[1].outcome.converged
    assert ends[2].outcome.converged


@KERNEL
def test_a_path_that_creeps_too_long_is_counted(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "NATIVE_CREEPING_STEPS", 20)
    monkeypatch.setattr(creeping, "STEP_LIMIT", 3)
    teacher = a_teacher(4)
    ends, _ = ends_of(some_starts(4, teacher, 10, 2), teacher, 4, kernel)
    assert [end.outcome for end in ends] == [Outcome.STEP_LIMIT, Outcome.STEP_LIMIT]


@KERNEL
def test_creeping_on_reaches_the_same_ends(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """From step 40 with the whole Hessian implicit, or never: the same points."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 8, 3)
    wanted, _ = ends_of(W, teacher, 6, kernel)
    monkeypatch.setattr(batch, "NATIVE_CREEPING_STEPS", 40)
    found, _ = ends_of(W, teacher, 6, kernel)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.outcome is theirs.outcome is Outcome.FIXED_POINT
        np.testing.assert_allclose(mine.W, theirs.W, atol=1e-8)
