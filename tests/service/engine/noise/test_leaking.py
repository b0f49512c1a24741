"""The noise of leaky units, and of second layers of any sign, in each case against the definition.

Nothing of the formulas is used here: inputs are sampled, or integrated over an angle, with the
activation ``max(x, c x)`` itself, not in the engine's unit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import compiled, places
from relu_landscape.engine.noise.sigma import noise, noise_of, squared_errors
from relu_landscape.engine.noise.units import Units
from tests.service.engine.lanes.setups import KERNELS, name
from tests.service.engine.noise.test_sigma import SIGMAS
from tests.service.engine.oracles import Real

LEAKS = [-0.9, -0.5, 0.1, 0.5, 0.9]
#: Students, teachers, coordinates.
SHAPES = [(1, 1, 2), (2, 3, 4), (3, 3, 6), (4, 4, 4), (5, 4, 7), (4, 5, 9)]


def setting(K: int, M: int, p: int, leak: float) -> tuple[Real, Teacher, SecondLayers]:
    """Students, a teacher that is not orthonormal, and second layers of both signs."""
    rng = np.random.default_rng([K, M, p, 7])
    G = rng.standard_normal((M, M + 2))
    teacher = make_teacher(M, G @ G.T + 0.2 * np.eye(M), leak)
    layers = SecondLayers(*(
        rng.uniform(0.4, 1.6, n) * np.resize([1.0, -1.0], n)[rng.permutation(n)] for n in (K, M)
    ))  # fmt: skip
    return rng.standard_normal((K, p)), teacher, layers


def plain(K: int, M: int) -> SecondLayers:
    return SecondLayers(np.ones(K), np.ones(M))


def output(fields: Real, leak: float) -> Real:
    return np.where(fields > 0.0, fields, leak * fields)


def by_sampling(
    W: Real, V: Real, leak: float, layers: SecondLayers, *, label_noise: float, batch_size: int
) -> tuple[Real, Real]:
    """E of (e a_i phi'_i)(e a_j phi'_j) over the batch, with the standard errors of its entries."""
    rng, samples = np.random.default_rng(17), 200_000
    x = rng.standard_normal((samples, W.shape[1]))
    fields = x @ W.T
    e = output(fields, leak) @ layers.a - output(x[:, : V.shape[1]] @ V.T, leak) @ layers.b
    e -= label_noise * rng.standard_normal(samples)
    pulled = layers.a * np.where(fields > 0.0, 1.0, leak)
    mean = (pulled * (e**2)[:, None]).T @ pulled / samples
    fourth = (pulled**2 * (e**4)[:, None]).T @ pulled**2 / samples
    return mean / batch_size, np.sqrt((fourth - mean**2) / samples) / batch_size


@pytest.mark.parametrize("leak", [0.0, *LEAKS])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_monte_carlo(shape: tuple[int, int, int], leak: float) -> None:
    W, teacher, signed = setting(*shape, leak)
    height = activation.height(leak)
    cases: list[tuple[SecondLayers, SecondLayers | None]] = [(signed, signed)]
    if shape == (3, 3, 6):
        cases.append((plain(3, 3), None))
    for layers, given in cases:
        mean, error = by_sampling(W, teacher.V, leak, layers, label_noise=0.7, batch_size=3)
        found = height**2 * noise(
            W, teacher, label_noise=0.7 / math.sqrt(height), batch_size=3, layers=given
        )
        assert np.all(np.abs(found - mean) < SIGMAS * error)
        assert np.array_equal(found, found.T)
        assert np.linalg.eigvalsh(found)[0] > 0.0


def by_angle(W: Real, V: Real, leak: float, layers: SecondLayers) -> Real:
    """Sigma of units in a plane: E[r^2] = 2 times the mean over the angle."""
    rows, K = np.vstack([W, V]), len(W)
    weights = np.r_[layers.a, -layers.b]
    across = np.arctan2(rows[:, 1], rows[:, 0])[:, None] + [[0.5 * math.pi, -0.5 * math.pi]]
    edges = np.r_[0.0, np.sort(across.ravel() % (2.0 * math.pi)), 2.0 * math.pi]

    def error(phi: float) -> float:
        return float(weights @ output(rows @ [math.cos(phi), math.sin(phi)], leak))

    found = np.zeros((K, K))
    for low, high in itertools.pairwise(edges):
        if high - low < 1e-14:
            continue
        middle = (low + high) / 2.0
        fields = W @ [math.cos(middle), math.sin(middle)]
        pulled = layers.a * np.where(fields > 0.0, 1.0, leak)
        piece = quad(lambda phi: error(phi) ** 2, low, high, epsabs=1e-12)[0] / math.pi
        found += piece * np.outer(pulled, pulled)
    return found


def _anywhere(rng: np.random.Generator, teacher: Teacher) -> Real:
    return rng.standard_normal((4, 2))


def _parallel(rng: np.random.Generator, teacher: Teacher) -> Real:
    return np.asarray(rng.uniform(0.3, 2.0, (4, 1)) * rng.standard_normal(2))


def _opposite(rng: np.random.Generator, teacher: Teacher) -> Real:
    return np.asarray([[1.0], [-0.7], [1.3], [-0.2]] * rng.standard_normal(2))


def _on_teachers(rng: np.random.Generator, teacher: Teacher) -> Real:
    return np.array([0.6, -1.1, 0.4, 0.8])[:, None] * teacher.V[[0, 0, 1, 1]]


def _orthogonal(rng: np.random.Generator, teacher: Teacher) -> Real:
    return np.array([[1.0, 0.0], [0.0, 1.5], [-0.7, 0.0], [0.0, -1.0]])


@pytest.mark.parametrize("leak", [0.0, *LEAKS])
@pytest.mark.parametrize("place", [_anywhere, _parallel, _opposite, _on_teachers, _orthogonal])
def test_quadrature_over_the_angle(
    place: Callable[[np.random.Generator, Teacher], Real], leak: float
) -> None:
    """In a plane, where units coincide, are opposite or orthogonal; S = 0 among them."""
    rng = np.random.default_rng(3)
    teacher = make_teacher(2, [[1.3, 0.4], [0.4, 0.8]], leak)
    W = place(rng, teacher)
    signed = SecondLayers(np.array([0.7, -1.2, 1.0, -0.5]), np.array([-0.8, 1.4]))
    # The last student so that nothing is left of S, which has no direction then.
    balanced = W.copy()
    rest = signed.a[:3] @ W[:3] - signed.b @ teacher.V
    balanced[3] = -rest / signed.a[3]
    for students, layers in ((W, signed), (W, plain(4, 2)), (balanced, signed)):
        wanted = by_angle(students, teacher.V, leak, layers)
        unit = activation.height(leak) ** 2
        found = unit * noise(students, teacher, layers=layers)
        # What ``sigma`` says of where units coincide: 1e-9 of the largest squared output.
        outputs = layers.both * np.linalg.norm(np.vstack([students, teacher.V]), axis=1)
        most = float(np.max(outputs**2) * np.max(layers.a**2)) * max(1.0, unit)
        assert found == pytest.approx(wanted, abs=2e-9 * most)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_two_units_more_do_the_same(shape: tuple[int, int, int], leak: float) -> None:
    """``kappa s = ReLU(kappa s) - ReLU(-kappa s)``: with two units of ReLU beside the others, and
    sets of four units where the formulas need three."""
    W, teacher, layers = setting(*shape, leak)
    units, K = Units.of(W, teacher, layers), shape[0]
    slope = activation.slope(leak)
    S = (units.signed @ units.directions)[: shape[2]]
    length = float(np.linalg.norm(S))
    rows = np.vstack([units.directions[:, : shape[2]], S / length, -S / length])
    signed = np.r_[units.signed, slope * length, -slope * length]
    probes = np.vstack([rows[:K], rows[K:]])
    e = noise_of(Units.along(probes, signed, K))
    # What no student's activity asks is that of a student too short to count, and its opposite.
    once = np.diagonal(e)
    short = np.random.default_rng(0).standard_normal(shape[2])
    short /= np.linalg.norm(short)
    always = sum(
        float(noise_of(Units.along(np.vstack([side, probes]), np.r_[0.0, signed], 1))[0, 0])
        for side in (short, -short)
    )
    wanted = e + slope * (once[:, None] + once) + slope**2 * always
    found = noise(W, teacher, layers=layers) / np.outer(layers.a, layers.a)
    assert found == pytest.approx(wanted, abs=3e-9 * (1.0 + slope**2) * float(np.abs(e).max()))


def test_without_a_leak_and_with_layers_of_one_nothing_changes() -> None:
    """Bit by bit, and as the leak vanishes in proportion to it."""
    for shape in SHAPES:
        W, teacher, _ = setting(*shape, 0.0)
        found = noise(W, teacher)
        assert np.array_equal(found, noise(W, teacher, layers=plain(*shape[:2])))
        changes = [
            np.abs(noise(W, replace(teacher, leak=leak)) - found).max() for leak in (1e-4, 1e-6)
        ]
        assert changes[0] == pytest.approx(100.0 * changes[1], rel=1e-2)
        assert changes[1] < 1e-5 * np.abs(found).max()


@pytest.mark.parametrize("leak", LEAKS)
def test_diagonal_is_the_elementary_one(leak: float) -> None:
    for shape in SHAPES:
        W, teacher, _ = setting(*shape, leak)
        found = squared_errors(W, teacher)
        assert found == pytest.approx(np.diagonal(noise(W, teacher)), rel=1e-12)


@pytest.mark.parametrize("leak", LEAKS)
def test_no_error_no_noise(leak: float) -> None:
    """At zero loss the labels' noise is left, with E[phi'^2] = (1 + c^2)/2 and E[phi' phi'] =
    (1 + c)^2/4 of orthogonal units; one student turned round in sign and layer, the others not."""
    teacher, height = make_teacher(4, leak=leak), activation.height(leak)
    assert np.abs(height**2 * noise(np.eye(4), teacher)).max() < 1e-13
    across = (1.0 + leak) ** 2 / 4.0
    expected = across + ((1.0 + leak**2) / 2.0 - across) * np.eye(4)
    found = height**2 * noise(np.eye(4), teacher, label_noise=2.0 / math.sqrt(height), batch_size=8)
    assert found == pytest.approx(expected / 2.0, abs=1e-13)


@pytest.mark.parametrize("leak", [0.0, *LEAKS])
def test_sizes_of_a_layer_are_lengths(leak: float) -> None:
    """omega = |a| w, signs alone left: Sigma in w is |a_i a_j| times that in omega."""
    W, teacher, layers = setting(4, 3, 6, leak)
    size = np.abs(layers.a)
    signs = SecondLayers(np.sign(layers.a), layers.b)
    found = noise(W, teacher, layers=layers)
    other = np.outer(size, size) * noise(size[:, None] * W, teacher, layers=signs)
    assert found == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize("leak", [0.0, -0.9, 0.5])
@pytest.mark.parametrize("shape", [*SHAPES, (8, 8, 16), (13, 9, 22)], ids=str)
def test_the_kernel_s_is_that_of_the_arrays(
    kernel: Kernel, shape: tuple[int, int, int], leak: float
) -> None:
    W, teacher, signed = setting(*shape, leak)
    for layers in (signed, None):
        wanted = noise(W, teacher, label_noise=0.7, batch_size=3, layers=layers)
        found = compiled.noise(
            W, teacher, label_noise=0.7, batch_size=3, layers=layers, kernel=kernel
        )
        scale = float(max(np.sum(W * W, axis=1).max(), np.max(teacher.norms) ** 2))
        most = 1.0 if layers is None else float(np.abs(layers.both).max()) ** 4
        assert np.abs(found - wanted).max() < 1e-15 * sum(shape[:2]) ** 2 * scale * most
        assert np.array_equal(found, found.T)
    first = compiled.noise(W, teacher, layers=signed, kernel=kernel)
    assert np.array_equal(first, compiled.noise(W, teacher, layers=signed, kernel=KERNELS[0]))


@pytest.mark.parametrize("leak", [0.0, *LEAKS])
def test_the_block_beside_the_span(leak: float) -> None:
    """The gradient there is A times what students have there: by differences of a sampled-free
    loss, written out here over pairs of units."""
    W, teacher, layers = setting(3, 3, 6, leak)

    def loss(W: Real) -> float:
        rows = np.vstack([W, np.pad(teacher.V, ((0, 0), (0, 3)))])
        weights, n = np.r_[layers.a, -layers.b], np.linalg.norm(rows, axis=1)
        inner = rows @ rows.T
        t = np.arccos(np.clip(inner / np.outer(n, n), -1.0, 1.0))
        np.fill_diagonal(t, 0.0)
        g = np.outer(n, n) * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2.0 * np.pi)
        return float(weights @ ((1.0 - leak) ** 2 * g + leak * inner) @ weights / 2.0)

    moves = 1e-5 * np.eye(W.size).reshape(W.size, *W.shape)
    slope = np.array([(loss(W + move) - loss(W - move)) / 2e-5 for move in moves])
    beside = slope.reshape(W.shape)[:, 3:]
    A = activation.height(leak) * places.perpendicular_block(W, teacher, layers)
    assert A @ W[:, 3:] == pytest.approx(beside, abs=1e-8)
    assert np.array_equal(A, A.T)
    inside = W[:, :3]
    assert places.perpendicular_block(inside, teacher) == pytest.approx(
        population.hessian(inside, teacher)[1], abs=1e-14
    )
