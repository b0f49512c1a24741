"""The GPU's kernel and its host side, without a GPU: bits, parts, cancelling, refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.cuda import calls, device, source
from relu_landscape.engine.cuda.device import DeviceKernel
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Cancel, KernelError, Paths
from relu_landscape.engine.model.arrays import NUMPY, backend_named
from relu_landscape.errors import Cancelled, ConfigurationError, DeviceLost
from tests.service.engine.cuda.played import (
    CUDADriverError,
    CUDARuntimeError,
    OutOfMemoryError,
    PlayedArray,
    PlayedCupy,
    compiled,
)
from tests.service.engine.lanes.setups import (
    KERNELS,
    SHAPES,
    a_teacher,
    assert_same_bits,
    paths_from,
    rules,
    some_starts,
)

#: What every processor variant computes; they agree (tests/service/engine/lanes).
NATIVE = KERNELS[0]


def ends(kernel: Any, M: int, K: int, d: int, is_orthonormal: bool, count: int = 5) -> Any:
    teacher = a_teacher(M, is_orthonormal)
    paths = paths_from(NATIVE, teacher, some_starts(K, teacher, d, count))
    evaluations = kernel.flow(teacher, rules(NATIVE, teacher, K), paths)
    polished, norms, more = kernel.polish(teacher, bits.POLISH, paths.W, paths.force)
    return paths, polished, norms, evaluations, more


@pytest.mark.parametrize("is_orthonormal", [True, False])
@pytest.mark.parametrize(("K", "M", "d"), SHAPES)
def test_it_has_the_native_kernels_bits(
    kernel: DeviceKernel, K: int, M: int, d: int, is_orthonormal: bool
) -> None:
    """Every number of every path, flow and polish, and the number of gradients that took."""
    found = ends(kernel, M, K, d, is_orthonormal)
    wanted = ends(NATIVE, M, K, d, is_orthonormal)
    assert_same_bits(found[0], wanted[0])
    assert found[1].tobytes() == wanted[1].tobytes()
    assert found[2].tobytes() == wanted[2].tobytes()
    assert found[3:] == wanted[3:]


@pytest.mark.parametrize("is_orthonormal", [True, False])
def test_forces_have_the_native_kernels_bits_at_any_width(
    kernel: DeviceKernel, is_orthonormal: bool
) -> None:
    for K, M, d in ((2, 9, 20), (33, 32, 33), (65, 7, 200)):
        teacher = a_teacher(M, is_orthonormal)
        W = some_starts(K, teacher, d, 2)
        assert kernel.forces(teacher, W).tobytes() == NATIVE.forces(teacher, W).tobytes()


@pytest.mark.parametrize("leak", [-0.5, 0.5])
@pytest.mark.parametrize(("K", "M", "d"), [(4, 4, 4), (5, 3, 10)])
def test_units_that_leak_have_the_native_kernels_bits(
    kernel: DeviceKernel, K: int, M: int, d: int, leak: float
) -> None:
    teacher = replace(a_teacher(M), leak=leak)
    W = some_starts(K, teacher, d, 5)
    mine, theirs = (paths_from(NATIVE, teacher, W) for _ in range(2))
    polished = []
    for each, paths in ((kernel, mine), (NATIVE, theirs)):
        each.flow(teacher, rules(NATIVE, teacher, K), paths)
        polished.append(each.polish(teacher, bits.POLISH, paths.W, paths.force)[0])
    assert_same_bits(mine, theirs)
    assert polished[0].tobytes() == polished[1].tobytes()
    plain = paths_from(NATIVE, a_teacher(M), W)
    NATIVE.flow(a_teacher(M), rules(NATIVE, a_teacher(M), K), plain)
    assert plain.W.tobytes() != mine.W.tobytes()  # it does leak


def test_where_a_student_is_short_or_not_finite_it_stops_as_the_native_kernel_does(
    kernel: DeviceKernel,
) -> None:
    teacher = a_teacher(3)
    W = some_starts(4, teacher, 5, 4)
    W[0, 1] *= 1e-12
    W[1, 2] = 0.0
    W[2, 0, 0] = np.inf
    mine, theirs = paths_from(NATIVE, teacher, W), paths_from(NATIVE, teacher, W)
    kernel.flow(teacher, rules(NATIVE, teacher, 4), mine)
    NATIVE.flow(teacher, rules(NATIVE, teacher, 4), theirs)
    assert mine.event.tolist() == theirs.event.tolist()
    assert mine.event[0] & native.SHORT_STUDENT
    assert mine.event[1] & native.NOT_FINITE
    for each in fields(Paths):
        np.testing.assert_array_equal(getattr(mine, each.name), getattr(theirs, each.name))


def test_dust_is_cleared_as_the_native_kernel_does(kernel: DeviceKernel) -> None:
    teacher = a_teacher(3)
    W = some_starts(3, teacher, 9, 3)
    W[:, :, 3:] *= 1e-119
    mine, theirs = (paths_from(NATIVE, teacher, W, steps=60) for _ in range(2))
    kernel.flow(teacher, rules(NATIVE, teacher, 3), mine)
    NATIVE.flow(teacher, rules(NATIVE, teacher, 3), theirs)
    assert_same_bits(mine, theirs)
    assert not np.all(mine.W[:, :, 3:])


def test_rooms_are_as_large_as_the_plan_says(folder: Path) -> None:
    """``source`` counts what the headers take; too small a number would be a wild pointer."""
    for shape in (source.Shape(3, 2, 5, True), source.Shape(17, 17, 34, False)):
        for shared in (232_448, 1_000):
            plan = source.planned(shape, shared)
            text = source.text(plan) + (
                f"\n_Static_assert(FLOW_DOUBLES == {plan.rooms['flow_paths']} && "
                f"POLISH_DOUBLES == {plan.rooms['polish_points']} && "
                f"PAIRS_DOUBLES == {plan.pairs} && "
                f'sizeof(Board) <= {source.BOARD_BYTES}, "");\n'
            )
            assert compiled(folder, text, ("-shared",), f"rooms-{shape.students}-{shared}.so")
            assert plan.is_wide == (shared == 1_000)
            assert plan.is_wide or 8 * plan.rooms["polish_points"] + source.BOARD_BYTES <= shared


def test_rows_meet_no_bank_where_that_fits() -> None:
    K64 = source.Shape(56, 56, 56, True)
    assert source.planned(K64, 232_448).stride == 57
    tight = 8 * source.Plan(K64, 256, 56, is_wide=False).rooms["polish_points"] + source.BOARD_BYTES
    assert source.planned(K64, tight).stride == 56
    assert source.planned(K64, tight - 8).is_wide


def test_a_wide_problem_has_its_room_in_the_devices_memory(folder: Path) -> None:
    cupy = PlayedCupy(folder, shared_bytes=2_000)
    kernel = DeviceKernel(cupy)
    found, wanted = ends(kernel, 5, 5, 5, True), ends(NATIVE, 5, 5, 5, True)
    assert_same_bits(found[0], wanted[0])
    assert {shared for _, _, _, shared in cupy.launches} == {0}


def test_a_batch_that_does_not_fit_is_done_in_parts_with_the_same_bits(folder: Path) -> None:
    teacher = a_teacher(4)
    cupy = PlayedCupy(folder, memory=2_000)  # W of 15 paths at most
    kernel = DeviceKernel(cupy)
    mine = paths_from(NATIVE, teacher, some_starts(4, teacher, 4, 40))
    theirs = paths_from(NATIVE, teacher, some_starts(4, teacher, 4, 40))
    assert kernel.flow(teacher, rules(NATIVE, teacher, 4), mine) == NATIVE.flow(
        teacher, rules(NATIVE, teacher, 4), theirs
    )
    assert_same_bits(mine, theirs)
    assert cupy.largest_failed > 2_000
    assert cupy.freed > 0
    assert len(cupy.launches) == 4
    with pytest.raises(MemoryError, match="no memory for a single path"):
        DeviceKernel(PlayedCupy(folder, memory=100)).forces(teacher, mine.W)


def test_every_path_of_the_parts_is_done_once() -> None:
    done: list[int] = []

    def work(part: slice) -> int:
        if part.stop - part.start > 3:
            raise OutOfMemoryError("three at most")
        done.extend(range(23)[part])
        return len(range(23)[part])

    cupy = PlayedCupy(Path())
    assert calls.in_parts(cupy, 23, work) == 23
    assert done == list(range(23))


def test_a_raised_flag_ends_the_call(folder: Path) -> None:
    """The device does not see the host's flag; whoever raises it has it copied there."""
    cancel = Cancel()
    cupy = PlayedCupy(folder)
    cupy.on_launch = cancel.raise_
    teacher = a_teacher(4)
    paths = paths_from(NATIVE, teacher, some_starts(4, teacher, 4, 3))
    kernel = DeviceKernel(cupy)
    with pytest.raises(Cancelled):
        kernel.flow(teacher, rules(NATIVE, teacher, 4), paths, cancel=cancel)
    assert paths.event.tolist() == [0, 0, 0]
    cupy.on_launch = lambda: None
    kernel.flow(teacher, rules(NATIVE, teacher, 4), paths)  # every path can go on
    assert paths.event.tolist() == [native.SMALL_GRADIENT] * 3


