"""One-pass SGD in dimension d, exactly, without d-dimensional vectors.

A step is ``w_i -= (gamma / d) delta_i x``, ``delta_i = e 1_i``, with x fresh. Only the Gram matrix
of students and teachers matters, and in coordinates of a space that holds them all (p = M + K) the
inputs of n steps are, up to a rotation of what lies outside that space,

    x_t = (z_t, T_t),      z_t ~ N(0, I_p),      T lower triangular,

T T^T a Wishart matrix with d - p degrees of freedom: normals below the diagonal, chi_{d-p-s} in
place s of it (Bartlett 1933). So a block of n steps needs the fields ``W z_t`` and the Gram matrix
of the inputs, both matrix products, and then the n steps themselves, each K (n - t) operations:

    W_t . x_t = W_0 . z_t - (gamma / d) sum_{s<t} delta_s (x_s . x_t)

After the block, students have p + n coordinates; those outside the teacher's span are turned back
into K by a Cholesky root of their Gram matrix. The law of the next block does not depend on the
rotation, so the chain of Gram matrices is that of SGD in d dimensions, for every d. A batch of b
is b inputs that meet the same weights.

Run r draws from Philox streams with key (seed, 2) and counter (stretch, r): it depends on them
alone, not on which runs are computed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.dynamics.ode import RUN_AWAY, Noise
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Inputs of a block: more draw more of T, fewer turn coordinates back more often.
BLOCK_INPUTS = 16
#: Steps that draw from one stream, about: making a generator takes as long as some 30 steps.
STRETCH_STEPS = 256
#: Added to the diagonal of a Gram matrix before its root is taken, in units of its trace: what
#: rounding may take from an eigenvalue. It is 1e-15 of the students' own lengths.
ROUNDING = 4e-16
#: Key of the streams, beside the seed; starts have 0, pushes off saddles 1.
STREAM = 2


@dataclass(frozen=True)
class Layout:
    """How inputs are drawn: ``steps`` of ``batch`` inputs in a block, ``blocks`` in a stretch, and
    degrees of freedom ``outside`` of what has no coordinate."""

    students: int
    teachers: int
    dimension: int
    batch: int
    steps: int
    blocks: int

    @staticmethod
    def of(students: int, teachers: int, dimension: int, batch: int) -> Layout:
        """For widths K and M, input dimension d and batches of ``batch``."""
        steps = max(1, BLOCK_INPUTS // batch)
        return Layout(students, teachers, dimension, batch, steps, max(1, STRETCH_STEPS // steps))

    @property
    def coordinates(self) -> int:
        """Coordinates of students between blocks, M + min(K, d - M)."""
        return self.teachers + min(self.students, self.dimension - self.teachers)

    @property
    def outside(self) -> int:
        """Dimensions without a coordinate, d - p."""
        return self.dimension - self.coordinates

    @property
    def inputs(self) -> int:
        """Inputs of a block."""
        return self.steps * self.batch

    @property
    def stretch(self) -> int:
        """Steps of a stretch."""
        return self.steps * self.blocks

    def draw(self, seed: int, run: int, stretch: int, label_noise: float) -> tuple[Real, Real]:
        """Inputs (blocks, n, p + k) of one stretch of a run, and label noise (blocks, n).

        k = min(n, d - p): T has no more columns than there are dimensions.
        """
        rng = np.random.Generator(
            np.random.Philox(key=[seed, STREAM], counter=[0, 0, stretch, run])
        )
        n, p, k = self.inputs, self.coordinates, min(self.inputs, self.outside)
        x = np.zeros((self.blocks, n, p + k))
        below = np.tril_indices(n, -1, k)
        normals = rng.standard_normal((self.blocks, n * p + len(below[0])))
        x[..., :p] = normals[:, : n * p].reshape(self.blocks, n, p)
        if k:
            x[:, below[0], p + below[1]] = normals[:, n * p :]
            freedom = (self.outside - np.arange(k)) / 2.0
            diagonal = np.sqrt(2.0 * rng.standard_gamma(freedom, (self.blocks, k)))
            x[:, np.arange(k), p + np.arange(k)] = diagonal
        if label_noise == 0.0:
            return x, np.zeros((self.blocks, n))
        return x, label_noise * rng.standard_normal((self.blocks, n))


@dataclass(frozen=True)
class Runs:
    """Runs side by side: their numbers, ``W`` (B, K, p), ``limit`` (B,) of a student's norm, and
    the step (B,) after which each was found to have run away, -1 for those that have not."""

    numbers: tuple[int, ...]
    W: Real
    limit: Real
    ran_away: Whole

    @staticmethod
    def begin(numbers: tuple[int, ...], W: Real, teacher: Teacher) -> Runs:
        """Runs at their starts ``W`` (B, K, p)."""
        lengths = np.linalg.norm(W, axis=-1).max(axis=-1)
        limit = RUN_AWAY * np.maximum(lengths, teacher.mean_norm)
        return Runs(numbers, W, limit, np.full(len(numbers), -1))


class Chain:
    """The simulation."""

    def __init__(self, teacher: Teacher, layout: Layout, noise: Noise, *, seed: int) -> None:
        self._teacher = teacher
        self._layout = layout
        self._noise = noise
        self._seed = seed
        #: What multiplies delta_i x.
        self._rate = noise.learning_rate / (layout.dimension * layout.batch)

    def run(
        self, runs: Runs, *, first_stretch: int, stretches: int, steps: Sequence[int]
    ) -> tuple[Runs, Real]:
        """Advance by so many stretches.

        Returns the runs there, and the weights after each of ``steps`` (ascending, counted from the
        very beginning, each after at most ``stretches`` and not before ``first_stretch``) as an
        array (B, len(steps), K, M + K). Rows of runs that ran away are those before they did.
        """
        layout = self._layout
        B, K = len(runs.numbers), layout.students
        recorded = np.zeros((B, len(steps), K, layout.teachers + K))
        done = first_stretch * layout.stretch
        place = 0
        W, ran_away = runs.W.copy(), runs.ran_away.copy()
        while place < len(steps) and steps[place] == done:
            recorded[:, place] = self._folded(W)
            place += 1
        for stretch in range(first_stretch, first_stretch + stretches):
            drawn = [
                layout.draw(self._seed, run, stretch, self._noise.label_noise)
                for run in runs.numbers
            ]
            x = np.stack([each[0] for each in drawn], axis=1)
            labels = np.stack([each[1] for each in drawn], axis=1)
            for block in range(layout.blocks):
                moved = self._block(W, x[block], labels[block])
                while place < len(steps) and steps[place] <= done + layout.steps:
                    inputs = (steps[place] - done) * layout.batch
                    at = self._after(W, x[block, :, :inputs], moved[:, :, :inputs])
                    recorded[:, place] = self._folded(at)
                    place += 1
                done += layout.steps
                after = self._after(W, x[block], moved)
                norms = np.sqrt(np.sum(after * after, axis=-1))
                gone = ~(np.max(norms, axis=-1) < runs.limit)
                ran_away[gone & (ran_away < 0)] = done
                # A run that has gone stays where it last was: nothing that it computes is used.
                after = np.where((ran_away >= 0)[:, None, None], self._padded(W, after), after)
                W = self._turned(after)
        return Runs(runs.numbers, W, runs.limit, ran_away), recorded

    @staticmethod
    def _padded(W: Real, like: Real) -> Real:
        return np.pad(W, ((0, 0), (0, 0), (0, like.shape[-1] - W.shape[-1])))

    def _block(self, W: Real, x: Real, labels: Real) -> Real:
        """delta (B, K, n) of every input of a block, for ``x`` (B, n, p + k)."""
        layout = self._layout
        p, M, batch = layout.coordinates, layout.teachers, layout.batch
        inside = np.swapaxes(x[..., :p], -1, -2)
        # Runs last: what is done step by step is done for all of them at once.
        fields = np.ascontiguousarray(np.moveaxis(np.matmul(W, inside), 0, -1))
        answers = np.maximum(np.matmul(self._teacher.V, inside[:, :M]), 0.0).sum(axis=1) + labels
        answers = np.ascontiguousarray(answers.T)
        gram = np.ascontiguousarray(np.moveaxis(np.matmul(x, np.swapaxes(x, -1, -2)), 0, -1))
        deltas = np.empty_like(fields)
        for first in range(0, layout.inputs, batch):
            here = slice(first, first + batch)
            active = fields[:, here] > 0.0
            errors = np.where(active, fields[:, here], 0.0).sum(axis=0) - answers[here]
            deltas[:, here] = delta = np.where(active, errors, 0.0)
            later = slice(first + batch, None)
            for row in range(batch):
                push = self._rate * delta[:, row, None]
                fields[:, later] -= push * gram[first + row, later]
        return np.moveaxis(deltas, -1, 0)

    def _after(self, W: Real, x: Real, deltas: Real) -> Real:
        """Weights (B, K, p + k) after the inputs ``x`` (B, n, p + k)."""
        moved = -self._rate * np.matmul(np.ascontiguousarray(deltas), x)
        moved[..., : W.shape[-1]] += W
        return np.asarray(moved)

    def _turned(self, W: Real) -> Real:
        """The same students in p coordinates again."""
        if self._layout.outside == 0:
            return W
        M = self._layout.teachers
        beside = W[..., M:]
        gram = np.matmul(beside, np.swapaxes(beside, -1, -2))
        trace = np.trace(gram, axis1=-2, axis2=-1)
        K = gram.shape[-1]
        room = (ROUNDING * K * trace + 1e-300)[:, None]
        gram[:, np.arange(K), np.arange(K)] += room
        return np.concatenate([W[..., :M], np.linalg.cholesky(gram)], axis=-1)

    def _folded(self, W: Real) -> Real:
        """The same students in M + K coordinates, whatever they have now."""
        K, width = W.shape[-2], self._layout.teachers + W.shape[-2]
        if W.shape[-1] <= width:
            return np.pad(W, ((0, 0), (0, 0), (0, width - W.shape[-1])))
        M = width - K
        beside = np.linalg.qr(np.swapaxes(W[..., M:], -1, -2), mode="r")
        return np.concatenate([W[..., :M], np.swapaxes(beside, -1, -2)], axis=-1)
