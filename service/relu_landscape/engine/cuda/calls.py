"""How a kernel gets onto the device: compiled once for a shape, its arguments sent, waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu_landscape.engine.cuda import source
from relu_landscape.engine.lanes import native


@dataclass(frozen=True)
class Function:
    """One kernel: ``blocks`` of it run at once, each with ``room`` doubles, in shared memory unless
    ``is_wide``."""

    launch: Any
    threads: int
    blocks: int
    room: int
    is_wide: bool


@dataclass(frozen=True)
class Module:
    """The kernels of one plan."""

    plan: source.Plan
    flow: Function
    polish: Function
    forces: Function


def module(cupy: Any, plan: source.Plan, multiprocessors: int) -> Module:
    """Compile, or take what CuPy's cache has. Raises CuPy's ``CompileException``."""
    made = cupy.RawModule(code=source.text(plan), options=source.OPTIONS)

    def function(name: str, room: int) -> Function:
        kernel = made.get_function(name)
        shared = 0 if plan.is_wide else 8 * room
        kernel.max_dynamic_shared_size_bytes = shared
        each = cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
            kernel.kernel.ptr, plan.threads, shared
        )
        blocks = max(1, each) * multiprocessors
        return Function(kernel, plan.threads, blocks, room, plan.is_wide)

    return Module(
        plan,
        flow=function("flow_paths", plan.flow_room),
        polish=function("polish_points", plan.polish_room),
        forces=function("forces_at", plan.flow_room),
    )


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
        self.work = self.room(function.room if function.is_wide else 0)
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
        array = self._cupy.asarray(np.ascontiguousarray(values, dtype=kind))
        self._kept.append(array)
        return array

    def run(self, arguments: tuple[Any, ...], cancel: native.Cancel | None = None) -> bool:
        """Launch, and wait. Returns whether it was asked to stop."""
        function = self._function
        shared = 0 if function.is_wide else 8 * function.room
        self._cupy.cuda.get_current_stream().synchronize()  # what was sent has arrived
        beside = self._cupy.cuda.Stream(non_blocking=True)

        def stop() -> None:
            # A copy, which needs no multiprocessor: the kernel has all of them.
            self.flag.set(np.ones(1, dtype=np.int64), stream=beside)
            beside.synchronize()

        with self._cupy.cuda.Stream(non_blocking=True) as stream, calling(cancel, stop):
            function.launch((self._blocks,), (function.threads,), arguments, shared_mem=shared)
            stream.synchronize()
        return cancel is not None and cancel.is_raised


def calling(cancel: native.Cancel | None, stop: Callable[[], None]) -> AbstractContextManager[None]:
    """Have ``stop`` called when the flag is raised, as long as this lasts."""
    return nullcontext() if cancel is None else cancel.calling(stop)


def in_parts(cupy: Any, count: int, work: Callable[[slice], int]) -> int:
    """The sum of ``work`` over all ``count``: in one piece, or in halves where memory is short.

    Raises ``MemoryError`` where there is not even room for one.
    """
    total, waiting = 0, [slice(0, count)]
    while waiting:
        part = waiting.pop()
        try:
            total += work(part)
        except cupy.cuda.memory.OutOfMemoryError as error:
            cupy.get_default_memory_pool().free_all_blocks()
            middle = (part.start + part.stop) // 2
            if middle == part.start:
                raise MemoryError(f"The GPU has no memory for a single path: {error}") from error
            waiting += [slice(middle, part.stop), slice(part.start, middle)]
    return total
