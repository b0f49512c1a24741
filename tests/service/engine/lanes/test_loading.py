"""Finding the library, choosing a variant, and refusing arrays that C would take for others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.native import Kernel, KernelError, PolishRules
from relu_landscape.engine.model.teacher import Teacher
from tests.service.engine.lanes.setups import (
    KERNELS,
    a_teacher,
    name,
    paths_from,
    rules,
    some_starts,
)

LIBRARY = Path(native.__file__).with_name(native.LIBRARY)
EACH = pytest.mark.parametrize("kernel", KERNELS, ids=name)


def test_it_was_compiled_if_it_could_be() -> None:
    """A machine with a compiler has the kernel; the other tests here would find none to test."""
    if any(shutil.which(program) for program in ("cc", "gcc", "clang")):
        assert LIBRARY.exists()
        assert KERNELS


@EACH
def test_it_says_what_it_is(kernel: Kernel) -> None:
    info = kernel.info
    assert info.label == f"native-{native.VERSION}"
    assert info.instructions in native.VARIANTS
    assert info.compiler.split()[0] in ("gcc", "clang")
    assert kernel.lanes == (8 if info.instructions == "avx512" else 4)


def test_the_best_variant_is_chosen() -> None:
    if KERNELS:
        assert native.load().info == KERNELS[0].info
        order = [native.VARIANTS.index(kernel.info.instructions) for kernel in KERNELS]
        assert order == sorted(order)


def test_no_library(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"was not compiled .* install gcc or clang"):
        native.load(library=str(tmp_path / "nothing.so"))
    (tmp_path / "text.so").write_text("not a library")
    with pytest.raises(KernelError, match="was not compiled"):
        native.load(library=str(tmp_path / "text.so"))


@EACH
def test_a_library_of_another_version(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    del kernel
    native.load.cache_clear()
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    with pytest.raises(KernelError, match="needs version"):
        native.load()


def test_instructions_that_nobody_has() -> None:
    with pytest.raises(KernelError):
        native.load("sse2")


@EACH
@pytest.mark.parametrize("shape", [(2, 3), (1, 0, 3), (1, 2, 2), (1, 1, 2, 3)])
def test_weights_of_a_wrong_shape(kernel: Kernel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="W has"):
        kernel.forces(a_teacher(3), np.ones(shape))


@EACH
@pytest.mark.parametrize("field", [
    "force", "gradient_norm", "time", "step_size", "eigenvalue", "steps", "gradient_tolerance",
    "step_limit", "event",
])  # fmt: skip
def test_arrays_that_c_would_misread(kernel: Kernel, field: str) -> None:
    teacher = a_teacher(3)
    told = rules(kernel, teacher, 3)
    paths = paths_from(kernel, teacher, some_starts(3, teacher, 5, 4))
    good = getattr(paths, field)
    other = np.float64 if good.dtype == np.int64 else np.float32
    doubled = np.repeat(good, 2, axis=-1)
    for bad, complaint in (
        (good[:3], "shape"),
        (good.astype(other), "entries of"),
        (doubled[..., ::2], "contiguous"),
    ):
        setattr(paths, field, bad)
        with pytest.raises(ValueError, match=f"{field} .*{complaint}"):
            kernel.flow(teacher, told, paths)
    frozen = good.copy()
    frozen.flags.writeable = False
    setattr(paths, field, frozen)
    with pytest.raises(ValueError, match=f"{field} .*writable"):
        kernel.flow(teacher, told, paths)


@EACH
def test_a_polish_with_a_force_of_another_shape(kernel: Kernel) -> None:
    W = np.ones((2, 3, 3))
    with pytest.raises(ValueError, match="force has shape"):
        kernel.polish(a_teacher(3), PolishRules(1e-11, 80, 0.4, 0.2), W, W[:1])


@EACH
def test_a_teacher_that_is_not_triangular(kernel: Kernel) -> None:
    V = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    teacher = Teacher(V=V, norms=np.ones(3), is_orthonormal=False)
    with pytest.raises(ValueError, match="Cholesky"):
        kernel.forces(teacher, np.ones((1, 3, 3)))


@EACH
def test_no_memory_is_an_error_and_no_crash(kernel: Kernel) -> None:
    """In a process of its own, that may have 30 MB more than it has; the workspace is larger."""
    script = (
        "import resource, numpy as np\n"
        "from relu_landscape.engine.lanes import native\n"
        "from relu_landscape.engine.model.teacher import make_teacher\n"
        f"kernel = native.load({kernel.info.instructions!r})\n"
        "teacher, W = make_teacher(512), np.ones((1, 512, 512))\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + 30 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "rules = native.PolishRules(1e-11, 80, 0.4, 0.2)\n"
        "try:\n"
        "    kernel.polish(teacher, rules, W, W)\n"
        "except MemoryError as error:\n"
        "    print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert answer.stdout.strip() == "The native kernel has no memory for its workspace."


@EACH
@pytest.mark.parametrize("sample", bits.SAMPLES, ids=str)
def test_numbers_of_this_version(kernel: Kernel, sample: bits.Sample) -> None:
    """Whoever changes a bit raises LANES_VERSION and ``native.VERSION`` with it."""
    assert bits.digest(kernel, sample) == sample.digest
