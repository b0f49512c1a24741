"""Which backend is chosen, and why; CuPy is played where there is none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.pool.device import choose_backend


def cupy(count: int = 1, fault: Exception | None = None) -> Any:
    def devices() -> int:
        if fault is not None:
            raise fault
        return count

    runtime = SimpleNamespace(
        getDeviceCount=devices, getDeviceProperties=lambda _: {"name": b"NVIDIA Test"}
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), arange=np.arange)


def test_a_working_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    for wanted in ("auto", "cupy"):
        chosen = choose_backend(wanted)
        assert (chosen.name, chosen.backend_class) == ("cupy", "gpu")
        assert chosen.device == "NVIDIA Test"
    assert choose_backend("numpy").backend_class == "cpu"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (None, "CuPy is not installed"),
        (cupy(count=0), "CuPy sees no GPU"),
        (cupy(fault=RuntimeError("driver too old")), "no working GPU (driver too old)"),
    ],
)
def test_without_a_gpu_numpy_is_taken_and_the_reason_told(
    monkeypatch: pytest.MonkeyPatch, module: Any, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", module)
    chosen = choose_backend("auto")
    assert (chosen.name, chosen.backend_class) == ("numpy", "cpu")
    assert reason in chosen.reason
    assert chosen.device
    with pytest.raises(ConfigurationError) as error:
        choose_backend("cupy")
    assert reason in str(error.value)
    assert "RELU_LANDSCAPE_BACKEND=numpy" in str(error.value)
