r"""Certificates at an exact matrix of doubles: the dense method, for widths up to about 64.

A certificate proves, for a student of width K and an orthonormal teacher of width M, that exactly
one critical point of the population loss lies within ``radius`` of the stored doubles; the index of
its Hessian; that the same holds in every input dimension d >= M; and an interval for its loss.
Method: docs/mathematics/certificates.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from flint import arb

from relu_landscape.engine.certificates.balls import Doubles, above, norm, precision
from relu_landscape.engine.certificates.claims import (
    Claims,
    Evidence,
    derive,
    examine,
    operator_bound,
    too_far,
)
from relu_landscape.engine.certificates.document import (
    certified,
    leak_member,
    read_leak,
    refused,
)
from relu_landscape.engine.certificates.geometry import (
    Geometry,
    excess,
    gradient,
    loss,
    measure,
    perpendicular_block,
)
from relu_landscape.engine.certificates.hessian import in_balls, in_doubles
from relu_landscape.engine.certificates.leaking import (
    error_scale,
    leaky_balls,
    leaky_block,
    leaky_doubles,
    leaky_gradient,
    leaky_loss,
)
from relu_landscape.engine.certificates.lipschitz import Students
from relu_landscape.engine.certificates.spectrum import (
    BallMatrix,
    Matrix,
    RoundedMatrix,
    holds,
    prove,
)
from relu_landscape.engine.certificates.stored import Space, Stored
from relu_landscape.errors import InputError

Mode = Literal["fast", "strict"]

#: Angles and loss at 128 bits are known to 1e-35, far beyond the 1e-17 of the stored doubles.
BITS = 128

#: Text only: at a loss below this a wider student is said to have reached zero loss.
ZERO_LOSS = 1e-9


@dataclass(frozen=True)
class Point:
    """Evidence at a point, with the two matrices whose spectra are to be proven."""

    geometry: Geometry
    evidence: Evidence
    span: Matrix
    perpendicular: Matrix


def certify(
    W: Doubles,
    *,
    mode: Mode,
    teacher_width: int,
    teacher_gram: Doubles | None = None,
    leak: float = 0.0,
) -> dict[str, Any]:
    """Certificate of the critical point near ``W``, as JSON types.

    Parameters: ``W`` (K, M) student weights in the coordinates of the orthonormal teacher, taken
    exactly as they are; ``mode`` "fast" (Hessian in doubles, with a proven rounding error) or
    "strict" (no rounding of doubles enters the proof; 10 to 30 times slower); ``teacher_gram``
    anything but the identity is answered by "not certified"; ``leak`` the slope c of the units
    below zero, ``-1 < c < 1``.

    Returns a dictionary; ``verdict`` is "minimum", "saddle" or "not certified", the last with
    ``reason``, a sentence. Eigenvalue bounds and radii are doubles rounded to the safe side, loss
    ends are decimal strings that enclose. See ``docs/mathematics/certificates.md``, section 7.

    Raises ``InputError`` where W is no finite (K, M) matrix or the leak is out of range. Accuracy:
    everything stated is proven; the smallest eigenvalue is bounded from below to 1e-6 relative plus
    1e-9.
    """
    weights = _checked(W, teacher_width)
    if mode not in ("fast", "strict"):
        raise InputError(f"mode = {mode!r} is not accepted: 'fast' or 'strict'.")
    method = {
        "method": "dense",
        "mode": mode,
        "bits": BITS,
        "student_width": len(weights),
        "teacher_width": teacher_width,
        **leak_member(leak),
        "weights": weights.tolist(),
    }
    if teacher_gram is not None and not np.array_equal(teacher_gram, np.eye(teacher_width)):
        return refused(
            method,
            "the teacher is not orthonormal, and the bound on how fast the Hessian changes is "
            "derived for orthonormal teachers only.",
        )
    zero = np.flatnonzero(~weights.any(axis=1))
    if zero.size:
        return refused(
            method,
            f"student unit {zero[0] + 1} is zero, where the loss has no Hessian: "
            f"leave it out and ask for a narrower student.",
        )
    with precision(BITS):
        point = evaluate(weights, mode, leak)
        outcome = _prove(point)
        if isinstance(outcome, str):
            return refused(method, outcome)
        return certified(method, outcome)


def _checked(W: Doubles, teacher_width: int) -> Doubles:
    weights = np.array(W, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != teacher_width or not weights.size:
        raise InputError(
            f"weights of shape {weights.shape} are not accepted: one row per student unit and "
            f"{teacher_width} columns, the coordinates along the teacher's units."
        )
    if not np.isfinite(weights).all():
        raise InputError("weights that are not finite are not accepted.")
    # 1e30: squares of ratios of lengths stay in the range of doubles.
    lengths = np.abs(weights).max(axis=1)
    if (lengths > 1e30).any() or ((lengths < 1e-30) & (lengths > 0)).any():
        raise InputError("weights are not accepted beyond 1e30 or, for a whole unit, below 1e-30.")
    return weights


def evaluate(W: Doubles, mode: Mode, leak: float) -> Point:
    """Everything that is proven about the point from; call it inside ``precision(BITS)``."""
    geometry = measure(W)
    beside, around = perpendicular_block(geometry), excess(geometry)
    span: Matrix
    if mode == "fast":
        rounded, K = in_doubles(geometry), geometry.width
        span = RoundedMatrix(*leaky_doubles(rounded.matrix, rounded.error, K, leak))
        curvatures = rounded.curvatures
    else:
        balls = in_balls(geometry)
        span = BallMatrix(leaky_balls(balls.matrix, geometry.width, leak))
        curvatures = balls.curvatures
    students = Students(
        norms=geometry.norms,
        curvatures=curvatures,
        counts=[1] * geometry.width,
        operator_norm=geometry.operator_norm,
        teachers=geometry.teachers,
        leak=leak,
    )
    evidence = Evidence(
        gradient=norm(leaky_gradient(gradient(geometry, beside), around, leak).entries()),
        loss=leaky_loss(loss(geometry), around, leak),
        hessian=operator_bound(students),
        students=students,
        to_teacher=_distance_to_teacher(W),
    )
    return Point(geometry, evidence, span, BallMatrix(leaky_block(beside, leak)))


def _distance_to_teacher(W: Doubles) -> arb | None:
    """Distance to the permutation of the teacher that the largest entries name, if any."""
    K, M = W.shape
    columns = W.argmax(axis=1)
    if K != M or len(set(columns.tolist())) != K:
        return None
    permutation = np.zeros((K, M))
    permutation[np.arange(K), columns] = 1.0
    pairs = zip(W.ravel().tolist(), permutation.ravel().tolist(), strict=True)
    return norm(arb(x) - arb(y) for x, y in pairs)


def _prove(point: Point) -> Claims | str:
    """The claims, proven, or the reason why there are none."""
    refusal = too_far(point.evidence)
    if refusal is not None:
        return refusal
    span = prove(point.span)
    if span is None:
        return _degenerate(point, "in the teacher's span")
    perpendicular = prove(point.perpendicular)
    if perpendicular is None:
        return _degenerate(point, "perpendicular to the teacher")
    claims = derive(point.evidence, span, perpendicular)
    if isinstance(claims, str):
        return claims
    objection = examine(point.evidence, claims)
    return claims if objection is None else objection


def _degenerate(point: Point, where: str) -> str:
    """Why no spectrum could be proven, as concretely as can be said."""
    geometry = point.geometry
    if geometry.width > geometry.teachers and point.evidence.loss < ZERO_LOSS:
        return (
            f"the loss is zero to within {ZERO_LOSS:.0e} and the student is wider than the "
            f"teacher: such global minima form a continuum of dimension at least "
            f"{geometry.width - geometry.teachers}, and no point of it is isolated."
        )
    for i, row in enumerate(geometry.between):
        for j, pair in enumerate(row):
            if pair.parallel and pair.cosine > 0:
                return (
                    f"student units {j + 1} and {i + 1} are parallel: they are one unit split in "
                    f"two, the loss is constant along the split, and the point is not isolated."
                )
    return (
        f"the Hessian {where} has an eigenvalue too close to zero to know its sign: the point is "
        f"degenerate, or not isolated."
    )


def recheck(certificate: Mapping[str, Any], claims: Claims, mode: Mode) -> Stored | str:
    """Prove the claims anew from the weights alone; the first that fails, in a sentence.

    Returns what the stored point says by itself where none fails. Raises ``InputError`` where the
    weights cannot be read.
    """
    teacher_width = certificate.get("teacher_width")
    if isinstance(teacher_width, bool) or not isinstance(teacher_width, int):
        raise InputError("teacher_width is not an integer.")
    try:
        raw = np.array(certificate.get("weights"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError("weights are not a matrix of numbers.") from None
    weights, leak = _checked(raw, teacher_width), read_leak(certificate)
    if certificate.get("student_width") != len(weights):
        return "the number of rows of the weights is not the student width."
    if certificate.get("bits") != BITS:
        return f"dense certificates are made with {BITS} bits."
    if not weights.any(axis=1).all():
        return "a student unit is zero."
    with precision(BITS):
        point = evaluate(weights, mode, leak)
        if not holds(point.span, claims.span):
            return "the index or an eigenvalue bound of the Hessian could not be proven."
        if not holds(point.perpendicular, claims.perpendicular):
            return (
                "the index or an eigenvalue bound of the perpendicular block could not be proven."
            )
        objection = examine(point.evidence, claims)
    return _stored(point, weights, leak) if objection is None else objection


def _stored(point: Point, weights: Doubles, leak: float) -> Stored:
    """Eigenvalues in doubles are known to a few units of rounding of the largest, far below the
    digits to which numbers beside a certificate are compared; both are computed when asked for."""

    @cache
    def eigenvalues(space: Space) -> Doubles:
        matrix = point.span if space == "span" else point.perpendicular
        return np.asarray(np.linalg.eigvalsh(matrix.doubles), dtype=np.float64)

    K, M = weights.shape
    return Stored(
        students=K,
        teachers=M,
        below=lambda space, bound: int(np.searchsorted(eigenvalues(space), bound)),
        sizes={"span": K * M, "perpendicular": K},
        largest=above(point.evidence.hessian),
        scale=error_scale(leak),
        weights=weights,
    )