def test_the_device_computes_in_turns_only(folder: Path) -> None:
    """Every launch has one; what is copied needs none."""
    held: list[str] = []

    @contextmanager
    def turn() -> Iterator[None]:
        held.append("begins")
        yield
        held.append("ends")

    cupy = PlayedCupy(folder)
    kernel = DeviceKernel(cupy, turn)
    cupy.on_launch = lambda: held.append("launch")
    ends(kernel, 4, 4, 4, True)
    assert held == ["begins", "launch", "ends"] * 2


def test_it_stays_on_its_device_whatever_the_thread_uses(folder: Path) -> None:
    cupy = PlayedCupy(folder, devices=3)
    cupy.cuda.Device(2).use()
    kernel = DeviceKernel(cupy)
    cupy.cuda.Device(0).use()
    ends(kernel, 4, 4, 4, True)  # a launch elsewhere fails
    assert cupy.current == 0


@pytest.mark.parametrize("error", [CUDARuntimeError, CUDADriverError])
def test_a_device_that_fails_is_lost_to_the_process(folder: Path, error: type[Exception]) -> None:
    def fail() -> None:
        raise error("an illegal memory access was encountered")

    cupy = PlayedCupy(folder)
    cupy.on_launch = fail
    with pytest.raises(DeviceLost, match="illegal memory access"):
        ends(DeviceKernel(cupy), 4, 4, 4, True)


