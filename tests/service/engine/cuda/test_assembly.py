"""What NVRTC makes of the kernel's text, run on a processor thread by thread: the native bits.

Warps, shuffles, barriers and shared memory are those of the assembly; only what NVRTC's last stage
makes of that for one device is not run.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.cuda.device import DeviceKernel
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Paths
from relu_landscape.engine.model.teacher import Teacher
from tests.service.engine.cuda.assembled import AssembledCupy, LaunchError, assembled, launch
from tests.service.engine.cuda.assembly import TranslationError, translated
from tests.service.engine.cuda.played import name_of, without_barrier
from tests.service.engine.lanes.setups import (
    KERNELS,
    a_teacher,
    assert_same_bits,
    paths_from,
    rules,
    some_starts,
)
from tests.service.engine.oracles import Real

NATIVE = KERNELS[0]
LARGE, SMALL = 232_448, 1_000  # bytes of shared memory


@dataclass(frozen=True)
class Case:
    """A shape, the threads that it is planned for, and how long its paths are followed."""

    K: int
    M: int
    d: int
    is_orthonormal: bool
    threads: int
    steps: int
    is_single: bool = False
    shared_bytes: int = LARGE

    @property
    def teacher(self) -> Teacher:
        return a_teacher(self.M, self.is_orthonormal)


CASES = [
    Case(3, 4, 4, True, 32, 30),  # K < M
    Case(5, 3, 10, True, 32, 30),  # K > M, p > M, an odd width
    Case(9, 9, 9, False, 32, 12),
    Case(13, 12, 12, True, 64, 6),
    Case(17, 16, 19, False, 128, 4),
    Case(5, 5, 6, False, 32, 20, shared_bytes=SMALL),
    Case(5, 3, 10, False, 32, 30, is_single=True),
    Case(17, 16, 17, True, 128, 4, is_single=True),
    Case(5, 5, 5, True, 32, 20, is_single=True, shared_bytes=SMALL),
]


def starts(case: Case) -> Real:
    """More than there are blocks. Where K > M the last is next to zero loss: a student on every
    teacher, but for the first one, which several share."""
    W = some_starts(case.K, case.teacher, case.d, 8)
    if case.K > case.M:
        shares = np.eye(case.K, case.M)
        shares[0, 0], shares[case.M :, 0] = 0.5, 0.5 / (case.K - case.M)
        W[-1] *= 1e-9
        W[-1, :, : case.M] += 0.9999 * shares @ case.teacher.V
    return W


def followed(kernel: Any, case: Case, W: Real) -> tuple[Paths, int]:
    """A few steps, with a check of zero loss every third."""
    told = rules(NATIVE, case.teacher, case.K)
    if case.K > case.M:
        told = replace(told, check_steps=3.0, check_gradient=1e3)
    paths = paths_from(NATIVE, case.teacher, W, gradient=1e-12, steps=case.steps)
    return paths, kernel.flow(case.teacher, told, paths, single=case.is_single)


def polished(kernel: Any, case: Case, W: Real) -> list[bytes]:
    """From where paths come to rest."""
    paths = paths_from(NATIVE, case.teacher, W, gradient=1e-2)
    NATIVE.flow(case.teacher, rules(NATIVE, case.teacher, case.K), paths)
    few = replace(bits.POLISH, iterations=case.steps / 2)
    done = kernel.polish(case.teacher, few, paths.W, paths.force)
    return [np.asarray(each).tobytes() for each in done]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_nvrtc_makes_has_the_native_kernels_bits(
    nvrtc: ctypes.CDLL, folder: Path, case: Case
) -> None:
    cupy = AssembledCupy(nvrtc, folder, shared_bytes=case.shared_bytes)
    kernel, W = DeviceKernel(cupy), starts(case)
    forces = [
        each.forces(case.teacher, W, single=case.is_single).tobytes() for each in (kernel, NATIVE)
    ]
    assert forces[0] == forces[1]
    (mine, count), (theirs, wanted) = (followed(each, case, W) for each in (kernel, NATIVE))
    assert_same_bits(mine, theirs)
    assert count == wanted
    assert bool(np.any(mine.event & native.CHECK_DUE)) == (case.K > case.M)
    if not case.is_single:
        assert polished(kernel, case, W) == polished(NATIVE, case, W)
    for _, blocks, threads, shared in cupy.launches:
        assert (blocks, threads, shared > 0) == (6, case.threads, case.shared_bytes == LARGE)


def test_paths_leave_when_few_blocks_still_have_one(nvrtc: ctypes.CDLL, folder: Path) -> None:
    """Two that would never end by themselves, as soon as three of the six blocks are idle."""
    case = CASES[0]
    W, endless = starts(case), [0, 3]
    mine, theirs = (
        paths_from(NATIVE, case.teacher, W, gradient=1e-12, steps=case.steps) for _ in range(2)
    )
    mine.step_limit[endless] = 10**9
    kernel = DeviceKernel(AssembledCupy(nvrtc, folder))
    kernel.flow(case.teacher, rules(NATIVE, case.teacher, case.K), mine, company=4)
    left = np.flatnonzero(mine.event == 0)
    assert left.tolist() == endless
    theirs.step_limit[left] = mine.steps[left]
    NATIVE.flow(case.teacher, rules(NATIVE, case.teacher, case.K), theirs)
    assert mine.steps.tolist() == theirs.steps.tolist()
    for name in ("W", "force", "time", "step_size", "eigenvalue", "gradient_norm"):
        assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes()


def kernels_but(text: str, begin: str, end: str) -> str:
    """The text without those from one place up to another."""
    at = text.index(begin)
    return text[:at] + text[text.index(end, at) :] if end else text[:at]


@pytest.mark.parametrize("number", range(4))
def test_a_missing_barrier_is_seen(nvrtc: ctypes.CDLL, folder: Path, number: int) -> None:
    """Each of the force's, by the two threads that then race."""

    def alter(text: str) -> str:
        return kernels_but(without_barrier(text, number), "KERNEL flow_paths", "KERNEL forces_at")

    teacher = a_teacher(12)
    kernel = DeviceKernel(AssembledCupy(nvrtc, folder, alter=alter))
    with pytest.raises(
        LaunchError, match=r"Threads \d+ and \d+ race for byte \d+ of shared memory"
    ):
        kernel.forces(teacher, some_starts(13, teacher, 12, 2))


