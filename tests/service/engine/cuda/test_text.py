"""The kernel's text: NVRTC compiles it without a GPU, and its threads do not race."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import pytest

from relu_landscape.engine.cuda import source
from tests.service.engine.cuda.played import compiled, with_threads

SHAPES = [
    source.Shape(8, 8, 8, True),
    source.Shape(17, 17, 34, True),
    source.Shape(18, 17, 17, False),
    source.Shape(32, 32, 64, True),
    source.Shape(64, 64, 128, True),
]
#: Of a block on these devices, in bytes (CUDA programming guide, "Technical specifications").
SHARED = {"sm_80": 166_912, "sm_90": 232_448}
#: Registers of a multiprocessor; a block that needs more cannot be launched.
REGISTERS = 65_536


@pytest.fixture(scope="module")
def nvrtc() -> ctypes.CDLL:
    """The library of the wheel nvidia-cuda-nvrtc, which needs neither device nor driver."""
    library = [
        each.locate()
        for each in files("nvidia-cuda-nvrtc") or ()
        if re.fullmatch(r"libnvrtc\.so\.\d+", each.name)
    ]
    return ctypes.CDLL(str(library[0]))


def compile_text(nvrtc: ctypes.CDLL, text: str, architecture: str) -> tuple[int, str, bytes]:
    """NVRTC's status, its log, and the program for the device."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    # The last two as CuPy adds them.
    options = [
        *source.OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v",
        "--device-as-default-execution-space", "-ftz=true",
    ]  # fmt: skip
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), given)
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    made = b""
    if not status:
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        binary = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, binary)
        made = binary.raw
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log.value.decode(), made


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [*((shape, "sm_90") for shape in SHAPES), (SHAPES[0], "sm_80"), (SHAPES[-1], "sm_80")],
    ids=str,
)
def test_it_compiles_for_a_gpu_and_its_blocks_can_be_launched(
    nvrtc: ctypes.CDLL, shape: source.Shape, architecture: str
) -> None:
    plan = source.planned(shape, SHARED[architecture])
    status, log, made = compile_text(nvrtc, source.text(plan), architecture)
    assert status == 0, log
    assert made.startswith(b"\x7fELF")
    assert not re.findall(r"warning .*", log)
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", log)]
    assert len(registers) == 3, log
    assert max(registers) * plan.threads <= REGISTERS


def test_a_mistake_in_the_text_is_one_for_nvrtc(nvrtc: ctypes.CDLL) -> None:
    text = source.text(source.planned(SHAPES[0], SHARED["sm_90"])) + "\nint undeclared = x;\n"
    status, log, _ = compile_text(nvrtc, text, "sm_90")
    assert status != 0
    assert "undeclared" in log or '"x"' in log


#: A barrier also orders what is in truth not ordered: who arrives early at the next one comes
#: before those who leave the last one late. So a race is seen in most runs, not in all.
RUNS = 12


def reports(folder: Path, text: str) -> Iterator[str]:
    """What the sanitiser says of a few steps with 64 threads, in one run after the other."""
    program = compiled(
        folder, with_threads(text, 64), ("-DALONE", "-g", "-fsanitize=thread"), "race"
    )
    for _ in range(RUNS):
        done = subprocess.run(
            [str(program)], capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode in (0, 66), done.stderr[:2000]  # 66: the sanitiser's own
        yield done.stderr


@pytest.mark.parametrize("is_orthonormal", [True, False])
def test_its_threads_do_not_race(tmp_path: Path, is_orthonormal: bool) -> None:
    plan = source.planned(source.Shape(4, 3, 5, is_orthonormal), 10**6)
    assert "".join(reports(tmp_path, source.text(plan)))[:4000] == ""


@pytest.mark.parametrize("number", range(3))
def test_a_missing_barrier_is_seen(tmp_path: Path, number: int) -> None:
    """One barrier of the force less, and the sanitiser reports a race."""
    text = source.text(source.planned(source.Shape(4, 3, 5, True), 10**6))
    begin = text.index("INLINE void compute_force(")
    barriers = [found.start() for found in re.finditer(r"\n  sync\(\);", text[begin:])]
    at = begin + barriers[number]
    without = text[:at] + text[at + len("\n  sync();") :]
    assert any("data race" in said for said in reports(tmp_path, without))
