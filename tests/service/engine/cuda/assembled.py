"""CuPy, played on a processor, that computes what NVRTC made of the kernel's text."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from tests.service.engine.cuda.assembly import translated
from tests.service.engine.cuda.nvrtc import compile_text
from tests.service.engine.cuda.played import (
    CompileError,
    Function,
    PlayedArray,
    PlayedCupy,
    compiled,
    name_of,
)

#: Most of the time goes into compiling. A register that is never read is nothing to warn of.
FLAGS = ("-shared", "-O0", "-w", "-fwrapv")


class LaunchError(Exception):
    """What a GPU would not say is wrong with a kernel (warps.c)."""


def assembled(folder: Path, assembly: str, name: str) -> Path:
    """The library that does what the assembly says."""
    return compiled(folder, translated(assembly), FLAGS, name, "warps.c")


def launch(
    library: ctypes.CDLL, name: str, grid: tuple[int, int], words: list[int], room: int = 0
) -> None:
    """One kernel, of so many blocks and threads, with ``room`` bytes of shared memory beside its
    variables. Raises ``LaunchError``."""
    arguments = np.array(words, dtype=np.int64)
    own = ctypes.c_int64.in_dll(library, f"{name}_bytes").value
    library.launch.restype = ctypes.c_char_p
    said = library.launch(
        getattr(library, name), *grid, ctypes.c_int64(own + room),
        ctypes.c_void_p(arguments.ctypes.data),
    )  # fmt: skip
    if said:
        raise LaunchError(said.decode())


class AssembledFunction(Function):
    """Its threads are those of the launch."""

    def compute(
        self, blocks: int, threads: int, arguments: tuple[Any, ...], shared_bytes: int
    ) -> None:
        words = [_word(each) for each in arguments]
        launch(self.library, self.name, (blocks, threads), words, shared_bytes)


class AssembledCupy(PlayedCupy):
    """One device, for which NVRTC compiles."""

    def __init__(self, nvrtc: ctypes.CDLL, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self._nvrtc = nvrtc

    def library(self, text: str) -> Path:
        name = f"{name_of(text)}-assembled.so"
        if (self.folder / name).exists():
            return self.folder / name
        made = compile_text(self._nvrtc, text, "compute_90")
        if made.status:
            raise CompileError(made.log)
        return assembled(self.folder, made.assembly, name)

    def function(self, library: ctypes.CDLL, name: str) -> Function:
        return AssembledFunction(self, library, name)


def _word(value: Any) -> int:
    """An argument: a number, or where an array is."""
    return int(value.data.ptr) if isinstance(value, PlayedArray) else int(value)
