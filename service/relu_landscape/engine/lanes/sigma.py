"""The noise of one-pass SGD in C, sets of units side by side: what ``noise.sigma`` sums."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes.checks import address, checked
from relu_landscape.engine.lanes.native import Kernel

Real = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseRules:
    """The constants of ``noise.units``, ``sigma`` and ``orthants``; see lanes.h.

    ``easy``, ``steep`` (nodes, 3): the path's t, 1 - t and weights.
    """

    apart: float
    orthogonal: float
    flat: float
    steep_below: float
    easy: Real
    steep: Real


class _Noise(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("students", "teachers", "coordinates", "easy_nodes",
                                              "steep_nodes")),
        *((name, ctypes.c_double) for name in ("apart", "orthogonal", "flat", "steep_below",
                                               "label_variance", "batch")),
        ("easy", ctypes.c_void_p), ("steep", ctypes.c_void_p), ("layers", ctypes.c_void_p),
    )  # fmt: skip


def sigma(
    kernel: Kernel,
    rules: NoiseRules,
    W: Real,
    V: Real,
    *,
    layers: Real | None = None,
    label_noise: float = 0.0,
    batch_size: int = 1,
) -> Real:
    """E[e^2 1_i 1_j] (K, K), exactly symmetric, of ReLU at students ``W`` (K, p), the teacher's
    rows ``V`` (M, M).

    ``layers`` (K + M,): weights of the second layers, of any sign, students first; None: all 1.
    Where they are 1 that is Sigma. Other parameters as of ``noise.sigma.noise``, and accuracy as
    there. NaN at a norm of zero. The bits do not depend on the set of instructions. Raises
    ``ValueError`` where the teacher does not fit into p, ``MemoryError`` without memory for the
    workspace.
    """
    W = np.array(W, dtype=np.float64, order="C")
    V = np.array(V, dtype=np.float64, order="C")
    easy, steep = (
        np.array(each, dtype=np.float64, order="C") for each in (rules.easy, rules.steep)
    )
    if W.ndim != 2 or V.ndim != 2 or len(W) < 1 or len(V) > W.shape[1]:
        raise ValueError(
            f"W has shape {W.shape}, V {V.shape}: there must be a student, and room for the span."
        )
    K, p = W.shape
    checked("V", V, (len(V), len(V)), np.float64)
    for name, path in (("easy", easy), ("steep", steep)):
        checked(name, path, (len(path), 3), np.float64)
    if layers is not None:
        layers = np.array(layers, dtype=np.float64, order="C")
        checked("layers", layers, (K + len(V),), np.float64)
    found = np.empty((K, K))
    given = _Noise(
        K, len(V), p, len(easy), len(steep), rules.apart, rules.orthogonal, rules.flat,
        rules.steep_below, label_noise**2, batch_size, address(easy), address(steep),
        None if layers is None else address(layers),
    )  # fmt: skip
    kernel.call("sigma", ctypes.byref(given), *map(address, (W, V, found)))
    return found
