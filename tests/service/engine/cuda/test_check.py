"""The command that checks a real device, tried on a played one: so that it runs where there is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from relu_landscape.engine.cuda import device
from tests.service.engine.cuda.played import PlayedCupy


def test_it_finds_nothing_wrong_with_a_right_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", PlayedCupy(tmp_path))
    assert gpu.main(["--small", "--processes", "0", "--to", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "gpu-check.json").read_text())
    assert found["faults"] == []
    assert found["machine"]["device"] == "NVIDIA Test"
    assert len(found["Bits"]) >= 6
    assert all(row[2] == "yes" for row in found["Bits"])
    assert found["Ends of whole descents, against NumPy"][0][2] == 0
    assert "same bits: yes" in capsys.readouterr().out
    assert "everything as it should be" in (tmp_path / "gpu-check.md").read_text()


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu.main(["--to", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("There is no GPU to check: CuPy is not installed")
    assert not list(tmp_path.iterdir())


def test_it_says_what_a_wrong_device_does_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A device whose polish stops a step early: paths are right, points are not quite."""

    def alter(text: str) -> str:
        return text.replace("pairs < (int64_t)rules->iterations", "pairs < 3")

    right = PlayedCupy(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", right)
    kernel = device.load()
    kernel.cupy = PlayedCupy(tmp_path, alter=alter)
    kernel._modules.clear()
    monkeypatch.setattr(device, "load", lambda: kernel)
    assert gpu.main(["--small", "--processes", "0", "--to", str(tmp_path)]) > 0
    faults = json.loads((tmp_path / "gpu-check.json").read_text())["faults"]
    assert any("digest" in fault for fault in faults)
    assert any("bits at K = 8" in fault for fault in faults)
