"""Where the texts of the tests are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once for each text, whoever asks."""
    return tmp_path_factory.mktemp("simulated")
