"""Arrays on their way to C, which believes whatever it is told."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray


def checked(name: str, array: NDArray[Any], shape: tuple[int, ...], kind: type) -> NDArray[Any]:
    """``array`` itself. Raises ``ValueError`` unless it is what C takes it for."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; it must be {shape}.")
    if array.dtype != np.dtype(kind):
        raise ValueError(f"{name} has entries of {array.dtype}; they must be {np.dtype(kind)}.")
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise ValueError(f"{name} must be contiguous in C order, aligned and writable.")
    return array


def address(array: NDArray[Any]) -> ctypes.c_void_p:
    """Where its first entry is. Keep the array until C is done with it."""
    return ctypes.c_void_p(array.ctypes.data)
