r"""From bounds at a stored point to statements about the exact critical point nearby.

Let g bound the gradient at the stored point W, and let no eigenvalue of the Hessian H in the
teacher's span lie within ``sigma`` of zero, none of the perpendicular block A within ``sigma_A``.
With B the Lipschitz bound of the Hessian:

- ``g <= (sigma - B r) r`` and ``B r < sigma``: the map ``W - H^-1 grad L`` contracts the ball of
  radius r into itself, so exactly one critical point lies in it. Its Hessian has the same index.
- ``B(R') R' < min(sigma, sigma_A)``: no second critical point within R' of W, in any input
  dimension; at a minimum the loss is strongly convex there, so gradient flow from any point of a
  ball around the critical point itself, of radius ``R = R' - r``, ends at the critical point. R is
  the attribution radius; a point at distance x from W is inside if ``x + r < R``.
- loss of the critical point: a minimum lies in ``[L - g^2 / (2 (lambda - B r)), L]``, a saddle
  within ``(|H| + B r) r^2 / 2`` of L.

``derive`` finds radii and intervals, ``examine`` proves them; a certificate is made by the first
and is only handed out if the second has no objection. A verifier calls the second alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from flint import arb

from relu_landscape.engine.certificates.balls import above, below, decimals, fraction
from relu_landscape.engine.certificates.leaking import height, own_curvature
from relu_landscape.engine.certificates.lipschitz import Students, lipschitz, reach
from relu_landscape.engine.certificates.spectrum import Spectrum
from relu_landscape.errors import NumericalError

#: Tried as multiples of g / sigma: the smallest possible radius is just above 1, and the largest
#: useful one is 2, where ``(sigma - B r) r`` is largest when g is as large as it may be.
RADIUS_FACTORS = (1.001, 1.05, 1.2, 1.5, 2.0)

#: Radius where the gradient vanishes exactly: far below any distance between doubles of order one.
SMALLEST_RADIUS = 2.0**-200

SPURIOUS_RULE = (
    "a strict minimum is spurious if its loss is proven positive and the student is at least as "
    "wide as the teacher (then zero loss is possible); it is not spurious if it is proven to be a "
    "permutation of the teacher itself; for saddles and narrower students the word is not used"
)


NO_LOSS_INTERVAL = (
    "the stated lowest eigenvalue does not exceed what the Hessian may change by inside the "
    "radius, so no interval of the loss follows from it."
)


@dataclass(frozen=True)
class Evidence:
    """What was enclosed at the stored point W.

    ``gradient`` bounds ``|grad L|`` and ``hessian`` bounds ``|H|_2`` from above, ``loss`` encloses;
    ``to_teacher`` bounds the distance to the nearest permutation of the teacher from above, where
    K = M, and is ``None`` elsewhere.
    """

    gradient: arb
    loss: arb
    hessian: arb
    students: Students
    to_teacher: arb | None


@dataclass(frozen=True)
class Claims:
    """What a certificate states, as numbers; each field is explained in ``statement``."""

    verdict: Literal["minimum", "saddle"]
    span: Spectrum
    perpendicular: Spectrum
    radius: float
    attribution_radius: float
    lipschitz: float
    gradient_norm: float
    smallest_eigenvalue_span: float
    smallest_eigenvalue_perpendicular: float
    loss: dict[str, str]
    spurious: bool | None


def operator_bound(students: Students) -> arb:
    """Upper bound of ``|H|_2``: blocks off the diagonal are at most 1/2, ``H_ii`` 1/2 + h_i; what a
    leak c adds, c in every entry of a K x K matrix, is at most K |c|."""
    steepest = arb(0)
    for h in students.curvatures:
        steepest = steepest.max(h)
    relu, leak = arb(students.width) / 2 + steepest, students.leak
    if leak == 0.0:
        return relu.upper()
    return (height(leak) * relu + students.width * abs(arb(leak))).upper()


def _radius(evidence: Evidence, gap: arb) -> arb | None:
    """A radius of existence (exact double), ``None`` if the gradient is too large for one."""
    for factor in RADIUS_FACTORS:
        radius = arb(max(above(evidence.gradient / gap * arb(factor)), SMALLEST_RADIUS))
        try:
            bound = lipschitz(evidence.students, radius)
        except NumericalError:
            return None
        if evidence.gradient < (gap - bound * radius) * radius:
            return radius
    return None


def too_far(evidence: Evidence) -> str | None:
    """Refuse a gradient that no Hessian of this loss could make up for, before any spectrum.

    A gradient norm up to ``sigma^2 / (4 B)`` can be mastered; sigma stays below the curvature along
    a student itself, 1/2 without a leak, except where eigenvalues of both signs are all large.
    """
    bound = lipschitz(evidence.students, arb(SMALLEST_RADIUS))
    if evidence.gradient < own_curvature(evidence.students.leak) ** 2 / (4 * bound):
        return None
    return (
        f"the gradient norm {float(evidence.gradient):.2g} is too large for a critical point "
        f"nearby: polish the point by Newton's method first."
    )


def _needed(evidence: Evidence, gap: arb) -> str:
    """The gradient norm that would do, in words."""
    bound = lipschitz(evidence.students, arb(SMALLEST_RADIUS))
    return f"{float((gap * gap / (4 * bound)).mid()):.2g}"


def derive(evidence: Evidence, span: Spectrum, perpendicular: Spectrum) -> Claims | str:
    """The strongest claims these bounds allow, or a sentence that says why there are none."""
    gap = arb(span.gap)
    smaller = gap.min(arb(perpendicular.gap))
    radius = _radius(evidence, gap)
    if radius is None:
        return (
            f"the gradient norm {float(evidence.gradient):.2g} is too large to prove a critical "
            f"point nearby: polish the point by Newton's method to below "
            f"{_needed(evidence, gap)} first."
        )
    bound = lipschitz(evidence.students, radius)
    shift = bound * radius
    attribution = below(reach(evidence.students, smaller) - radius)
    if not (arb(attribution) > radius and shift < smaller):
        return (
            "the smallest eigenvalue is too close to zero for the gradient that is left: polish "
            "the point further by Newton's method, or it is degenerate."
        )
    strict = span.index == 0 and perpendicular.index == 0
    ends = _loss_interval(evidence, arb(span.lowest), shift, radius, span.index == 0)
    if ends is None:
        return NO_LOSS_INTERVAL
    verdict: Literal["minimum", "saddle"] = "minimum" if strict else "saddle"
    interval = decimals(*ends)
    return Claims(
        verdict=verdict,
        span=span,
        perpendicular=perpendicular,
        radius=float(radius),
        attribution_radius=attribution,
        lipschitz=above(bound),
        gradient_norm=above(evidence.gradient),
        smallest_eigenvalue_span=below(arb(span.lowest) - shift),
        smallest_eigenvalue_perpendicular=below(arb(perpendicular.lowest) - shift),
        loss=interval,
        spurious=_spurious(evidence, verdict, Fraction(interval["lower"]), radius, attribution),
    )


def _loss_interval(
    evidence: Evidence, lowest: arb, shift: arb, radius: arb, convex: bool
) -> tuple[arb, arb] | None:
    """Ends of the interval of the exact loss; never below zero, since the loss is a square.

    ``None`` where strong convexity is supposed but not proven: ``lowest`` must exceed ``shift``.
    """
    value = evidence.loss
    if convex:
        if not lowest > shift:
            return None
        below_it = evidence.gradient * evidence.gradient / (2 * (lowest - shift))
        low, high = value - below_it, value
    else:
        around = (evidence.hessian + shift) * radius * radius / 2
        low, high = value - around, value + around
    return low.lower().max(arb(0)), high.upper()


def _spurious(
    evidence: Evidence, verdict: str, low: Fraction, radius: arb, attribution: float
) -> bool | None:
    students = evidence.students
    if verdict != "minimum" or students.width < students.teachers:
        return None
    if low > 0:
        return True
    # The teacher itself is a critical point; closer than the attribution radius there is only one.
    distance = evidence.to_teacher
    if distance is not None and distance + radius < arb(attribution):
        return False
    return None


def examine(evidence: Evidence, claims: Claims) -> str | None:
    """Prove the claims from the evidence; the first one that fails, in a sentence, else ``None``.

    The two spectra are taken for granted: they are proven by ``spectrum.holds``.
    """
    span, perpendicular = claims.span, claims.perpendicular
    gap = arb(span.gap)
    smaller = gap.min(arb(perpendicular.gap))
    radius, attribution = arb(claims.radius), arb(claims.attribution_radius)
    if not (radius > 0 and attribution > radius):
        return "the radii are not in order: 0 < radius < attribution radius is needed."
    try:
        bound = lipschitz(evidence.students, radius)
        outer = lipschitz(evidence.students, attribution + radius)
    except NumericalError as error:
        return str(error)
    shift = bound * radius
    if not (shift < smaller and evidence.gradient < (gap - shift) * radius):
        return "no critical point is proven inside the stated radius."
    if not outer * (attribution + radius) < smaller:
        return "the critical point is not proven to be the only one in the attribution radius."
    if not arb(claims.lipschitz) >= bound:
        return "the stated Lipschitz bound of the Hessian is too small."
    if not evidence.gradient <= arb(claims.gradient_norm):
        return "the stated gradient norm is too small."
    if not (
        arb(claims.smallest_eigenvalue_span) <= arb(span.lowest) - shift
        and arb(claims.smallest_eigenvalue_perpendicular) <= arb(perpendicular.lowest) - shift
    ):
        return "a stated eigenvalue bound is higher than what is proven."
    return _examine_loss(evidence, claims, shift, radius)


def _examine_loss(evidence: Evidence, claims: Claims, shift: arb, radius: arb) -> str | None:
    span = claims.span
    strict = span.index == 0 and claims.perpendicular.index == 0
    if claims.verdict != ("minimum" if strict else "saddle"):
        return "the verdict does not agree with the index."
    bounds = (claims.smallest_eigenvalue_span, claims.smallest_eigenvalue_perpendicular)
    if strict and not min(bounds) > 0:
        return "the stated eigenvalue bounds of a strict minimum are not positive."
    ends = _loss_interval(evidence, arb(span.lowest), shift, radius, span.index == 0)
    if ends is None:
        return NO_LOSS_INTERVAL
    low, high = ends
    stated_low, stated_high = (Fraction(claims.loss[end]) for end in ("lower", "upper"))
    if not (stated_low <= fraction(low) and fraction(high) <= stated_high):
        return "the loss is not proven to lie in the stated interval."
    provable = _spurious(evidence, claims.verdict, stated_low, radius, claims.attribution_radius)
    if claims.spurious != provable:
        return "whether the minimum is spurious is not what the stated loss proves."
    return None
