"""Paths and rules for the tests of the native kernel."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from relu_landscape.engine.descent import batch, starts
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.lanes import NativeFlow, ZeroLossCheck
from relu_landscape.engine.lanes.native import FlowRules, Kernel, Paths, available, load
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine import oracles
from tests.service.engine.oracles import Real

#: Every variant that was compiled and that this processor runs; empty where there is no compiler,
#: which test_loading.py notices.
KERNELS = [load(instructions) for instructions in available()]

#: Students, teachers, input dimension: K less than, equal to and more than M; d = M and larger; one
#: unit; widths that fill blocks of four and such that do not.
SHAPES = [(1, 1, 1), (1, 2, 5), (4, 4, 4), (5, 3, 1000), (3, 5, 6), (8, 8, 8), (13, 9, 40)]


def name(kernel: Kernel) -> str:
    return kernel.info.instructions


def a_teacher(width: int, is_orthonormal: bool = True) -> Teacher:
    rng = np.random.default_rng([5, width])
    return make_teacher(width, None if is_orthonormal else oracles.gram_matrix(width, rng))


def some_starts(K: int, teacher: Teacher, d: int, count: int, seed: int = 1) -> Real:
    return starts.draw(range(count), seed=seed, students=K, teacher=teacher, dimension=d)


def method(kernel: Kernel, teacher: Teacher, K: int, tolerance: float = 1e-3) -> NativeFlow:
    loss = Loss.of(teacher, NUMPY)
    check = ZeroLossCheck(batch.GLOBAL_CHECK_STEPS, batch.GLOBAL_CHECK_GRADIENT)
    may_be_global = teacher.width < K
    due = check if may_be_global else None
    return NativeFlow(loss, tolerance, teacher, kernel, due)


def rules(kernel: Kernel, teacher: Teacher, K: int, tolerance: float = 1e-3) -> FlowRules:
    return method(kernel, teacher, K, tolerance).rules


def paths_from(
    kernel: Kernel, teacher: Teacher, W: Real, *, gradient: float = 2e-4, steps: int = 20_000
) -> Paths:
    """Paths at time zero."""
    count = len(W)
    return Paths(
        W=W.copy(),
        force=kernel.forces(teacher, W),
        gradient_norm=np.full(count, np.inf),
        time=np.zeros(count),
        step_size=np.full(count, flows.FIRST_STEP),
        eigenvalue=np.full(count, flows.LATE_EIGENVALUE),
        steps=np.zeros(count, dtype=np.int64),
        gradient_tolerance=np.full(count, gradient),
        step_limit=np.full(count, steps, dtype=np.int64),
    )


def selected(paths: Paths, members: list[int]) -> Paths:
    """Copies of some of them."""
    state = {each.name: getattr(paths, each.name)[members] for each in fields(paths) if each.init}
    return Paths(**state)


def assert_same_bits(first: Paths, second: Paths) -> None:
    for each in fields(Paths):
        mine, theirs = getattr(first, each.name), getattr(second, each.name)
        assert mine.tobytes() == theirs.tobytes(), each.name