def test_a_warp_that_adds_in_another_order_has_other_bits(nvrtc: ctypes.CDLL, folder: Path) -> None:
    """Lines that only a GPU compiles: the sum of its strands."""
    added = "for (int half = %s) strand += __shfl_xor_sync(~0u, strand, half);"
    right, wrong = "STRANDS / 2; half; half /= 2", "1; half < STRANDS; half *= 2"

    def alter(text: str) -> str:
        text = kernels_but(text, "KERNEL forces_at", "")
        assert text.count(added % right) == 1
        return text.replace(added % right, added % wrong)

    case = Case(5, 3, 10, True, 32, 5, is_single=True)
    kernel = DeviceKernel(AssembledCupy(nvrtc, folder, alter=alter))
    found, wanted = (followed(each, case, starts(case))[0] for each in (kernel, NATIVE))
    np.testing.assert_allclose(found.W, wanted.W, atol=1e-4)
    assert found.W.tobytes() != wanted.W.tobytes()


def test_a_shuffle_by_half_a_warp_is_a_fault(nvrtc: ctypes.CDLL, folder: Path) -> None:
    norm = "if (%s) {\n    const real squared = sum_of_entries(f->force, f->force);"

    def alter(text: str) -> str:
        text = kernels_but(text, "#ifndef SINGLE\nKERNEL polish_points", "")
        assert text.count(norm % "warp() == 0") == 1
        return text.replace(norm % "warp() == 0", norm % "thread() < 16")

    case = CASES[0]
    kernel = DeviceKernel(AssembledCupy(nvrtc, folder, alter=alter))
    with pytest.raises(LaunchError, match="Only 16 threads of a warp are in the same shuffle"):
        followed(kernel, case, starts(case))


