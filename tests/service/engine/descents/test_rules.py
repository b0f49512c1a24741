"""Gradients and Hessians on the surfaces of the rules, against losses along curves on them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descents import ending
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.rules import (
    Normalised,
    Orthonormalised,
    Plain,
    Rule,
    TwoLayer,
)
from relu_landscape.engine.model.teacher import make_teacher

Real = NDArray[np.float64]

RULES: list[type[Rule]] = [Normalised, Orthonormalised]


def loss_at(rule: Rule, W: Real) -> float:
    return float(rule.layers.loss(W[None])[0])


@pytest.mark.parametrize("kind", RULES)
def test_slopes_are_those_of_the_loss_along_the_surface(kind: type[Rule]) -> None:
    rule = kind(Layers.plain(3, 4))
    W = rule.projected(np.random.default_rng(1).normal(size=(1, 3, 6)))[0]
    slope = rule.slope(W[None])[0]
    directions = rule.tangent(W)
    assert directions is not None
    flat = directions.reshape(len(directions), -1)
    assert np.abs(flat @ flat.T - np.eye(len(flat))).max() < 1e-14
    # The gradient lies on the surface.
    assert np.abs(flat.T @ (flat @ slope.ravel()) - slope.ravel()).max() < 1e-14
    h = 1e-5
    for direction in directions:
        ahead, behind = (rule.projected(W + sign * h * direction) for sign in (1.0, -1.0))
        difference = (loss_at(rule, ahead) - loss_at(rule, behind)) / (2.0 * h)
        assert difference == pytest.approx(float(np.sum(slope * direction)), abs=1e-9)


def minimum(kind: type[Rule]) -> tuple[Rule, Real]:
    """A spurious minimum of K = M = 6 that is reached from a start; ends are critical."""
    rule = kind(Layers.plain(6, 6))
    turned = np.eye(6)
    turned[0, 0] = -1.0
    W = rule.projected(turned + 0.25 - 0.05 * np.eye(6))
    for _ in range(4000):
        W = rule.projected(W - 0.3 * rule.slope(W[None])[0])
    found = ending.newton(rule, W)
    assert found is not None
    return rule, found


@pytest.mark.parametrize("kind", RULES)
def test_curvature_is_that_of_the_loss_along_the_surface(kind: type[Rule]) -> None:
    """At a critical point second differences along any retraction give the Hessian, in the
    coordinates used and in a dimension beside them."""
    rule, W = minimum(kind)
    padded = np.pad(W, ((0, 0), (0, 1)))
    directions = rule.tangent(padded)
    assert directions is not None
    rng = np.random.default_rng(2)
    middle, h = loss_at(rule, padded), 1e-3
    H, beside = rule.layers.hessian(padded)
    S = rule.multiplier(padded, rule.layers.gradient(padded[None])[0])
    whole = H - np.kron(S, np.eye(7))
    for _ in range(8):
        direction = np.tensordot(rng.normal(size=len(directions)), directions, axes=1)
        direction /= np.linalg.norm(direction)
        ahead, behind = (
            loss_at(rule, rule.projected(padded + sign * h * direction)) for sign in (1.0, -1.0)
        )
        # h^2 of the fourth derivative: 1e-6, and rounding 1e-15 / h^2.
        curved = float(direction.ravel() @ whole @ direction.ravel())
        assert (ahead - 2.0 * middle + behind) / h**2 == pytest.approx(curved, abs=2e-5)
    end = ending.spectrum_at(rule, W, 50)
    inside = rule.tangent(W)
    assert inside is not None
    everything = np.concatenate([end.span, end.beside])
    rows = directions.reshape(len(directions), -1)
    assert np.sort(everything) == pytest.approx(
        np.linalg.eigvalsh(rows @ whole @ rows.T), abs=1e-12
    )
    assert len(end.span) == len(inside)
    assert np.linalg.eigvalsh(beside - S) == pytest.approx(end.beside, abs=1e-12)
    assert end.gradient_norm < 1e-14


@pytest.mark.parametrize("kind", [*RULES, Plain])
def test_a_descent_in_reduced_coordinates_is_the_one_in_all_of_them(kind: type[Rule]) -> None:
    """The Gram matrix of students and teachers is all that matters: 40 dimensions against 7."""
    rule, wide = kind(Layers.plain(3, 4)), kind(Layers.plain(3, 4))
    W = np.random.default_rng(3).normal(size=(1, 3, 40)) / np.sqrt(40)
    gram = W[0, :, 4:] @ W[0, :, 4:].T
    small = np.concatenate([W[0, :, :4], np.linalg.cholesky(gram)], axis=1)[None]
    large, small = wide.projected(W), rule.projected(small)
    for _ in range(30):
        large = wide.projected(large - 0.2 * wide.slope(large))
        small = rule.projected(small - 0.2 * rule.slope(small))
    assert np.abs(large @ large.swapaxes(1, 2) - small @ small.swapaxes(1, 2)).max() < 1e-13
    assert np.abs(large[..., :4] - small[..., :4]).max() < 1e-13


def test_the_polar_factor_is_the_nearest_orthonormal_network() -> None:
    """Also from far away, and whatever else is in the batch."""
    rule = Orthonormalised(Layers.plain(3, 4))
    W = np.random.default_rng(4).normal(size=(5, 3, 6))
    W[2:] = rule.projected(W[2:]) + 0.01 * W[:3]
    found = rule.projected(W)
    for member in range(5):
        left, _, right = np.linalg.svd(W[member], full_matrices=False)
        assert np.abs(found[member] - left @ right).max() < 1e-14
        assert np.array_equal(rule.projected(W[member : member + 1])[0], found[member])


def test_two_layers_descend_the_loss_of_both() -> None:
    """Differences of the loss by both layers; and a balanced start conserves |w|^2 - a^2 = 0."""
    rule = TwoLayer(Layers.plain(3, 4), None)
    drawn = starts.draw([0], seed=1, students=3, teacher=make_teacher(4), dimension=20)
    state = rule.begun(drawn)
    assert state[..., -1] == pytest.approx(np.linalg.norm(drawn, axis=-1), rel=1e-15)
    h, slope = 1e-6, rule.slope(state)[0]
    moves = h * np.eye(slope.size).reshape(slope.size, *slope.shape)
    ahead, behind = (rule.layers.loss(rule.weights(state + sign * moves)) for sign in (1.0, -1.0))
    assert (ahead - behind) / (2.0 * h) == pytest.approx(slope.ravel(), abs=1e-8)
    change = state[0, :, :-1] * slope[:, :-1]
    assert np.sum(change, axis=1) == pytest.approx(state[0, :, -1] * slope[:, -1], abs=1e-15)


def test_the_second_layer_adds_zeros_to_the_spectrum_and_no_sign() -> None:
    """At a spurious minimum and at a saddle: inertia of the Hessian of both layers, by differences
    of its gradient, is that of one layer and K zeros."""
    rule = TwoLayer(Layers.plain(6, 6), None)
    _, omega = minimum(Plain)
    saddle = ending.newton(Plain(rule.layers), np.full((6, 6), 1.0 / 6.0) + 1e-3 * np.eye(6))
    for point in (omega, saddle):
        assert point is not None
        a = np.sqrt(np.linalg.norm(point, axis=1, keepdims=True))
        state = np.concatenate([point / a, a], axis=1)
        h = 1e-5
        moves = h * np.eye(state.size).reshape(state.size, *state.shape)
        H = (rule.slope(state + moves) - rule.slope(state - moves)).reshape(state.size, -1)
        both = np.linalg.eigvalsh((H + H.T) / (4.0 * h))
        one = np.linalg.eigvalsh(rule.layers.hessian(point)[0])
        assert np.sum(both < -1e-6) == np.sum(one < -1e-6)
        assert np.sum(np.abs(both) < 1e-8) == np.sum(np.abs(one) < 1e-8) + 6


@pytest.mark.parametrize("kind", [Plain, Normalised, Orthonormalised, TwoLayer])
def test_an_end_is_held_where_steps_come_to_rest_at_it(kind: type[Rule]) -> None:
    """Descents begun 1e-6 beside a strict minimum, with a step 2% below and above the bound, which
    is 2 over the largest eigenvalue of the slope's differences: they come closer, or leave."""
    if kind is TwoLayer:
        rule: Rule = TwoLayer(Layers.plain(6, 6), None)
        _, W = minimum(Plain)
        unbalanced = np.sqrt(np.linalg.norm(W, axis=1, keepdims=True)) * np.linspace(
            0.9, 1.2, 6
        )[:, None]  # fmt: skip
        state = np.concatenate([W / unbalanced, unbalanced], axis=1)
    else:
        rule, W = minimum(kind)
        state = W
    h = 1e-6
    moves = h * np.eye(state.size).reshape(state.size, *state.shape)
    ahead, behind = (
        rule.slope(rule.projected(state + sign * moves)).reshape(state.size, -1) for sign in (1, -1)
    )
    largest = float(np.linalg.eigvals((ahead - behind) / (2.0 * h)).real.max())
    rng = np.random.default_rng(3)
    begun = rule.projected(state + 1e-6 * rng.normal(size=state.shape))[None]
    for share, is_held in ((0.98, True), (1.02, False)):
        step, moved = share * 2.0 / largest, begun
        for _ in range(150):
            moved = rule.projected(moved - step * rule.slope(moved))
        left, first = (
            float(np.linalg.norm(rule.steepness(rule.weights(each))[0])) for each in (moved, begun)
        )
        assert (left < first) == is_held
        assert ending.is_held(rule, W, state, step, 6) == is_held
