"""The noise by the native kernel, where there is one: ``sigma.noise`` to its accuracy, sooner.

The kernel's Gauss-Legendre nodes are computed here to 40 digits and rounded once, so that they,
and with them the bits of Sigma, are the same on every machine; NumPy's come from an eigenvalue
problem.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes import sigma as native_sigma
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.lanes.sigma import NoiseRules
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import leaking, orthants
from relu_landscape.engine.noise import sigma as with_arrays
from relu_landscape.engine.noise.units import APART, Units

Real = NDArray[np.float64]

#: Digits of the nodes while they are computed, and Newton steps: each doubles the digits of a
#: guess that has two.
DIGITS, NEWTON_STEPS = 40, 6


def noise(
    W: Real,
    teacher: Teacher,
    *,
    label_noise: float = 0.0,
    batch_size: int = 1,
    layers: SecondLayers | None = None,
    kernel: Kernel | None = None,
) -> Real:
    """Sigma (K, K) by the ``kernel``, by arrays without one; all else as of ``sigma.noise``.

    Both differ by rounding and by the 1e-9 that either has where units coincide. What a leak adds
    is elementary, and by arrays in any case.
    """
    if kernel is None:
        return with_arrays.noise(
            W, teacher, label_noise=label_noise, batch_size=batch_size, layers=layers
        )
    both = None if layers is None else layers.both
    if teacher.leak == 0.0:
        found = native_sigma.sigma(
            kernel, rules(), W, teacher.V, layers=both, label_noise=label_noise,
            batch_size=batch_size,
        )  # fmt: skip
    else:
        relu = native_sigma.sigma(kernel, rules(), W, teacher.V, layers=both)
        units, slope = Units.of(W, teacher, layers), activation.slope(teacher.leak)
        found = leaking.noise(units, relu, slope, label_noise=label_noise) / batch_size
    return found if layers is None else np.asarray(np.outer(layers.a, layers.a) * found)


@cache
def rules() -> NoiseRules:
    """The constants of the arrays' version, for C."""
    return NoiseRules(
        apart=APART,
        orthogonal=with_arrays.ORTHOGONAL,
        flat=orthants.FLAT,
        steep_below=orthants.STEEP,
        easy=path(*orthants.EASY_PATH),
        steep=path(*orthants.STEEP_PATH),
    )


def path(nodes: int, grading: int) -> Real:
    """(nodes, 3): t, 1 - t and weight, ``t = 1 - (1 - s)^grading`` with Gauss-Legendre in s."""
    rows = []
    with localcontext() as context:
        context.prec = DIGITS
        for place in range(nodes):
            x, weight = _node(nodes, place)
            s = (1 - x) / 2
            rows.append([1 - s**grading, s**grading, weight / 2 * grading * s ** (grading - 1)])
    found = np.array(rows, dtype=np.float64)
    found.flags.writeable = False
    return found


def _node(count: int, place: int) -> tuple[Decimal, Decimal]:
    """Node and weight of Gauss-Legendre on (-1, 1), ascending."""
    x = Decimal(-float(np.cos(np.pi * (place + 0.75) / (count + 0.5))))
    slope = Decimal(1)
    for _ in range(NEWTON_STEPS):
        before, here = Decimal(1), x
        for degree in range(2, count + 1):
            before, here = here, ((2 * degree - 1) * x * here - (degree - 1) * before) / degree
        slope = count * (x * here - before) / (x * x - 1)
        x -= here / slope
    return x, 2 / ((1 - x * x) * slope * slope)
