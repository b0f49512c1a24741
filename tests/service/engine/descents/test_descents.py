"""Whole descents: their ends, how often they are reached, and what does not change them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descents import sorting
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.rules import Plain
from relu_landscape.engine.descents.running import Outcome, Pace, descend
from relu_landscape.engine.families.family import family
from relu_landscape.wire.descents import MOST_STEPS, DescentsBody, DescentsRequest
from tests.service.engine.descents.solving import as_bytes, solve

Real = NDArray[np.float64]


def losses(found: DescentsBody) -> list[float]:
    return [end.loss for end in found.ends]


def test_normalised_descents_end_at_the_published_levels() -> None:
    """The two lowest levels at K = M = 17, of the first eight starts in 1,000 dimensions."""
    found = solve(
        student_width=17, teacher_width=17, rule="normalised", starts=8, input_dimension=1000
    )
    assert sum(end.attraction.hits for end in found.ends) == 8
    levels = [0.0, 0.01414, 0.02696, 0.03887, 0.05001]
    for end in found.ends:
        assert min(abs(end.loss - level) for level in levels) < 1e-5
        assert end.structure is not None
        assert end.structure.anti_aligned == int(np.argmin(np.abs(np.array(levels) - end.loss)))
        assert end.curvature is not None
        assert end.curvature.gradient_norm < 1e-13
        assert (end.curvature.index, end.curvature.nullity) == (0, 0)
    assert len(found.ends) >= 3


def test_orthonormalised_descents_have_spurious_ends_and_they_are_minima() -> None:
    found = solve(
        student_width=17, teacher_width=17, rule="orthonormalised", starts=6, input_dimension=1000
    )
    levels = [0.0, 0.01462, 0.02811, 0.04077, 0.05268]
    spurious = [end for end in found.ends if end.kind == "minimum"]
    assert spurious
    for end in spurious:
        assert min(abs(end.loss - level) for level in levels) < 1e-5
        assert end.curvature is not None
        assert end.curvature.gradient_norm < 1e-13
        assert (
            min(end.curvature.min_eigenvalue_span or 0, end.curvature.min_eigenvalue_beside or 0)
            > 1e-3
        )
        assert np.array(end.overlaps.Q) == pytest.approx(np.eye(17), abs=1e-14)


def test_no_network_of_unit_students_is_below_the_bound() -> None:
    found = solve(student_width=5, teacher_width=3, rule="normalised", starts=20)
    assert found.loss_bound == pytest.approx(4.0 / (4.0 * math.pi))
    assert found.zero_loss.hits == 0
    assert found.loss_bound is not None
    assert min(losses(found)) > found.loss_bound
    # Orthonormal students are unit students under one more constraint.
    tighter = solve(student_width=5, teacher_width=3, rule="orthonormalised", starts=10)
    assert min(losses(tighter)) > min(losses(found))
    assert all(end.outside_span == 2 for end in tighter.ends)


@pytest.mark.parametrize("rule", ["gradient_flow", "gradient_descent", "two_layer"])
def test_one_and_two_layers_and_the_flow_end_at_the_same_points(rule: str) -> None:
    """The spurious minima of width 9 are found in symmetric families as well."""
    known = [0.0, *(family(9, 9, name).loss for name in ("1+8", "2+7"))]
    found = solve(student_width=9, teacher_width=9, rule=rule, starts=20)
    assert len(found.ends) >= 2
    for end in found.ends:
        assert end.structure is not None
        assert end.loss == pytest.approx(known[end.structure.anti_aligned], abs=1e-12)
    assert sum(end.attraction.hits for end in found.ends) == 20
    assert found.zero_loss.hits == found.ends[0].attraction.hits
    assert (found.step is None) == (rule == "gradient_flow")


def test_newton_s_method_ends_where_the_descent_would_have() -> None:
    """Each start again, with the plain rule alone until it stands still."""
    found = solve(student_width=8, teacher_width=8, rule="gradient_descent", starts=20,
                  step=0.4)  # fmt: skip
    rule = Plain(Layers.plain(8, 8))
    states = rule.draw(range(20), seed=0, dimension=50, scale=1.0)
    for _ in range(5_000):
        states = states - 0.4 * rule.slope(states)
    by_hand = rule.layers.loss(states)
    told = {end.key: end.loss for end in found.ends}
    for start, key in enumerate(found.reached):
        assert by_hand[start] == pytest.approx(told[key], abs=1e-9)


@pytest.mark.parametrize("rule", ["gradient_flow", "normalised", "orthonormalised", "two_layer"])
def test_how_the_work_is_cut_up_does_not_matter(rule: str) -> None:
    asked: dict[str, Any] = {"student_width": 3, "teacher_width": 3, "rule": rule, "starts": 7}
    assert as_bytes(solve(**asked)) == as_bytes(solve(chunk_starts=3, **asked))


def test_more_students_reach_the_set_of_zero_loss() -> None:
    found = solve(student_width=4, teacher_width=3, rule="two_layer", starts=10)
    (end,) = found.ends
    assert (end.key, end.kind, end.loss, end.curvature) == ("g1", "global", 0.0, None)
    assert found.reached == ["g1"] * 10


def test_a_student_that_dies_at_zero_loss_is_on_the_set() -> None:
    """At K = 18, M = 17 two starts in five leave a student at a norm of nothing: zero loss is one
    end all the same, and not that of a point beside the set."""
    found = solve(student_width=18, teacher_width=17, rule="gradient_descent", starts=7,
                  input_dimension=1000)  # fmt: skip
    (zero,) = [end for end in found.ends if end.kind == "global"]
    assert (zero.attraction.hits, zero.curvature) == (found.zero_loss.hits, None)
    assert found.reached.count(zero.key) == zero.attraction.hits > 0


def test_ends_without_a_point_have_names() -> None:
    early = solve(student_width=4, teacher_width=4, rule="normalised", starts=5, until=1.0)
    assert [one.outcome for one in early.others] == [Outcome.UNSETTLED.value]
    assert (early.others[0].lowest_loss or 0.0) > 0.0
    wild = solve(student_width=9, teacher_width=2, rule="gradient_descent", starts=4, step=8.0,
                 until=1000.0)  # fmt: skip
    assert not wild.ends
    assert [(one.outcome, one.attraction.hits) for one in wild.others] == [
        (Outcome.RAN_AWAY.value, 4)
    ]
    torn = solve(student_width=4, teacher_width=4, rule="two_layer", starts=10, step=4.0,
                 until=100.0)  # fmt: skip
    assert Outcome.CHANGED_SIGN.value in {one.outcome for one in torn.others}


@pytest.mark.parametrize(("students", "step", "start"), [(4, 1.3252, 29), (5, 1.0398, 2)])
def test_a_step_too_long_for_an_end_does_not_come_to_rest_there(
    students: int, step: float, start: int
) -> None:
    """0.1% and 0.2% beyond 2 over the largest eigenvalue at zero loss: this start comes so close
    that Newton's method, or a criterion for the flow, would end it there, and is driven away."""
    rule = Plain(Layers.plain(students, 4))
    begun = rule.draw([start], seed=0, dimension=10, scale=1.0)
    (landed,) = descend(rule, begun, Pace(step, 1e-3, 600.0), 10)
    assert landed.outcome == Outcome.UNSETTLED.name
    assert landed.loss > 1e-7
    (shorter,) = descend(rule, begun, Pace(0.9 * step, 1e-3, 600.0), 10)
    assert shorter.outcome in (Outcome.POINT.name, Outcome.ZERO_LOSS.name)


