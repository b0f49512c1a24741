"""Which backend is chosen, and why; CuPy is played where there is none."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.pool import device
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.wire.jobs import Kernel


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
        assert (chosen.computes, chosen.kernel) == ("cupy", None)
    assert choose_backend("numpy", "numpy").backend_class == "cpu"


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
    chosen = choose_backend("auto", "numpy")
    assert (chosen.name, chosen.backend_class) == ("numpy", "cpu")
    assert reason in chosen.reason
    assert chosen.device
    with pytest.raises(ConfigurationError) as error:
        choose_backend("cupy")
    assert reason in str(error.value)
    assert "RELU_LANDSCAPE_BACKEND=numpy" in str(error.value)


@dataclass(frozen=True)
class PlayedInfo:
    """As ``engine.lanes.native.KernelInfo``."""

    name: str = "native"
    version: int = 7
    instructions: str = "avx2"
    compiler: str = "gcc 12"


def play_kernel(monkeypatch: pytest.MonkeyPatch, problem: str | None = None) -> None:
    def load() -> Any:
        if problem is not None:
            raise ConfigurationError(problem)
        return SimpleNamespace(info=PlayedInfo())

    monkeypatch.setattr(device, "load", lambda _name: load)


@pytest.mark.parametrize("wanted", ["auto", "native"])
def test_the_native_kernel_is_taken_and_is_a_class_of_its_own(
    monkeypatch: pytest.MonkeyPatch, wanted: Any
) -> None:
    """Its digits are not NumPy's, so neither are its ids, queues and checkpoints."""
    play_kernel(monkeypatch)
    chosen = choose_backend("numpy", wanted)
    assert (chosen.name, chosen.computes, chosen.backend_class) == ("numpy", "native-7", "native-7")
    assert chosen.kernel == Kernel.model_validate(vars(PlayedInfo()))
    assert "native 7 (avx2, gcc 12)" in chosen.kernel_reason


def test_without_the_native_kernel_numpy_follows_the_starts_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play_kernel(monkeypatch, "it was not compiled")
    chosen = choose_backend("numpy")
    assert (chosen.computes, chosen.backend_class, chosen.kernel) == ("numpy", "cpu", None)
    assert "it was not compiled" in chosen.kernel_reason
    with pytest.raises(ConfigurationError, match="it was not compiled") as error:
        choose_backend("numpy", "native")
    assert "RELU_LANDSCAPE_KERNEL=numpy" in str(error.value)


def test_the_setting_can_ask_for_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    play_kernel(monkeypatch)
    chosen = choose_backend("numpy", "numpy")
    assert (chosen.computes, chosen.backend_class, chosen.kernel) == ("numpy", "cpu", None)


def test_a_gpu_has_no_native_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    play_kernel(monkeypatch)
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_BACKEND=numpy"):
        choose_backend("auto", "native")


def test_what_a_worker_is_told_is_what_it_finds() -> None:
    """The name crosses to other machines, and there it must mean the same bits or nothing."""
    chosen = choose_backend("numpy")
    found = backend_named(chosen.computes)
    assert (found.kernel is None) == (chosen.kernel is None)
    assert found.xp is backend_named("numpy").xp
    with pytest.raises(ConfigurationError, match=r"native-999|was not compiled"):
        backend_named("native-999")
