"""What the workers compute on and with, and why."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from relu_landscape.analyses import load
from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.pool.programs import kept_in
from relu_landscape.jobs.pool.turns import seated, turns_at
from relu_landscape.wire.jobs import Kernel

BackendName = Literal["numpy", "cupy"]
#: Of the engine, by dotted name.
LOAD_NATIVE = "relu_landscape.engine.lanes.native:load"
LOAD_DEVICE = "relu_landscape.engine.cuda.beside:load"
COUNT_DEVICES = "relu_landscape.engine.cuda.device:count"
BACKEND_NAMED = "relu_landscape.engine.model.arrays:backend_named"
BACKEND_ON = "relu_landscape.engine.model.arrays:backend_on"
#: How fast a worker follows paths, in units of arrays on one core: for the size of tasks, no more.
#: With a GPU its own part of a start is what takes the time (0.2 ms at K = 17, of 6 by arrays); the
#: largest task, three times so many lanes, fills a device once.
NATIVE_PACE = 8
DEVICE_PACE = 32


@dataclass(frozen=True)
class ChosenBackend:
    """The backend chosen at start; ``reason`` is a sentence for the log and service-info.

    ``kernel``: what follows random starts, or None where arrays do, with its own ``kernel_reason``.
    """

    name: BackendName
    device: str
    reason: str
    kernel: Kernel | None = None
    kernel_reason: str = "arrays follow the starts"

    @property
    def computes(self) -> str:
        """The name by which a worker finds the same (``arrays.backend_named``)."""
        if self.kernel is None:
            return self.name
        return f"{'cuda' if self.name == 'cupy' else self.kernel.name}-{self.kernel.version}"

    @property
    def backend_class(self) -> str:
        """``cpu`` (NumPy), or the kernel with its version, which has the same bits on a processor
        and on a GPU: floating point may differ between classes, never within one."""
        return f"{self.kernel.name}-{self.kernel.version}" if self.kernel else "cpu"

    @property
    def pace(self) -> int:
        """How fast a worker follows paths (``engine.tasks.pace_of``)."""
        if self.kernel is None:
            return 1
        return DEVICE_PACE if self.name == "cupy" else NATIVE_PACE


def choose_backend(
    wanted: Literal["auto", "numpy", "cupy"], kernel: Literal["auto", "native", "numpy"] = "auto"
) -> ChosenBackend:
    """Choose by settings and by what this machine has.

    Raises ``ConfigurationError`` when ``cupy`` or the native kernel was asked for and cannot work
    here.
    """
    if wanted == "cupy" and kernel != "auto":
        raise ConfigurationError(
            f"RELU_LANDSCAPE_KERNEL={kernel} computes on the CPU, and the backend is a GPU: write "
            "RELU_LANDSCAPE_BACKEND=numpy too, or RELU_LANDSCAPE_KERNEL=auto"
        )
    if wanted == "numpy":
        return _on_cpu("the setting asks for the CPU", kernel)
    if kernel != "auto":
        return _on_cpu(f"the setting asks for the kernel {kernel}, which is the CPU's", kernel)
    try:
        return _on_gpu("the setting asks for it" if wanted == "cupy" else "it works here")
    except ConfigurationError as error:
        if wanted == "auto":
            return _on_cpu(f"no GPU: {error}", kernel)
        raise ConfigurationError(
            f"RELU_LANDSCAPE_BACKEND=cupy cannot be used: {error}. Install the extra gpu "
            "(pip install 'relu-landscape[gpu]') on a machine with an NVIDIA driver, or write "
            "RELU_LANDSCAPE_BACKEND=numpy"
        ) from error


def _on_gpu(why: str) -> ChosenBackend:
    """Raises ``ConfigurationError`` where there is no GPU that computes the kernel's bits."""
    found = load(LOAD_DEVICE)(kept=kept_in())
    kernel = Kernel.model_validate(vars(found.info))
    reason = f"a GPU with CuPy ({load(COUNT_DEVICES)()} of them): {why}"
    follows = f"the GPU follows the starts ({kernel.instructions}, {kernel.compiler})"
    return ChosenBackend("cupy", found.device, reason, kernel, follows)


def _on_cpu(reason: str, kernel: Literal["auto", "native", "numpy"]) -> ChosenBackend:
    if kernel == "numpy":
        return ChosenBackend(
            "numpy", cpu_name(), reason, kernel_reason="the setting asks for NumPy"
        )
    try:
        info = load(LOAD_NATIVE)().info
    except ConfigurationError as error:
        if kernel == "native":
            raise ConfigurationError(
                f"RELU_LANDSCAPE_KERNEL=native cannot be used: {error}; or write "
                "RELU_LANDSCAPE_KERNEL=numpy"
            ) from error
        follows = f"NumPy follows the starts; {error}"
        return ChosenBackend("numpy", cpu_name(), reason, kernel_reason=follows)
    found = Kernel.model_validate(vars(info))
    why = "the setting asks for it" if kernel == "native" else "it was compiled and works here"
    follows = f"native {found.version} ({found.instructions}, {found.compiler}): {why}"
    return ChosenBackend("numpy", cpu_name(), reason, found, follows)


@cache
def backend_here(name: str) -> Any:
    """What computes by this name (``ChosenBackend.computes``) in this worker process.

    Processes spread over the GPUs of the machine, and take turns at each. Raises
    ``ConfigurationError`` where this machine does not have it.
    """
    if not name.startswith("cuda-"):
        return load(BACKEND_NAMED)(name)
    number = seated(load(COUNT_DEVICES)() or 1)
    return load(BACKEND_ON)(name, load(LOAD_DEVICE)(number, turns_at(number), kept_in()))


def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a device file
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
