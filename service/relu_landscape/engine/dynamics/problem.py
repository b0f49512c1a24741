"""What is asked, in the engine's own terms: lengths in the teacher's unit (``landscape.units``),
losses, learning rates and times in that of a leak (``model.activation``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descents.problem import Problem as Descents
from relu_landscape.engine.descents.rules import Orthonormalised, Rule, TwoLayer
from relu_landscape.engine.dynamics.chain import Layout
from relu_landscape.engine.dynamics.network import Network
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.landscape.units import in_unit, unit_of
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import places
from relu_landscape.errors import InputError, RequestError
from relu_landscape.wire.descents import MOST_STEPS
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_rules import as_descents

Real = NDArray[np.float64]

#: Singular values of a given start below this, over the largest: students that are so near to
#: dependent have no orthonormal ones beside them that rounding does not choose.
DEPENDENT = 1e-9


@dataclass(frozen=True)
class Problem:
    """A trajectory to compute; fields as in ``wire.trajectories.TrajectoryRequest``.

    ``given``: weights (K, p) of the start, p the coordinates of a start in this dimension; None: it
    is drawn. ``times`` to record, from 0, in the request's unit; ``steps`` at these times, empty
    where there are none. ``layers``: None where all their weights are 1. ``ruled``: the descents of
    the trajectory's rule, None for gradient flow and plain SGD. With a rule states take the place
    of weights: for two layers they have the second one as a last column.
    """

    students: int
    teacher: Teacher
    dimension: int
    method: Literal["flow", "ode", "sgd"]
    noise: Noise
    seed: int
    start: int
    scale: float
    given: Real | None
    times: tuple[float, ...]
    steps: tuple[int, ...]
    runs: int
    own_starts: bool
    keeps_all_overlaps: bool
    finds_attractors: bool
    flow_tolerance: float
    unit: float
    layers: SecondLayers | None = None
    ruled: Descents | None = None

    @cached_property
    def network(self) -> Network:
        """What is trained."""
        return Network(self.teacher, self.layers)

    @property
    def height(self) -> float:
        """``activation.height``: losses of the engine times this, over times of the engine, are
        those of the request."""
        return activation.height(self.teacher.leak)

    @property
    def loss_unit(self) -> float:
        """What a loss of 1 in the engine stands for."""
        return self.unit**2 * self.height

    def clock(self, times: Sequence[float]) -> tuple[float, ...]:
        """Times of the request, as the engine has them."""
        return tuple(time * self.height for time in times)

    @property
    def rule(self) -> Rule | None:
        """By which students move, if not as they would without one."""
        return None if self.ruled is None else self.ruled.rule

    @property
    def step(self) -> float | None:
        """Of the flow by a rule; None for everything else."""
        return self.ruled.pace.step if self.ruled and self.method == "flow" else None

    @property
    def time_per_step(self) -> float:
        """Time of one step, of SGD or by a rule, in the request's unit."""
        return self.step or self.noise.learning_rate / self.dimension / self.height

    def weights(self, states: Real) -> Real:
        """Weights (..., K, p) that the network's outputs depend on."""
        return states if self.rule is None else self.rule.weights(states)

    def second_layer(self, states: Real) -> Real | None:
        """Second-layer weights (..., K) of ``states``, where they move."""
        return states[..., -1] if isinstance(self.rule, TwoLayer) else None

    @property
    def layout(self) -> Layout:
        """How SGD draws its inputs."""
        return Layout.of(self.students, self.teacher.width, self.dimension, self.noise.batch_size)

    def start_number(self, run: int) -> int | None:
        """Number of the random start of a run; None where the start is given."""
        if self.given is not None:
            return None
        return self.start + run if self.own_starts else self.start

    def begin(self, runs: tuple[int, ...]) -> Real:
        """States (B, K, p) at time zero of these runs: their weights, where there is no rule."""
        W = self._drawn(runs)
        return W if self.rule is None else self.rule.begun(W)

    def _drawn(self, runs: tuple[int, ...]) -> Real:
        if self.given is not None:
            return np.repeat(self.given[None], len(runs), axis=0)
        return starts.draw(
            [self.start_number(run) or 0 for run in runs],
            seed=self.seed,
            students=self.students,
            teacher=self.teacher,
            dimension=self.dimension,
            scale=self.scale,
        )

    @staticmethod
    def from_request(request: TrajectoryRequest) -> Problem:
        """The problem of a request.

        Raises ``TeacherError`` for an impossible teacher, ``InputError`` for overlaps that no
        weights have, or a start that the input dimension has no room for, or the rule no place.
        """
        height = activation.height(request.leak)
        if request.rule == "gradient_flow":
            ruled, unit = None, unit_of(request.teacher_gram)
            gram = in_unit(request.teacher_gram, unit)
            teacher = make_teacher(request.teacher_width, gram, request.leak)
        else:
            ruled = Descents.from_request(as_descents(request, request.until))
            unit, teacher = ruled.unit, ruled.teacher
        times, steps = _times(request, None if ruled is None else ruled.pace.step)
        given = _given(request, teacher, unit)
        if given is not None and ruled is not None and isinstance(ruled.rule, Orthonormalised):
            _check_independent(given)
        return Problem(
            students=request.student_width,
            teacher=teacher,
            dimension=request.input_dimension,
            method=request.method,
            noise=Noise(
                (request.learning_rate or 0.0) * height,
                request.label_noise / unit / (1.0 - request.leak),
                request.batch_size,
            ),
            seed=request.seed,
            start=request.start,
            scale=request.init_scale / unit,
            given=given,
            times=times,
            steps=steps,
            runs=request.runs,
            own_starts=request.own_starts,
            keeps_all_overlaps=request.overlaps_at == "all times",
            finds_attractors=request.attractors,
            flow_tolerance=request.flow_tolerance,
            unit=unit,
            layers=_layers(request),
            ruled=ruled,
        )


