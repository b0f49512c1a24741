"""Compiles the native kernel when the package is built, with whatever C compiler is here.

Without one the package is built all the same, says so, and computes with NumPy; with
``RELU_LANDSCAPE_REQUIRE_NATIVE=1`` that is an error instead. The wheel of a compiled package is for
one platform and every Python (``py3-none-<platform>``): the library is plain C, loaded with ctypes.

``python hatch_build.py`` compiles the library into this source tree, as an editable install does.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("service/relu_landscape/engine/lanes")
LIBRARY = "_lanes.so"
REQUIRED = "RELU_LANDSCAPE_REQUIRE_NATIVE"

#: -ffp-contract=off: every fused multiplication is written as one, so that the bits are the same
#: for every set of instructions. No flag here lets the compiler reorder a sum.
FLAGS = (
    "-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off",
    "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Wno-psabi",
)  # fmt: skip
_AVX2 = ("-mavx2", "-mfma")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")
_ARM = {"neon": ()}
#: Flags of each variant by machine. They name what lanes_supports_* of dispatch.c asks for.
VARIANTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "x86_64": {"avx512": _AVX512, "avx2": _AVX2},
    "AMD64": {"avx512": _AVX512, "avx2": _AVX2},
    "aarch64": _ARM,
    "arm64": _ARM,
}


class CompileError(Exception):
    """There is no native kernel to be had here; the message says why."""


def find_compiler() -> list[str]:
    """The command of a C compiler: ``CC`` if set, else cc, gcc or clang."""
    wanted = shlex.split(os.environ.get("CC", ""))
    for command in [wanted] if wanted else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    raise CompileError(f"no C compiler ({' '.join(wanted) or 'cc, gcc or clang'}) was found")


def compile_library(
    sources: Path,
    library: Path,
    *,
    variants: Mapping[str, Sequence[str]] | None = None,
    flags: Sequence[str] = (),
) -> None:
    """Compile ``lanes.c`` twice per variant, and link all of them into ``library``.

    In double precision, and in single for the beginning of paths.

    Parameters: ``variants``: flags by name (default: those of this machine); ``flags``: further
    ones for everything. The library takes its place at once, so that a process that has the old
    one keeps it. Raises ``CompileError``.
    """
    if variants is None:
        variants = VARIANTS.get(platform.machine(), {})
    if not variants:
        raise CompileError(f"there is no variant for the processor {platform.machine()}")
    command = [*find_compiler(), *FLAGS, *flags]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [[*command, "-c", str(sources / "dispatch.c"), "-o", f"{folder}/dispatch.o"]]
        for name, own in variants.items():
            for variant, single in ((name, ()), (f"{name}_single", ("-DSINGLE",))):
                jobs.append([*command, *own, *single, f"-DVARIANT={variant}", "-c",
                             str(sources / "lanes.c"), "-o", f"{folder}/{variant}.o"])  # fmt: skip
        objects = [job[-1] for job in jobs]
        _run_together(jobs)
        made = f"{folder}/{LIBRARY}"
        _run_together([[*command, "-shared", *objects, "-lm", "-o", made]])
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_name(f"{library.name}.{os.getpid()}")
        shutil.copyfile(made, beside)
        beside.replace(library)


def _run_together(commands: Sequence[Sequence[str]]) -> None:
    running = [
        subprocess.Popen(  # noqa: S603 - our own command lines
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for command in commands
    ]
    said = [process.communicate()[0] for process in running]
    for process, command, output in zip(running, commands, said, strict=True):
        if process.returncode:
            raise CompileError(f"{shlex.join(command)} failed:\n{output}")


def attempt(root: Path, library: Path) -> bool:
    """Compile into ``library``; says what came of it. Raises where it is required and fails."""
    try:
        compile_library(root / FOLDER, library)
    except CompileError as error:
        if os.environ.get(REQUIRED, "0") not in ("", "0"):
            raise
        library.unlink(missing_ok=True)  # one of other sources would be worse than none
        sys.stderr.write(
            f"relu-landscape: NumPy will compute, for {error}. Where gcc or clang is installed, a "
            "native kernel is ten times faster.\n"
        )
        return False
    return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # compiling by hand needs no build tool
    pass
else:

    class NativeKernel(BuildHookInterface[Any]):
        """Hatchling's side: into the tree for an editable install, into the wheel otherwise."""

        PLUGIN_NAME = "custom"
        _folder: tempfile.TemporaryDirectory[str] | None = None

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            root = Path(self.root)
            if version == "editable":
                library = root / FOLDER / LIBRARY
            else:
                self._folder = tempfile.TemporaryDirectory()
                library = Path(self._folder.name) / LIBRARY
            if not attempt(root, library):
                return
            build_data["pure_python"] = False
            name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{name}"
            if version != "editable":
                inside = FOLDER.relative_to("service") / LIBRARY
                build_data["force_include"][str(library)] = str(inside)

        def finalize(
            self,
            version: str,  # noqa: ARG002 - hatchling's signature
            build_data: dict[str, Any],  # noqa: ARG002
            artifact_path: str,  # noqa: ARG002
        ) -> None:
            if self._folder is not None:
                self._folder.cleanup()


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.exit(not attempt(here, here / FOLDER / LIBRARY))
