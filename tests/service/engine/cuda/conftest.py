"""Where the texts of the tests are compiled, and by what."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from relu_landscape.engine.cuda.device import DeviceKernel
from tests.service.engine.cuda.nvrtc import load
from tests.service.engine.cuda.played import PlayedCupy


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once for each text, whoever asks."""
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture
def kernel(folder: Path) -> DeviceKernel:
    """On a played device of its own."""
    return DeviceKernel(PlayedCupy(folder))


@pytest.fixture(scope="session")
def nvrtc() -> ctypes.CDLL:
    """The compiler of GPUs."""
    return load()
