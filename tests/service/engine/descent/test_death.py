"""Students that die and leave again: against SciPy with the definition written out here, against
brute force on the sphere, and the faults that came of having no definition."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from relu_landscape.engine.descent import batch as descents
from relu_landscape.engine.descent import death, fast_time, passage, starts
from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.descent.passage import Carried, Passage
from relu_landscape.engine.descent.steepest import steepest
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine import known
from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real, loss_by_loop


def _starts(K: int, M: int, numbers: list[int], d: int, scale: float, seed: int = 0) -> Real:
    teacher = make_teacher(M)
    return starts.draw(numbers, seed=seed, students=K, teacher=teacher, dimension=d, scale=scale)


def _ends(K: int, M: int, W: Real, numbers: list[int], tolerance: float = 1e-3) -> list[End]:
    descent = Descent(make_teacher(M), K, xp=NUMPY, flow_tolerance=tolerance)
    ends, _ = descent.run(descent.begin(numbers, W))
    return sorted(ends, key=lambda end: end.start)


# The definition, from the formulas: dW/dt = -grad L while nobody is zero; who is zero is left out
# until the least slope is negative.


def _slope(u: Real, W: Real, M: int) -> Real:
    """D at unit vectors u (n, p), by Cho and Saul's formula."""
    total = np.zeros(len(u))
    for rows, sign in ((W, 1.0), (np.eye(M, W.shape[1]), -1.0)):
        for x in rows:
            n = np.linalg.norm(x)
            t = np.arccos(np.clip(u @ x / n, -1.0, 1.0))
            total += sign * n * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2.0 * np.pi)
    return total


def _circle(count: int = 40_000) -> Real:
    angles = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


CIRCLE = _circle()


def _flow(W: Real, time: float, M: int, stop: object = None) -> tuple[Real, float, bool]:
    """W (K, 2) after ``time`` or at the event ``stop``, when, and whether it came."""

    def force(_: float, flat: Real) -> Real:
        return -points.gradient(flat.reshape(W.shape), M).ravel()

    events = None
    if stop is not None:

        def events(_: float, flat: Real) -> float:  # fmt: skip
            return float(stop(flat.reshape(W.shape)))  # type: ignore[operator]

        events.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(
        force, (0.0, time), W.ravel(), "LSODA", rtol=1e-9, atol=1e-12, events=events, max_step=0.5
    )
    return found.y[:, -1].reshape(W.shape), float(found.t[-1]), found.status == 1


def _by_definition(W: Real, time: float, M: int) -> tuple[Real, list[str]]:
    """W (K, 2) after ``time``, and the story: who died, who left."""
    W, alive, story = W.copy(), list(range(len(W))), []
    while time > 1e-9:
        dead = [i for i in range(len(W)) if i not in alive]
        if not dead:
            shortest = lambda X: np.linalg.norm(X, axis=1).min() - 1e-7  # noqa: E731
            W, passed, stopped = _flow(W, time, M, shortest)
            if stopped:
                i = int(np.argmin(np.linalg.norm(W, axis=1)))
                story.append(f"{i} dies")
                alive.remove(i)
                W[i] = 0.0
        else:
            passed = 0.0
            if _slope(CIRCLE, W[alive], M).min() >= 0.0:
                least = lambda X: _slope(CIRCLE, X, M).min()  # noqa: E731
                W[alive], passed, _ = _flow(W[alive], time, M, least)
            assert len(dead) == 1  # starts are chosen so that nobody leaves in company
            if time - passed > 1e-9:
                u = CIRCLE[np.argmin(_slope(CIRCLE, W[alive], M))]
                story.append(f"{dead[0]} leaves")
                W[dead[0]], alive = 1e-6 * u, list(range(len(W)))
        time -= passed
    return W, story


@dataclass
class _Spy:
    """What went into ``Passage.carry`` and came out of it, by start."""

    seen: dict[int, tuple[Real, Carried]] = field(default_factory=dict)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        carry = Passage.carry

        def watched(this: Passage, numbers: list[int], W: Real) -> Carried:
            found = carry(this, numbers, W)
            for row, number in enumerate(numbers):
                parts = (found.W, found.elapsed, found.steps, found.died)
                self.seen[number] = (W[row].copy(), Carried(*(x[row] for x in parts)))
            return found

        monkeypatch.setattr(Passage, "carry", watched)


