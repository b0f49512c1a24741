"""Memory that is used again: temporary arrays of a batch, kept from one step to the next.

A step of a batch makes some fifty temporary arrays. Asked for one by one they come from memory that
the system has just cleared, and that no cache holds: at K = 17 that took more time than the
arithmetic. Where they are written to (``out``) no number changes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.arrays import NUMPY, Array, ArrayNamespace

#: Gives what a function of the namespace is called with so that its result, of this shape, is
#: written to the place of this name: ``xp.sqrt(x, **room("root", x.shape))``.
Room = Callable[[str, tuple[int, ...]], dict[str, Array]]


def no_room(name: str, shape: tuple[int, ...]) -> dict[str, Array]:  # noqa: ARG001
    """Every result is a new array."""
    return {}


class _Places:
    """Arrays of doubles. The same name and shape is the same memory, whatever was in it; a batch
    that has become smaller has the first part of it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...]], NDArray[np.float64]] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> dict[str, Array]:
        kept = self._kept.get((name, shape[1:]))
        if kept is None or len(kept) < shape[0]:
            kept = self._kept[name, shape[1:]] = np.empty(shape)
        return {"out": kept[: shape[0]]}


def room_for(xp: ArrayNamespace) -> Room:
    """Room for one caller at a time: NumPy writes to given places, the standard knows none."""
    return _Places() if xp is NUMPY else no_room
