"""A GPU with the processor beside it: who follows what, and that nobody can tell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.cuda import beside
from relu_landscape.engine.cuda.beside import FEW, Assisted
from relu_landscape.engine.cuda.device import DeviceKernel
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Cancel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.errors import Cancelled
from tests.service.engine.cuda.played import PlayedCupy
from tests.service.engine.lanes.setups import (
    KERNELS,
    a_teacher,
    assert_same_bits,
    paths_from,
    rules,
    selected,
    some_starts,
)

NATIVE = KERNELS[0]
TEACHER = a_teacher(4)
MANY = some_starts(4, TEACHER, 6, FEW + 8)


@pytest.fixture
def cupy(folder: Path) -> PlayedCupy:
    return PlayedCupy(folder)


@pytest.fixture
def kernel(cupy: PlayedCupy) -> Assisted:
    return Assisted(DeviceKernel(cupy), NATIVE)


def names(cupy: PlayedCupy) -> list[str]:
    return [name for name, *_ in cupy.launches]


def test_a_few_paths_are_the_processors(kernel: Assisted, cupy: PlayedCupy) -> None:
    mine, theirs = (paths_from(NATIVE, TEACHER, MANY[:FEW]) for _ in range(2))
    told = rules(NATIVE, TEACHER, 4)
    assert kernel.flow(TEACHER, told, mine) == NATIVE.flow(TEACHER, told, theirs)
    assert_same_bits(mine, theirs)
    polished = [each.polish(TEACHER, bits.POLISH, mine.W, mine.force) for each in (kernel, NATIVE)]
    assert polished[0][0].tobytes() == polished[1][0].tobytes()
    assert kernel.forces(TEACHER, MANY).tobytes() == NATIVE.forces(TEACHER, MANY).tobytes()
    assert names(cupy) == []


@pytest.mark.parametrize("single", [False, True])
def test_the_last_of_many_are_the_processors_too(
    kernel: Assisted, cupy: PlayedCupy, single: bool
) -> None:
    """Here the device has six blocks, so it hands over as soon as one of them is idle."""
    mine, theirs = (paths_from(NATIVE, TEACHER, MANY, gradient=1e-3) for _ in range(2))
    told = rules(NATIVE, TEACHER, 4)
    count = kernel.flow(TEACHER, told, mine, single=single)
    assert count == NATIVE.flow(TEACHER, told, theirs, single=single)
    assert_same_bits(mine, theirs)
    assert names(cupy) == ["flow_paths"]


def test_with_company_it_comes_back_with_paths_that_can_go_on(kernel: Assisted) -> None:
    """Three of them would never end by themselves."""
    endless = [0, 17, 39]
    mine, theirs = (paths_from(NATIVE, TEACHER, MANY) for _ in range(2))
    mine.gradient_tolerance[endless] = 0.0
    mine.step_limit[endless] = 10**12
    told = rules(NATIVE, TEACHER, 4)
    kernel.flow(TEACHER, told, mine, company=FEW)
    NATIVE.flow(TEACHER, told, theirs)
    left = np.flatnonzero(mine.event == 0)
    assert set(endless) <= set(left.tolist())
    assert left.size <= 6
    over = np.flatnonzero(mine.event != 0)
    assert mine.W[over].tobytes() == theirs.W[over].tobytes()
    on, wanted = selected(mine, left.tolist()), paths_from(NATIVE, TEACHER, MANY[left])
    on.gradient_tolerance[:], on.step_limit[:] = 0.0, mine.steps[left] + 100
    wanted.gradient_tolerance[:], wanted.step_limit[:] = 0.0, on.step_limit
    kernel.flow(TEACHER, told, on)
    NATIVE.flow(TEACHER, told, wanted)
    assert_same_bits(on, wanted)


def test_many_points_are_polished_by_the_device(kernel: Assisted, cupy: PlayedCupy) -> None:
    force = NATIVE.forces(TEACHER, MANY)
    mine, theirs = (each.polish(TEACHER, bits.POLISH, MANY, force) for each in (kernel, NATIVE))
    assert mine[0].tobytes() == theirs[0].tobytes()
    assert names(cupy) == ["polish_points"]


@pytest.mark.parametrize("count", [3, FEW + 8])
def test_a_flag_ends_the_call_wherever_it_is(kernel: Assisted, count: int) -> None:
    cancel = Cancel()
    cancel.raise_()
    with pytest.raises(Cancelled):
        kernel.flow(
            TEACHER, rules(NATIVE, TEACHER, 4), paths_from(NATIVE, TEACHER, MANY[:count]),
            cancel=cancel,
        )  # fmt: skip


@pytest.mark.parametrize("is_mixed", [False, True])
@pytest.mark.parametrize(("K", "M", "d"), [(4, 4, 6), (5, 3, 4)])
def test_whole_descents_end_where_the_native_kernels_do(
    kernel: Assisted, cupy: PlayedCupy, K: int, M: int, d: int, is_mixed: bool
) -> None:
    """Handed back or not."""
    teacher = a_teacher(M)
    W = some_starts(K, teacher, d, 3 * FEW)
    found = []
    for each in (kernel, NATIVE):
        descent = Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3, kernel=each, is_mixed=is_mixed)
        ends, back = descent.run(descent.begin(range(len(W)), W), hand_back=True)
        held = descent.held(back)
        if held is not None:
            ends += descent.run(descent.resume(held))[0]
        found.append({end.start: (end.outcome, end.steps, end.W.tobytes()) for end in ends})
    assert len(found[0]) == len(W)
    assert found[0] == found[1]
    assert "flow_paths" in names(cupy)


def test_it_says_whose_device_it_is(kernel: Assisted) -> None:
    assert (kernel.info, kernel.device) == (kernel.gpu.info, "NVIDIA Test")
    assert kernel.paths_at_once(TEACHER, 4, 6) == kernel.gpu.paths_at_once(TEACHER, 4, 6)


def test_without_a_native_kernel_the_device_does_everything(
    cupy: PlayedCupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert isinstance(beside.load(), Assisted)

    def none() -> Any:
        raise native.KernelError("it was not compiled")

    monkeypatch.setattr(native, "load", none)
    assert isinstance(beside.load(), DeviceKernel)
