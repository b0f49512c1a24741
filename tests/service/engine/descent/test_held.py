"""Paths that are handed back go on where they were: the same ends to the bit, and no step twice."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.descent import batch, crediting
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.company import Company, together
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.held import Held, joined
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.model.teacher import Teacher
from tests.service.engine.lanes.setups import KERNELS, a_teacher, name, some_starts
from tests.service.engine.oracles import Real

#: By arrays and by what a service would choose here.
FOLLOWED = pytest.mark.parametrize(
    "kernel", [None, *KERNELS[:1]], ids=lambda kernel: name(kernel) if kernel else "arrays"
)


def _descent(teacher: Teacher, K: int, kernel: Kernel | None) -> Descent:
    return Descent(teacher, K, xp=NUMPY, flow_tolerance=1e-3, kernel=kernel)


def _in_pieces(descent: Descent, W: Real) -> tuple[list[End], int]:
    """Ends of starts that are handed back whenever that may be; and how many were, all in all."""
    ends, unfinished = descent.run(descent.begin(range(len(W)), W), hand_back=True)
    count = 0
    while (held := descent.held(unfinished)) is not None:
        count += len(held)
        # Each half by itself, the second first, as two tasks somewhere else.
        half = len(held) // 2
        unfinished = []
        for part in (held.part(half, len(held)), held.part(0, half)):
            more, slowest = descent.run(descent.resume(part), hand_back=True)
            ends += more
            unfinished += slowest
    return sorted(ends, key=lambda end: end.start), count


def _same(mine: list[End], theirs: list[End]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        for each in fields(End):
            found, wanted = getattr(one, each.name), getattr(other, each.name)
            assert np.array_equal(found, wanted, equal_nan=each.name != "outcome"), each.name


#: K, M, d, scale of the starts, how many.
CASES = [
    (6, 6, 6, 1.0, 30),
    (6, 6, 20, 1.0, 20),
    (5, 4, 6, 1.0, 24),  # zero loss is asked for every eight steps
    (3, 3, 3, 10.0, 16),  # students die
]


@FOLLOWED
@pytest.mark.parametrize("case", CASES, ids=str)
def test_ends_are_those_of_paths_never_handed_back(
    kernel: Kernel | None, case: tuple[int, int, int, float, int]
) -> None:
    K, M, d, scale, count = case
    teacher = a_teacher(M)
    W = scale * some_starts(K, teacher, d, count)
    descent = _descent(teacher, K, kernel)
    wanted, none = descent.run(descent.begin(range(count), W))
    assert none == []
    found, handed_back = _in_pieces(descent, W)
    assert handed_back > 0
    _same(found, sorted(wanted, key=lambda end: end.start))


@FOLLOWED
def test_creeping_paths_keep_what_is_theirs(
    kernel: Kernel | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which step is the limit, and how small the gradient must be after a polish that was not
    believed: few are where a ball is half as wide."""
    monkeypatch.setattr(batch, "CREEPING_STEPS", 400)
    monkeypatch.setattr(batch, "NATIVE_CREEPING_STEPS", 400)
    monkeypatch.setattr(crediting.Crediting, "near", lambda _, moved, __: moved < 1e-3)
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 6, 40)
    descent = _descent(teacher, 6, kernel)
    wanted, _ = descent.run(descent.begin(range(40), W))
    found, handed_back = _in_pieces(descent, W)
    assert handed_back > 0
    _same(found, sorted(wanted, key=lambda end: end.start))


class _Counting:
    """A kernel, and the gradients that it was asked for."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self.flowed, self.forces_made = kernel, 0, 0

    def __getattr__(self, what: str) -> Any:
        return getattr(self._kernel, what)

    def forces(self, teacher: Teacher, W: Real) -> Real:
        self.forces_made += len(W)
        return self._kernel.forces(teacher, W)

    def flow(self, *given: Any, **options: Any) -> int:
        spent = self._kernel.flow(*given, **options)
        self.flowed += spent
        return spent


@pytest.mark.parametrize("kernel", KERNELS[:1], ids=name)
def test_no_step_is_made_twice(kernel: Kernel) -> None:
    """They were run again from time zero: at K = 17, d = 1000 a fifth of all steps."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 6, 60)
    counts = []
    for in_pieces in (False, True):
        counting: Any = _Counting(kernel)
        descent = _descent(teacher, 6, counting)
        if in_pieces:
            _, handed_back = _in_pieces(descent, W)
            assert handed_back > 0
        else:
            descent.run(descent.begin(range(60), W))
        counts.append(counting.flowed)
    assert counts[0] == counts[1]


