"""The rules by which students fall, die and leave, each just inside and just outside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from relu_landscape.engine.descent import death, fast_time
from relu_landscape.engine.descent.fast_time import Polar, Rates
from tests.service.engine.oracles import Real

#: Another student of the network, which does nothing.
QUIET = np.array([0.0, 1.0, 0.0])
U = np.array([1.0, 0.0, 0.0])
ACROSS = np.array([0.0, 0.0, 1.0])


def _falling(length: float, rate: float, *, resting: bool = False, turning: float = 0.0) -> bool:
    """A student of this length that shrinks at this rate, beside one at rest."""
    W = np.stack([length * U, QUIET])[None]
    force = np.stack([-rate * length * U + turning * ACROSS, np.zeros(3)])[None]
    return bool(death.falling(W, force, np.array([resting]))[0])


@pytest.mark.parametrize(
    ("length", "rate", "resting", "falls"),
    [
        (0.05, 2.1, False, True),
        (0.05, 1.9, False, False),
        (0.099, 2.1, False, True),
        (0.101, 2.1, False, False),  # long enough for the common flow
        (0.05, 0.41, True, True),  # where all else has come to rest
        (0.05, 0.39, True, False),
        (0.9e-6, 0.41, False, True),  # almost dead
        (1.1e-6, 0.41, False, False),
        (0.05, -3.0, True, False),  # grows
        (0.1 * fast_time.ZERO, 9.0, True, False),  # is dead already
        (fast_time.ZERO, 9.0, True, False),
    ],
)
def test_who_falls(length: float, rate: float, resting: bool, falls: bool) -> None:
    assert _falling(length, rate, resting=resting) is falls
    # What turns it does not shrink it.
    assert _falling(length, rate, resting=resting, turning=5.0 * length) is falls


def test_one_student_is_enough_and_each_path_is_judged_by_itself() -> None:
    W = np.stack([np.stack([0.05 * U, QUIET]), np.stack([QUIET, 0.05 * U]), np.eye(3)[:2]])
    force = np.where(np.linalg.norm(W, axis=-1, keepdims=True) < 0.1, -1.0 * W, 0.0)
    resting = np.array([False, True, True])
    assert death.falling(W, force, resting).tolist() == [False, True, False]
    assert death.falling(W, 3.0 * force, resting).tolist() == [True, True, False]


def test_who_is_dead() -> None:
    """A student of norm ``ZERO``, with what rounding may make of it, and nobody longer."""
    W = np.ones((4, 2, 3))
    W[1, 1] = fast_time.ZERO * U
    W[2, 0] = 1e3 * fast_time.ZERO * U
    W[3, 0] = 1e-30 * U
    assert death.has_dead(W).tolist() == [False, True, True, False]


def _moving(
    length: float, decay: float, turning: float, *, tau: float = 0.5, dead: bool = False
) -> tuple[Polar, Rates]:
    """A student that shrinks and turns at these rates by the time t, and one at rest."""
    here = Polar(np.log([[length, 1.0]]), np.stack([U, QUIET])[None], np.array([[dead, False]]))
    slow = np.zeros((1, 2, 3))
    slow[0, 0] = tau * turning * ACROSS
    return here, Rates(np.array([[-tau * decay, 0.0]]), slow, np.array([tau]))


@pytest.mark.parametrize(
    ("length", "decay", "turning", "calm"),
    [
        (0.05, 0.29, 0.0, True),
        (0.05, 0.31, 0.0, False),  # a quarter below 0.4, so that it does not come back at once
        (0.05, 0.0, 0.99, True),
        (0.05, 0.0, 1.01, False),  # turns too fast
        (0.05, 0.29, 0.97, False),  # both together
        (0.05, -0.9, 0.0, True),  # grows
        (0.05, -1.1, 0.0, False),
        (0.21, 50.0, 50.0, True),  # long: the common flow follows it whatever it does
        (0.19, 50.0, 0.0, False),
    ],
)
@pytest.mark.parametrize("tau", [0.5, 1e-4])
def test_who_is_calm(length: float, decay: float, turning: float, calm: bool, tau: float) -> None:
    here, after = _moving(length, decay, turning, tau=tau)
    assert death.calm(here, after).tolist() == [[calm, True]]
    here, after = _moving(length, decay, turning, tau=tau, dead=True)
    assert death.calm(here, after).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("length", "decay", "turning", "dies"),
    [
        (0.9e-6, 1.0, 0.0, True),
        (1.1e-6, 1.0, 0.0, False),
        (0.9e-6, 1.0, 0.09, True),
        (0.9e-6, 1.0, 0.11, False),  # its direction has not settled
        (0.9e-6, 10.0, 0.9, True),
        (0.9e-12, 1.0, 5.0, True),  # goes straight for zero
        (1.1e-12, 1.0, 5.0, False),
        (0.9e-6, -1.0, 0.0, False),  # grows
        (0.9e-12, -1.0, 5.0, False),
        (0.9e-6, 0.0, 0.0, False),
    ],
)
def test_who_dies(length: float, decay: float, turning: float, dies: bool) -> None:
    here, after = _moving(length, decay, turning)
    assert death.dying(here, after).tolist() == [[dies, False]]
    here, after = _moving(length, decay, turning, dead=True)
    assert death.dying(here, after).tolist() == [[False, False]]


def test_a_turn_is_the_length_of_its_vector() -> None:
    """Parts of 0.08 along two axes are 0.113 together: not settled."""
    here, after = _moving(0.9e-6, 1.0, 0.0)
    for parts, dies in (([0.0, 0.08, 0.08], False), ([0.0, 0.06, 0.06], True)):
        after.U[0, 0] = after.time[0] * np.array(parts)
        assert bool(death.dying(here, after)[0, 0]) is dies


@pytest.mark.parametrize(
    ("slope", "scale", "speed", "goes"),
    [
        (-1.1e-3, 0.1, 9.0, True),  # a slope worth following
        (-0.9e-3, 0.1, 9.0, False),
        (-1.1e-3, 4.0, 9.0, False),  # in units of sqrt(L) where that is more than 1
        (-4.1e-3, 4.0, 9.0, True),
        (-1e-6, 0.1, 0.9e-6, True),  # the others have almost come to rest
        (-1e-6, 0.1, 1.1e-6, False),
        (1e-6, 0.1, 0.0, False),
        (0.0, 0.1, 0.0, False),
    ],
)
def test_who_leaves(slope: float, scale: float, speed: float, goes: bool) -> None:
    found = death.leaves(np.array([slope]), np.array([scale]), np.array([speed]))
    assert found.tolist() == [goes]


def _grown(rate: float, time: float) -> float:
    """Length after a time of a student that leaves as its slope passes zero: SciPy."""
    found = solve_ivp(
        lambda t, rho: rate * t - rho / 2.0, (0.0, time), [0.0], "DOP853", rtol=1e-12, atol=1e-16
    )
    return float(found.y[0, -1])


@pytest.mark.parametrize(("rate", "slope"), [(0.2, -1e-3), (0.02, -3e-3), (1e-3, -1e-3)])
def test_the_length_of_those_who_left_at_slope_zero(rate: float, slope: float) -> None:
    (found,) = death.length_by_now(np.array([slope]), np.array([rate]), np.array([np.inf]))
    assert found == pytest.approx(_grown(rate, -slope / rate), rel=1e-8)
    # Nobody leaves before it is dead.
    since = -0.7 * slope / rate
    (found,) = death.length_by_now(np.array([slope]), np.array([rate]), np.array([since]))
    assert found == pytest.approx(_grown(rate, since), rel=1e-8)


@pytest.mark.parametrize("rate", [np.nan, -0.5, 0.0, 1e4])
def test_nobody_is_born_shorter_than_it_dies(rate: float) -> None:
    """Where the rate is not known, or the slope does not fall, or fell at once."""
    (found,) = death.length_by_now(np.array([-1e-3]), np.array([rate]), np.array([1.0]))
    assert found == death.DEAD


def _turned(start: int, departure: int, student: int) -> Real:
    return death.turned(U, start, departure, student)


def test_a_turn_goes_where_its_numbers_say() -> None:
    """A stream of its own beside those of starts (0) and of pushes off saddles (1)."""
    rng = np.random.Generator(np.random.Philox(key=[0, 2], counter=[0, 7, 4, 3]))
    across = rng.standard_normal(3)
    across[0] = 0.0
    wanted = np.cos(0.01) * U + np.sin(0.01) * across / np.linalg.norm(across)
    np.testing.assert_allclose(_turned(3, 4, 7), wanted, atol=1e-15)
