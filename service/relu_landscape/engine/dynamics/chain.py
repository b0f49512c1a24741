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

With weights a of a second layer and units that leak (in the unit of ``activation``),
``delta_i = e a_i (1_i + slope)``.

Run r draws from Philox streams with key (seed, 2) and counter (stretch, r): it depends on them
alone, not on which runs are computed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.dynamics.network import Network
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.lanes.stretches import Drawn, SgdRules, advance
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.second_layers import SecondLayers
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

    @property
    def columns(self) -> int:
        """Columns of T, min(n, d - p): it has no more than there are dimensions."""
        return min(self.inputs, self.outside)

    @property
    def normals(self) -> int:
        """Normals of a block: n inputs in p coordinates, and T below its diagonal."""
        below = sum(min(t, self.columns) for t in range(self.inputs))
        return self.inputs * self.coordinates + below

    def room(self, runs: int, *, has_noise: bool) -> Drawn:
        """Room for what a stretch of so many runs draws."""
        labels = np.empty((runs, self.blocks, self.inputs)) if has_noise else None
        return Drawn(
            normals=np.empty((runs, self.blocks, self.normals)),
            diagonal=np.empty((runs, self.blocks, self.columns)),
            labels=labels,
        )

    def draw(self, rng: np.random.Generator, into: Drawn, row: int) -> None:
        """Take what one stretch of a run needs from its stream, in this order: all normals, the
        diagonal of T, and normals for the labels where they have noise."""
        rng.standard_normal(out=into.normals[row])
        if self.columns:
            diagonal = into.diagonal[row]
            freedom = (self.outside - np.arange(self.columns)) / 2.0
            rng.standard_gamma(freedom, diagonal.shape, out=diagonal)
            np.sqrt(2.0 * diagonal, out=diagonal)
        if into.labels is not None:
            rng.standard_normal(out=into.labels[row])

    def assembled(self, normals: Real, diagonal: Real) -> Real:
        """Inputs (..., n, p + k) made of what was drawn, (..., ``normals``) and (..., k)."""
        n, p, k = self.inputs, self.coordinates, self.columns
        x = np.zeros((*normals.shape[:-1], n, p + k))
        below = np.tril_indices(n, -1, k)
        x[..., :p] = normals[..., : n * p].reshape(*normals.shape[:-1], n, p)
        x[..., below[0], p + below[1]] = normals[..., n * p :]
        x[..., np.arange(k), p + np.arange(k)] = diagonal
        return x


class Streams:
    """The streams of one seed: of run r and stretch s the one with key (seed, 2) and counter
    (s, r), from its beginning. One generator for all of them, which is cheaper than many."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=[seed, STREAM])
        self._generator = np.random.Generator(self._bits)
        self._state = self._bits.state

    def at(self, stretch: int, run: int) -> np.random.Generator:
        """The stream of a run's stretch; it ends the one before."""
        self._state["state"]["counter"][:] = (0, 0, stretch, run)
        self._bits.state = self._state
        return self._generator


@dataclass(frozen=True)
class Runs:
    """Runs side by side: their numbers, ``W`` (B, K, p), ``limit`` (B,) of a student's norm, and
    the step (B,) after which each was found to have run away, -1 for those that have not."""

    numbers: tuple[int, ...]
    W: Real
    limit: Real
    ran_away: Whole

    @staticmethod
    def begin(
        numbers: tuple[int, ...], W: Real, teacher: Teacher, layers: SecondLayers | None = None
    ) -> Runs:
        """Runs at their starts ``W`` (B, K, p)."""
        limit = Network(teacher, layers).limit(W)
        return Runs(numbers, W, limit, np.full(len(numbers), -1))


@dataclass
class State:
    """Where runs are: ``W`` (B, K, p), the ``limit`` of a norm and ``ran_away``, (B,)."""

    W: Real
    limit: Real
    ran_away: Whole


