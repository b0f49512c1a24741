"""The GPU's kernel in single precision, without a GPU: the bits of the native kernel's."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.cuda import source
from relu_landscape.engine.cuda.device import DeviceKernel
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Paths
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.tasks import run_here
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.cuda.played import CompileError, PlayedCupy, compiled
from tests.service.engine.landscape.solving import as_bytes, solve
from tests.service.engine.lanes.setups import (
    KERNELS,
    SHAPES,
    a_teacher,
    assert_same_bits,
    paths_from,
    rules,
    some_starts,
)
from tests.service.engine.oracles import Real

NATIVE = KERNELS[0]
TEACHERS = pytest.mark.parametrize("is_orthonormal", [True, False], ids=["T=I", "T"])


def followed(kernel: Any, teacher: Teacher, W: Real) -> tuple[Paths, int]:
    """Until their first event, in single precision."""
    paths = paths_from(NATIVE, teacher, W, gradient=1e-3, steps=1_200)
    told = replace(rules(NATIVE, teacher, W.shape[1]), shortest=1e-3)
    return paths, kernel.flow(teacher, told, paths, single=True)


@TEACHERS
@pytest.mark.parametrize(("K", "M", "d"), SHAPES)
def test_it_has_the_native_kernels_bits(
    kernel: DeviceKernel, K: int, M: int, d: int, is_orthonormal: bool
) -> None:
    """Every number of every path, among them those that a check of zero loss ends (K > M)."""
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, 6)
    (mine, evaluations), (theirs, wanted) = (
        followed(each, teacher, W) for each in (kernel, NATIVE)
    )
    assert_same_bits(mine, theirs)
    assert evaluations == wanted
    assert np.array_equal(mine.W, mine.W.astype(np.float32))  # it is another arithmetic
    if K > M > 1:
        assert np.any(mine.event & native.CHECK_DUE)


@TEACHERS
def test_forces_have_the_native_kernels_bits(kernel: DeviceKernel, is_orthonormal: bool) -> None:
    for K, M, d in ((2, 9, 20), (33, 32, 33)):
        teacher = a_teacher(M, is_orthonormal)
        W = some_starts(K, teacher, d, 2)
        found, wanted = (each.forces(teacher, W, single=True) for each in (kernel, NATIVE))
        assert found.tobytes() == wanted.tobytes()
        assert found.tobytes() != kernel.forces(teacher, W).tobytes()


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_units_that_leak_have_the_native_kernels_bits(kernel: DeviceKernel, leak: float) -> None:
    teacher = replace(a_teacher(3), leak=leak)
    W = some_starts(5, teacher, 10, 5)
    mine, theirs = (followed(each, teacher, W)[0] for each in (kernel, NATIVE))
    assert_same_bits(mine, theirs)


def test_where_a_student_is_short_or_not_finite_it_stops_as_the_native_kernel_does(
    kernel: DeviceKernel,
) -> None:
    """Its dust is larger, and so is what it calls short; squares of 1e25 are infinite."""
    teacher = a_teacher(3)
    W = some_starts(4, teacher, 9, 4)
    W[0, 1] *= 1e-5
    W[1, 2] *= 1e25
    W[2, :, 3:] *= 1e-13
    mine, theirs = (followed(each, teacher, W)[0] for each in (kernel, NATIVE))
    assert mine.event[0] & native.SHORT_STUDENT
    assert mine.event[1] & native.NOT_FINITE
    assert not np.any(mine.W[2, :, 3:])
    for each in fields(Paths):  # a NaN has many bits
        np.testing.assert_array_equal(getattr(mine, each.name), getattr(theirs, each.name))


def test_a_wide_problem_has_its_room_in_the_devices_memory(folder: Path) -> None:
    cupy = PlayedCupy(folder, shared_bytes=1_000)
    teacher = a_teacher(5)
    W = some_starts(5, teacher, 5, 5)
    mine, theirs = (followed(each, teacher, W)[0] for each in (DeviceKernel(cupy), NATIVE))
    assert_same_bits(mine, theirs)
    assert [shared for _, _, _, shared in cupy.launches] == [0]


def test_rooms_are_as_large_as_the_plan_says(folder: Path) -> None:
    """About half of what doubles take, and no polish, which is always double."""
    for K, M, p in ((3, 2, 5), (17, 17, 34), (1, 1, 1)):
        plan, double = (
            source.planned(source.Shape(K, M, p, True, is_single), 232_448)
            for is_single in (True, False)
        )
        text = source.text(plan) + (
            f"\n_Static_assert(FLOW_DOUBLES == {plan.rooms['flow_paths']} && "
            f'sizeof(real) == 4 && sizeof(Board) <= {source.BOARD_BYTES}, "");\n'
        )
        assert compiled(folder, text, ("-shared",), f"single-{K}-{M}-{p}.so")
        assert set(plan.rooms) == {"flow_paths", "forces_at"}
        halved = double.rooms["flow_paths"] / 2 + K + p
        assert plan.rooms["flow_paths"] == pytest.approx(halved, abs=1)


def test_arithmetic_that_slips_into_double_is_noticed(folder: Path) -> None:
    """A processor's vectors would take 2.0 for single precision, a GPU's numbers would not."""
    text = source.text(source.planned(source.Shape(4, 4, 4, True, is_single=True), 232_448))
    assert text.count("(real)2.0 * change") == 1
    with pytest.raises(CompileError, match="double-promotion"):
        compiled(folder, text.replace("(real)2.0 * change", "2.0 * change"), ("-shared",), "d.so")


def test_it_must_be_right_in_single_precision_too(folder: Path) -> None:
    def alter(text: str) -> str:
        return text.replace("-0.2636001657035984f", "-0.2636001957035984f")

    right, wrong = (
        DeviceKernel(PlayedCupy(folder, alter=each)) for each in (lambda text: text, alter)
    )
    sample = bits.SAMPLES[0]
    assert bits.digest(wrong, sample) == sample.digest
    assert (bits.are_right(right, sample), bits.are_right(wrong, sample)) == (True, False)


def test_a_landscape_that_begins_in_single_precision_is_the_processors(folder: Path) -> None:
    """Followed by the device from the first step on."""
    asked = LandscapeRequest.model_validate({
        "student_width": 5, "teacher_width": 4, "starts": 40, "structured": False,
        "input_dimension": 7, "seed": 4, "precision": "float32",
    })  # fmt: skip
    texts: list[str] = []

    def noted(text: str) -> str:
        texts.append(text)
        return text

    cupy = PlayedCupy(folder, alter=noted)
    found, wanted = (
        as_bytes(solve(asked, run=run_here(COMPOSITION.problem(asked), backend)))
        for backend in (
            Backend("cuda", NUMPY, kernel=DeviceKernel(cupy)),
            Backend("native", NUMPY, kernel=NATIVE),
        )
    )
    assert found == wanted
    assert ["#define SINGLE 1" in text for text in texts].count(True) == 1