#: A kernel of one argument: where each thread puts a number of eight bytes, %rd1.
ALONE = """
.visible .entry alone(
	.param .u64 alone_param_0
)
.maxntid 64, 1, 1
{
	.reg .pred 	%p<3>;
	.reg .b32 	%r<9>;
	.reg .f32 	%f<3>;
	.reg .f64 	%fd<3>;
	.reg .b64 	%rd<9>;
	.shared .align 8 .b8 board[512];

	mov.u32 	%r1, %tid.x;
	setp.lt.u32 	%p1, %r1, 8;
	mov.u64 	%rd1, 0;
BODY
	ld.param.u64 	%rd2, [alone_param_0];
	cvta.to.global.u64 	%rd3, %rd2;
	mul.wide.u32 	%rd4, %r1, 8;
	add.s64 	%rd5, %rd3, %rd4;
	st.global.u64 	[%rd5], %rd1;
	ret;

}
"""


def alone(folder: Path, body: str) -> NDArray[np.uint64]:
    """What 64 threads of a block put there, (64,)."""
    assembly = ALONE.replace("BODY", body)
    library = ctypes.CDLL(str(assembled(folder, assembly, f"{name_of(assembly)}.so")))
    numbers = np.zeros(64, dtype=np.uint64)
    launch(library, "alone", (1, 64), [numbers.ctypes.data])
    return numbers


#: What PTX says of cases that C leaves open, or sees in another way.
COMPUTED = {
    "max.f64 %fd1, 0d7FF8000000000000, 0d3FF0000000000000; mov.b64 %rd1, %fd1;": 0x3FF0 << 48,
    "min.f64 %fd1, 0d0000000000000000, 0d8000000000000000; mov.b64 %rd1, %fd1;": 1 << 63,
    "max.f64 %fd1, 0d8000000000000000, 0d0000000000000000; mov.b64 %rd1, %fd1;": 0,
    "copysign.f64 %fd1, 0d8000000000000000, 0d3FF0000000000000; mov.b64 %rd1, %fd1;": 0xBFF0 << 48,
    "mov.u32 %r2, 40; shl.b32 %r3, 1, %r2; cvt.u64.u32 %rd1, %r3;": 0,
    "mov.u32 %r2, 40; shr.s32 %r3, -8, %r2; cvt.u64.u32 %rd1, %r3;": 0xFFFFFFFF,
    "shr.u32 %r3, -8, 28; cvt.u64.u32 %rd1, %r3;": 15,
    "mov.u32 %r2, -3; cvt.s64.s32 %rd1, %r2;": 2**64 - 3,
    "mul.hi.s32 %r2, -3, 1431655766; cvt.s64.s32 %rd1, %r2;": 2**64 - 2,
    "mul.wide.u32 %rd1, -1, -1;": (2**32 - 1) ** 2,
    "bfi.b64 %rd1, -1, 5, 32, 8;": (0xFF << 32) + 5,
    "setp.gtu.f64 %p2, 0d7FF8000000000000, 0d0; selp.u64 %rd1, 7, 9, %p2;": 7,
    "rcp.rn.f32 %f1, 0f40400000; mov.b32 %r2, %f1; cvt.u64.u32 %rd1, %r2;": 0x3EAAAAAB,
    "cvt.rn.f32.f64 %f1, 0d3810000000000001; cvt.f64.f32 %fd1, %f1; mov.b64 %rd1, %fd1;":
        0x3810 << 48,
    "add.rn.f32 %f1, 0f00000001, 0f00000001; mov.b32 %r2, %f1; cvt.u64.u32 %rd1, %r2;": 2,
}  # fmt: skip


