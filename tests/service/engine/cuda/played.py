"""CuPy, played on a processor: as much of it as the kernel's host side uses.

Kernels are really computed, by the text that a GPU would get (``simulated.c``). Names and arguments
are those of CuPy 14; what is not here, the host side may not use.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O1", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-mfma", "-pthread",
         "-Wall", "-Wextra", "-Wno-unused-function", "-Wdouble-promotion")  # fmt: skip


#: A package that stands for CuPy in every process.
PACKAGE = """
import sys
from pathlib import Path
from tests.service.engine.cuda.played import PlayedCupy
sys.modules[__name__] = PlayedCupy(Path({folder!r}))
"""


def with_a_gpu(tmp_path: Path, folder: Path) -> dict[str, str]:
    """The environment of processes that find a played GPU; ``folder``: of compiled texts."""
    (tmp_path / "cupy.py").write_text(PACKAGE.format(folder=str(folder)))
    root = Path(__file__).resolve().parents[4]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)]),
        "CUPY_CACHE_DIR": str(tmp_path),
    }


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``."""


class CUDARuntimeError(RuntimeError):
    """``cupy.cuda.runtime.CUDARuntimeError``."""


class CUDADriverError(RuntimeError):
    """``cupy.cuda.driver.CUDADriverError``."""


class CompileError(Exception):
    """``cupy.cuda.compiler.CompileException``."""


class PlayedArray:
    """An array on the device: only ``get`` shows it to the host."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __getitem__(self, key: Any) -> PlayedArray:
        return PlayedArray(self.values[key])

    def __len__(self) -> int:
        return len(self.values)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.values.ctypes.data)

    def get(self, *, out: np.ndarray | None = None) -> np.ndarray:
        if out is None:
            return self.values.copy()
        assert (out.dtype, out.shape) == (self.values.dtype, self.values.shape)
        assert out.flags.c_contiguous
        out[...] = self.values
        return out

    def set(self, values: np.ndarray, stream: _Stream | None = None) -> None:
        assert (values.dtype, values.shape) == (self.values.dtype, self.values.shape)
        assert values.flags.c_contiguous
        self.values[...] = values


def with_threads(text: str, threads: int) -> str:
    """The text for a block of so many threads."""
    return re.sub(r"#define THREADS \d+\n", f"#define THREADS {threads}\n", text, count=1)


def without_barrier(text: str, number: int) -> str:
    """The text, but for one of the barriers of its force."""
    begin = text.index("INLINE void compute_force(")
    barriers = [found.start() for found in re.finditer(r"\n  sync\(\);", text[begin:])]
    at = begin + barriers[number]
    return text[:at] + text[at + len("\n  sync();") :]


def compiled(
    folder: Path, text: str, flags: tuple[str, ...], name: str, around: str = "simulated.c"
) -> Path:
    """``simulated.c``, or what else is around a text, with this one."""
    made, new = folder / name, folder / f"{os.getpid()}-{name}"
    if made.exists():
        return made
    header = Path(f"{new}.h")
    header.write_text(text)
    command = ["gcc", *FLAGS, *flags, f'-DTEXT="{header}"', str(HERE / around), "-o",
               str(new)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise CompileError(done.stderr)
    return new.replace(made)  # whole, whoever else compiles it


def name_of(text: str) -> str:
    """Another one for every text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Device:
    """``cupy.cuda.Device``."""

    def __init__(self, cupy: PlayedCupy, number: int | None = None) -> None:
        self._cupy, self.id = cupy, cupy.current if number is None else number

    def use(self) -> None:
        self._cupy.current = self.id

    def __enter__(self) -> _Device:
        self._before, self._cupy.current = self._cupy.current, self.id
        return self

    def __exit__(self, *reason: object) -> None:
        self._cupy.current = self._before


class _Stream:
    """``cupy.cuda.Stream``."""

    def __init__(self, *, non_blocking: bool) -> None:
        assert non_blocking

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *reason: object) -> None: ...

    def synchronize(self) -> None: ...


