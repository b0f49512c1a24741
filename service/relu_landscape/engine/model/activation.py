"""The activation, ReLU or leaky: ``max(x, c x)`` with the slope ``c``, the leak, below zero.

Leaky ReLU is ``(1 - c) ReLU(x) + c x``, so E[sigma(w.x) sigma(v.x)] = (1 - c)^2 g(w, v) + c w.v
with ReLU's kernel g. Divided by ``height`` = (1 - c)^2, losses, gradients and Hessians of students
and teachers that leak are ReLU's but for the weight of ``S = sum w_i - sum v_m``:

    L_c / (1 - c)^2 = N^2/(4 pi) + level |S|^2/2 + R,    level = ((1 + c)/(1 - c))^2 / 4,

1/4 for ReLU and never negative. The engine computes in this unit; what is answered is multiplied by
``height`` (``landscape.units``). Gradient flow in it follows the same paths, ``height`` times as
fast. Derived in docs/mathematics/leak.md.
"""

from __future__ import annotations

from typing import Protocol


class Leaky(Protocol):
    """What has a leak: a teacher, a loss, a structure."""

    @property
    def leak(self) -> float: ...


def height(leak: float) -> float:
    """The unit of losses, gradients and eigenvalues, ``(1 - c)^2``."""
    return (1.0 - leak) ** 2


def level(leak: float) -> float:
    """Half of this is the weight of |S|^2 in the loss; exactly 1/4 for ReLU."""
    return 0.25 * ((1.0 + leak) / (1.0 - leak)) ** 2


def tilt(leak: float) -> float:
    """What a leak adds to every A_ij and, times the identity, to every block of the Hessian:
    ``level - 1/4 = c / (1 - c)^2``, at least -1/4."""
    return leak / (1.0 - leak) ** 2


def slope(leak: float) -> float:
    """Below zero, in the unit: the activation is ``(1 - c) (ReLU(x) + slope x)``, slope c/(1 - c),
    so ``tilt`` is ``slope (1 + slope)``."""
    return leak / (1.0 - leak)


def lone(leak: float) -> float:
    """Twice E[sigma^2] of a unit vector: a student that is left alone decays at half this rate, 1/2
    for ReLU."""
    return (1.0 + leak**2) / (1.0 - leak) ** 2


def stiffness(leak: float) -> float:
    """By what the rounding of gradients grows, as their largest terms do: 1 for ReLU."""
    return max(1.0, 4.0 * level(leak))
