"""The network that a trajectory trains: a teacher, a leak, and second layers where there are any.

Without second layers everything is that of ``model.loss``, as in a landscape; with them that of
``descents.layers``. All is in the unit of ``model.activation``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY, Array
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.stiff import ImplicitPart
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import compiled, places

Real = NDArray[np.float64]

#: Norm of a student above which it counts as having run away, in units of the longest student at
#: the start or of one that stands for a teacher: where the learning rate is too large growth is
#: exponential, and the teacher no longer matters.
RUN_AWAY = 100.0


@dataclass(frozen=True)
class Network:
    """A ``teacher``, and ``second`` layers of any sign; None: all weights are 1."""

    teacher: Teacher
    second: SecondLayers | None = None

    @cached_property
    def layers(self) -> Layers | None:
        """The second layers as descents have them."""
        if self.second is None:
            return None
        return Layers.beside(self.second.a, self.second.b, self.teacher)

    @cached_property
    def _loss(self) -> Loss:
        return Loss.of(self.teacher, NUMPY)

    def value(self, W: Array) -> Array:
        """Loss (B,) of ``W`` (B, K, p)."""
        if self.layers is None:
            return self._loss.value(W)
        return NUMPY.asarray(self.layers.loss(np.asarray(W)))

    def gradient(self, W: Array) -> Array:
        """Gradient (B, K, p)."""
        if self.layers is None:
            return self._loss.gradient(W)
        return NUMPY.asarray(self.layers.gradient(np.asarray(W)))

    def block(self, W: Real) -> Real:
        """A (K, K) with gradient ``A W_perp`` beside the teacher's span."""
        return places.perpendicular_block(W, self.teacher, self.second)

    def noise(
        self, W: Real, *, label_noise: float, batch_size: int, kernel: Kernel | None = None
    ) -> Real:
        """Sigma (K, K)."""
        return compiled.noise(
            W, self.teacher, label_noise=label_noise, batch_size=batch_size, layers=self.second,
            kernel=kernel,
        )  # fmt: skip

    def implicit(self, W: Real, theta: float) -> ImplicitPart:
        """The stiff part of the Hessian at one ``W`` (K, p)."""
        weights = None if self.second is None else NUMPY.asarray(self.second.a[:, None])
        return ImplicitPart(
            NUMPY.asarray(W[None]), NUMPY.asarray(np.array([theta])), xp=NUMPY,
            level=self.teacher.level, weights=weights,
        )  # fmt: skip

    @cached_property
    def pace(self) -> float:
        """How many times as fast as ReLU's with a layer of ones its stiffest student moves: the
        square of the largest weight."""
        return 1.0 if self.second is None else float(np.max(self.second.a**2))

    @cached_property
    def longest_teacher(self) -> float:
        """The norm of the longest student that stands for a teacher, about."""
        reach = 1.0 if self.second is None else self.second.reach
        return self.teacher.mean_norm * reach

    def limit(self, W: Real) -> Real:
        """The norms (...,) above which students that start at ``W`` (..., K, p) have run away."""
        lengths = np.linalg.norm(W, axis=-1).max(axis=-1)
        return np.asarray(RUN_AWAY * np.maximum(lengths, self.longest_teacher))
