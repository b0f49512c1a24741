"""How a kernel gets onto the device: compiled once for a shape, its arguments sent, waited for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relu_landscape.engine.cuda import source
from relu_landscape.engine.lanes import native

#: What is entered around every use of the multiprocessors: whose turn it is among processes.
Turn = Callable[[], AbstractContextManager[object]]
#: What gives the compiled program of this name: kept from an earlier time, or made by the function.
Kept = Callable[[str, Callable[[], bytes]], bytes]


def not_kept(name: str, make: Callable[[], bytes]) -> bytes:  # noqa: ARG001 - nothing is looked up
    """Every process compiles what it needs."""
    return make()


@dataclass(frozen=True)
class Function:
    """One kernel: ``blocks`` of it run at once, each with ``room`` doubles, in ``shared_bytes`` of
    shared memory or, where that is zero, in the device's."""

    launch: Any
    threads: int
    blocks: int
    room: int
    shared_bytes: int


@dataclass(frozen=True)
class Module:
    """The kernels of one plan, by name (``source.Plan.rooms``)."""

    plan: source.Plan
    functions: Mapping[str, Function]


def module(cupy: Any, plan: source.Plan, multiprocessors: int, kept: Kept = not_kept) -> Module:
    """The kernels of a plan. Raises CuPy's ``CompileException``."""
    made = compiled(cupy, source.text(plan), kept)
    return Module(plan, {
        name: function(cupy, made, name, plan, room, multiprocessors)
        for name, room in plan.rooms.items()
    })  # fmt: skip


def compiled(cupy: Any, text: str, kept: Kept = not_kept) -> Any:
    """CuPy's module of a text: compiled now, or what is kept."""
    made = cupy.cuda.Module()
    made.load(kept(_name(cupy, text), lambda: _compiled(cupy, text)))
    return made


def function(
    cupy: Any, made: Any, name: str, plan: source.Plan, room: int, multiprocessors: int
) -> Function:
    """One kernel of a module, whose blocks have so many doubles of ``room``."""
    driver, kernel = cupy.cuda.driver, made.get_function(name)
    shared = plan.shared_bytes(room)
    most = driver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    driver.funcSetAttribute(kernel.ptr, most, shared)
    if shared:  # all of what a multiprocessor can divide into cache and shared memory
        share = driver.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT
        driver.funcSetAttribute(kernel.ptr, share, 100)
    each = driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.ptr, plan.threads, shared)
    return Function(kernel, plan.threads, max(1, each) * multiprocessors, room, shared)


def _compiled(cupy: Any, text: str) -> bytes:
    """The program for the current device. Not by ``RawModule``, which adds ``-ftz=true``: what is
    below 1e-38 in single precision would be zero, and is not on a processor."""
    made, _ = cupy.cuda.compiler.compile_using_nvrtc(text, source.OPTIONS, cache_in_memory=True)
    return bytes(made) + b"\0"  # CuPy leaves out the last byte, which the driver reads


def _name(cupy: Any, text: str) -> str:
    """Another one for whatever makes another program."""
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    by = (properties["major"], properties["minor"], cupy.cuda.nvrtc.getVersion(), source.OPTIONS)
    return hashlib.sha256(f"{by}\n{text}".encode()).hexdigest()


class Call:
    """The arguments of one launch, kept until it is over.

    ``queue``, ``count`` and ``flag`` are zero at first: paths taken, gradients computed, whether to
    stop. ``work`` is the room of all blocks where that is in the device's memory.
    """

    def __init__(self, cupy: Any, function: Function, paths: int, teacher: native.Teacher) -> None:
        self._cupy, self._function = cupy, function
        self._blocks = min(function.blocks, paths)
        self._kept: list[Any] = []
        counters = cupy.zeros(3, dtype=np.int64)
        self.queue, self.count, self.flag = counters[0:1], counters[1:2], counters[2:3]
        self.work = self.room(0 if function.shared_bytes else function.room)
        self._rows = 0 if teacher.is_orthonormal else self.sent(teacher.V).data.ptr
        self._norms = self.sent(teacher.norms).data.ptr
        inverse = self.sent(1.0 / teacher.norms).data.ptr
        self._level = int(np.float64(teacher.level).view(np.int64))  # the bits of the double
        self.teacher = self.sent([self._rows, self._norms, inverse, self._level], np.int64)

    def problem(self, students: int, teachers: int, coordinates: int) -> Any:
        """``Problem`` of lanes.h."""
        words = [students, teachers, coordinates, self._rows, self._norms, self._level]
        return self.sent(words, np.int64)

    def room(self, doubles: int) -> Any:
        """So many for each block."""
        return self._cupy.empty(max(1, self._blocks * doubles), dtype=np.float64)

    def sent(self, values: ArrayLike, kind: type = np.float64) -> Any:
        """Numbers of eight bytes each, on the device."""
        array = sent(self._cupy, np.ascontiguousarray(values, dtype=kind))
        self._kept.append(array)
        return array

    def run(
        self, arguments: tuple[Any, ...], turn: Turn, cancel: native.Cancel | None = None
    ) -> bool:
        """Launch when it is our turn, and wait. Returns whether it was asked to stop."""
        function, grid = self._function, (self._blocks,)
        self._cupy.cuda.get_current_stream().synchronize()  # what was sent has arrived
        beside = self._cupy.cuda.Stream(non_blocking=True)

        def stop() -> None:
            # A copy, which needs no multiprocessor: the kernel has all of them.
            self.flag.set(np.ones(1, dtype=np.int64), stream=beside)
            beside.synchronize()

        with turn(), self._cupy.cuda.Stream(non_blocking=True) as stream, calling(cancel, stop):
            function.launch(grid, (function.threads,), arguments, shared_mem=function.shared_bytes)
            stream.synchronize()
        return cancel is not None and cancel.is_raised


def calling(cancel: native.Cancel | None, stop: Callable[[], None]) -> AbstractContextManager[None]:
    """Have ``stop`` called when the flag is raised, as long as this lasts."""
    return nullcontext() if cancel is None else cancel.calling(stop)


def sent(cupy: Any, values: NDArray[Any]) -> Any:
    """A contiguous array on the device. (CuPy's ``asarray`` would copy it to pinned memory first,
    of twice its size at worst, and keep that for ever.)"""
    array = cupy.empty(values.shape, dtype=values.dtype)
    array.set(values)
    return array


def in_parts(cupy: Any, count: int, work: Callable[[slice], int]) -> int:
    """The sum of ``work`` over all ``count``: in one piece, or in halves where memory is short.

    Raises ``MemoryError`` where there is not even room for one.
    """
    total, waiting = 0, [slice(0, count)]
    while waiting:
        part = waiting.pop()
        try:
            total += work(part)
            continue
        except cupy.cuda.memory.OutOfMemoryError as error:
            said = str(error)
        # Not before: the error holds what was taken.
        cupy.get_default_memory_pool().free_all_blocks()
        middle = (part.start + part.stop) // 2
        if middle == part.start:
            raise MemoryError(f"The GPU has no memory for a single path: {said}")
        waiting += [slice(middle, part.stop), slice(part.start, middle)]
    return total