def test_deaths_and_departures_are_those_of_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """K = 3, M = d = 2 at init_scale 10: one student of each dies, waits and leaves."""
    numbers = [0, 5, 15, 20, 23]
    spy = _Spy()
    spy.watch(monkeypatch)
    _ends(3, 2, _starts(3, 2, numbers, 2, 10.0), numbers)
    assert sorted(spy.seen) == numbers
    for before, after in spy.seen.values():
        wanted, story = _by_definition(before, float(after.elapsed), 2)
        assert [line.split()[1] for line in story] == ["dies", "leaves"]
        assert bool(after.died)
        # 1e-6 a step, and 1e-6 for the length at which a student counts as dead.
        np.testing.assert_allclose(after.W, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "d", "deaths"), [(5.0, 7, 4), (10.0, 7, 9), (1000.0, 7, 9), (10.0, 1000, 0)]
)
def test_ends_do_not_depend_on_the_tolerance(scale: float, d: int, deaths: int) -> None:
    """At K = M = 7 and scale 10 students die in nearly every start. Of a hundred starts twelve were
    called 'creeping', after 20,000 steps each, and the ends changed with ``flow_tolerance``."""
    numbers = list(range(12))
    W = _starts(7, 7, numbers, d, scale)
    coarse, fine = (_ends(7, 7, W, numbers, tolerance) for tolerance in (1e-3, 1e-4))
    assert sum(end.died for end in fine) >= deaths
    for one, other in zip(coarse, fine, strict=True):
        assert one.outcome is other.outcome is Outcome.FIXED_POINT
        assert one.died is other.died
        assert one.steps < descents.STEP_LIMIT / 4
        # The very student at the very teacher, not just some relabelling.
        np.testing.assert_allclose(one.W, other.W, atol=1e-7)


@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_one_student_on_the_wrong_side_of_one_teacher(scale: float) -> None:
    """In one dimension L = (w^2 + 1)/4 for w < 0, which has no critical point: the flow comes to
    zero and leaves it on the other side. Half of the starts were credited to a 'minimum' of loss
    0.25 at w = -1e-16."""
    numbers = list(range(30))
    W = _starts(1, 1, numbers, 1, scale)
    ends = _ends(1, 1, W, numbers)
    for end in ends:
        assert end.outcome is Outcome.FIXED_POINT
        assert end.W[0, 0] == pytest.approx(1.0, abs=1e-10)


def test_a_path_that_dies_does_not_see_its_company() -> None:
    numbers = list(range(9))
    W = _starts(7, 7, numbers, 7, 10.0)
    together = _ends(7, 7, W, numbers)
    for number in (0, 4, 8):
        (alone,) = _ends(7, 7, W[[number]], [number])
        assert np.array_equal(alone.W, together[number].W)
        assert (alone.steps, alone.died) == (together[number].steps, together[number].died)