def test_the_usual_step_is_stable_where_many_students_share_a_teacher() -> None:
    """Along one teacher all of K students have curvature K/2, more than where each has its own;
    at 8 / (K + M + 8) every one of these descents ran away."""
    found = solve(student_width=20, teacher_width=1, rule="gradient_descent", starts=4)
    assert found.step == pytest.approx(8.0 / 48.0)
    assert (found.zero_loss.hits, found.reached) == (4, ["g1"] * 4)


@pytest.mark.parametrize("size", [0.1, 10.0])
def test_the_usual_step_follows_the_size_of_the_second_layer(size: float) -> None:
    """Layers of one size on both sides: every descent is the plain one, in another unit of losses.
    At 8 / (K + M + 8) layers of size 10 have a largest curvature of 225, and all ran away."""
    asked: dict[str, Any] = {"student_width": 7, "teacher_width": 7, "rule": "gradient_descent",
                             "starts": 12}  # fmt: skip
    plain, until = solve(**asked), 1e4 / min(size**2, 1.0)
    found = solve(**asked, student_layer=[size] * 7, teacher_layer=[size] * 7, until=until)
    assert plain.step == 8.0 / 22.0
    assert found.step == pytest.approx(8.0 / 22.0 / size**2, rel=1e-14)
    assert found.reached == plain.reached
    assert len(set(plain.reached)) > 1
    assert losses(found) == pytest.approx([size**2 * each for each in losses(plain)], rel=1e-9)


def test_the_flow_s_steps_follow_the_size_of_the_second_layer() -> None:
    """At curvatures of 15,000 steps of 0.001, the shortest for plain layers, ran away."""
    asked: dict[str, Any] = {"student_width": 4, "teacher_width": 4, "rule": "gradient_flow",
                             "starts": 4, "until": 10.0}  # fmt: skip
    found = solve(**asked, student_layer=[100.0] * 4, teacher_layer=[100.0] * 4)
    assert found.reached == ["g1"] * 4


def test_unequal_layers_of_any_sign_do_not_run_away() -> None:
    """Teachers of both signs and sizes of 0.5 to 10 beside students of 3 to 10."""
    found = solve(
        student_width=4, teacher_width=3, rule="gradient_descent", starts=4, until=50.0,
        student_layer=[10.0, -10.0, 3.0, -3.0], teacher_layer=[10.0, -5.0, 0.5],
    )  # fmt: skip
    told = {one.outcome for one in found.others}
    assert not told & {Outcome.RAN_AWAY.value, Outcome.NOT_FINITE.value}
    A = 218.0
    assert found.step == 8.0 / (A + max(A, 300.0) + 800.0)


