"""Array namespaces by name."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.errors import ConfigurationError


def test_backends_by_name() -> None:
    chosen = backend_named("numpy")
    assert chosen.name == "numpy"
    assert chosen.xp.asarray([1.0]).dtype == np.float64
    assert chosen.kernel is None
    with pytest.raises(ConfigurationError, match="choose numpy, native-3 or cuda-3"):
        backend_named("abacus")


def test_cupy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigurationError, match="CuPy is not installed"):
        backend_named("cuda-3")
