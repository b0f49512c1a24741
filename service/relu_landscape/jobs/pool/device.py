"""What the workers compute on and with, and why."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import Literal

from relu_landscape.analyses import load
from relu_landscape.errors import ConfigurationError
from relu_landscape.wire.jobs import Kernel

BackendName = Literal["numpy", "cupy"]
#: Of the engine, by dotted name.
LOAD_KERNEL = "relu_landscape.engine.lanes.native:load"


@dataclass(frozen=True)
class ChosenBackend:
    """The backend chosen at start; ``reason`` is a sentence for the log and service-info.

    ``kernel``: the native kernel that follows random starts, or None where arrays do, with its own
    ``kernel_reason``.
    """

    name: BackendName
    device: str
    reason: str
    kernel: Kernel | None = None
    kernel_reason: str = "arrays follow the starts"

    @property
    def computes(self) -> str:
        """The name by which a worker finds the same (``arrays.backend_named``)."""
        return f"{self.kernel.name}-{self.kernel.version}" if self.kernel else self.name

    @property
    def backend_class(self) -> str:
        """``cpu`` (NumPy), ``gpu`` (CuPy) or the native kernel with its version: floating point
        may differ between classes, never within one."""
        return {"numpy": "cpu", "cupy": "gpu"}.get(self.computes, self.computes)


def choose_backend(
    wanted: Literal["auto", "numpy", "cupy"], kernel: Literal["auto", "native", "numpy"] = "auto"
) -> ChosenBackend:
    """Choose by settings and by what this machine has.

    Raises ``ConfigurationError`` when ``cupy`` or the native kernel was asked for and cannot work
    here.
    """
    chosen = _choose_arrays(wanted)
    if chosen.name == "cupy":
        if kernel == "native":
            raise ConfigurationError(
                "RELU_LANDSCAPE_KERNEL=native computes on the CPU, and the backend is a GPU: write "
                "RELU_LANDSCAPE_BACKEND=numpy too, or RELU_LANDSCAPE_KERNEL=auto"
            )
        return replace(chosen, kernel_reason="the GPU's arrays follow the starts")
    if kernel == "numpy":
        return replace(chosen, kernel_reason="the setting asks for NumPy")
    try:
        info = load(LOAD_KERNEL)().info
    except ConfigurationError as error:
        if kernel == "native":
            raise ConfigurationError(
                f"RELU_LANDSCAPE_KERNEL=native cannot be used: {error}; or write "
                "RELU_LANDSCAPE_KERNEL=numpy"
            ) from error
        return replace(chosen, kernel_reason=f"NumPy follows the starts; {error}")
    found = Kernel.model_validate(vars(info))
    why = "the setting asks for it" if kernel == "native" else "it was compiled and works here"
    reason = f"native {found.version} ({found.instructions}, {found.compiler}): {why}"
    return replace(chosen, kernel=found, kernel_reason=reason)


def _choose_arrays(wanted: Literal["auto", "numpy", "cupy"]) -> ChosenBackend:
    if wanted == "numpy":
        return ChosenBackend("numpy", cpu_name(), "the setting asks for NumPy")
    device, problem = probe_gpu()
    if device is not None:
        why = "the setting asks for CuPy" if wanted == "cupy" else "a GPU and CuPy work here"
        return ChosenBackend("cupy", device, why)
    if wanted == "cupy":
        raise ConfigurationError(
            f"RELU_LANDSCAPE_BACKEND=cupy cannot be used: {problem}. Install the extra gpu "
            "(pip install 'relu-landscape[gpu]') on a machine with an NVIDIA driver, or write "
            "RELU_LANDSCAPE_BACKEND=numpy"
        )
    return ChosenBackend("numpy", cpu_name(), f"no GPU: {problem}")


def probe_gpu() -> tuple[str | None, str]:
    """Name of the first GPU that computes, or ``None`` and why there is none."""
    try:
        import cupy
    except ImportError as error:
        return None, f"CuPy is not installed ({error})"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if count < 1:
            return None, "CuPy sees no GPU"
        # A driver too old for the toolkit shows only when something is computed.
        if float(cupy.arange(3.0).sum()) != 3.0:
            return None, "the GPU computes wrongly"
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    except Exception as error:  # CuPy's own exceptions vary with the toolkit's version
        return None, f"CuPy found no working GPU ({error})"
    return name.decode() if isinstance(name, bytes) else str(name), ""


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
