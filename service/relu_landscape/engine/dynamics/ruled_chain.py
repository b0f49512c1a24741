"""One-pass SGD under a rule, in dimension d: steps of SGD, each followed by the rule's projection.

With ``g_i = e 1_i x`` the stochastic gradient by the weights that outputs depend on, one step is

* ``normalised``: ``w_i - (gamma / d) g_i``, then divided by its norm;
* ``orthonormalised``: ``W - (gamma / d) g``, then its polar factor;
* ``two_layer``: ``w_i - (gamma / d) a_i g_i`` and ``a_i - (gamma / d) w_i . g_i`` at once, g at
  ``a_i w_i``. ``w_i . g_i = e ReLU(w_i . x)``: both are steps of SGD on their own layer, at one
  learning rate.

All three keep students within the span of students and inputs, and look at scalar products alone.
So the coordinates of ``chain`` carry any d: M + K of them and, in a block, as many more as there
are inputs. From the same streams: run r meets the inputs that it would meet without a rule. Fields
are not linear in what was before a block, as they are there: each step is made on the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.rules import Orthonormalised, Rule, TwoLayer
from relu_landscape.engine.dynamics.chain import Chain, Layout, State
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.lanes.stretches import Drawn
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]


def seconds_per_stretch(layout: Layout, runs: int, rule: Rule) -> float:
    """About what a stretch of so many runs takes (measured at widths of 2, 8 and 17)."""
    K = layout.students
    polar = isinstance(rule, Orthonormalised)
    each = (1.0 + 0.4 * K) * layout.batch + 1.7 * K * polar
    return layout.stretch * (60.0 + 100.0 * polar + runs * each) * 1e-6


class RuledChain(Chain):
    """The simulation under a rule; runs are of its states (B, K, p), for two layers (B, K, p + 1).

    A run whose second layer goes through zero has gone; it stays where that was found.
    """

    def __init__(
        self, teacher: Teacher, layout: Layout, noise: Noise, rule: Rule, *, seed: int
    ) -> None:
        super().__init__(teacher, layout, noise, seed=seed)
        self._rule = rule
        #: Columns of a state that are no coordinates.
        self._more = int(isinstance(rule, TwoLayer))

    def _with_arrays(self, state: State, drawn: Drawn, done: int, steps: Sequence[int]) -> Real:
        layout, M, batch = self._layout, self._layout.teachers, self._layout.batch
        x = layout.assembled(drawn.normals, drawn.diagonal)
        answers = np.maximum(x[..., :M] @ self._teacher.V.T, 0.0).sum(axis=-1)
        if drawn.labels is not None:
            answers += self._noise.label_noise * drawn.labels
        shape = (len(x), len(steps), layout.students, x.shape[-1] + self._more)
        recorded = np.zeros(shape)
        for block in range(layout.blocks):
            before = done + block * layout.steps
            first = here = self._widened(state.W, x.shape[-1])
            stays = state.ran_away >= 0
            for step in range(layout.steps):
                inputs = slice(step * batch, (step + 1) * batch)
                with np.errstate(over="ignore", invalid="ignore"):  # what runs away is looked for
                    moved = self._stepped(here, x[:, block, inputs], answers[:, block, inputs])
                here = np.where(stays[:, None, None], here, moved) if np.any(stays) else moved
                if self._more:
                    stays = stays | (np.min(here[..., -1], axis=-1) <= 0.0)
                for place, wanted in enumerate(steps):
                    if wanted == before + step + 1:
                        recorded[:, place] = here
            away = ~(np.max(np.sum(here * here, axis=-1), axis=-1) < state.limit**2)
            here = np.where(away[:, None, None], first, here)
            state.ran_away[(away | stays) & (state.ran_away < 0)] = before + layout.steps
            state.W = self._turned(here)
        return recorded

    def _stepped(self, state: Real, x: Real, answers: Real) -> Real:
        """States (B, K, q) after a batch of inputs ``x`` (B, b, q) with the teacher's answers."""
        rule = self._rule
        fields = np.matmul(x, np.swapaxes(rule.weights(state), -1, -2))  # (B, b, K)
        active = fields > 0.0
        errors = np.sum(np.where(active, fields, 0.0), axis=-1) - answers
        delta = np.where(active, errors[..., None], 0.0)
        g = np.matmul(np.swapaxes(delta, -1, -2), x)
        return rule.projected(state - self._rate * rule.pulled(state, g))

    def _widened(self, state: Real, width: int) -> Real:
        """The same states in so many coordinates, the further ones zero."""
        W, more = self._split(state)
        padded = np.pad(W, ((0, 0), (0, 0), (0, width - W.shape[-1])))
        return np.concatenate([padded, more], axis=-1) if self._more else padded

    def _turned(self, W: Real) -> Real:
        weights, more = self._split(W)
        return np.concatenate([super()._turned(weights), more], axis=-1)

    def _folded(self, W: Real) -> Real:
        weights, more = self._split(W)
        return np.concatenate([super()._folded(weights), more], axis=-1)

    def _split(self, state: Real) -> tuple[Real, Real]:
        """What has coordinates, and the columns beside it."""
        width = state.shape[-1] - self._more
        return state[..., :width], state[..., width:]
