"""One-pass SGD in C, a run per lane: what ``dynamics.chain`` does with arrays."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes.checks import address, checked
from relu_landscape.engine.lanes.native import Kernel, Teacher

Real = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class SgdRules:
    """How a stretch is made of blocks and steps; see lanes.h and ``dynamics.chain.Layout``."""

    students: int
    coordinates: int
    columns: int
    batch: int
    steps: int
    blocks: int
    rate: float
    label_noise: float
    rounding: float
    slope: float = 0.0

    @property
    def inputs(self) -> int:
        """Inputs of a block."""
        return self.steps * self.batch

    @property
    def normals(self) -> int:
        """Normals of a block: its inputs, and T below the diagonal."""
        below = sum(min(t, self.columns) for t in range(self.inputs))
        return self.inputs * self.coordinates + below


@dataclass(frozen=True)
class Drawn:
    """What was drawn for n runs: ``normals`` (n, blocks, ...), the ``diagonal`` of T (n, blocks,
    k), and ``labels`` (n, blocks, inputs), None without noise."""

    normals: Real
    diagonal: Real
    labels: Real | None


class _Sgd(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("students", "teachers", "coordinates", "columns",
                                              "batch", "steps", "blocks")),
        *((name, ctypes.c_double) for name in ("rate", "label_noise", "rounding")),
        ("teacher", ctypes.c_void_p), ("layers", ctypes.c_void_p), ("slope", ctypes.c_double),
    )  # fmt: skip


class _Drawn(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_void_p) for each in fields(Drawn))


class _Runs(ctypes.Structure):
    _fields_ = (
        ("W", ctypes.c_void_p), ("limit", ctypes.c_void_p), ("ran_away", ctypes.c_void_p),
        ("done", ctypes.c_int64), ("records", ctypes.c_int64), ("record_at", ctypes.c_void_p),
        ("recorded", ctypes.c_void_p),
    )  # fmt: skip


def advance(
    kernel: Kernel,
    teacher: Teacher,
    rules: SgdRules,
    drawn: Drawn,
    W: Real,
    limit: Real,
    ran_away: Whole,
    *,
    done: int,
    record_at: Whole,
    layers: Real | None = None,
) -> Real:
    """Advance runs by a stretch, ``W`` (n, K, p) and ``ran_away`` (n,) in place.

    ``limit`` (n,) of a student's norm; ``done``: steps before; ``layers`` (K + M,): weights of the
    second layers, students first, None: all 1. Returns the weights (n, records, K,
    p + k) after ``record_at`` (records,) steps of this stretch, ascending. The bits of a run depend
    on that run alone. Raises ``ValueError`` for arrays that do not fit, ``MemoryError`` without
    memory for the workspace.
    """
    n, K, M = len(W), rules.students, len(teacher.V)
    checked("W", W, (n, K, rules.coordinates), np.float64)
    checked("limit", limit, (n,), np.float64)
    checked("ran_away", ran_away, (n,), np.int64)
    checked("record_at", record_at, (len(record_at),), np.int64)
    checked("normals", drawn.normals, (n, rules.blocks, rules.normals), np.float64)
    checked("diagonal", drawn.diagonal, (n, rules.blocks, rules.columns), np.float64)
    if drawn.labels is not None:
        checked("labels", drawn.labels, (n, rules.blocks, rules.inputs), np.float64)
    if (
        not M <= rules.coordinates <= M + K
        or rules.columns < 0
        or min(rules.batch, rules.steps) < 1
    ):
        raise ValueError(f"Students have {rules.coordinates} coordinates of {M} to {M + K}.")
    if rules.columns and rules.coordinates != M + K:
        raise ValueError("Something is outside the coordinates, which do not hold all students.")
    V = checked("V", np.array(teacher.V, dtype=np.float64, order="C"), (M, M), np.float64)
    if layers is not None:
        layers = np.array(layers, dtype=np.float64, order="C")
        checked("layers", layers, (K + M,), np.float64)
    recorded = np.zeros((n, len(record_at), K, rules.coordinates + rules.columns))
    runs = _Runs(
        address(W), address(limit), address(ran_away), done, len(record_at), address(record_at),
        address(recorded),
    )  # fmt: skip
    where = None if teacher.is_orthonormal else address(V)
    kernel.call(
        "stretch",
        ctypes.byref(_Sgd(
            K, M, rules.coordinates, rules.columns, rules.batch, rules.steps, rules.blocks,
            rules.rate, rules.label_noise, rules.rounding, where,
            None if layers is None else address(layers), rules.slope,
        )),
        ctypes.c_int64(n),
        ctypes.byref(_Drawn(
            address(drawn.normals), address(drawn.diagonal),
            None if drawn.labels is None else address(drawn.labels),
        )),
        ctypes.byref(runs),
    )  # fmt: skip
    return recorded
