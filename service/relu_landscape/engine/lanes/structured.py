"""Starts on the weights that a symmetry fixes, driven to critical points by the native kernel."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes.checks import address, checked
from relu_landscape.engine.lanes.native import Kernel

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

# What became of a start (lanes.h).
CONVERGED, AT_ZERO_LOSS, GAVE_UP = 1, 2, 3


@dataclass(frozen=True)
class Shape:
    """A symmetric structure, as lanes.h says it: n student blocks, B teacher blocks, m unknowns.

    ``first`` to ``y_factor`` are of pairs of students, then of lines, student and teacher.
    """

    students: int
    blocks: int
    naturals: int
    unknowns: int
    pairs: int
    lines: int
    lonely: float
    unmatched: float
    level: float
    sizes: Real
    base_sums: Real
    base: Real
    inverse_scale: Real
    y_square: Real
    y_place: Whole
    match: Whole
    off: Whole
    first: Whole
    second: Whole
    weight: Real
    constant: Real
    sign_factor: Real
    x_factor: Real
    y_factor: Real


@dataclass(frozen=True)
class SearchRules:
    """The constants of ``families.solver`` and ``families.reduced``; see lanes.h."""

    tolerance: float
    zero_loss: float
    newton_below: float
    newton_gain: float
    diagonal_share: float
    first_damping: float
    ease: float
    tighten: float
    most_damping: float
    most_trials: float
    smallest_sine: float
    series_angle: float


@dataclass(frozen=True)
class Searched:
    """Where starts ended: deviations (S, m); gradient norms, outcomes and trial points (S,)."""

    deviations: Real
    norm: Real
    outcome: Whole
    trials: Whole


_COUNTS = ("students", "blocks", "naturals", "unknowns", "pairs", "lines")
_NUMBERS = ("lonely", "unmatched", "level")
_WHOLE = ("y_place", "match", "off", "first", "second")


def _kind(name: str) -> type:
    if name in _COUNTS:
        return ctypes.c_int64
    return ctypes.c_double if name in _NUMBERS else ctypes.c_void_p


class _Shape(ctypes.Structure):
    _fields_ = tuple((each.name, _kind(each.name)) for each in fields(Shape))


class _Search(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_double) for each in fields(SearchRules))


def search(
    kernel: Kernel, shape: Shape, rules: SearchRules, deviations: Real, signs: Real
) -> Searched:
    """Drive starts, deviations (S, m) with signs (S, naturals), to critical points.

    The bits of a start depend on that start alone. Raises ``ValueError`` for arrays that do not
    fit the shape, ``MemoryError`` without memory for the workspace.
    """
    count = len(deviations)
    final = np.array(deviations, dtype=np.float64, order="C")
    checked("deviations", final, (count, shape.unknowns), np.float64)
    signs = np.array(signs, dtype=np.float64, order="C")
    checked("signs", signs, (count, shape.naturals), np.float64)
    norm = np.empty(count)
    outcome, trials = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    kernel.call(
        "search",
        ctypes.byref(_as_c(shape)),
        ctypes.byref(_Search(*vars(rules).values())),
        ctypes.c_int64(count),
        *map(address, (final, signs, norm, outcome, trials)),
    )
    return Searched(final, norm, outcome, trials)


def _as_c(shape: Shape) -> _Shape:
    """The structure that C reads; it lives no longer than the arrays of ``shape``."""
    lengths = {"base_sums": shape.blocks, "base": shape.unknowns, "inverse_scale": shape.unknowns}
    of_students = ("sizes", "y_square", "y_place", "match", "off")
    lengths |= dict.fromkeys(of_students, shape.students)
    values: list[object] = []
    for each in fields(Shape):
        value = getattr(shape, each.name)
        if each.name not in _COUNTS + _NUMBERS:
            length = lengths.get(each.name, shape.pairs + shape.lines)
            kind = np.int64 if each.name in _WHOLE else np.float64
            value = address(checked(each.name, value, (length,), kind))
        values.append(value)
    return _Shape(*values)
