"""Places for temporary arrays: the same numbers with and without, and nothing of what was there."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descent.flow import Flow
from relu_landscape.engine.model import kernel
from relu_landscape.engine.model.arrays import NUMPY, Array, on_host
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.room import no_room, room_for
from relu_landscape.engine.model.stiff import ImplicitPart, frobenius
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real, gram_matrix

SHAPES = [(1, 1, 1), (4, 4, 4), (4, 4, 9), (5, 3, 6), (3, 5, 5)]


def _rubbish(name: str, shape: tuple[int, ...]) -> dict[str, Array]:
    """Places in which there is what must not be read."""
    return {"out": np.full(shape, np.nan)}


def _loss(width: int, orthonormal: bool) -> Loss:
    gram = None if orthonormal else gram_matrix(width, np.random.default_rng(width))
    return Loss.of(make_teacher(width, gram), NUMPY)


def _starts(shape: tuple[int, int, int], count: int) -> Real:
    K, M, d = shape
    teacher = make_teacher(M)
    return starts.draw(range(count), seed=2, students=K, teacher=teacher, dimension=d)


def test_a_place_is_the_same_memory_for_the_same_name_and_shape() -> None:
    room = room_for(NUMPY)

    def place(name: str, shape: tuple[int, ...]) -> Real:
        return on_host(room(name, shape)["out"])

    first, again, fewer = place("a", (5, 2, 3)), place("a", (5, 2, 3)), place("a", (3, 2, 3))
    assert first.shape == again.shape == (5, 2, 3)
    assert fewer.shape == (3, 2, 3)
    first[:] = 7.0
    assert np.all(again == 7.0)
    assert np.all(fewer == 7.0)
    for name, shape in (("b", (5, 2, 3)), ("a", (5, 3, 2)), ("a", (5, 6))):
        place(name, shape)[:] = 8.0
    assert np.all(first == 7.0)
    more = place("a", (9, 2, 3))
    assert more.shape == (9, 2, 3)
    assert np.shares_memory(place("a", (5, 2, 3)), more)


def test_other_namespaces_have_no_places(backend: Backend) -> None:
    assert bool(room_for(backend.xp)("a", (2, 2))) == (backend.xp is NUMPY)
    assert no_room("a", (2, 2)) == {}


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_gradient_is_the_same_to_the_bit(
    shape: tuple[int, int, int], orthonormal: bool
) -> None:
    loss = _loss(shape[1], orthonormal)
    room = room_for(NUMPY)
    for count in (7, 3, 9, 0, 1):  # more and fewer in the same places
        W = _starts(shape, count)
        kept = W.copy()
        wanted = on_host(loss.gradient(W))
        assert np.array_equal(on_host(loss.gradient(W, room)), wanted)
        assert np.array_equal(on_host(loss.gradient(W, _rubbish)), wanted)
        assert np.array_equal(on_host(loss.norms(W, _rubbish)), on_host(loss.norms(W)))
        assert np.array_equal(W, kept)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_implicit_part_is_the_same_to_the_bit(shape: tuple[int, int, int]) -> None:
    W, theta = _starts(shape, 6), np.linspace(0.0, 3.0, 6)
    b = np.random.default_rng(1).standard_normal(W.shape)
    wanted = ImplicitPart(W, theta, xp=NUMPY).solve(b)
    norms = kernel.norms(W, xp=NUMPY)
    for room in (room_for(NUMPY), _rubbish):
        part = ImplicitPart(W, theta, xp=NUMPY, norms=norms, room=room)
        first = np.array(on_host(part.solve(b, "one")))
        part.solve(2.0 * b, "another")
        assert np.array_equal(first, on_host(wanted))
        assert np.array_equal(on_host(part.solve(b, "one")), on_host(wanted))
    found = on_host(frobenius(b, xp=NUMPY, room=_rubbish))
    assert np.array_equal(found, on_host(frobenius(b, xp=NUMPY)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_steps_are_the_same_to_the_bit_and_leave_earlier_states_alone(
    shape: tuple[int, int, int],
) -> None:
    """Over rejected steps, entries that become zero, and a batch that shrinks and grows again."""
    method, plain = Flow(_loss(shape[1], True), 1e-3), Flow(_loss(shape[1], True), 1e-3)
    object.__setattr__(plain, "room", no_room)
    W = _starts(shape, 8)
    W[1] *= 30.0  # its first steps are rejected
    W[2, :, shape[1] :] *= 1e-119
    state, wanted = method.init(W), plain.init(W)
    rejected = 0
    for _ in range(60):
        before = {name: on_host(value).copy() for name, value in vars(state).items()}
        method.step(method.init(W[:3]))  # somebody else, in the same places
        after, wanted = method.step(state), plain.step(wanted)
        for name, value in vars(after).items():
            assert np.array_equal(on_host(value), on_host(getattr(wanted, name))), name
            assert np.array_equal(on_host(getattr(state, name)), before[name]), name
        rejected += int(np.sum(on_host(after.time) == on_host(state.time)))
        state = after
    assert rejected > 0