class Chain:
    """The simulation: in C with a ``kernel``, else with arrays, from the same streams.

    The two differ by rounding, which the borders of a student's activity make chaotic in long runs;
    each by itself gives a run the same bits in any company.
    """

    def __init__(
        self,
        teacher: Teacher,
        layout: Layout,
        noise: Noise,
        *,
        seed: int,
        layers: SecondLayers | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self._teacher = teacher
        self._layers = layers
        self._slope = activation.slope(teacher.leak)
        self._layout = layout
        self._noise = noise
        self._streams = Streams(seed)
        self._kernel = kernel
        self._room: Drawn | None = None
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
        state = State(runs.W.copy(), runs.limit, runs.ran_away.copy())
        recorded = []
        if steps and steps[0] == first_stretch * layout.stretch:
            recorded.append(self._folded(state.W)[:, None])
        for stretch in range(first_stretch, first_stretch + stretches):
            done = stretch * layout.stretch
            drawn = self._drawn(runs.numbers, stretch)
            wanted = [step for step in steps if done < step <= done + layout.stretch]
            on = self._with_arrays if self._kernel is None else self._with_kernel
            recorded.append(self._folded(on(state, drawn, done, wanted)))
        return Runs(runs.numbers, state.W, runs.limit, state.ran_away), np.concatenate(
            recorded, axis=1
        )

    def _drawn(self, numbers: Sequence[int], stretch: int) -> Drawn:
        """What a stretch of these runs takes, until the next one is drawn."""
        if self._room is None or len(self._room.normals) != len(numbers):
            self._room = self._layout.room(len(numbers), has_noise=self._noise.label_noise != 0.0)
        for row, number in enumerate(numbers):
            self._layout.draw(self._streams.at(stretch, number), self._room, row)
        return self._room

    def _with_kernel(self, state: State, drawn: Drawn, done: int, steps: Sequence[int]) -> Real:
        """Advance by a stretch, in C; the weights (B, len(steps), K, p + k) after some steps."""
        assert self._kernel is not None  # noqa: S101 - asked before
        layout = self._layout
        rules = SgdRules(
            students=layout.students, coordinates=layout.coordinates, columns=layout.columns,
            batch=layout.batch, steps=layout.steps, blocks=layout.blocks, rate=self._rate,
            label_noise=self._noise.label_noise, rounding=ROUNDING, slope=self._slope,
        )  # fmt: skip
        return advance(
            self._kernel, self._teacher, rules, drawn, state.W, state.limit, state.ran_away,
            done=done, record_at=np.array([step - done for step in steps], dtype=np.int64),
            layers=None if self._layers is None else self._layers.both,
        )  # fmt: skip

    def _with_arrays(self, state: State, drawn: Drawn, done: int, steps: Sequence[int]) -> Real:
        """The same with arrays."""
        layout = self._layout
        x = layout.assembled(drawn.normals, drawn.diagonal)
        labels = np.zeros((*drawn.normals.shape[:2], layout.inputs))
        if drawn.labels is not None:
            labels = self._noise.label_noise * drawn.labels
        recorded = np.zeros((len(x), len(steps), layout.students, x.shape[-1]))
        for block in range(layout.blocks):
            here, before = x[:, block], done + block * layout.steps
            moved = self._block(state.W, here, labels[:, block])
            for place, step in enumerate(steps):
                if before < step <= before + layout.steps:
                    inputs = (step - before) * layout.batch
                    recorded[:, place] = self._after(state.W, here[:, :inputs], moved[..., :inputs])
            after = self._after(state.W, here, moved)
            norms = np.sqrt(np.sum(after * after, axis=-1))
            gone = ~(np.max(norms, axis=-1) < state.limit)
            state.ran_away[gone & (state.ran_away < 0)] = before + layout.steps
            # A run that has gone stays where it last was: nothing that it computes is used.
            stays = (state.ran_away >= 0)[:, None, None]
            state.W = self._turned(np.where(stays, self._padded(state.W, after), after))
        return recorded

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
        seen = np.matmul(self._teacher.V, inside[:, :M])
        answers = self._outputs(seen, of_students=False).sum(axis=1) + labels
        answers = np.ascontiguousarray(answers.T)
        gram = np.ascontiguousarray(np.moveaxis(np.matmul(x, np.swapaxes(x, -1, -2)), 0, -1))
        deltas = np.empty_like(fields)
        for first in range(0, layout.inputs, batch):
            here = slice(first, first + batch)
            errors = self._outputs(fields[:, here], of_students=True).sum(axis=0) - answers[here]
            deltas[:, here] = delta = self._pulled(fields[:, here], errors)
            later = slice(first + batch, None)
            for row in range(batch):
                push = self._rate * delta[:, row, None]
                fields[:, later] -= push * gram[first + row, later]
        return np.moveaxis(deltas, -1, 0)

    def _outputs(self, fields: Real, *, of_students: bool) -> Real:
        """What units add to the output of their network: students (K, n, B), or teachers
        (B, M, n)."""
        found = np.maximum(fields, 0.0)
        if self._slope != 0.0:
            found += self._slope * fields
        if self._layers is not None:
            weights = self._layers.a if of_students else self._layers.b
            found *= weights[:, None, None] if of_students else weights[:, None]
        return found

    def _pulled(self, fields: Real, errors: Real) -> Real:
        """delta (K, n, B) of students with these fields and errors (n, B)."""
        found = np.where(fields > 0.0, errors, 0.0)
        if self._slope != 0.0:
            found += self._slope * errors
        if self._layers is not None:
            found *= self._layers.a[:, None, None]
        return found

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
            return np.pad(W, [(0, 0)] * (W.ndim - 1) + [(0, width - W.shape[-1])])
        M = width - K
        beside = np.linalg.qr(np.swapaxes(W[..., M:], -1, -2), mode="r")
        return np.concatenate([W[..., :M], np.swapaxes(beside, -1, -2)], axis=-1)
