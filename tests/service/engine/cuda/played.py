"""CuPy, played on a processor: as much of it as the kernel's host side uses.

Kernels are really computed, by the text that a GPU would get (``simulated.c``). Names and arguments
are those of CuPy 14; what is not here, the host side may not use.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-mfma", "-pthread",
         "-Wall", "-Wextra", "-Wno-unused-function")  # fmt: skip


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``."""


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

    def get(self) -> np.ndarray:
        return self.values.copy()

    def set(self, values: np.ndarray, *, stream: _Stream) -> None:
        assert values.dtype == self.values.dtype
        self.values[...] = values


def with_threads(text: str, threads: int) -> str:
    """The text for a block of so many threads."""
    return re.sub(r"#define THREADS \d+\n", f"#define THREADS {threads}\n", text, count=1)


def compiled(folder: Path, text: str, flags: tuple[str, ...], name: str) -> Path:
    """``simulated.c`` with this text."""
    header, made = folder / f"{name}.h", folder / name
    if made.exists():
        return made
    header.write_text(text)
    command = ["gcc", *FLAGS, *flags, f'-DTEXT="{header}"', str(HERE / "simulated.c"), "-o",
               str(made)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise CompileError(done.stderr)
    return made


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
        self._folder, self._memory, self._all_memory = folder, memory, memory
        self._alter = alter
        self.launches: list[tuple[str, int, int, int]] = []
        self.largest_failed = 0
        self.on_launch: Callable[[], None] = lambda: None
        self.freed = 0
        properties = {
            "name": b"NVIDIA Test", "multiProcessorCount": 3, "major": 9, "minor": 0,
            "sharedMemPerBlockOptin": shared_bytes,
        }  # fmt: skip
        runtime = SimpleNamespace(
            getDeviceCount=lambda: devices,
            getDeviceProperties=lambda number: properties,
            memGetInfo=lambda: (memory, memory),
            driverGetVersion=lambda: 13000,
        )
        driver = SimpleNamespace(
            occupancyMaxActiveBlocksPerMultiprocessor=lambda pointer, threads, shared: 2
        )
        self.cuda = SimpleNamespace(
            runtime=runtime, driver=driver,
            nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
            Device=lambda number=0: SimpleNamespace(id=number, use=lambda: None),
            Stream=_Stream,
            get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        )  # fmt: skip

    def _array(self, values: np.ndarray) -> PlayedArray:
        if values.nbytes > self._memory:
            self.largest_failed = max(self.largest_failed, values.nbytes)
            raise OutOfMemoryError(f"{values.nbytes} bytes")
        return PlayedArray(values)

    def asarray(self, values: np.ndarray) -> PlayedArray:
        return self._array(np.array(values, order="C"))

    def empty(self, count: int, dtype: Any) -> PlayedArray:
        return self._array(np.full(count, 77, dtype=dtype))  # never a lucky zero

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

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        assert "--fmad=false" in options
        text = with_threads(self._alter(code), 1)
        name = f"{abs(hash(text)):x}.so"
        library = ctypes.CDLL(str(compiled(self._folder, text, ("-shared",), name)))

        def function(name: str) -> Any:
            return _Kernel(self, library, name)

        return SimpleNamespace(get_function=function)


class _Kernel:
    """``cupy.RawKernel``."""

    def __init__(self, cupy: PlayedCupy, library: ctypes.CDLL, name: str) -> None:
        self._cupy, self._library, self._name = cupy, library, name
        self.max_dynamic_shared_size_bytes = 0
        self.kernel = SimpleNamespace(ptr=1)

    def __call__(
        self, grid: Any, block: Any, arguments: tuple[Any, ...], *, shared_mem: int
    ) -> None:
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        ((blocks,), (threads,)) = grid, block
        self._cupy.launches.append((self._name, blocks, threads, shared_mem))
        self._cupy.on_launch()
        given = [_as_c(each) for each in arguments]
        # The room of a block is made by the simulation; the queue counts from zero there too.
        if self._name == "flow_paths":
            problem, teacher, rules, n, paths, queue, flag, count, _ = given
            self._library.simulate_flow(problem, teacher, rules, n, paths, flag, count)
        elif self._name == "polish_points":
            teacher, rules, n, W, force, norm, queue, flag, count, _, _ = given
            self._library.simulate_polish(teacher, rules, n, W, force, norm, flag, count)
        else:
            teacher, n, W, force, queue, _ = given
            self._library.simulate_forces(teacher, n, W, force)
        assert ctypes.c_int64.from_address(queue.value or 0).value == 0


def _as_c(value: Any) -> Any:
    if isinstance(value, PlayedArray):
        assert value.values.flags.c_contiguous
        return ctypes.c_void_p(value.values.ctypes.data)
    assert isinstance(value, int), value
    return ctypes.c_int64(value)
