"""The kernel's text: NVRTC compiles it without a GPU, and its threads do not race."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._gpu_peak import BURN, pairs_text
from relu_landscape.engine.cuda import source
from tests.service.engine.cuda.nvrtc import compile_text
from tests.service.engine.cuda.played import compiled, with_threads, without_barrier

SHAPES = [
    source.Shape(8, 8, 8, True),
    source.Shape(17, 17, 34, True),
    source.Shape(18, 17, 17, False),
    source.Shape(32, 32, 64, True),
    source.Shape(64, 64, 128, True),
    source.Shape(17, 17, 34, True, is_single=True),
    source.Shape(18, 17, 17, False, is_single=True),
]
#: Of a block on these devices, in bytes (CUDA programming guide, "Technical specifications").
SHARED = {"sm_80": 166_912, "sm_90": 232_448}
#: Registers of a multiprocessor; a block that needs more cannot be launched.
REGISTERS = 65_536


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [*((shape, "sm_90") for shape in SHAPES), (SHAPES[0], "sm_80"), (SHAPES[4], "sm_80")],
    ids=str,
)
def test_it_compiles_for_a_gpu_and_its_blocks_can_be_launched(
    nvrtc: ctypes.CDLL, shape: source.Shape, architecture: str
) -> None:
    plan = source.planned(shape, SHARED[architecture])
    found = compile_text(nvrtc, source.text(plan), architecture)
    assert found.status == 0, found.log
    assert found.program.startswith(b"\x7fELF")
    assert not re.findall(r"warning .*", found.log)
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", found.log)]
    assert len(registers) == len(plan.rooms), found.log
    assert max(registers) * plan.threads <= REGISTERS
    check_rounding(found.assembly, shape)


#: What is rounded, by name and type: sums, products, quotients, roots, and double to single.
ROUNDED = re.compile(
    r"\b((?:add|sub|mul|div|sqrt|rcp|rsqrt|fma|mad|cvt)(?:\.\w+)*\.f(?:32|64)\S*)\s"
)


def check_rounding(assembly: str, shape: source.Shape) -> None:
    """Each operation is rounded to nearest, so that nothing may be contracted later, and keeps
    numbers below the normal ones: without that it would have bits of its own."""
    operations = Counter(ROUNDED.findall(assembly))
    assert operations
    allowed = {
        f"{name}.rn.f{digits}"
        for name in ("add", "sub", "mul", "div", "rcp", "sqrt", "fma")
        for digits in (32, 64)
    } | {"cvt.rn.f32.f64", "cvt.f64.f32", "cvt.rn.f32.s32", "cvt.rzi.s64.f64"}
    assert set(operations) <= allowed, set(operations) - allowed
    kind = "32" if shape.is_single else "64"
    other = "64" if shape.is_single else "32"
    assert operations[f"fma.rn.f{kind}"] > 100
    assert operations[f"fma.rn.f{other}"] == 0  # a check of zero loss, in double, has none
    assert operations[f"sqrt.rn.f{kind}"] > 0


@pytest.mark.parametrize(
    "text", [pairs_text(source.planned(SHAPES[1], SHARED["sm_90"])), BURN], ids=["pairs", "burn"]
)
def test_the_loops_of_the_check_compile_for_a_gpu(nvrtc: ctypes.CDLL, text: str) -> None:
    found = compile_text(nvrtc, text, "sm_90")
    assert found.status == 0, found.log
    assert "fma.rn.f64" in found.assembly


def test_a_mistake_in_the_text_is_one_for_nvrtc(nvrtc: ctypes.CDLL) -> None:
    text = source.text(source.planned(SHAPES[0], SHARED["sm_90"])) + "\nint undeclared = x;\n"
    found = compile_text(nvrtc, text, "sm_90")
    assert found.status != 0
    assert "undeclared" in found.log or '"x"' in found.log


@pytest.mark.parametrize(
    ("option", "shown"),
    [("-ftz=true", "ftz"), ("--fmad=true", "mul.f32"), ("--prec-sqrt=false", "sqrt.approx")],
)
def test_options_that_change_the_rounding_are_noticed(
    nvrtc: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, option: str, shown: str
) -> None:
    shape = source.Shape(4, 4, 4, True, is_single=True)
    others = [each for each in source.OPTIONS if "fmad" not in each or "fmad" not in option]
    monkeypatch.setattr(source, "OPTIONS", (*others, option))
    found = compile_text(nvrtc, source.text(source.planned(shape, SHARED["sm_90"])), "sm_90")
    assert found.status == 0, found.log
    with pytest.raises(AssertionError, match=shown):
        check_rounding(found.assembly, shape)


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


@pytest.mark.parametrize("is_single", [False, True])
@pytest.mark.parametrize("is_orthonormal", [True, False])
def test_its_threads_do_not_race(tmp_path: Path, is_orthonormal: bool, is_single: bool) -> None:
    plan = source.planned(source.Shape(4, 3, 5, is_orthonormal, is_single), 10**6)
    assert "".join(reports(tmp_path, source.text(plan)))[:4000] == ""


@pytest.mark.parametrize("number", range(3))
def test_a_missing_barrier_is_seen(tmp_path: Path, number: int) -> None:
    """One barrier of the force less, and the sanitiser reports a race."""
    text = source.text(source.planned(source.Shape(4, 3, 5, True), 10**6))
    without = without_barrier(text, number)
    assert any("data race" in said for said in reports(tmp_path, without))
