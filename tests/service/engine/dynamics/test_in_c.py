"""The differential equations with their noise in C: the arrays' trajectories, sooner."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape import ALGORITHM
from relu_landscape.engine.dynamics import COMPOSITION
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY as ARRAYS
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import run_here
from tests.service.engine.dynamics.test_ode import followed, start
from tests.service.engine.dynamics.test_trajectories import (
    NUMPY,
    as_bytes,
    details,
    request,
    solve,
)
from tests.service.engine.lanes.setups import KERNELS, name


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize(
    ("students", "gram", "noise_"),
    [(8, None, Noise(0.1)), (4, 0.3 + 0.7 * np.eye(5), Noise(0.2, 0.4, 2))],
    ids=["orthonormal", "correlated"],
)
def test_the_kernel_follows_the_same_trajectory(
    kernel: Kernel, students: int, gram: Any, noise_: Noise
) -> None:
    """As many steps, to the same overlaps: Sigma by both differs by 3e-13 at most, and what grows
    on a trajectory grows by less than thirty until it has left."""
    teacher = make_teacher(8 if gram is None else len(gram), gram)
    W, times = start(students, teacher), [1.0, 20.0, 200.0]
    ends = [
        Integrator(teacher, noise_, tolerance=1e-3, kernel=each).run(
            State.of(W, teacher), times, steps=10**6
        )
        for each in (None, kernel)
    ]
    assert ends[0].state.steps == ends[1].state.steps
    by_arrays, found = (each.recorded @ np.swapaxes(each.recorded, -1, -2) for each in ends)
    assert np.abs(found - by_arrays).max() < 1e-11 * np.abs(by_arrays).max()


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_what_a_trajectory_takes(kernel: Kernel) -> None:
    """Two values of Sigma a step, each one call of C, and to time 200 some 160 steps at K = M = 8:
    nearly all the time that it takes. Were they computed with arrays it would be ten times that."""
    calls: list[str] = []

    def counted(function: str, single: bool) -> Any:
        calls.append(function)
        return kernel._function(function, single)

    teacher = make_teacher(8)
    integrator = Integrator(
        teacher, Noise(0.1), tolerance=1e-3, kernel=replace(kernel, _function=counted)
    )
    found = integrator.run(State.of(start(8, teacher), teacher), [200.0], steps=10**6)
    assert calls == ["sigma"] * (2 * found.state.steps)
    assert found.state.steps < 200


@pytest.mark.parametrize("kernel", KERNELS[:1], ids=name)
def test_the_loss_is_right_to_parts_in_a_thousand(kernel: Kernel) -> None:
    """K = M = 8: against steps a tenth as long, and the error falls with the tolerance as it
    should. (Errors of single digits in a thousand are what docs/mathematics says.)"""
    teacher = make_teacher(8)
    W, times = start(8, teacher), [1.0, 5.0, 20.0, 50.0]
    losses = [
        np.asarray(population.loss(
            followed(W, teacher, Noise(0.1), times, tolerance, kernel), teacher
        ))
        for tolerance in (1e-3, 1e-4, 1e-5)
    ]  # fmt: skip
    coarse, fine = (np.abs(each / losses[2] - 1.0).max() for each in losses[:2])
    assert coarse < 3e-3
    assert fine < coarse / 5.0


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_the_equations_are_computed_in_c(kernel: Kernel) -> None:
    """Where there is a kernel it computes the noise; to the same bits with every set of
    instructions and however the job is cut, and to those of the arrays up to rounding."""
    asked = request(student_width=3, teacher_width=4, method="ode", learning_rate=0.2, until=20.0)
    problem = COMPOSITION.problem(asked)
    by_kernel, again, by_arrays = (
        solve(asked, run=run_here(problem, backend), chunk_starts=chunk)
        for backend, chunk in (
            (Backend("native", ARRAYS, kernel), 3),
            (Backend("native", ARRAYS, KERNELS[0]), None),
            (NUMPY, None),
        )
    )
    assert as_bytes(by_kernel) == as_bytes(again)
    assert as_bytes(by_kernel) != as_bytes(by_arrays)
    # Rounding of Sigma, 1e-13 of it, grown by what the trajectory amplifies.
    assert details(by_kernel).loss == pytest.approx(details(by_arrays).loss, rel=1e-10)


def test_equations_have_an_id_of_their_own() -> None:
    """With the kernel their last digits are others than before it, under the name of the same
    kernel: an answer that is stored from then is not that of the same question. Flow and SGD have
    the numbers that they had, and their ids."""
    for method, has_changed in (("flow", False), ("ode", True), ("sgd", False)):
        rate = {} if method == "flow" else {"learning_rate": 0.1}
        asked = request(student_width=2, teacher_width=2, method=method, **rate)
        identity = {
            "kind": "trajectory", "request": asked.canonical(), "algorithm": ALGORITHM,
            "backend_class": "native-3",
        }  # fmt: skip
        before = hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()
        assert (asked.content_id("native-3") != before) == has_changed