def _layers(request: TrajectoryRequest) -> SecondLayers | None:
    """The second layers; None where all weights are 1."""
    a = np.array(request.student_layer or (1.0,) * request.student_width)
    b = np.array(request.teacher_layer or (1.0,) * request.teacher_width)
    return None if np.all(a == 1.0) and np.all(b == 1.0) else SecondLayers(a, b)


def _check_independent(W: Real) -> None:
    """Raise ``InputError`` where students ``W`` (K, p) are linearly dependent."""
    values = np.linalg.svd(W, compute_uv=False)
    if len(W) > W.shape[1] or values[-1] < DEPENDENT * values[0]:
        raise InputError(
            "The students of the start are linearly dependent: no orthonormal ones are the nearest."
        )


def _times(
    request: TrajectoryRequest, step: float | None
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Times to record, and the steps at which it is there, of SGD or of length ``step`` by a rule;
    both ascending, no one twice."""
    if request.spacing == "linear":
        times = np.linspace(0.0, request.until, request.points)
    else:
        times = np.r_[0.0, np.geomspace(request.first_time, request.until, request.points - 1)]
        times[-1] = request.until
    if request.method == "sgd" and request.learning_rate is not None:
        per_step, last = request.learning_rate / request.input_dimension, request.steps_asked
    elif request.method == "flow" and step is not None:
        per_step, last = step, max(1, round(request.until / step))
        if last > MOST_STEPS:
            most = f"at most {MOST_STEPS:,} steps of {step:.6g}"
            raise RequestError("until", request.until, most)
    else:
        return tuple(dict.fromkeys(times.tolist())), ()
    steps = tuple(dict.fromkeys([round(time / per_step) for time in times[:-1]]))
    steps = tuple(dict.fromkeys([*steps, last]))
    return tuple(step * per_step for step in steps), steps


def _given(request: TrajectoryRequest, teacher: Teacher, unit: float) -> Real | None:
    """The given start in the coordinates of this dimension, or None."""
    if request.weights is not None:
        W = np.array(request.weights) / unit
    elif request.Q is not None and request.R is not None:
        Q, R = (np.array(each) / unit / unit for each in (request.Q, request.R))
        W = places.of_overlaps(Q, R, teacher)
    else:
        return None
    M = teacher.width
    room = min(request.student_width, request.input_dimension - M)
    if W.shape[1] <= M + room:
        return np.pad(W, ((0, 0), (0, M + room - W.shape[1])))
    P = W[:, M:] @ W[:, M:].T
    values, vectors = np.linalg.eigh(P)
    kept = slice(len(values) - room, None)
    if values[: len(values) - room].max() > places.INDEFINITE * float(np.trace(W @ W.T)):
        raise InputError(
            f"The start needs more than {room} dimensions outside the teacher's span, and "
            f"input_dimension leaves {room}."
        )
    beside = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))
    return np.hstack([W[:, :M], beside])
