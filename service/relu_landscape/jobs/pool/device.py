"""Which arrays the workers compute on, and why."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

from relu_landscape.errors import ConfigurationError

BackendName = Literal["numpy", "cupy"]


@dataclass(frozen=True)
class ChosenBackend:
    """The backend chosen at start; ``reason`` is a sentence for the log and service-info."""

    name: BackendName
    device: str
    reason: str

    @property
    def backend_class(self) -> Literal["cpu", "gpu"]:
        """``cpu`` or ``gpu``: floating point may differ between the two, never within one."""
        return "gpu" if self.name == "cupy" else "cpu"


def choose_backend(wanted: Literal["auto", "numpy", "cupy"]) -> ChosenBackend:
    """Choose by setting and by what this machine has.

    Raises ``ConfigurationError`` when ``cupy`` was asked for and cannot work here.
    """
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
