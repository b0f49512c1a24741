"""The command that checks a real device, tried on a played one: so that it runs where there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from relu_landscape.engine.cuda import device
from tests.service.engine.cuda.played import PlayedCupy, with_a_gpu


def test_it_finds_nothing_wrong_with_a_right_device(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cupy", PlayedCupy(folder))
    assert gpu.main(["--small", "--processes", "0", "--to", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "gpu-check.json").read_text())
    assert found["faults"] == []
    assert found["machine"]["device"] == "NVIDIA Test"
    assert len(found["Bits"]) >= 6
    assert all(row[2] == "yes" for row in found["Bits"])
    assert found["Ends of whole descents, against NumPy"][0][2] == 0
    assert "same bits: yes" in capsys.readouterr().out
    assert "everything as it should be" in (tmp_path / "gpu-check.md").read_text()


def test_a_part_that_fails_is_a_fault_and_the_others_follow(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was found before is on disk already, should the process be ended meanwhile."""
    found: list[dict[str, object]] = []

    def fail(check: gpu.Check, kernel: object) -> None:
        found.append(json.loads((tmp_path / "gpu-check.json").read_text()))
        raise RuntimeError("no such kernel image")

    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cupy", PlayedCupy(folder))
    monkeypatch.setattr(gpu, "short_of_memory", fail)
    assert gpu.main(["--small", "--processes", "0", "--to", str(tmp_path)]) == 1
    assert found[0]["Bits"]
    assert found[0]["is_over"] is False
    after = json.loads((tmp_path / "gpu-check.json").read_text())
    assert after["faults"] == ["memory: RuntimeError: no such kernel image"]
    assert after["The kernel alone"]
    assert "no such kernel image" in capsys.readouterr().err


def test_its_processes_share_the_device(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--small", "--processes", "2", "--to", tmp_path],
        cwd=gpu.ROOT, env=with_a_gpu(tmp_path, folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu-check.json").read_text())
    whole, beside = (
        next(rows for title, rows in found.items() if title.startswith(begins))
        for begins in ("Whole runs", "Beside the host's cores")
    )
    assert [row[:2] for row in whole] == [[40, "float64"], [40, "float32"]]
    assert whole[0][4] == whole[1][4]  # the same shares
    assert beside


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu.main(["--to", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("There is no GPU to check: CuPy is not installed")
    assert not list(tmp_path.iterdir())


def test_it_says_what_a_wrong_device_does_wrong(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    """A device whose polish stops a step early: paths are right, points are not quite."""

    def alter(text: str) -> str:
        return text.replace("pairs < (int64_t)rules->iterations", "pairs < 3")

    right = PlayedCupy(folder)
    monkeypatch.setitem(sys.modules, "cupy", right)
    kernel = device.load()
    kernel.cupy = PlayedCupy(folder, alter=alter)
    kernel._modules.clear()
    monkeypatch.setattr(gpu, "on_device", lambda: kernel)
    assert gpu.main(["--small", "--processes", "0", "--to", str(tmp_path)]) > 0
    faults = json.loads((tmp_path / "gpu-check.json").read_text())["faults"]
    assert any("digest" in fault for fault in faults)
    assert any("bits at K = 8" in fault for fault in faults)