def test_students_that_leave_together_end_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three dead students, one live: they leave along one direction, and each finds a teacher."""
    W = np.full((1, 4, 4), fast_time.ZERO)
    W[0, 3] = [1.5, 0.1, 0.2, 0.1]
    carried = Passage(make_teacher(4)).carry([0], W)
    young = carried.W[0, :3] / np.linalg.norm(carried.W[0, :3], axis=1, keepdims=True)
    assert np.linalg.norm(carried.W[0], axis=1).min() > 0.5 * death.TURN_LENGTH
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(young[i] - young[j]) > 0.1 * death.TURN
    (end,) = _ends(4, 4, carried.W, [0])
    assert loss_by_loop(end.W, np.eye(4)) < 1e-12
    monkeypatch.setattr(passage, "_turn_apart", lambda some, _step, _turns: some.departure.fill(-1))
    same = Passage(make_teacher(4)).carry([0], W).W[0]
    # Without it they stay one student three times over.
    np.testing.assert_allclose(same[0], same[1], rtol=1e-9)


def test_turns_are_a_function_of_the_numbers() -> None:
    u = np.array([0.6, 0.8, 0.0])
    first = death.turned(u, 3, 1, 2)
    assert np.linalg.norm(first) == pytest.approx(1.0)
    assert first @ u == pytest.approx(np.cos(death.TURN))
    assert np.array_equal(first, death.turned(u, 3, 1, 2))
    for others in ((4, 1, 2), (3, 0, 2), (3, 1, 1)):
        assert not np.allclose(first, death.turned(u, *others), atol=1e-3 * death.TURN)


@pytest.mark.parametrize(("K", "M", "p"), [(1, 2, 2), (2, 2, 3), (3, 3, 3), (2, 4, 4), (6, 7, 8)])
def test_the_steepest_direction_is_that_of_brute_force(K: int, M: int, p: int) -> None:
    rng = np.random.default_rng(K + 10 * M)
    teacher = make_teacher(M)
    W = rng.standard_normal((12, K, p))
    for _ in range(200):  # half of them near a valley, where the slopes are small and many
        W[6:] -= 0.5 / K * np.asarray(population.gradient(W[6:], teacher))
    scale = np.sqrt(np.asarray(population.loss(W, teacher)))
    found = steepest(W, teacher, scale)
    for row in range(len(W)):
        U = rng.standard_normal((4000, p))
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        best = U[np.argsort(_slope(U, W[row], M))[:20]]
        for size in 0.5 ** np.arange(1, 16):  # closing in on each of the best
            tried = best[:, None] + size * rng.standard_normal((20, 60, p))
            tried = np.concatenate([best[:, None], tried], axis=1)
            tried /= np.linalg.norm(tried, axis=2, keepdims=True)
            values = _slope(tried.reshape(-1, p), W[row], M).reshape(20, 61)
            best = tried[np.arange(20), np.argmin(values, axis=1)]
        brute = _slope(best, W[row], M).min()
        # The accuracy that is stated: a few 1e-8 of sqrt(L).
        assert found.slope[row] <= brute + 5e-8 * scale[row]
        here = _slope(found.direction[row : row + 1], W[row], M)[0]
        assert found.slope[row] == pytest.approx(here, abs=1e-12 * max(K, M))


@pytest.mark.parametrize("published", known.WELL_SPECIFIED[1:5], ids=known.name)
def test_no_spurious_minimum_holds_a_dead_student(published: dict[str, int]) -> None:
    """min D <= -2 L / M at critical points: a student of norm zero beside one leaves."""
    W = known.locate(published)
    M = published["width"]
    loss = loss_by_loop(W, np.eye(M))
    found = steepest(W[None], make_teacher(M), np.array([np.sqrt(loss)]))
    assert loss > 1e-3
    assert found.slope[0] <= -2.0 * loss / M
    beside = np.vstack([W, np.full((1, M), fast_time.ZERO)])[None]
    descent = Passage(make_teacher(M))
    force = -np.asarray(population.gradient(beside, make_teacher(M)))
    assert not descent.stays(beside, force, np.array([1e-11]))[0]


def test_a_dead_student_at_zero_loss_is_an_end() -> None:
    """Nothing pulls it: such a path has come to its end, with the reason."""
    W = np.vstack([np.eye(3), np.full((1, 3), fast_time.ZERO)])[None]
    descent = Descent(make_teacher(3), 4, xp=NUMPY, flow_tolerance=1e-3)
    descent._may_be_global = False  # as if nobody knew that this is a set of global minima
    ((end,), _) = descent.run(descent.begin([0], W))
    assert end.outcome is Outcome.VANISHED
    assert not end.outcome.converged


def test_creeping_paths_come_to_zero_as_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole Hessian implicit from step 40 on."""
    numbers = list(range(6))
    W = _starts(7, 7, numbers, 7, 5.0)
    wanted = _ends(7, 7, W, numbers, 1e-4)
    monkeypatch.setattr(descents, "CREEPING_STEPS", 40)
    for one, other in zip(_ends(7, 7, W, numbers, 1e-4), wanted, strict=True):
        assert one.outcome is Outcome.FIXED_POINT
        assert one.died is other.died
