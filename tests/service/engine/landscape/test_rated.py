"""Learning rates of a landscape: what each minimum is told, and the diagram of all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.rated import NOTHING_OUTSIDE, TOO_MANY_UNITS, TOO_WIDE
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.fixed_points import fixed_point
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.plane import fluctuations
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.tasks import run_here
from relu_landscape.jobs.pool import codec
from relu_landscape.wire.landscape import FixedPoint, LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import as_bytes, body, details, solve
from tests.service.engine.usual import USUAL

#: K = 2, M = 3 has one minimum, of loss 0.0768, stable at the first two.
RATES = (0.05, 0.2, 2.0)


def request(K: int, M: int, **fields: Any) -> LandscapeRequest:
    asked = {"student_width": K, "teacher_width": M, "starts": 0, "learning_rates": RATES}
    return LandscapeRequest.model_validate({**asked, **fields})


@cache
def found(K: int, M: int) -> LandscapeBody:
    return body(solve(request(K, M)))


def minima(landscape: LandscapeBody) -> list[FixedPoint]:
    return [point for point in landscape.fixed_points if point.kind == "minimum"]


def test_each_minimum_is_told_what_the_parts_say() -> None:
    composed = solve(request(2, 3))
    (point,) = minima(body(composed))
    W, teacher = np.array(details(composed)[point.key].weights), make_teacher(3)
    told, moments = point.learning_rates, SecondMoment.at(W, teacher)
    assert told is not None
    assert told.slope == loss_shift(W, teacher)
    assert told.critical_rate == moments.critical_rate
    assert [each.learning_rate for each in told.at] == list(RATES)
    assert [each.stable for each in told.at] == [True, True, False]
    for each in told.at[:2]:
        rest = fixed_point(W, teacher, each.learning_rate)
        assert rest is not None
        assert each.fixed_point == rest.loss
        assert each.second_order == point.loss + moments.rise(each.learning_rate)
        assert point.loss < each.first_order < rest.loss < each.second_order
    assert (told.at[2].fixed_point, told.at[2].second_order) == (None, None)
    assert told.at[2].eigenvalue == moments.eigenvalue(2.0) > 0.0
    strayed = fluctuations(W, teacher)
    assert told.plane is not None
    assert told.plane.variance == pytest.approx(strayed.variance, rel=1e-9)
    assert told.at[0].deviation == pytest.approx(np.sqrt(strayed.variance * 0.05 / 1000), rel=1e-9)
    assert told.reasons == []


def test_at_zero_loss_nothing_moves_below_the_critical_rate() -> None:
    told = minima(found(3, 3))[0].learning_rates
    assert told is not None
    assert told.critical_rate == pytest.approx(critical_learning_rate(3), rel=1e-9)
    assert (told.slope, [each.fixed_point for each in told.at]) == (0.0, [0.0, 0.0, None])
    assert [each.stable for each in told.at] == [True, True, False]


def test_the_diagram_says_who_survives_up_to_where() -> None:
    """K = M = 7: the global minimum is stable to 0.4935, one anti-aligned student to 0.47 and more,
    though with the part in the span held its second moments would grow from 0.4569 on."""
    landscape = body(solve(request(7, 7, structures=["1+6"], learning_rates=[0.485, 0.1, 0.5])))
    diagram = landscape.learning_rates
    assert diagram is not None
    lowest, spurious = minima(landscape)[:2]
    assert diagram.learning_rates == [0.1, 0.485, 0.5]
    assert [each.minimum for each in diagram.minima] == [p.key for p in minima(landscape)]
    assert [each.survives_to for each in diagram.minima[:2]] == [0.485, 0.1]
    assert [lowest.key in each.minima for each in diagram.surviving] == [True, True, False]
    assert [spurious.key in each.minima for each in diagram.surviving] == [True, False, False]
    assert all(each.unknown == [] for each in diagram.surviving)
    told = spurious.learning_rates
    assert told is not None
    assert diagram.minima[0].losses == [0.0, 0.0, None]
    assert diagram.minima[1].losses == [told.at[0].fixed_point, None, None]


def test_a_minimum_is_stable_where_the_equations_say_so_not_where_second_moments_do() -> None:
    """One student and six teachers: SGD in 400 dimensions stays at a loss of 1.586 +- 0.002 at
    1.13, and of 1.903 +- 0.004 at 1.6, beyond the critical rate with the part in the span held."""
    landscape = body(solve(request(1, 6, learning_rates=[0.9, 1.13, 1.6, 3.0])))
    (point,) = minima(landscape)
    told, diagram = point.learning_rates, landscape.learning_rates
    assert told is not None
    assert diagram is not None
    assert told.critical_rate == pytest.approx(0.942107, abs=1e-6)
    assert [each.stable for each in told.at] == [True, True, True, False]
    assert diagram.minima[0].survives_to == 1.6
    assert diagram.minima[0].losses[1:3] == pytest.approx([1.5812, 1.8990], abs=1e-4)
    assert told.at[1].second_order is None


def test_a_minimum_that_gives_way_within_the_span_does_not_survive() -> None:
    """K = 4, M = 6: the second minimum's fixed point is there at 0.55, below its critical rate of
    0.639, and repels."""
    landscape = body(solve(request(4, 6, learning_rates=[0.45, 0.55])))
    diagram = landscape.learning_rates
    assert diagram is not None
    assert [each.survives_to for each in diagram.minima] == [0.55, 0.45]
    point = minima(landscape)[1].learning_rates
    assert point is not None
    assert point.at[1].fixed_point is not None
    assert point.at[1].eigenvalue is not None
    assert point.at[1].eigenvalue < 0.0
    assert diagram.minima[1].losses[1] is None


def test_without_learning_rates_nothing_is_changed() -> None:
    """Requests keep their ids and results their bytes."""
    asked = request(3, 3, learning_rates=[])
    assert "learning_rates" not in asked.canonical()
    plain = body(solve(asked)).model_dump(mode="json")
    assert "learning_rates" not in plain
    assert all("learning_rates" not in point for point in plain["fixed_points"])


def test_the_order_in_which_rates_are_asked_does_not_matter() -> None:
    one, other = (request(3, 3, learning_rates=rates) for rates in ([0.2, 0.1, 0.2], [0.1, 0.2]))
    assert one.canonical() == other.canonical()
    assert one.canonical()["learning_rates"] == [0.1, 0.2]


@pytest.mark.parametrize("rate", [0.0, -0.1, 101.0, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValidationError):
        request(3, 3, learning_rates=[rate])


def test_a_continuum_is_not_rated() -> None:
    diagram = found(3, 2).learning_rates
    assert diagram is not None
    assert [each.minimum for each in diagram.minima] == [p.key for p in minima(found(3, 2))]
    assert found(3, 2).fixed_points[0].kind == "global_continuum"
    assert found(3, 2).fixed_points[0].learning_rates is None


def test_wide_minima_have_their_slope_and_say_why_no_more() -> None:
    landscape = body(solve(request(30, 30, structures=["30"])))
    told = minima(landscape)[0].learning_rates
    assert told is not None
    assert (told.critical_rate, told.at[0].stable) == (None, None)
    assert told.reasons == [TOO_WIDE]  # the global minimum: nothing moves in the span
    assert landscape.learning_rates is not None
    keys = [point.key for point in minima(landscape)]
    assert landscape.learning_rates.surviving[0].unknown == keys
    spurious = body(solve(request(14, 14, structures=["1+13"])))
    point = next(point for point in minima(spurious) if not point.is_global)
    rates = point.learning_rates
    assert rates is not None
    assert rates.reasons == [TOO_MANY_UNITS]
    assert rates.plane is None
    assert rates.critical_rate is not None
    assert (rates.at[0].stable, rates.at[0].fixed_point) == (True, None)


def test_inputs_without_a_dimension_outside_the_span() -> None:
    landscape = body(solve(request(2, 3, input_dimension=3)))
    (point,) = minima(landscape)
    told = point.learning_rates
    assert told is not None
    assert told.reasons == [NOTHING_OUTSIDE]
    assert told.plane is not None
    assert told.slope > 0.0


def test_another_unit_of_length() -> None:
    """Learning rates have no unit; losses are squares of lengths, deviations lengths."""
    three = [[9.0 * float(i == j) for j in range(3)] for i in range(3)]
    plain = minima(found(2, 3))[0].learning_rates
    longer = minima(body(solve(request(2, 3, teacher_gram=three))))[0].learning_rates
    assert plain is not None
    assert longer is not None
    assert plain.plane is not None
    assert longer.plane is not None
    assert longer.critical_rate == pytest.approx(plain.critical_rate, rel=1e-12)
    assert longer.slope == pytest.approx(9.0 * plain.slope, rel=1e-12)
    assert longer.plane.variance == pytest.approx(9.0 * plain.plane.variance, rel=1e-9)
    assert longer.at[0].fixed_point == pytest.approx(9.0 * (plain.at[0].fixed_point or 0.0))
    assert longer.at[0].deviation == pytest.approx(3.0 * (plain.at[0].deviation or 0.0))


def test_tasks_pass_through_the_pool() -> None:
    """Encoded and decoded, tasks and answers, the landscape has the same bytes."""
    asked = request(2, 3)
    problem = COMPOSITION.problem(asked)
    here = run_here(problem, USUAL)

    def run(tasks: Any) -> Any:
        for task in tasks:
            sent = codec.decode_task(COMPOSITION, codec.encode_task(task))
            ((_, answer),) = list(here([sent]))
            yield task, codec.decode_answer(task, codec.encode_answer(answer))

    assert as_bytes(solve(asked, run=run)) == as_bytes(solve(asked))