def test_a_descent_has_so_many_steps_and_no_more() -> None:
    """Layers of 1000 take steps of a ten-millionth: in a time of 10,000 that were 10^11."""
    asked = {"student_width": 2, "teacher_width": 2, "rule": "gradient_descent"}
    request = DescentsRequest.model_validate({**asked, "student_layer": [1000.0, 1000.0]})
    pace = Problem.from_request(request).pace
    assert pace.step is not None
    assert pace.until == MOST_STEPS * pace.step < request.until
    assert Problem.from_request(DescentsRequest.model_validate(asked)).pace.until == 1e4


def test_students_of_unequal_signs_are_not_exchanged() -> None:
    """The same first layer with its signs exchanged is another network."""
    W = np.array([[1.0, 0.2], [0.3, -0.7]])
    signed = Layers(np.array([1.0, -1.0]), np.array([1.0, 1.0]))
    assert sorting.are_copies(W, W[:, ::-1], signed)
    assert not sorting.are_copies(W, W[::-1], signed)
    equal = Layers(np.array([2.0, 2.0]), np.array([1.0, -1.0]))
    assert sorting.are_copies(W, W[::-1], equal)
    assert not sorting.are_copies(W, W[:, ::-1], equal)


def test_signs_give_other_ends_that_are_critical_points() -> None:
    fields: dict[str, Any] = {
        "student_width": 3, "teacher_width": 3, "rule": "gradient_descent",
        "student_layer": [1.0, 1.0, -1.0], "teacher_layer": [1.0, 1.0, -1.0],
        "starts": 30, "until": 2000.0,
    }  # fmt: skip
    found = solve(**fields)
    assert found.loss_bound is None
    assert found.zero_loss.hits > 0
    for end in found.ends:
        assert sorted(end.student_layer) == [-1.0, 1.0, 1.0]
        assert end.structure is None
        W = np.array(end.overlaps.R)
        layers = Layers(np.array(end.student_layer), np.array(end.teacher_layer))
        assert np.linalg.norm(layers.gradient(W[None])) < 1e-13
        assert float(layers.loss(W[None])[0]) == pytest.approx(end.loss, abs=1e-14)


def test_merged_students_of_opposite_signs_are_a_flat_set_with_a_name() -> None:
    """A student that only takes away has nothing to do beside teachers that all add: it lies down
    on one that adds, and the outputs are those of a network without it."""
    fields: dict[str, Any] = {"teacher_width": 4, "rule": "gradient_descent", "starts": 10}
    found = solve(student_width=4, student_layer=[1.0, 1.0, 1.0, -1.0], **fields)
    (one,) = found.others
    assert (one.outcome, one.attraction.hits) == (Outcome.MERGED.value, 10)
    without = solve(student_width=3, **fields)
    assert one.lowest_loss == pytest.approx(without.ends[0].loss, abs=1e-12)


@pytest.mark.parametrize("signs", [[1.0, -1.0], [-1.0, 1.0]])
def test_two_students_of_opposite_signs_do_not_run_away(signs: list[float]) -> None:
    """``n u + v/2`` less ``n u - v/2`` becomes ``v . x`` where ``u . x > 0``; for large n the loss
    comes to its limit from below, by ``|v|^3 / (6 pi n)`` for v orthogonal to u: it grows with n,
    and a descent takes n back."""
    layers = Layers(np.array(signs), np.array([signs[0], -0.5]))
    u, v = np.array([0.0, 0.6, 0.8]), np.array([1.3, 0.0, 0.0])
    sizes = np.array([2e2, 4e2, 8e2])
    W = np.array([[n * u + v / 2.0, n * u - v / 2.0] for n in sizes])
    losses = layers.loss(W)
    constant = np.linalg.norm(v) ** 3 / (6.0 * np.pi)
    # Rounding is eps n^2, 1e-10 here, and the next term is of order n^-2, a twentieth of a percent.
    steps = losses[1:] - losses[:-1]
    assert steps == pytest.approx(constant * (1.0 / sizes[:-1] - 1.0 / sizes[1:]), rel=2e-3)
    slope = np.sum(layers.gradient(W) * u, axis=(1, 2))
    assert np.all(slope > 0.0)


def test_a_member_lands_at_the_same_place_in_any_company() -> None:
    rule = Plain(Layers(np.array([1.0, -1.0, 1.0]), np.array([1.0, 1.0])))
    states = rule.draw(range(6), seed=2, dimension=20, scale=1.0)
    pace = Pace(None, 1e-3, 300.0)
    together = descend(rule, states, pace, 20)
    for member, landed in enumerate(together):
        (alone,) = descend(rule, states[member : member + 1], pace, 20)
        assert (alone.outcome, alone.loss, alone.time) == (
            landed.outcome, landed.loss, landed.time,
        )  # fmt: skip
        assert np.array_equal(alone.W, landed.W)
