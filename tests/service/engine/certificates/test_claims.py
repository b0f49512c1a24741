"""What follows from enclosures: every claim by its theorem, and refused where it says more.

The point is made up (two unit students, round numbers), so each claim is a line of arithmetic
beside the Lipschitz bound, which has tests of its own. docs/mathematics/certificates.md has the
theorems.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flint import arb

from relu_landscape.engine.certificates.claims import (
    Claims,
    Evidence,
    derive,
    examine,
    operator_bound,
    too_far,
)
from relu_landscape.engine.certificates.lipschitz import Students, lipschitz
from relu_landscape.engine.certificates.spectrum import Spectrum

STUDENTS = Students(
    norms=[arb(1), arb(1)], curvatures=[arb(0.3), arb(0.2)], counts=[1, 1],
    operator_norm=arb(1), teachers=2,
)  # fmt: skip
EVIDENCE = Evidence(
    gradient=arb(1e-8), loss=arb(0.02), hessian=arb(1.5), students=STUDENTS, to_teacher=arb(0.5)
)
MINIMUM = (Spectrum(0, 0.05, 0.05), Spectrum(0, 0.04, 0.04))
SADDLE = (Spectrum(1, 0.05, -0.3), Spectrum(0, 0.04, 0.04))


def _bound(radius: float) -> float:
    return float(lipschitz(STUDENTS, arb(radius)))


def _claims(spectra: tuple[Spectrum, Spectrum] = MINIMUM, **evidence: Any) -> Claims:
    found = derive(replace(EVIDENCE, **evidence), *spectra)
    assert isinstance(found, Claims), found
    return found


def _refused(claims: Claims, **evidence: Any) -> str:
    reason = examine(replace(EVIDENCE, **evidence), claims)
    assert reason is not None
    return reason


@pytest.mark.parametrize("spectra", [MINIMUM, SADDLE], ids=["minimum", "saddle"])
def test_what_is_derived_is_what_the_theorems_say(spectra: tuple[Spectrum, Spectrum]) -> None:
    span, perpendicular = spectra
    claims = _claims(spectra)
    assert examine(EVIDENCE, claims) is None
    g, r = 1e-8, claims.radius
    # A critical point within r: g < (sigma - B r) r, and r hardly above g / sigma.
    assert g / 0.05 < r < 1.002 * g / 0.05
    B = _bound(r)
    assert g < (0.05 - B * r) * r
    assert claims.lipschitz == pytest.approx(B, rel=1e-12)
    assert claims.gradient_norm == pytest.approx(g, rel=1e-12, abs=0)
    # The only one as far as the Hessian is regular: R B(R) below the smaller gap.
    R = claims.attribution_radius + r
    assert _bound(R) * R < 0.04 < 1.02 * _bound(R) * R
    assert claims.smallest_eigenvalue_span == pytest.approx(span.lowest - B * r, rel=1e-12)
    wanted = perpendicular.lowest - B * r
    assert claims.smallest_eigenvalue_perpendicular == pytest.approx(wanted, rel=1e-12)
    low, high = (float(claims.loss[end]) for end in ("lower", "upper"))
    if span.index == 0:
        # Strong convexity: not above the stored loss, below it by at most g^2 / (2 mu).
        assert 0.02 - low == pytest.approx(g**2 / (2 * (0.05 - B * r)), rel=0.2, abs=0)
        assert 0 <= high - 0.02 < 2e-16  # the last place written
        assert (claims.verdict, claims.spurious) == ("minimum", True)
    else:
        # Second order in the distance, to either side.
        around = (1.5 + B * r) * r**2 / 2
        assert 0.02 - low == pytest.approx(around, rel=0.2, abs=0)
        assert high - 0.02 == pytest.approx(around, rel=0.2, abs=0)
        assert (claims.verdict, claims.spurious) == ("saddle", None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"radius": 0.0}, "radii are not in order"),
        ({"radius": -1e-7}, "radii are not in order"),
        ({"attribution_radius": 1e-7}, "radii are not in order"),
        ({"radius": 1.9e-7}, "no critical point is proven"),
        ({"lipschitz": 0.1}, "Lipschitz bound of the Hessian is too small"),
        ({"gradient_norm": 0.9e-8}, "gradient norm is too small"),
        ({"smallest_eigenvalue_span": 0.05}, "eigenvalue bound is higher"),
        ({"smallest_eigenvalue_perpendicular": 0.04}, "eigenvalue bound is higher"),
        ({"smallest_eigenvalue_span": 0.0}, "are not positive"),
        ({"smallest_eigenvalue_perpendicular": 0.0}, "are not positive"),
        ({"verdict": "saddle"}, "verdict does not agree"),
        ({"loss": {"lower": "0.02", "upper": "0.03"}}, "not proven to lie"),
        ({"loss": {"lower": "0.01", "upper": "0.0199"}}, "not proven to lie"),
        ({"spurious": None}, "spurious"),
        ({"spurious": False}, "spurious"),
    ],
)
def test_each_claim_is_refused_alone(change: dict[str, Any], reason: str) -> None:
    """Everything else is as it was proven, so nothing but this condition can refuse it."""
    assert reason in _refused(replace(_claims(), **change))


def test_an_attribution_radius_beyond_the_regular_hessian_is_refused() -> None:
    claims = _claims()
    R = claims.attribution_radius
    assert "the only one" in _refused(replace(claims, attribution_radius=1.02 * R))
    assert examine(EVIDENCE, replace(claims, attribution_radius=0.5 * R)) is None
    assert "smaller radius" in _refused(replace(claims, attribution_radius=0.3))


def test_the_weaker_of_two_gaps_limits_how_far_one_point_is_the_only_one() -> None:
    """Whichever block has it: perpendicular directions are directions too."""
    spans = [_claims((Spectrum(0, 0.05, 0.05), Spectrum(0, gap, gap))) for gap in (0.04, 0.02)]
    assert spans[1].attribution_radius == pytest.approx(spans[0].attribution_radius / 2, rel=0.05)
    assert spans[0].radius == spans[1].radius  # the point lies in the span
    assert "no critical point" in _refused(
        replace(spans[0], span=Spectrum(0, 0.02, 0.02), smallest_eigenvalue_span=0.01)
    )
    narrow = replace(spans[0], perpendicular=Spectrum(0, 0.02, 0.02))
    assert "the only one" in _refused(narrow)


def test_a_gap_that_the_radius_uses_up_proves_nothing() -> None:
    """B r is what the Hessian may change by on the way to the critical point."""
    r = _claims().radius
    used_up = _bound(r) * r / 2
    refused = derive(EVIDENCE, MINIMUM[0], Spectrum(0, used_up, used_up))
    assert isinstance(refused, str)
    assert "too close to zero" in refused
    # Regular enough, but only as far as the radius itself: nothing could be attributed.
    barely = 1.5 * _bound(r) * r
    refused = derive(EVIDENCE, MINIMUM[0], Spectrum(0, barely, barely))
    assert isinstance(refused, str)
    assert "too close to zero" in refused


def test_a_gradient_too_large_names_the_one_that_would_do() -> None:
    """sigma^2 / (4 B) can be mastered: there (sigma - B r) r has its largest value."""
    most = 0.05**2 / (4 * _bound(1e-9))
    refused = derive(replace(EVIDENCE, gradient=arb(1.1 * most)), *MINIMUM)
    assert isinstance(refused, str)
    assert f"to below {most:.2g} first" in refused
    assert isinstance(derive(replace(EVIDENCE, gradient=arb(0.9 * most)), *MINIMUM), Claims | str)
    for share in (0.5, 0.7):  # larger radii than g / sigma are tried
        assert examine(
            replace(EVIDENCE, gradient=arb(share * most)),
            _claims((MINIMUM[0], MINIMUM[0]), gradient=arb(share * most)),
        ) is None  # fmt: skip


@pytest.mark.parametrize(("share", "refused"), [(0.99, False), (1.01, True)])
def test_a_gradient_that_no_hessian_could_make_up_for(share: float, refused: bool) -> None:
    """sigma^2 / (4 B) with sigma at its largest, 1/2."""
    gradient = arb(share * 0.5**2 / (4 * _bound(1e-30)))
    assert (too_far(replace(EVIDENCE, gradient=gradient)) is not None) == refused


def test_the_hessian_is_bounded_by_its_blocks() -> None:
    """Blocks off the diagonal have norm 1/2 at most, those on it 1/2 + h: in all K/2 + max h."""
    assert float(operator_bound(STUDENTS)) == pytest.approx(2 / 2 + 0.3, rel=1e-12)


@pytest.mark.parametrize(
    ("distance", "loss", "teachers", "spurious"),
    [
        (0.5, 0.02, 2, True),  # a positive loss
        (1e-4, 0.0, 2, False),  # beside the teacher, closer than the only point there is
        (0.5, 0.0, 2, None),  # zero is not excluded, and the teacher is not near
        (None, 0.0, 1, None),  # more students than teachers: no distance
        (0.5, 0.02, 3, None),  # fewer students: zero loss is not possible
    ],
)
def test_when_a_minimum_is_spurious(
    distance: float | None, loss: float, teachers: int, spurious: bool | None
) -> None:
    evidence: dict[str, Any] = {
        "to_teacher": None if distance is None else arb(distance),
        "loss": arb(loss),
        "students": replace(STUDENTS, teachers=teachers),
    }
    claims = _claims(**evidence)
    assert claims.spurious is spurious
    assert examine(replace(EVIDENCE, **evidence), claims) is None
    for other in {True, False, None} - {spurious}:
        assert "spurious" in _refused(replace(claims, spurious=other), **evidence)
    assert float(claims.loss["lower"]) >= 0  # a loss is a mean of squares


def test_the_teacher_is_the_point_only_if_both_radii_fit() -> None:
    """The true point may be a radius away from the stored one, towards the teacher or not."""
    claims = _claims(loss=arb(0.0))
    R, r = claims.attribution_radius, claims.radius
    for distance, spurious in ((R - 2 * r, False), (R - r / 2, None), (R + r, None)):
        assert _claims(loss=arb(0.0), to_teacher=arb(distance)).spurious is spurious


def test_no_interval_of_the_loss_without_strong_convexity() -> None:
    r = _claims().radius
    weak = Spectrum(0, 0.05, _bound(r) * r / 2)
    refused = derive(EVIDENCE, weak, MINIMUM[1])
    assert isinstance(refused, str)
    assert "no interval of the loss" in refused
