"""Kicks of units that leak: against plain gradient flow, plain sums, and proofs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.certificates import verify
from relu_landscape.engine.families.family import family
from relu_landscape.engine.perturbations import COMPOSITION
from relu_landscape.engine.perturbations.problem import as_perturbations
from relu_landscape.engine.perturbations.tasks import directions
from relu_landscape.errors import InputError
from relu_landscape.wire.landscape import FixedPoint
from relu_landscape.wire.perturbations import PerturbationsBody, PerturbationsRequest
from tests.service.engine import leaky
from tests.service.engine.oracles import Real
from tests.service.engine.perturbations.solving import request, solve

#: The loss of 1+3 at K = M = 4 and c = -1/2, as Dormand and Prince's descent finds it (the tests of
#: landscapes with a leak).
SPURIOUS = 0.0554680077364


def asked_of(width: int, structure: str, leak: float, **fields: Any) -> PerturbationsRequest:
    return request(
        student_width=width, teacher_width=width, structure=structure, leak=leak, **fields
    )


def kicked_point(found: PerturbationsBody) -> FixedPoint:
    (point,) = [each for each in found.fixed_points if each.key == found.start]
    return point


@pytest.mark.parametrize(
    ("width", "structure", "leak", "size", "dimension"),
    [(4, "1+3", -0.5, 0.5, 4), (6, "1+5", 0.5, 0.7, 50), (6, "1+5", -0.5, 0.7, 10)],
)
def test_plain_gradient_flow_leads_from_the_same_kicks_to_the_same_ends(
    width: int, structure: str, leak: float, size: float, dimension: int
) -> None:
    """Dormand and Prince with a loss of plain sums: a gradient of 1e-5 leaves 1e-7 of loss at
    eigenvalues of 5e-4 and more, and losses of different points are 5e-3 apart."""
    kicks = 8
    asked = asked_of(width, structure, leak, sizes=[size], kicks=kicks, input_dimension=dimension)
    found = solve(asked)
    point = kicked_point(found)
    W0 = np.array(point.overlaps.R)
    W = size * directions(as_perturbations(COMPOSITION.problem(asked)), range(kicks))
    W[..., :width] += W0
    V = np.eye(width, W.shape[2])
    ends, norms = leaky.flow(W, V, leak, until=20_000.0, rest=1e-5)
    assert norms.max() <= 1e-5
    losses = leaky.loss(ends, V, leak)
    known = {each.key: each.loss for each in found.fixed_points}
    theirs = [min(known, key=lambda key: abs(known[key] - loss)) for loss in losses]
    assert max(abs(known[key] - loss) for key, loss in zip(theirs, losses, strict=True)) < 1e-7
    (kicked,) = found.sizes
    assert kicked.ends == theirs
    whole = np.pad(W0, ((0, 0), (0, W.shape[2] - width)))
    assert kicked.to_itself == int(np.sum(np.linalg.norm(ends - whole, axis=(1, 2)) < 0.05))
    # Some return and some do not, or nothing would be told apart.
    assert 0 < kicked.returned.hits < kicks


@pytest.mark.parametrize(("width", "structure", "leak"), [(4, "1+3", -0.5), (6, "1+5", 0.5)])
def test_the_point_is_told_in_the_units_of_the_loss_itself(
    width: int, structure: str, leak: float
) -> None:
    found = solve(asked_of(width, structure, leak, sizes=[0.01], kicks=1, input_dimension=width))
    point = kicked_point(found)
    assert (point.kind, point.structure and point.structure.name) == ("minimum", structure)
    W, V = np.array(point.overlaps.R), np.eye(width)
    assert point.loss == pytest.approx(float(leaky.loss(W, V, leak)), rel=1e-11)
    if width == 4:
        assert point.loss == pytest.approx(SPURIOUS, abs=1e-12)
    least = float(np.linalg.eigvalsh(leaky.hessian(W, V, leak))[0])
    assert point.stability.min_eigenvalue_span == pytest.approx(least, rel=1e-5)
    assert point.stability.relaxation_time == pytest.approx(1.0 / least, rel=1e-5)


@pytest.mark.parametrize(("width", "structure", "leak"), [(4, "1+3", -0.5), (6, "1+5", 0.5)])
def test_every_kick_inside_the_proved_ball_returns(width: int, structure: str, leak: float) -> None:
    asked = asked_of(width, structure, leak, sizes=[1e-5, 1e-4, 3e-4, 1e-3, 0.5], kicks=30,
                     input_dimension=20, certify="fast")  # fmt: skip
    found = solve(asked)
    certificate, radius = kicked_point(found).certificate, found.proved_radius
    assert certificate is not None and radius is not None  # noqa: PT018 - for the type checker
    assert (certificate.verdict, certificate.leak) == ("minimum", leak)
    assert [each["holds"] for each in verify(certificate.model_dump(mode="json"))] == [True]
    problem = as_perturbations(COMPOSITION.problem(asked))
    lengths = np.linalg.norm(directions(problem, range(30)), axis=(1, 2))
    for each in found.sizes:
        inside = each.size * lengths < radius
        assert np.min(np.abs(each.size * lengths / radius - 1.0)) > 1e-9
        assert each.proved == int(inside.sum())
        assert {each.ends[kick] for kick in np.flatnonzero(inside)} <= {found.start}
    assert found.sizes[0].proved == found.sizes[0].to_itself == 30
    assert found.sizes[-1].proved == 0
    # Nor does plain flow leave from inside: kicks of nine tenths of the radius.
    W0 = np.array(kicked_point(found).overlaps.R)
    kicks = directions(problem, range(6))
    W = 0.9 * radius * kicks / np.linalg.norm(kicks, axis=(1, 2))[:, None, None]
    W[..., :width] += W0
    ends, _ = leaky.flow(W, np.eye(width, W.shape[2]), leak, until=20_000.0, rest=1e-8)
    away = ends - np.pad(W0, ((0, 0), (0, W.shape[2] - width)))
    assert np.linalg.norm(away, axis=(1, 2)).max() < 0.1 * radius


def test_what_is_a_minimum_at_one_leak_is_a_saddle_at_another() -> None:
    """1+3 of width 4 is a minimum below c = -0.4856 (``/v1/families/leaks``)."""
    usual: dict[str, Any] = {"sizes": [1e-3], "kicks": 6, "input_dimension": 10}
    left = solve(asked_of(4, "1+3", -0.4, **usual))
    assert left.start == "s1"
    assert left.sizes[0].returned.hits == 0
    stays = solve(asked_of(4, "1+3", -0.5, **usual))
    assert stays.start == "m1"  # what no kick leads to is not listed
    assert stays.sizes[0].returned.hits == 6


def rounded_weights(leak: float) -> Real:
    found = solve(asked_of(6, "1+5", leak, sizes=[0.1], kicks=1))
    return np.round(np.array(kicked_point(found).overlaps.R), 4)


def test_given_weights_are_the_point_of_their_leak() -> None:
    """Rounded ones of the leak are polished onto its point; those of ReLU are none of it."""
    usual: dict[str, Any] = {"sizes": [0.1, 0.8], "kicks": 8, "seed": 3}
    named = solve(asked_of(6, "1+5", 0.5, **usual))
    weights = rounded_weights(0.5).tolist()
    given = solve(request(weights=weights, leak=0.5, **usual))
    assert 0.0 < given.moved < 1e-3
    assert [each.ends for each in given.sizes] == [each.ends for each in named.sizes]
    here = pytest.approx(kicked_point(named).loss, abs=1e-12)
    assert kicked_point(given).loss == here
    steep = float(np.linalg.norm(leaky.gradient(rounded_weights(0.0), np.eye(6), 0.5)))
    with pytest.raises(InputError, match=f"a gradient of norm {steep:.3g}"):
        COMPOSITION.problem(request(weights=rounded_weights(0.0).tolist(), leak=0.5))


@pytest.mark.parametrize("name", ["one-anti-aligned", "global", "all-anti-aligned"])
def test_families_by_name_are_what_relus_become(name: str) -> None:
    found = kicked_point(solve(asked_of(6, name, 0.1, sizes=[1e-4], kicks=1)))
    wanted = family(6, 6, name, leak=0.1)
    assert found.loss == pytest.approx(wanted.loss, abs=1e-12)
    assert found.kind == wanted.kind


def test_what_does_not_exist_is_said() -> None:
    with pytest.raises(InputError, match="branches 1 to"):
        solve(asked_of(6, "1+5", 0.5, branch=900, sizes=[0.1], kicks=1))
    for leak in (-1.0, 0.95, float("nan")):
        with pytest.raises(ValueError, match="leak"):
            request(leak=leak)


def test_a_question_without_one_is_the_one_that_it_was() -> None:
    assert "leak" not in request().canonical()
    assert request(leak=0.0).content_id("cpu") == request().content_id("cpu")
    assert request(leak=0.1).content_id("cpu") != request().content_id("cpu")
