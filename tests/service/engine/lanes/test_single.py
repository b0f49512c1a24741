"""The kernel in single precision: the same text and the same rules with half the digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Cancel, Kernel
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.errors import Cancelled
from tests.service.engine.lanes.setups import (
    KERNELS,
    SHAPES,
    a_teacher,
    assert_same_bits,
    name,
    paths_from,
    rules,
    selected,
    some_starts,
)
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

TEACHERS = pytest.mark.parametrize("is_orthonormal", [True, False], ids=["T=I", "T"])
#: Half a unit in the last place, relative; and what dust is (lanes/control.h).
ROUNDING, SMALLEST_ENTRY = 2.0**-24, 1e-12


def rounding(W: Real, teacher: Teacher) -> float:
    """As in test_force.py: half a unit in the last place of each term of an entry of the force."""
    longest = max(np.linalg.norm(W, axis=-1).max(), teacher.norms.max())
    return float(ROUNDING * longest * (W.shape[1] + teacher.width))


@TEACHERS
@pytest.mark.parametrize("shape", [*SHAPES, (17, 17, 1000), (40, 40, 1000)])
@pytest.mark.parametrize("count", [1, 17])
def test_the_force_is_that_of_doubles_to_its_own_rounding(
    kernel: Kernel, shape: tuple[int, int, int], count: int, is_orthonormal: bool
) -> None:
    K, M, d = shape
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, count).astype(np.float32).astype(np.float64)
    found, wanted = kernel.forces(teacher, W, single=True), kernel.forces(teacher, W)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding(W, teacher))
    assert np.array_equal(found, found.astype(np.float32))  # it is another arithmetic


@TEACHERS
@pytest.mark.parametrize("angle", [0.0, 1e-7, 3e-4, 1e-2, np.pi - 1e-4, np.pi])
def test_it_is_accurate_beside_parallel_vectors(
    kernel: Kernel, angle: float, is_orthonormal: bool
) -> None:
    """An angle t known to 6e-8/t costs 6e-8: its error meets a vector of length t."""
    teacher = a_teacher(5, is_orthonormal)
    W = some_starts(4, teacher, 6, 1)
    V = np.pad(teacher.V, ((0, 0), (0, W.shape[-1] - 5)))
    across = np.zeros(W.shape[-1])
    across[5] = 1.0
    unit = V[2] / np.linalg.norm(V[2])
    W[0, 0] = 0.7 * (np.cos(angle) * unit + np.sin(angle) * across)  # beside a teacher
    W[0, 1] = 1.3 * (np.cos(angle) * W[0, 0] + np.sin(angle) * 0.7 * W[0, 2])  # beside a student
    W = W.astype(np.float32).astype(np.float64)
    found, wanted = kernel.forces(teacher, W, single=True), kernel.forces(teacher, W)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding(W, teacher))


@TEACHERS
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_a_step_is_that_of_doubles(
    kernel: Kernel, shape: tuple[int, int, int], is_orthonormal: bool
) -> None:
    K, M, d = shape
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, 5).astype(np.float32).astype(np.float64)
    found, wanted = (paths_from(kernel, teacher, W, gradient=-1.0, steps=1) for _ in range(2))
    kernel.flow(teacher, rules(kernel, teacher, K), found, single=True)
    kernel.flow(teacher, rules(kernel, teacher, K), wanted)
    # h times the sum of two forces and a stage, each with its rounding, on top of the weights' own;
    # all of this once more for the rounding of what makes them.
    h = flows.FIRST_STEP
    allowed = (6.0 * h + 2.0) * rounding(W, teacher)
    np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=allowed)
    np.testing.assert_allclose(found.time, wanted.time, rtol=ROUNDING)
    # Of a difference of forces that is much smaller than they are.
    np.testing.assert_allclose(found.step_size, wanted.step_size, rtol=1e-2)


@pytest.mark.parametrize("shape", [(6, 6, 6), (5, 4, 9), (4, 6, 8)])
def test_paths_in_any_company_have_the_same_bits(
    kernel: Kernel, shape: tuple[int, int, int]
) -> None:
    """Alone, in other orders, in other numbers, in lanes that are refilled or stand empty, and with
    every variant that this processor runs."""
    K, M, d = shape
    teacher = a_teacher(M)
    W = some_starts(K, teacher, d, 45)
    told = rules(kernel, teacher, K)
    together = paths_from(kernel, teacher, W)
    kernel.flow(teacher, told, together, single=True)
    assert np.all(together.event)

    def run(members: list[int], who: Kernel = kernel) -> None:
        paths = paths_from(who, teacher, W[members])
        who.flow(teacher, told, paths, single=True)
        wanted = selected(together, members)
        wanted.event = together.event[members]
        assert_same_bits(paths, wanted)

    run(np.random.default_rng(2).permutation(len(W)).tolist())
    for first in range(0, len(W), 7):
        run(list(range(len(W)))[first : first + 7])
    for alone in (0, 13, 44):
        run([alone])
    for other in KERNELS:
        run(list(range(len(W))), other)


@pytest.mark.parametrize("sample", bits.SAMPLES, ids=str)
def test_numbers_of_this_version(kernel: Kernel, sample: bits.Sample) -> None:
    """Whoever changes a bit raises LANES_VERSION and ``native.VERSION`` with it."""
    assert bits.single_digest(kernel, sample) == sample.single


def test_events(kernel: Kernel) -> None:
    teacher = a_teacher(4)
    W = some_starts(4, teacher, 4, 5)
    W[1, 2] *= 1e-4 / np.linalg.norm(W[1, 2])
    W[2, 1] = 1e30  # its square is infinite here
    paths = paths_from(kernel, teacher, W)
    paths.step_limit[3] = 7
    paths.gradient_tolerance[4] = 0.05
    told = replace(rules(kernel, teacher, 4), shortest=1e-3)
    kernel.flow(teacher, told, paths, single=True)
    assert paths.event.tolist() == [
        native.SMALL_GRADIENT, native.SHORT_STUDENT, native.NOT_FINITE, native.AT_STEP_LIMIT,
        native.SMALL_GRADIENT,
    ]  # fmt: skip
    assert paths.steps[2:4].tolist() == [1, 7]
    assert 2e-4 < paths.gradient_norm[4] <= 0.05
    assert paths.gradient_norm[0] <= 2e-4


@TEACHERS
def test_a_check_is_due_where_zero_loss_is_reached(kernel: Kernel, is_orthonormal: bool) -> None:
    """Also where no gradient is small enough: rounding does not hide the set of zero loss."""
    teacher = a_teacher(4, is_orthonormal)
    W = some_starts(6, teacher, 4, 16)
    by_doubles, paths = (
        paths_from(kernel, teacher, W, gradient=0.0, steps=2_000) for _ in range(2)
    )
    kernel.flow(teacher, rules(kernel, teacher, 6), by_doubles)
    kernel.flow(teacher, rules(kernel, teacher, 6), paths, single=True)
    due = by_doubles.event & native.CHECK_DUE != 0
    assert due.sum() >= 12  # most starts end at zero loss at these widths
    assert np.array_equal(paths.event & native.CHECK_DUE != 0, due)
    assert np.all(paths.steps[due] % 8 == 0)


def test_what_has_died_is_zero(kernel: Kernel) -> None:
    """Perpendicular parts die like exp(-t/7); the least number of single precision is 1e-38, and
    squares of what is left must be above it."""
    teacher = a_teacher(4)
    W = some_starts(4, teacher, 40, 12)
    paths = paths_from(kernel, teacher, W, gradient=0.0, steps=700)
    kernel.flow(teacher, rules(kernel, teacher, 4), paths, single=True)
    sizes = np.abs(paths.W)
    assert not np.any((sizes > 0.0) & (sizes < SMALLEST_ENTRY))
    assert not np.any(paths.W[..., 4:])
    assert not np.any(paths.force[..., 4:])
    # It comes to rest within rounding of a fixed point, and stays.
    noise = ROUNDING * np.sqrt((4 + 4) * 4 * 8)
    assert np.all(paths.gradient_norm <= 8.0 * noise)


def test_a_flag_that_is_up_ends_the_call_before_it_moves(kernel: Kernel) -> None:
    teacher = a_teacher(4)
    W = some_starts(4, teacher, 4, 3)
    paths = paths_from(kernel, teacher, W)
    cancel = Cancel()
    cancel.raise_()
    with pytest.raises(Cancelled):
        kernel.flow(teacher, rules(kernel, teacher, 4), paths, cancel=cancel, single=True)
    assert np.array_equal(paths.W, W.astype(np.float32))
    assert not paths.event.any()


def test_evaluations_of_a_start(kernel: Kernel) -> None:
    """As many as in double (test_flow.py): rounding makes no step smaller. 433.6 on average."""
    teacher = a_teacher(8)
    W = some_starts(8, teacher, 8, 64)
    paths, by_doubles = paths_from(kernel, teacher, W), paths_from(kernel, teacher, W)
    used = kernel.flow(teacher, rules(kernel, teacher, 8), paths, single=True)
    assert used == 2 * paths.steps.sum()
    kernel.flow(teacher, rules(kernel, teacher, 8), by_doubles)
    assert abs(paths.steps.sum() - by_doubles.steps.sum()) <= 0.002 * by_doubles.steps.sum()