def test_no_step_is_made_twice_by_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    step = flows.Flow.step

    def counted(method: flows.Flow, state: flows.FlowState) -> flows.FlowState:
        nonlocal made
        made += state.W.shape[0]
        return step(method, state)

    monkeypatch.setattr(flows.Flow, "step", counted)
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 6, 30)
    descent = _descent(teacher, 6, None)
    descent.run(descent.begin(range(30), W))
    whole, made = made, 0
    _, handed_back = _in_pieces(descent, W)
    assert handed_back > 0
    assert made == whole


def _on_their_way(descent: Descent, W: Real, steps: int) -> Company:
    """All of these paths, after so many steps by arrays."""
    company = together(descent.begin(range(len(W)), W))
    for _ in range(steps):
        company = company.moved(descent.method.step(company.state))
    return company


def _state_is_equal(one: Company, other: Company) -> bool:
    mine, theirs = vars(one.state), vars(other.state)
    return all(np.array_equal(on_host(mine[each]), on_host(theirs[each])) for each in mine) and all(
        np.array_equal(getattr(one, each), getattr(other, each))
        for each in ("start", "tolerance", "step_limit", "died")
    )


@FOLLOWED
def test_the_force_is_left_out_where_it_follows(kernel: Kernel | None) -> None:
    """The half of the bytes: for what the kernel itself followed, and for all that arrays did."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 9, 60)
    descent = _descent(teacher, 6, kernel)
    _, unfinished = descent.run(descent.begin(range(60), W), hand_back=True)
    held = descent.held(unfinished)
    assert held is not None
    assert held.force.shape == (0, 6, 9)
    assert not held.has_force.any()
    assert _state_is_equal(held.company(descent.method, NUMPY), together(descent.resume(held)))
    order = np.argsort(together(unfinished).start)
    assert _state_is_equal(held.company(descent.method, NUMPY), together(unfinished).take(order))


@pytest.mark.parametrize("kernel", KERNELS[:1], ids=name)
def test_the_force_is_carried_where_it_does_not(kernel: Kernel) -> None:
    """A path with a student as good as dead is stepped by arrays, which round otherwise."""
    teacher = a_teacher(6)
    W = some_starts(6, teacher, 9, 8)
    descent = _descent(teacher, 6, kernel)
    by_arrays = _on_their_way(descent, W, 40)
    held = Held.of(by_arrays, descent.method)
    assert 0 < held.has_force.sum() == len(held.force)
    assert _state_is_equal(held.company(descent.method, NUMPY), by_arrays)
    # In parts, and put together again in another order.
    parts = [held.part(5, 8), held.part(0, 2), held.part(2, 5), held.part(8, 8)]
    assert [len(part.force) for part in parts] == [part.has_force.sum() for part in parts]
    whole = joined(parts)
    assert whole is not None
    assert _state_is_equal(whole.company(descent.method, NUMPY), by_arrays)
    some = replace(held, has_force=np.arange(8) % 3 == 1, force=held.W[np.arange(8) % 3 == 1])
    shuffled = joined([some.part(3, 8), some.part(0, 3)])
    assert shuffled is not None
    assert np.array_equal(shuffled.force, some.force)
    assert np.array_equal(shuffled.has_force, some.has_force)


def test_nobody_is_held() -> None:
    descent = _descent(a_teacher(3), 3, None)
    assert descent.held([]) is None
    assert joined([]) is None
    held = Held.of(_on_their_way(descent, some_starts(3, a_teacher(3), 3, 2), 1), descent.method)
    assert joined([held.part(0, 0), held.part(2, 2)]) is None


def test_a_path_that_fell_still_says_so() -> None:
    """At a scale of 10 some have lost a student when they are handed back."""
    teacher = a_teacher(3)
    W = 10.0 * some_starts(3, teacher, 3, 24)
    descent = _descent(teacher, 3, None)
    _, unfinished = descent.run(descent.begin(range(24), W), hand_back=True)
    held = descent.held(unfinished)
    assert held is not None
    assert held.died.any()
    more, _ = descent.run(descent.resume(held))
    assert set(held.start[held.died].tolist()) <= {end.start for end in more if end.died}
