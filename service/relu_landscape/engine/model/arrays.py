"""Array namespaces by name: NumPy everywhere, CuPy where there is a GPU."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy

from relu_landscape.errors import ConfigurationError


@dataclass(frozen=True)
class Backend:
    """Where arrays live: ``xp`` their namespace, ``on_gpu`` whether that is a GPU's memory."""

    name: str
    xp: Any
    on_gpu: bool


def backend_named(name: str) -> Backend:
    """The backend ``numpy`` or ``cupy``. Raises ``ConfigurationError`` without CuPy."""
    if name == "numpy":
        return Backend(name, array_api_compat.numpy, on_gpu=False)
    if name == "cupy":
        try:
            return Backend(name, importlib.import_module("array_api_compat.cupy"), on_gpu=True)
        except ImportError as error:
            raise ConfigurationError(
                "The backend cupy needs the extra 'gpu': pip install 'relu-landscape[gpu]'."
            ) from error
    raise ConfigurationError(f"There is no backend {name!r}; choose numpy or cupy.")