def test_a_flag_raised_before_the_launch_ends_the_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody waited for his turn, say: nobody is called for it any more."""
    cancel = Cancel()
    cancel.raise_()
    teacher = a_teacher(4)
    paths = paths_from(NATIVE, teacher, some_starts(4, teacher, 4, 3))
    streams: list[Any] = []
    set_ = PlayedArray.set

    def noted(array: PlayedArray, values: Any, stream: Any = None) -> None:
        streams.append(stream)
        set_(array, values, stream)

    monkeypatch.setattr(PlayedArray, "set", noted)
    with pytest.raises(Cancelled):
        DeviceKernel(PlayedCupy(folder)).flow(
            teacher, rules(NATIVE, teacher, 4), paths, cancel=cancel
        )
    assert any(streams)  # it is told beside the kernel


def test_what_is_given_to_a_polish_is_checked(kernel: DeviceKernel) -> None:
    teacher = a_teacher(3)
    W = some_starts(3, teacher, 3, 2)
    with pytest.raises(ValueError, match="force"):
        kernel.polish(teacher, bits.POLISH, W, W[:1])


def test_nothing_to_do_asks_nothing_of_the_device(kernel: DeviceKernel) -> None:
    assert kernel.forces(a_teacher(3), np.empty((0, 3, 3))).shape == (0, 3, 3)


def test_paths_at_once_fill_the_device_and_fit_its_memory(folder: Path) -> None:
    """On three multiprocessors (played), for which nothing is compiled."""
    teacher = a_teacher(4)
    cupy = PlayedCupy(folder)
    assert DeviceKernel(cupy).paths_at_once(teacher, 4, 4) == 3 * 32 * 16
    room = source.planned(source.Shape(17, 17, 34, True), 232_448).rooms["flow_paths"]
    assert DeviceKernel(cupy).paths_at_once(a_teacher(17), 17, 34) == (
        3 * 16 * (233_472 // (8 * room + 1024))
    )
    assert cupy.compiled == []
    small = DeviceKernel(PlayedCupy(folder, memory=3_840))
    assert small.paths_at_once(teacher, 4, 4) == 3_840 // 2 // (8 * 48)
    assert DeviceKernel(PlayedCupy(folder, memory=1)).paths_at_once(teacher, 4, 4) == 1


def test_whole_descents_end_where_the_native_kernels_do(kernel: DeviceKernel) -> None:
    for K, M in ((4, 4), (5, 3)):
        teacher = a_teacher(M)
        W = some_starts(K, teacher, M + 1, 30)
        found = [
            {end.start: end for end in descent.run(descent.begin(range(30), W))[0]}
            for descent in (
                Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3, kernel=each)
                for each in (kernel, NATIVE)
            )
        ]
        for start, end in found[0].items():
            other = found[1][start]
            assert (end.outcome, end.steps) == (other.outcome, other.steps)
            assert end.W.tobytes() == other.W.tobytes()


def load_from(monkeypatch: pytest.MonkeyPatch, cupy: Any) -> DeviceKernel:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return device.load()


def test_it_is_loaded_where_it_computes_the_right_bits(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    found = load_from(monkeypatch, PlayedCupy(folder))
    assert found.info.label == NATIVE.info.label  # one kernel, one name
    assert (found.info.instructions, found.info.compiler) == ("sm_90", "NVRTC 13.0")
    assert found.device == "NVIDIA Test"
    assert device.count() == 1
    assert backend_named(f"cuda-{native.VERSION}").kernel is not None
    with pytest.raises(ConfigurationError, match="cuda-1 is asked for"):
        backend_named("cuda-1")


def test_what_was_compiled_is_kept_for_this_text_compiler_and_device(folder: Path) -> None:
    kept: dict[str, bytes] = {}

    def keep(name: str, make: Callable[[], bytes]) -> bytes:
        if name not in kept:
            kept[name] = make()
        return kept[name]

    cupy = PlayedCupy(folder)
    for _ in range(2):
        DeviceKernel(cupy, kept=keep).module(a_teacher(3), 3, 3)
    assert (len(cupy.compiled), len(kept)) == (1, 1)
    cupy.cuda.nvrtc.getVersion = lambda: (13, 1)
    DeviceKernel(cupy, kept=keep).module(a_teacher(3), 3, 3)
    cupy.cuda.runtime.getDeviceProperties(0)["minor"] = 1
    DeviceKernel(cupy, kept=keep).module(a_teacher(3), 3, 3)
    DeviceKernel(cupy, kept=keep).module(a_teacher(3), 3, 4)
    assert (len(cupy.compiled), len(kept)) == (4, 4)


def test_a_gpu_that_computes_other_bits_is_refused(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """One rounding more, in the last place of one coefficient."""

    def alter(text: str) -> str:
        assert "1.2091995761561452" in text
        return text.replace("1.2091995761561452", "1.2091995761561454")

    with pytest.raises(KernelError, match="other bits"):
        load_from(monkeypatch, PlayedCupy(folder, alter=alter))


def test_without_cupy_a_gpu_or_a_driver_it_says_why(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    with pytest.raises(KernelError, match="CuPy is not installed"):
        load_from(monkeypatch, None)
    assert device.count() == 0
    with pytest.raises(KernelError, match="CuPy sees no GPU"):
        load_from(monkeypatch, PlayedCupy(folder, devices=0))
    with pytest.raises(KernelError, match="no working GPU"):
        load_from(monkeypatch, PlayedCupy(folder, memory=0))
