"""Fixed second layers: students ``a_i sigma(w_i . x)``, teachers ``b_m sigma(v_m . x)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


@dataclass(frozen=True)
class SecondLayers:
    """Weights of any sign, none zero: ``a`` (K,) of the students, ``b`` (M,) of the teachers.

    ReLU, leaky or not, is homogeneous: a weight's size could be a length, its sign could not.
    """

    a: Real
    b: Real

    @property
    def both(self) -> Real:
        """All of them (K + M,), students first."""
        return np.concatenate([self.a, self.b])

    @property
    def reach(self) -> float:
        """The norm of the longest student that stands for a teacher, in units of it; 1 at least."""
        return max(1.0, float(np.abs(self.b).max() / np.abs(self.a).min()))