class PlayedCupy:
    """One device. ``memory``: bytes of it; ``alter`` changes texts before they are compiled."""

    __version__ = "14.0 (played)"

    def __init__(
        self,
        folder: Path,
        *,
        devices: int = 1,
        memory: int = 10**12,
        shared_bytes: int = 232_448,
        alter: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.folder, self._memory, self._all_memory = folder, memory, memory
        self._alter = alter
        self.current = 0  # device
        self.launches: list[tuple[str, int, int, int]] = []
        self.largest_failed = 0
        self.on_launch: Callable[[], None] = lambda: None
        self.freed = 0
        properties = {
            "name": b"NVIDIA Test", "multiProcessorCount": 3, "major": 9, "minor": 0,
            "sharedMemPerBlockOptin": shared_bytes, "sharedMemPerMultiprocessor": 233_472,
            "maxThreadsPerMultiProcessor": 2048,
        }  # fmt: skip
        runtime = SimpleNamespace(
            getDeviceCount=lambda: devices,
            getDeviceProperties=lambda number: properties,
            memGetInfo=lambda: (memory, memory),
            driverGetVersion=lambda: 13000,
            CUDARuntimeError=CUDARuntimeError,
        )
        driver = SimpleNamespace(
            occupancyMaxActiveBlocksPerMultiprocessor=lambda pointer, threads, shared: 2,
            CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8,
            CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT=9,
            CUDADriverError=CUDADriverError,
            funcSetAttribute=self._set_attribute,
        )
        self.shared: dict[int, int] = {}
        self.compiled: list[bytes] = []
        self.cuda = SimpleNamespace(
            runtime=runtime, driver=driver,
            nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
            Device=lambda number=None: _Device(self, number),
            Stream=_Stream,
            get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            compiler=SimpleNamespace(compile_using_nvrtc=self._compile),
            Module=lambda: _Module(self),
        )  # fmt: skip

    def _set_attribute(self, pointer: int, attribute: int, value: int) -> None:
        assert attribute in (8, 9)
        if attribute == 8:
            self.shared[pointer] = value

    def _array(self, values: np.ndarray) -> PlayedArray:
        if values.nbytes > self._memory:
            self.largest_failed = max(self.largest_failed, values.nbytes)
            raise OutOfMemoryError(f"{values.nbytes} bytes")
        return PlayedArray(values)

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> PlayedArray:
        return self._array(np.full(shape, 77, dtype=dtype))  # never a lucky zero

    def zeros(self, count: int, dtype: Any) -> PlayedArray:
        return self._array(np.zeros(count, dtype=dtype))

    def empty_like(self, array: PlayedArray) -> PlayedArray:
        return self._array(np.full_like(array.values, np.nan))

    def get_default_memory_pool(self) -> Any:
        def free() -> None:
            self.freed += 1

        def set_limit(*, size: int) -> None:
            self._memory = size or self._all_memory

        return SimpleNamespace(free_all_blocks=free, set_limit=set_limit)

    def _compile(
        self, source: str, options: tuple[str, ...], *, cache_in_memory: bool
    ) -> tuple[bytes, dict[str, str]]:
        """A library in the place of a program for a device: its path."""
        assert "--fmad=false" in options
        assert "ftz" not in "".join(options)
        assert cache_in_memory
        program = str(self.library(self._alter(source))).encode()
        self.compiled.append(program)
        return program, {}

    def library(self, text: str) -> Path:
        """Where the text was compiled to."""
        text = with_threads(text, 1)
        return compiled(self.folder, text, ("-shared",), f"{name_of(text)}.so")

    def function(self, library: ctypes.CDLL, name: str) -> Function:
        """One of its kernels."""
        return Function(self, library, name)


class _Module:
    """``cupy.cuda.Module``."""

    def __init__(self, cupy: PlayedCupy) -> None:
        self._cupy = cupy

    def load(self, program: bytes) -> None:
        assert program.endswith(b"\0")
        self._library = ctypes.CDLL(program[:-1].decode())

    def get_function(self, name: str) -> Function:
        return self._cupy.function(self._library, name)


class Function:
    """``cupy.cuda.Function``."""

    def __init__(self, cupy: PlayedCupy, library: ctypes.CDLL, name: str) -> None:
        self._cupy, self.library, self.name = cupy, library, name
        self.ptr, self._device = id(self), cupy.current

    def __call__(
        self, grid: Any, block: Any, arguments: tuple[Any, ...], *, shared_mem: int
    ) -> None:
        assert shared_mem <= self._cupy.shared[self.ptr]
        ((blocks,), (threads,)) = grid, block
        assert self._cupy.current == self._device
        self._cupy.launches.append((self.name, blocks, threads, shared_mem))
        self._cupy.on_launch()
        self.compute(blocks, threads, arguments, shared_mem)

    def compute(
        self, blocks: int, threads: int, arguments: tuple[Any, ...], shared_bytes: int
    ) -> None:
        """What the device would: here a block is one thread and needs no shared memory."""
        given = [_as_c(each) for each in arguments]
        # The room of blocks is made by the simulation.
        simulated = {"flow_paths": ("flow", 1), "polish_points": ("polish", 2),
                     "forces_at": ("forces", 1)}  # fmt: skip
        name, rooms = simulated[self.name]
        simulate = getattr(self.library, f"simulate_{name}")
        simulate(ctypes.c_int(blocks), *given[:-rooms])


def _as_c(value: Any) -> Any:
    if isinstance(value, PlayedArray):
        assert value.values.flags.c_contiguous
        return ctypes.c_void_p(value.values.ctypes.data)
    assert isinstance(value, int), value
    return ctypes.c_int64(value)
