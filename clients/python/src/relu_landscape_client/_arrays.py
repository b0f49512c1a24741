"""Read-only NumPy arrays from JSON (apart from ``_decode``: a status needs no NumPy)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape_client.errors import ProtocolError

Floats = NDArray[np.float64]


def array(value: Any) -> Floats:
    """A read-only float array; ``null`` entries become NaN, ``null`` as a whole an empty one."""
    try:
        values = np.array([] if value is None else value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProtocolError("ragged or non-numeric rows stand where a matrix should") from None
    values.flags.writeable = False
    return values
