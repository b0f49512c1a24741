"""Other builds of the same sources: portable code, builds that watch, and none at all."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import hatch_build
from hatch_build import CompileError, compile_library
from relu_landscape.engine.families.compiled import shape
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.starts import random_starts
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.lanes import native, sigma, stretches, structured
from tests.house.repository import ROOT
from tests.service.engine.lanes.setups import (
    KERNELS,
    SHAPES,
    a_teacher,
    assert_same_bits,
    paths_from,
    rules,
    some_starts,
)
from tests.service.engine.noise.test_compiled import pinned

SOURCES = ROOT / hatch_build.FOLDER
DRIVER = Path(__file__).with_name("driver.c")
STRETCH_DRIVER = DRIVER.with_name("stretch_driver.c")
SIGMA_DRIVER = DRIVER.with_name("sigma_driver.c")
STRUCTURED_DRIVER = Path(__file__).with_name("structured_driver.c")
HAS_COMPILER = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
#: Continuous integration has one, and refuses this skip.
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler")
FMA = ("-mavx2", "-mfma")
needs_fma = pytest.mark.skipif(
    not any(kernel.info.instructions == "avx2" for kernel in KERNELS), reason="no AVX2 and FMA here"
)


@needs_compiler
@needs_fma
def test_portable_code_has_the_same_bits(tmp_path: Path) -> None:
    """What a processor without these registers runs: vectors spelled out lane by lane."""
    library = tmp_path / "portable.so"
    compile_library(SOURCES, library, variants={"avx2": (*FMA, "-DLANES_PORTABLE")})
    portable = native.load("avx2", str(library))
    for K, M, d in SHAPES[1:]:
        for is_orthonormal in (True, False):
            teacher = a_teacher(M, is_orthonormal)
            W = some_starts(K, teacher, d, 11)
            for single in (False, True):
                ends = []
                for kernel in (portable, KERNELS[0]):
                    paths = paths_from(kernel, teacher, W)
                    kernel.flow(teacher, rules(kernel, teacher, K), paths, single=single)
                    ends.append(paths)
                assert_same_bits(*ends)
    assert np.array_equal(pinned(portable), pinned(KERNELS[0]))


#: Builds that watch (leaks too, and undefined behaviour), and one as it is served.
WATCHED = ("-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PLAIN = ("-O3", "-fno-math-errno", "-fno-trapping-math")

#: Files of the kernel compiled with some flags: every driver is linked with the same ones.
Objects = Callable[..., list[Path]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    @cache
    def built(*flags: str) -> list[Path]:
        folder = tmp_path_factory.mktemp("objects")
        for name, source, variant in (
            ("single", "lanes.c", ("-DSINGLE", "-DVARIANT=avx2_single")),
            ("double", "lanes.c", ("-DVARIANT=avx2",)),
            ("dispatch", "dispatch.c", ("-DVARIANT=avx2",)),
        ):
            built_by(*flags, *variant, "-c", SOURCES / source, "-o", folder / f"{name}.o")
        return sorted(folder.glob("*.o"))

    return built


def built_by(*arguments: str | Path) -> None:
    command = [
        *hatch_build.find_compiler(), "-std=gnu11", "-ffp-contract=off", *FMA, "-Wall", "-Wextra",
        "-Werror", f"-I{SOURCES}", *map(str, arguments),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def outputs(objects: Objects, folder: Path, driver: Path) -> tuple[str, str]:
    """What a driver prints where it is watched, and as it is served."""
    said = []
    for flags in (WATCHED, PLAIN):
        program = folder / "driver"
        built_by(
            *flags, "-DVARIANT=avx2", f"-I{folder}", driver, *objects(*flags), "-lm", "-o", program
        )
        answer = subprocess.run([program], capture_output=True, text=True, check=False, timeout=120)
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""
        said.append(answer.stdout)
    return said[0], said[1]


@needs_compiler
@needs_fma
def test_nothing_is_read_or_written_beside_its_place(objects: Objects, tmp_path: Path) -> None:
    """Under the address sanitizer and that of undefined behaviour: silence, and the bits of a plain
    build."""
    watched, plain = outputs(objects, tmp_path, DRIVER)
    assert watched == plain
    assert watched.count("polished") == 12
    assert watched.count("single") == 12
    assert "nan" not in watched


def _cases(names: dict[str, int]) -> str:
    """A header with the shapes of structures, and so many starts of each."""
    text, cases = "", []
    for number, (name, starts) in enumerate(names.items()):
        table = layout(parse(name))
        arrays = dict(zip(("deviations", "signs"), random_starts(table, 0, 0, starts), strict=True))
        members = []
        for field, value in (vars(shape(table)) | arrays).items():
            if not isinstance(value, np.ndarray):
                members.append(f".{field} = {value!r}")
                continue
            kind = "int64_t" if value.dtype == np.int64 else "double"
            numbers = ", ".join(
                str(entry) if kind == "int64_t" else float(entry).hex() for entry in value.flat
            )
            # as long as it is, so that a watched build sees whoever reads beside it
            text += f"static {kind} {field}_{number}[{value.size}] = {{{numbers}}};\n"
            if field not in arrays:
                members.append(f".{field} = {field}_{number}")
        cases.append(f"{{{{{', '.join(members)}}}, {starts}, deviations_{number}, signs_{number}}}")
    declared = "struct { Shape shape; int64_t starts; const double *deviations, *signs; }"
    return text + f"static const {declared} CASES[] = {{{', '.join(cases)}}};\n"


@needs_compiler
@needs_fma
def test_a_search_of_structures_reads_and_writes_nothing_beside_its_place(
    objects: Objects, tmp_path: Path
) -> None:
    names = {"3": 1, "1": 6, "1+2+3": 9, "2+4x2 extra 2": 5, "3x0+4": 7, "1x0+4 extra 3": 4}
    (tmp_path / "cases.h").write_text(_cases(names))
    watched, plain = outputs(objects, tmp_path, STRUCTURED_DRIVER)
    assert watched == plain
    assert watched.count("norm") == sum(names.values())


@needs_compiler
@needs_fma
def test_a_stretch_of_sgd_reads_and_writes_nothing_beside_its_place(
    objects: Objects, tmp_path: Path
) -> None:
    watched, plain = outputs(objects, tmp_path, STRETCH_DRIVER)
    assert watched == plain
    assert watched.count("run") == 36
    assert "run -1" in watched
    assert "nan" not in watched


@needs_compiler
@needs_fma
def test_the_noise_of_sgd_reads_and_writes_nothing_beside_its_place(
    objects: Objects, tmp_path: Path
) -> None:
    watched, plain = outputs(objects, tmp_path, SIGMA_DRIVER)
    assert watched == plain
    assert watched.count("student") == 28
    assert "nan" not in watched


@needs_compiler
@pytest.mark.parametrize("missing", ["leaks", "noise", "second layers"])
def test_a_library_without_a_function_is_of_an_earlier_build(tmp_path: Path, missing: str) -> None:
    """Such a one beside newer code computed what it could, and failed in the middle of a job."""
    source = (SOURCES / "dispatch.c").read_text()
    function = f"lanes_knows_{missing.replace(' ', '_')}"
    assert function in source
    older = tmp_path / "sources"
    shutil.copytree(SOURCES, older)
    (older / "dispatch.c").write_text(source.replace(function, "lanes_is_older"))
    library = tmp_path / "old.so"
    compile_library(older, library, flags=("-O0",))
    with pytest.raises(native.KernelError, match=f"knows no {missing}, .* install relu-landscape"):
        native.load(library=str(library))


@needs_compiler
def test_a_library_without_single_precision_is_of_an_earlier_build(tmp_path: Path) -> None:
    library = tmp_path / "old.so"
    command = [*hatch_build.find_compiler(), "-shared", "-fPIC", str(SOURCES / "dispatch.c")]
    subprocess.run([*command, "-o", str(library)], check=True)
    with pytest.raises(native.KernelError, match=r"no single precision.* install relu-landscape"):
        native.load(library=str(library))


@needs_compiler
def test_the_build_makes_no_warning(tmp_path: Path) -> None:
    compile_library(SOURCES, tmp_path / "strict.so", flags=("-Werror",))


def test_without_a_compiler_numpy_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.delenv(hatch_build.REQUIRED, raising=False)
    library = tmp_path / "_lanes.so"
    library.write_bytes(b"of other sources")
    assert hatch_build.attempt(ROOT, library) is False
    assert not library.exists()
    said = capsys.readouterr().err
    assert "NumPy will compute" in said
    assert "no-such-compiler" in said


@needs_compiler
def test_sources_that_do_not_compile_are_shown(tmp_path: Path) -> None:
    (tmp_path / "lanes.c").write_text("#error not today\n")
    (tmp_path / "dispatch.c").write_text("int nothing;\n")
    with pytest.raises(CompileError, match="not today"):
        compile_library(tmp_path, tmp_path / "x.so")
    assert not (tmp_path / "x.so").exists()


@pytest.mark.parametrize("value", ["1", "yes"])
def test_it_can_be_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv(hatch_build.REQUIRED, value)
    with pytest.raises(CompileError, match="no-such-compiler"):
        hatch_build.attempt(ROOT, tmp_path / "_lanes.so")


def test_an_unknown_processor_has_no_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(CompileError, match="vax"):
        compile_library(SOURCES, tmp_path / "x.so")


def test_the_polynomial_is_the_script_s() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tools/arcsine_polynomial.py"],
        capture_output=True, text=True, check=True, env=dict(os.environ),
    ).stdout  # fmt: skip
    assert made == (SOURCES / "arcsine.h").read_text()


def test_constants_of_both_languages_agree() -> None:
    header = (SOURCES / "lanes.h").read_text()
    assert f"#define LANES_VERSION {native.VERSION}\n" in header
    for name in ("SMALL_GRADIENT", "CHECK_DUE", "AT_STEP_LIMIT", "SHORT_STUDENT", "NOT_FINITE"):
        assert f"{name} = {getattr(native, name)}" in header
    for name in ("CONVERGED", "AT_ZERO_LOSS", "GAVE_UP"):
        assert f"{name} = {getattr(structured, name)}" in header
    for rules_of, structure in (
        (native.FlowRules, "Rules"), (native.PolishRules, "Polish"), (native.Paths, "Paths"),
        (structured.Shape, "Shape"), (structured.SearchRules, "Search"),
        (stretches.SgdRules, "Sgd"), (stretches.Drawn, "Drawn"), (sigma.NoiseRules, "Noise"),
    ):  # fmt: skip
        (body,) = [part for part in header.split("typedef struct {") if f"}} {structure};" in part]
        declared = re.sub(r"/\*.*?\*/", "", body[: body.index("}")], flags=re.DOTALL)
        words = re.findall(r"\w+", declared)
        places = [words.index(name) for name in rules_of.__dataclass_fields__]
        assert places == sorted(places)
    assert np.dtype(np.int64).itemsize == np.dtype(np.float64).itemsize == 8
