"""The kernel on an NVIDIA GPU: compiled for each shape of problem, run through CuPy.

``load`` gives a ``DeviceKernel``, which is called as ``lanes.native.Kernel`` is and gives the same
bits.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from typing import Any

import numpy as np

from relu_landscape.engine.cuda import calls, source
from relu_landscape.engine.lanes import bits, native
from relu_landscape.engine.lanes.checks import checked
from relu_landscape.engine.lanes.native import (
    FlowRules,
    KernelError,
    KernelInfo,
    Paths,
    PolishRules,
)
from relu_landscape.errors import DeviceLost

Real = native.Real

#: Paths that a call should get, for each block that runs: so many that the last ones, which do not
#: fill the device, are few.
PATHS_PER_BLOCK = 16
#: Of the device's free memory, what the paths of one call may take.
MEMORY_SHARE = 0.5


class DeviceKernel:
    """The functions of ``lanes.native.Kernel``, computed by the current device of CuPy.

    Raises what those raise, and ``MemoryError`` where the device has no room for a single path; a
    batch that does not fit is done in parts. ``turn`` is entered around every launch: whoever
    shares the device among processes says here whose turn it is, and copies meanwhile. ``kept``
    keeps what was compiled. Raises ``DeviceLost`` after a fault, which no process survives on the
    device.
    """

    def __init__(
        self, cupy: Any, turn: calls.Turn = nullcontext, kept: calls.Kept = calls.not_kept
    ) -> None:
        self.cupy, self._turn, self._kept = cupy, turn, kept
        self._modules: dict[source.Shape, calls.Module] = {}
        self._here = cupy.cuda.Device()
        properties = cupy.cuda.runtime.getDeviceProperties(self._here.id)
        self._multiprocessors = int(properties["multiProcessorCount"])
        self._shared_bytes = int(properties["sharedMemPerBlockOptin"])
        self._multiprocessor = source.Multiprocessor(
            shared_bytes=int(properties["sharedMemPerMultiprocessor"]),
            threads=int(properties["maxThreadsPerMultiProcessor"]),
        )
        architecture = f"sm_{properties['major']}{properties['minor']}"
        name = properties["name"]
        #: As its driver calls it.
        self.device = name.decode() if isinstance(name, bytes) else str(name)
        compiler = ".".join(str(part) for part in cupy.cuda.nvrtc.getVersion())
        self.info = KernelInfo("native", native.VERSION, architecture, f"NVRTC {compiler}")

    @property
    def lanes(self) -> int:
        """Multiprocessors: fewer paths than this leave most of the device idle."""
        return self._multiprocessors

    def paths_at_once(self, teacher: native.Teacher, students: int, coordinates: int) -> int:
        """How many paths a call should get: enough to fill the device, and no more than fit.

        Nothing is compiled for that: who has a few paths may not need it.
        """
        plan = self._plan(self._shape(teacher, students, coordinates))
        blocks = self._multiprocessors * self._multiprocessor.blocks_of(plan)
        with self._here:
            free, _ = self.cupy.cuda.runtime.memGetInfo()
        own = 8 * (2 * students * coordinates + 16)  # of one path
        return max(1, min(PATHS_PER_BLOCK * blocks, int(MEMORY_SHARE * free) // own))

    def forces(self, teacher: native.Teacher, W: Real, *, single: bool = False) -> Real:
        """See ``lanes.native.Kernel.forces``."""
        W = np.ascontiguousarray(W, dtype=np.float64)
        n, K, p = native.checked_batch(W, teacher)
        function = self.module(teacher, K, p, single).functions["forces_at"]
        result = np.empty_like(W)

        def compute(part: slice) -> int:
            given = calls.sent(self.cupy, W[part])
            force = self.cupy.empty_like(given)
            call = calls.Call(self.cupy, function, len(given), teacher)
            call.run((call.teacher, len(given), given, force, call.queue, call.work), self._turn)
            force.get(out=result[part])
            return len(given)

        self._in_parts(n, compute)
        return result

    def flow(
        self,
        teacher: native.Teacher,
        rules: FlowRules,
        paths: Paths,
        *,
        company: int = 0,
        cancel: native.Cancel | None = None,
        single: bool = False,
    ) -> int:
        """See ``lanes.native.Kernel.flow``."""
        n, K, p = native.checked_paths(paths, teacher)
        function = self.module(teacher, K, p, single).functions["flow_paths"]
        paths.event[:] = 0

        def follow(part: slice) -> int:
            given = {
                each.name: calls.sent(self.cupy, getattr(paths, each.name)[part])
                for each in fields(Paths)
            }
            count = part.stop - part.start
            call = calls.Call(self.cupy, function, count, teacher)
            was_cancelled = call.run(
                (
                    call.problem(K, len(teacher.V), p),
                    call.teacher,
                    call.sent(list(vars(rules).values())),
                    count,
                    company,
                    call.sent([array.data.ptr for array in given.values()], np.int64),
                    call.queue,
                    call.flag,
                    call.count,
                    call.work,
                ),
                self._turn,
                cancel,
            )
            for name, array in given.items():
                array.get(out=getattr(paths, name)[part])
            if was_cancelled:
                raise native.cancelled()
            return int(call.count.get()[0])

        return self._in_parts(n, follow)

    def polish(
        self,
        teacher: native.Teacher,
        rules: PolishRules,
        W: Real,
        force: Real,
        *,
        cancel: native.Cancel | None = None,
    ) -> tuple[Real, Real, int]:
        """See ``lanes.native.Kernel.polish``."""
        n, K, p = native.checked_batch(W, teacher)
        force = checked("force", np.ascontiguousarray(force), (n, K, p), np.float64)
        made = self.module(teacher, K, p)
        result = np.array(W, dtype=np.float64, order="C")
        norms = np.sqrt(np.sum(force * force, axis=(-2, -1)))

        def minimise(part: slice) -> int:
            given = [calls.sent(self.cupy, array[part]) for array in (result, force, norms)]
            count = part.stop - part.start
            call = calls.Call(self.cupy, made.functions["polish_points"], count, teacher)
            was_cancelled = call.run(
                (
                    call.teacher,
                    call.sent(list(vars(rules).values())),
                    count,
                    *given,
                    call.queue,
                    call.flag,
                    call.count,
                    call.work,
                    call.room(made.plan.pairs),
                ),
                self._turn,
                cancel,
            )
            if was_cancelled:
                raise native.cancelled()
            given[0].get(out=result[part])
            given[2].get(out=norms[part])
            return int(call.count.get()[0])

        evaluations = self._in_parts(n, minimise)
        return result, norms, evaluations

    def _in_parts(self, count: int, work: Callable[[slice], int]) -> int:
        if not count:
            return 0
        cuda = self.cupy.cuda
        try:
            with self._here:
                done = calls.in_parts(self.cupy, count, work)
                # Other processes may need it meanwhile; taking it again costs less than a call.
                self.cupy.get_default_memory_pool().free_all_blocks()
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
            raise DeviceLost(
                f"The GPU failed, and this process can use it no more: {error}"
            ) from error
        return done

    def module(
        self, teacher: native.Teacher, students: int, coordinates: int, single: bool = False
    ) -> calls.Module:
        """What was compiled for problems of this shape; compiled now, if need be."""
        shape = self._shape(teacher, students, coordinates, single)
        if shape not in self._modules:
            plan = self._plan(shape)
            with self._here:
                made = calls.module(self.cupy, plan, self._multiprocessors, self._kept)
            self._modules[shape] = made
        return self._modules[shape]

    @staticmethod
    def _shape(
        teacher: native.Teacher, students: int, coordinates: int, single: bool = False
    ) -> source.Shape:
        M = len(teacher.V)
        return source.Shape(students, M, coordinates, teacher.is_orthonormal, single)

    def _plan(self, shape: source.Shape) -> source.Plan:
        return source.planned(shape, self._shared_bytes)


def count() -> int:
    """GPUs that CuPy sees here; none where there is no CuPy or no driver."""
    try:
        cupy = importlib.import_module("cupy")
        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception:  # CuPy's own exceptions vary with the toolkit's version
        return 0


def load(
    number: int = 0, turn: calls.Turn = nullcontext, kept: calls.Kept = calls.not_kept
) -> DeviceKernel:
    """The kernel on the device with this number, which this process uses from now on.

    It has shown that it computes the bits of this version (``lanes.bits``), in either precision.
    Raises ``KernelError`` with a sentence on why there is none.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise KernelError(f"CuPy is not installed ({error})") from error
    except Exception as error:  # the folder of its cache cannot be made
        raise KernelError(f"CuPy cannot be imported ({error})") from error
    try:
        if not cupy.cuda.runtime.getDeviceCount():
            raise KernelError("CuPy sees no GPU")
        cupy.cuda.Device(number).use()
        kernel = DeviceKernel(cupy, turn, kept)
        is_right = bits.are_right(kernel, bits.SAMPLES[-1])
    except KernelError:
        raise
    except Exception as error:  # a driver too old for the toolkit, a device that is in use
        raise KernelError(f"CuPy found no working GPU ({error})") from error
    if not is_right:
        raise KernelError("the GPU computes other bits than the kernel's version says")
    return kernel
