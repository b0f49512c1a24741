"""The kernel's SGD against the arrays', from the same draws."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.dynamics.chain import ROUNDING, Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.frequencies import COMPOSITION
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.lanes.stretches import Drawn, SgdRules, advance
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import run_here
from tests.service.engine.frequencies.solving import as_bytes, request, solve
from tests.service.engine.lanes.setups import KERNELS, name
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

CORRELATED = ((1.0, 0.3, 0.0), (0.3, 1.2, -0.2), (0.0, -0.2, 0.9))
#: Students, teachers' Gram matrix, d, and SGD: plain, noise of labels, batches that do and do not
#: fill a block, fewer dimensions outside than inputs, none, and no room for all students.
CASES: list[tuple[int, Any, int, Noise]] = [
    (8, None, 1000, Noise(0.1)),
    (5, CORRELATED, 300, Noise(0.2, 0.3)),
    (4, CORRELATED, 60, Noise(0.3, 0.1, 3)),
    (2, CORRELATED, 50, Noise(0.5, 0.1, 40)),
    (3, CORRELATED, 12, Noise(0.4)),
    (3, CORRELATED, 6, Noise(0.2, 0.1)),
    (6, CORRELATED, 5, Noise(0.2)),
]
#: Of the second case after two stretches, whatever computes it. A change of any bit makes a new
#: version of the kernel.
DIGEST = "7c96b39d6987b3694b5ea769a18aac44b13c466549fa4e610157824be72f4298"


def runs_of(
    case: tuple[int, Any, int, Noise], kernel: Kernel | None, numbers: tuple[int, ...]
) -> Any:
    """Runs after two stretches, and the weights at six steps."""
    students, gram, dimension, noise = case
    teacher = make_teacher(8 if gram is None else 3, gram)
    layout = Layout.of(students, teacher.width, dimension, noise.batch_size)
    W = np.stack([
        np.random.Generator(np.random.Philox(key=[7, number])).standard_normal(
            (students, layout.coordinates)
        )
        for number in numbers
    ]) / np.sqrt(students)  # fmt: skip
    chain = Chain(teacher, layout, noise, seed=11, kernel=kernel)
    size = layout.stretch
    return chain.run(
        Runs.begin(numbers, W, teacher), first_stretch=0, stretches=2,
        steps=[0, 1, size // 2, size, size + 1, 2 * size],
    )  # fmt: skip


def overlaps(W: Real) -> Real:
    """What does not depend on which root of a Gram matrix was taken."""
    return np.asarray(W @ np.swapaxes(W, -1, -2))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} in {case[2]}")
def test_it_is_the_arithmetic_of_the_arrays(
    kernel: Kernel, case: tuple[int, Any, int, Noise]
) -> None:
    """Overlaps after 512 steps to 1e-12 of the largest: rounding of 1e-16 per step, grown by at
    most the few hundred steps that SGD remembers. No activity changes within so little."""
    numbers = tuple(range(11))
    (by_arrays, wanted), (here, found) = (runs_of(case, each, numbers) for each in (None, kernel))
    assert np.array_equal(here.ran_away, by_arrays.ran_away)
    for a, b in ((wanted, found), (by_arrays.W, here.W)):
        scale = np.abs(overlaps(a)).max()
        assert np.abs(overlaps(a) - overlaps(b)).max() < 1e-12 * scale
    M = 8 if case[1] is None else 3
    assert np.abs(wanted[..., :M] - found[..., :M]).max() < 1e-12 * np.abs(wanted).max()


def test_the_bits_of_a_run_are_its_own(kernel: Kernel) -> None:
    """Alone, among others, and with every set of instructions."""
    for case in CASES[:3]:
        together, recorded = runs_of(case, kernel, tuple(range(13)))
        for number in (0, 7, 12):
            alone, found = runs_of(case, kernel, (number,))
            assert np.array_equal(alone.W[0], together.W[number])
            assert np.array_equal(found[0], recorded[number])
        for other in KERNELS:
            assert np.array_equal(runs_of(case, other, tuple(range(13)))[0].W, together.W)


def test_numbers_of_this_version(kernel: Kernel) -> None:
    W = runs_of(CASES[1], kernel, (0, 1, 2))[0].W
    assert hashlib.sha256(W.tobytes()).hexdigest() == DIGEST


def test_frequencies_do_not_depend_on_how_they_are_cut(kernel: Kernel) -> None:
    """Nor on the set of instructions: the result as JSON, in chunks of three and of all starts."""
    asked = request(
        student_width=3, teacher_width=5, learning_rates=[0.3, 3.0], starts=10, seed=6,
        input_dimension=20, until=10.0, checks=3, structured=False,
    )  # fmt: skip
    problem = COMPOSITION.problem(asked)
    found = [
        as_bytes(solve(
            asked, run=run_here(problem, Backend("native", NUMPY, each)), chunk_starts=chunk
        ))
        for each, chunk in ((kernel, 3), (kernel, None), (KERNELS[0], None))
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_what_runs_away_is_marked_and_stays(kernel: Kernel) -> None:
    """Some at once, the others later; each stays where it was at the beginning of its block."""
    case = (2, CORRELATED, 40, Noise(5.0))
    (by_arrays, _), (here, found) = (
        runs_of(case, each, tuple(range(9))) for each in (None, kernel)
    )
    assert np.array_equal(here.ran_away, by_arrays.ran_away)
    assert len(set(here.ran_away.tolist())) > 1
    assert np.all(here.ran_away[here.ran_away >= 0] % 16 == 0)
    assert np.all(np.isfinite(here.W))
    assert np.all(np.isfinite(found))
    assert np.abs(overlaps(here.W[here.ran_away >= 0])).max() < 1e5


def test_arrays_that_do_not_fit_are_refused(kernel: Kernel) -> None:
    rules = SgdRules(
        students=2, coordinates=5, columns=4, batch=1, steps=4, blocks=2, rate=0.01,
        label_noise=0.1, rounding=ROUNDING,
    )  # fmt: skip
    arrays: dict[str, Any] = {
        "W": np.ones((3, 2, 5)), "limit": np.ones(3), "ran_away": np.full(3, -1),
        "normals": np.zeros((3, 2, rules.normals)), "diagonal": np.ones((3, 2, 4)),
        "labels": np.zeros((3, 2, 4)), "record_at": np.array([8]),
    }  # fmt: skip

    def call(rules: SgdRules, **changed: Any) -> Real:
        given = {**arrays, **changed}
        drawn = Drawn(given.pop("normals"), given.pop("diagonal"), given.pop("labels"))
        at = given.pop("record_at")
        return advance(kernel, make_teacher(3), rules, drawn, **given, done=0, record_at=at)

    assert call(rules).shape == (3, 1, 2, 9)
    for changed in (
        {"W": np.ones((3, 2, 6))}, {"limit": np.ones(2)}, {"ran_away": np.ones(3)},
        {"normals": np.zeros((3, 2, 5))}, {"diagonal": np.ones((3, 2, 3))},
        {"labels": np.zeros((3, 2, 3))}, {"record_at": np.ones(1)},
        {"layers": np.ones(4)},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(changed))):
            call(rules, **changed)
    narrow = SgdRules(**{**vars(rules), "coordinates": 4})
    with pytest.raises(ValueError, match="do not hold all students"):
        call(narrow, W=np.ones((3, 2, 4)), normals=np.zeros((3, 2, narrow.normals)))
