"""Problems for ``benchmarks.gpu``, and what its processes do. Imports nothing that a bare machine
with NumPy and SciPy lacks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from relu_landscape.engine.cuda import beside, device
from relu_landscape.engine.descent import batch, crediting, quasi_newton, single, starts
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.lanes import NativeFlow, ZeroLossCheck
from relu_landscape.engine.lanes import native
from relu_landscape.engine.lanes.native import KernelError, Paths, PolishRules
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.jobs.pool.programs import kept_in
from relu_landscape.jobs.pool.turns import turns_at

SEED = 1
TOLERANCE = 1e-3
#: Losses of one point agree to this; known neighbours differ by 1e-4.
DIGITS = 6
#: Fused multiplications of one pair: the polynomial of arcsine.h, a square root (12) and the rest.
FMA_OF_PAIR = 21 + 12 + 9


def gram_matrix(width: int) -> np.ndarray:
    """A well-conditioned Gram matrix that is not the identity."""
    rows = np.random.default_rng([5, width]).standard_normal((width, 2 * width))
    return rows @ rows.T / (2 * width) + 0.2 * np.eye(width)


@dataclass(frozen=True)
class Case:
    """K students, M teachers, input dimension d, whether the teacher is a general one, and whether
    paths begin in single precision."""

    students: int
    teachers: int
    dimension: int
    starts: int
    is_general: bool = False
    is_single: bool = False

    def __str__(self) -> str:
        general = ", general teacher" if self.is_general else ""
        begins = ", float32" if self.is_single else ""
        return f"K = {self.students}, M = {self.teachers}, d = {self.dimension}{general}{begins}"

    def of(self, count: int, *, is_single: bool = False) -> Case:
        """The same with so many starts."""
        return replace(self, starts=count, is_single=is_single)

    @property
    def coordinates(self) -> int:
        """p."""
        return starts.reduced_dimension(self.students, self.teachers, self.dimension)

    @property
    def teacher(self) -> Teacher:
        return make_teacher(self.teachers, gram_matrix(self.teachers) if self.is_general else None)

    def drawn(self, first: int = 0, count: int | None = None) -> np.ndarray:
        """Starts (B, K, p) as the service draws them."""
        numbers = range(first, first + (self.starts if count is None else count))
        return starts.draw(
            numbers, seed=SEED, students=self.students, teacher=self.teacher,
            dimension=self.dimension,
        )  # fmt: skip

    def rules(self, kernel: Any) -> native.FlowRules:
        due = ZeroLossCheck(batch.GLOBAL_CHECK_STEPS, batch.GLOBAL_CHECK_GRADIENT)
        may_be_global = self.students > self.teachers
        loss = Loss.of(self.teacher, NUMPY)
        return NativeFlow(
            loss, TOLERANCE, self.teacher, kernel, due if may_be_global else None
        ).rules

    def paths(self, kernel: Any, W: np.ndarray) -> Paths:
        """Paths at time zero."""
        count = len(W)
        return Paths(
            W=W.copy(), force=kernel.forces(self.teacher, W),
            gradient_norm=np.full(count, np.inf), time=np.zeros(count),
            step_size=np.full(count, flows.FIRST_STEP),
            eigenvalue=np.full(count, flows.LATE_EIGENVALUE),
            steps=np.zeros(count, dtype=np.int64),
            gradient_tolerance=np.full(count, batch.FIRST_GRADIENT_TOLERANCE),
            step_limit=np.full(count, batch.NATIVE_CREEPING_STEPS, dtype=np.int64),
        )  # fmt: skip

    @property
    def polish(self) -> PolishRules:
        return PolishRules(
            crediting.POLISHED_GRADIENT, batch.POLISH_ITERATIONS, crediting.LONGEST_POLISH,
            quasi_newton.BASE_CURVATURE,
        )  # fmt: skip

    def followed(self, kernel: Any) -> tuple[bytes, ...]:
        """Every number of all paths after flow and polish."""
        paths = self.paths(kernel, self.drawn())
        begun, evaluations = self.flow(kernel, paths)
        polished, norms, more = kernel.polish(self.teacher, self.polish, paths.W, paths.force)
        state = tuple(np.asarray(value).tobytes() for value in vars(paths).values())
        counts = str((begun, evaluations, more)).encode()
        return (*state, polished.tobytes(), norms.tobytes(), counts)

    def flow(self, kernel: Any, paths: Paths) -> tuple[int, int]:
        """Follow them to their first event; the numbers of gradients, single and double."""
        rules, begun = self.rules(kernel), 0
        if self.is_single:
            tolerance, limit = paths.gradient_tolerance, paths.step_limit
            paths.gradient_tolerance = np.full(len(paths.steps), single.GRADIENT)
            paths.step_limit = np.full(len(paths.steps), single.STEPS, dtype=np.int64)
            told = replace(rules, shortest=single.SHORTEST)
            begun = kernel.flow(self.teacher, told, paths, single=True)
            paths.force = kernel.forces(self.teacher, paths.W)
            paths.gradient_tolerance, paths.step_limit = tolerance, limit
        return begun, kernel.flow(self.teacher, rules, paths)


K17 = Case(17, 17, 1000, 0)


def descent_of(case: Case, kernel: Any) -> Descent:
    """The service's descent."""
    return Descent(
        case.teacher, case.students, xp=NUMPY, flow_tolerance=TOLERANCE, kernel=kernel,
        is_mixed=case.is_single and kernel is not None,
    )  # fmt: skip