def test_an_instruction_computes_what_its_description_says(folder: Path) -> None:
    """All in one kernel: thread n shows the value of the n-th."""
    lines = ["mov.u64 %rd6, 0;"]
    for number, instructions in enumerate(COMPUTED):
        lines += instructions.replace("; ", ";\n").splitlines()
        lines += [f"setp.eq.s32 %p2, %r1, {number};", "selp.b64 %rd6, %rd1, %rd6, %p2;"]
    found = alone(folder, "\n".join([*lines, "mov.u64 %rd1, %rd6;"]))
    assert dict(zip(COMPUTED, found.tolist(), strict=False)) == COMPUTED


FAULTS = {
    "@%p1 bra $L_1;\nbar.sync 0;\n$L_1:": r"Thread 0 is at the barrier of line 0, thread 8 at that",
    "@%p1 bra $L_1;\nbar.sync 0;\nbra.uni $L_2;\n$L_1:\nbar.sync 0;\n$L_2:":
        r"Thread 0 is at the barrier of line 21, thread 8 at that of line 18 ",
    "shfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, 255;": "shuffle of line 17 is not of a whole warp",
    "@%p1 bra $L_1;\nshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;\n$L_1:":
        "Only 24 threads of a warp",
    "ld.shared.f64 %fd1, [board+508];": "Byte 508 of 512",
    "ld.shared.f64 %fd1, [board+512];": "Byte 512 of 512",
    "mov.u64 %rd6, board;\ncvta.shared.u64 %rd7, %rd6;\nst.u64 [%rd7], %rd1;":
        "Threads 1 and 0 race for byte 0",
}  # fmt: skip


@pytest.mark.parametrize("body", FAULTS)
def test_what_a_gpu_would_not_say_is_a_fault(folder: Path, body: str) -> None:
    with pytest.raises(LaunchError, match=FAULTS[body]):
        alone(folder, body)


def test_threads_meet_in_barriers_and_shuffles(folder: Path) -> None:
    """Each puts its number into shared memory, and gets that of its neighbour's neighbour."""
    found = alone(folder, """
	shl.b32 	%r2, %r1, 3;
	mov.u32 	%r3, board;
	add.s32 	%r4, %r3, %r2;
	st.shared.u32 	[%r4], %r1;
	bar.sync 	0;
	xor.b32 	%r5, %r4, 8;
	ld.shared.u32 	%r6, [%r5];
	shfl.sync.bfly.b32 	%r7|%p2, %r6, 2, 31, -1;
	cvt.u64.u32 	%rd1, %r7;""")  # fmt: skip
    assert found.tolist() == [number ^ 3 for number in range(64)]
    unwritten = alone(folder, "ld.shared.f64 %fd1, [board];\nmov.b64 %rd1, %fd1;")
    assert np.all(np.isnan(unwritten.view(np.float64)))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("sqrt.approx.f64 %fd1, %fd2;", r"line 17: instruction sqrt\.approx\.f64: sqrt"),
        ("add.rn.ftz.f32 %f1, %f2, %f2;", r"instruction add\.rn\.ftz\.f32"),
        ("add.f64 %fd1, %fd2, %fd2;", r"instruction add\.f64"),
        ("mul.wide.s64 %rd1, %rd2, %rd3;", r"instruction mul\.wide\.s64"),
        ("cvt.rni.s64.f64 %rd1, %fd1;", r"instruction cvt\.rni\.s64\.f64"),
        ("ld.const.f64 %fd1, [TABLE];", r"instruction ld\.const\.f64"),
        ("bar.sync 1;", r"instruction bar\.sync"),
        ("bar.warp.sync -1;", r"instruction bar\.warp\.sync"),
        ("mov.u32 %r1, %laneid;", "operand %laneid"),
        ("mov.u64 %rd1, TABLE;", "operand TABLE"),
        ("call (%r1), f, (%r2), @g", r"line 17: call"),
        (".local .align 8 .b8 depot[16];", r"line 17: \.local"),
        (".reg .b16 %rs<2>;", "registers of type b16"),
        ("ld.param.u64 %rd1, [alone_param_0+8];", r"instruction ld\.param\.u64"),
    ],
)
def test_what_the_translator_does_not_know_is_named(body: str, named: str) -> None:
    with pytest.raises(TranslationError, match=named):
        translated(ALONE.replace("BODY", body))
