"""The short call of learning rates with a leak: closed forms, a landscape, and plain SGD."""

from __future__ import annotations

import math

import numpy as np
import pytest

from relu_landscape.engine.dynamics.answers import learning_rates_answer
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from relu_landscape.errors import InputError
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import leaky
from tests.service.engine.landscape.solving import body, solve
from tests.service.engine.oracles import Real


def answered(width: int, structure: str, leak: float, **fields: object) -> LearningRates:
    return learning_rates_answer(LearningRatesQuery.model_validate({
        "student_width": width, "teacher_width": width, "structure": structure, "leak": leak,
        **fields,
    }))  # fmt: skip


@pytest.mark.parametrize("leak", [-0.9, -0.5, 0.5, 0.9])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_the_global_minimum_has_the_closed_forms(width: int, leak: float) -> None:
    """gamma_c, and ``gamma s^2 K (1 + c^2)/8`` of label noise, over the batch."""
    found = answered(width, str(width), leak, batch_size=4, label_noise=0.5, points=1)
    assert found.is_global
    assert found.loss == 0.0
    critical = 4.0 * critical_learning_rate(width, leak)
    assert found.critical_rate == pytest.approx(critical, rel=1e-9)
    slope = 0.25 * width * (1.0 + leak**2) / 8.0 / 4.0
    assert found.slope == pytest.approx(slope, rel=1e-7)
    assert found.is_second_order
    assert not answered(width, str(width), leak, points=1).is_second_order


def test_a_landscape_says_the_same() -> None:
    """In the units of the request, from a search of its own."""
    found = answered(4, "1+3", -0.8, points=3)
    rates = [each.learning_rate for each in found.curve]
    landscape = body(solve(LandscapeRequest.model_validate({
        "student_width": 4, "teacher_width": 4, "starts": 0, "leak": -0.8, "structures": ["1+3"],
        "learning_rates": rates,
    })))  # fmt: skip
    (point,) = [
        each for each in landscape.fixed_points if abs(each.loss - found.loss) < 1e-9
    ]  # fmt: skip
    told = point.learning_rates
    assert told is not None
    assert told.slope == pytest.approx(found.slope, rel=1e-8)
    assert told.critical_rate == pytest.approx(found.critical_rate, rel=1e-8)
    for each, at in zip(found.curve, told.at, strict=True):
        assert at.first_order == pytest.approx(each.first_order, rel=1e-8)
        assert at.second_order == pytest.approx(each.loss, rel=1e-8)
    assert found.structure == "1+3"
    W = embed(Point.from_wire(family(4, 4, "1+3", found.branch, -0.8).point))
    assert float(leaky.loss(W, np.eye(4), -0.8)) == pytest.approx(found.loss, rel=1e-11)


@pytest.mark.parametrize(
    ("width", "structure", "leak", "noise"), [(4, "1+3", -0.8, 0.2), (2, "2", 0.3, 0.5)]
)
def test_the_curve_is_that_of_plain_sgd(
    width: int, structure: str, leak: float, noise: float
) -> None:
    """Plain steps of ``max(x, c x)`` on vectors of length d = 100 from the minimum, in batches of
    two: what d does not have inside the span it has outside, so that the rise agrees to a few
    hundredths; a tenth of the critical rate leaves less than one of third order."""
    found = answered(width, structure, leak, label_noise=noise, batch_size=2)
    at = found.curve[0]
    W0 = embed(Point.from_wire(family(width, width, structure, found.branch, leak).point))
    gamma, d, runs = at.learning_rate, 100, 40
    slowest = float(np.linalg.eigvalsh(leaky.hessian(W0, np.eye(width), leak))[0])
    steps = math.ceil(6.0 / slowest * d / gamma)  # second moments come to rest at twice that rate
    W = np.zeros((runs, width, d))
    W[:, :, :width] = W0
    rng, losses = np.random.default_rng(1), []

    def output(fields: Real) -> Real:
        return np.asarray(np.maximum(fields, leak * fields).sum(axis=-1))

    for step in range(steps):
        change = np.zeros_like(W)
        for _ in range(2):
            x = rng.standard_normal((runs, d))
            fields = np.einsum("rkd,rd->rk", W, x)
            e = output(fields) - output(x[:, :width]) - noise * rng.standard_normal(runs)
            change += (e[:, None] * np.where(fields > 0.0, 1.0, leak))[..., None] * x[:, None]
        W -= gamma / (2 * d) * change
        if step >= steps // 2 and step % 100 == 0:
            losses.append(leaky.loss(W, np.eye(width, d), leak))
    mean = np.mean(losses, axis=0)
    error = float(mean.std()) / math.sqrt(runs)
    rise = at.loss - found.loss
    assert abs(float(mean.mean()) - at.loss) < 4.5 * error + 0.05 * rise
    # The error is small beside what another unit would make of the rise.
    assert error < 0.03 * rise


def test_a_family_by_name_is_the_structure_that_it_becomes() -> None:
    named, structure = answered(8, "one-anti-aligned", 0.1), answered(8, "1+7", 0.1)
    assert (named.family, named.branch) == ("one-anti-aligned", None)
    assert named.loss == pytest.approx(structure.loss, abs=1e-13)
    assert named.slope == pytest.approx(structure.slope, rel=1e-9)
    assert named.critical_rate == pytest.approx(structure.critical_rate, rel=1e-9)


def test_what_makes_no_sense_is_said() -> None:
    with pytest.raises(InputError, match="saddle"):
        answered(4, "1+3", -0.4, branch=1)
    with pytest.raises(InputError, match="branches 1 to"):
        answered(4, "1+3", -0.5, branch=900)
    for leak in (-1.0, 0.95, float("inf")):
        with pytest.raises(ValueError, match="leak"):
            answered(4, "1+3", leak)
