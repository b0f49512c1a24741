"""Array namespaces by name: NumPy everywhere, CuPy where there is a GPU."""

from __future__ import annotations

import importlib
from typing import Any

import array_api_compat.numpy

from relu_landscape.errors import ConfigurationError


def backend_named(name: str) -> dict[str, Any]:
    """``{"xp": namespace, "on_gpu": bool}``. Raises ``ConfigurationError`` without CuPy."""
    if name == "numpy":
        return {"xp": array_api_compat.numpy, "on_gpu": False}
    if name == "cupy":
        try:
            return {"xp": importlib.import_module("array_api_compat.cupy"), "on_gpu": True}
        except ImportError as error:
            raise ConfigurationError(
                "The backend cupy needs the extra 'gpu': pip install 'relu-landscape[gpu]'."
            ) from error
    raise ConfigurationError(f"There is no backend {name!r}; choose numpy or cupy.")