def ends_of(case: Case, kernel: Any) -> dict[int, End]:
    """The end of every start."""
    descent = descent_of(case, kernel)
    ends, _ = descent.run(descent.begin(range(case.starts), case.drawn()))
    return {end.start: end for end in ends}


@dataclass(frozen=True)
class Rate:
    """Of one case: seconds on the device, and what they were spent on."""

    flow_seconds: float
    polish_seconds: float
    gradients: int
    blocks_per_multiprocessor: int
    threads: int


def kernel_rate(case: Case, kernel: Any) -> Rate:
    """Flow to the first gradient tolerance, and polish, of starts that are drawn roughly."""
    W, teacher = _roughly_drawn(case), case.teacher
    few = case.paths(kernel, W[: min(len(W), 64)])
    case.flow(kernel, few)  # compiled
    kernel.polish(teacher, case.polish, few.W, few.force)
    paths = case.paths(kernel, W)
    began = time.time()
    gradients = sum(case.flow(kernel, paths))
    between = time.time()
    kernel.polish(teacher, case.polish, paths.W, paths.force)
    ended = time.time()
    made = kernel.module(teacher, case.students, case.coordinates, case.is_single)
    follows = made.functions["flow_paths"]
    return Rate(
        between - began, ended - between, gradients, follows.blocks // kernel.lanes,
        follows.threads,
    )  # fmt: skip


def _roughly_drawn(case: Case) -> np.ndarray:
    """The service's distribution, drawn at once: the same seconds, not the same starts."""
    rng = np.random.default_rng(SEED)
    K, M, p, d = case.students, case.teachers, case.coordinates, case.dimension
    W = rng.standard_normal((case.starts, K, p))
    if d - M >= K:
        W[:, :, M:] = np.tril(W[:, :, M:], -1)
        diagonal = np.arange(K)
        W[:, diagonal, M + diagonal] = np.sqrt(rng.chisquare(d - M - diagonal, (case.starts, K)))
    W /= np.sqrt(d)
    return W


def fma_of_gradient(case: Case) -> int:
    """Fused multiplications, or operations that take their place, of one gradient."""
    K, M, p = case.students, case.teachers, case.coordinates
    pairs = K * (K - 1) // 2 + K * M
    general = K * M * M if case.is_general else 0
    return pairs * FMA_OF_PAIR + K * (K + 1) // 2 * p + K * K * p + K * (K + M) + general


def native_or_none() -> native.Kernel | None:
    """The native kernel, where it was compiled."""
    try:
        return native.load()
    except KernelError:
        return None


@cache
def kernel_of(backend: str) -> Any:
    """``native`` or ``cuda``, in this process."""
    return native.load() if backend == "native" else beside.load(0, turns_at(0), kept_in())


def on_device() -> device.DeviceKernel:
    """The first GPU alone, in turns with other processes. Raises ``KernelError``."""
    return device.load(0, turns_at(0), kept_in())


def follow_chunk(case: Case, first: int, count: int, backend: str) -> dict[float, int]:
    """Hits by loss, of some starts drawn as the service draws them; -1: no fixed point."""
    descent = descent_of(case, kernel_of(backend))
    ends, _ = descent.run(descent.begin(range(first, first + count), case.drawn(first, count)))
    fixed = [end.W for end in ends if end.outcome.name == "FIXED_POINT"]
    losses = population.loss(np.stack(fixed), case.teacher) if fixed else np.zeros(0)
    values, hits = np.unique(np.round(losses, DIGITS), return_counts=True)
    found = dict(zip(values.tolist(), hits.tolist(), strict=True))
    return {**found, -1.0: len(ends) - len(fixed)}
