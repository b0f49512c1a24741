"""A fixed point as a NumPy archive."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray


def to_npz(document: Mapping[str, Any]) -> bytes:
    """The numeric arrays of ``document`` under the names of their fields, compressed.

    Nested fields keep their own name (``overlaps.R`` is ``R``) unless two share it; then the later
    one is called by its whole path with underscores. ``document`` holds everything else, as JSON
    text. Equal documents give equal bytes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for path, array in _arrays(document, ()):
        name = path[-1] if path[-1] not in arrays and path[-1] != "document" else "_".join(path)
        arrays[name] = array
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, document=np.array(text), **arrays)
    return buffer.getvalue()


def _arrays(
    document: Mapping[str, Any], path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], NDArray[Any]]]:
    found: list[tuple[tuple[str, ...], NDArray[Any]]] = []
    for name, value in document.items():
        if isinstance(value, Mapping):
            found += _arrays(value, (*path, name))
        elif isinstance(value, list) and _is_numeric(value):
            found.append(((*path, name), np.array(value)))
    return found


def _is_numeric(value: list[Any]) -> bool:
    """Whether a nested list is a rectangular array of numbers."""
    if not value:
        return False
    if all(isinstance(row, list) for row in value):
        return len({len(row) for row in value}) == 1 and all(_is_numeric(row) for row in value)
    return all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
