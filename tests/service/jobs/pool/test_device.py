"""Which backend is chosen, and why; kernels and GPUs are played."""

from __future__ import annotations

import selectors
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relu_landscape.analyses import load
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.pool import device
from relu_landscape.jobs.pool.device import backend_here, choose_backend
from relu_landscape.jobs.pool.turns import seated, turns_at
from relu_landscape.wire.jobs import Kernel


@dataclass(frozen=True)
class PlayedInfo:
    """As ``engine.lanes.native.KernelInfo``."""

    name: str = "native"
    version: int = 7
    instructions: str = "avx2"
    compiler: str = "gcc 12"


NO_GPU = "CuPy sees no GPU"


def play_kernel(
    monkeypatch: pytest.MonkeyPatch, problem: str | None = None, gpu_problem: str | None = NO_GPU
) -> None:
    """A native kernel and a GPU, or sentences on why there is none."""

    def native() -> Any:
        if problem is not None:
            raise ConfigurationError(problem)
        return SimpleNamespace(info=PlayedInfo())

    def gpu(*, kept: Any) -> Any:
        if gpu_problem is not None:
            raise ConfigurationError(gpu_problem)
        info = PlayedInfo(instructions="sm_90", compiler="NVRTC 13.0")
        return SimpleNamespace(info=info, device="NVIDIA Test")

    found = {device.LOAD_NATIVE: native, device.LOAD_DEVICE: gpu, device.COUNT_DEVICES: lambda: 2}
    monkeypatch.setattr(device, "load", found.__getitem__)


def test_a_working_gpu_is_taken_and_is_the_same_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bits are the native kernel's, so are its ids: both may compute parts of one job."""
    play_kernel(monkeypatch, gpu_problem=None)
    for wanted in ("auto", "cupy"):
        chosen = choose_backend(wanted)
        assert (chosen.name, chosen.computes) == ("cupy", "cuda-7")
        assert chosen.backend_class == choose_backend("numpy").backend_class == "native-7"
        assert chosen.device == "NVIDIA Test"
        assert "2 of them" in chosen.reason
        assert "sm_90, NVRTC 13.0" in chosen.kernel_reason
        assert chosen.pace > choose_backend("numpy").pace > choose_backend("numpy", "numpy").pace
    assert choose_backend("numpy", "numpy").backend_class == "cpu"


@pytest.mark.parametrize("reason", [NO_GPU, "CuPy is not installed", "driver too old"])
def test_without_a_gpu_the_processor_is_taken_and_the_reason_told(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    play_kernel(monkeypatch, gpu_problem=reason)
    chosen = choose_backend("auto")
    assert (chosen.name, chosen.backend_class) == ("numpy", "native-7")
    assert reason in chosen.reason
    assert chosen.device
    with pytest.raises(ConfigurationError) as error:
        choose_backend("cupy")
    assert reason in str(error.value)
    assert "RELU_LANDSCAPE_BACKEND=numpy" in str(error.value)


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


@pytest.mark.parametrize("kernel", ["native", "numpy"])
def test_who_asks_for_the_processors_kernel_gets_the_processor(
    monkeypatch: pytest.MonkeyPatch, kernel: Any
) -> None:
    play_kernel(monkeypatch, gpu_problem=None)
    chosen = choose_backend("auto", kernel)
    assert chosen.name == "numpy"
    assert kernel in chosen.reason
    with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_BACKEND=numpy"):
        choose_backend("cupy", kernel)


def test_what_a_worker_is_told_is_what_it_finds() -> None:
    """The name crosses to other machines, and there it must mean the same bits or nothing."""
    chosen = choose_backend("numpy")
    found = backend_named(chosen.computes)
    assert (found.kernel is None) == (chosen.kernel is None)
    assert found.xp is backend_named("numpy").xp
    with pytest.raises(ConfigurationError, match=r"native-999|was not compiled"):
        backend_named("native-999")


def test_workers_spread_over_the_gpus_and_take_turns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[int, Any]] = []

    def gpu(number: int, turn: Any, kept: Any) -> Any:
        asked.append((number, turn))
        return SimpleNamespace(info=PlayedInfo())

    found = {device.LOAD_DEVICE: gpu, device.COUNT_DEVICES: lambda: 3}
    monkeypatch.setattr(device, "load", lambda name: found.get(name) or load(name))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    backend_here.cache_clear()
    backend = backend_here("cuda-7")
    assert backend_here("cuda-7") is backend  # one context for a process
    backend_here.cache_clear()
    assert (backend.name, backend.kernel is not None) == ("cuda-7", True)
    ((number, turn),) = asked
    assert number == 0
    with turn():
        pass
    assert seated(3) == 1  # the process has a seat at the first already


def test_processes_are_shared_out_evenly_and_leave_their_seats(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from relu_landscape.jobs.pool.turns import seated\n"
        "print(seated(2, Path(sys.argv[1])), flush=True); sys.stdin.read()\n"
    )

    def another() -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    there = [another() for _ in range(5)]
    assert [number for _, number in there] == [0, 1, 0, 1, 0]
    gone, _ = there.pop(1)
    gone.kill()
    gone.communicate()
    there.append(another())
    assert there[-1][1] == 1  # in its place
    for process, _ in there:
        process.kill()
        process.communicate()


def test_one_process_at_a_time_has_its_turn(tmp_path: Path) -> None:
    """Another process waits while this one is at it, and goes on when it is done or dead."""
    script = (
        "import sys; from pathlib import Path\n"
        "from relu_landscape.jobs.pool.turns import turns_at\n"
        "with turns_at(0, Path(sys.argv[1]))():\n"
        "    print('mine', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]

    def other() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    first = other()
    assert first.stdout is not None
    assert first.stdout.readline() == "mine\n"
    second = other()
    assert second.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(second.stdout, selectors.EVENT_READ)
        assert not ready.select(timeout=1.0)
        first.kill()  # its lock goes with it
        assert second.stdout.readline() == "mine\n"
    with turns_at(1, tmp_path)():  # another device has turns of its own
        pass
    second.communicate("")
    first.communicate()
