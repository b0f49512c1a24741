"""Re-checking certificates from their JSON alone: no solver, no trust in who wrote the file.

A certificate holds if every statement in it can be proven again from the stored point. Statements
that were merely weakened (a smaller eigenvalue bound, a wider loss interval) still hold; whatever
claims more than can be proven is rejected. Where a certificate sits in a result, the numbers
beside it that it vouches for are compared too: kind, loss, indices, smallest eigenvalues, widths,
weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from relu_landscape.engine.certificates import dense, reduced
from relu_landscape.engine.certificates.claims import Claims
from relu_landscape.engine.certificates.document import (
    FORMAT,
    read_claims,
    read_count,
    read_number,
    statement,
)
from relu_landscape.errors import InputError, NumericalError

#: A loss computed in doubles differs from the exact one by up to 1e-13 where it is small and by
#: up to 1e-10 of itself at widths near 10^6; a tenfold margin on the latter.
LOSS_ABSOLUTE, LOSS_RELATIVE = Fraction(1, 10**13), Fraction(1, 10**9)

#: Eigenvalues and weights beside a certificate are rounded or re-ordered copies: published tables
#: give them to eight digits.
COPY_TOLERANCE = 1e-8


@dataclass(frozen=True)
class _Found:
    """A certificate, where it stands, and what stands around it."""

    path: str
    certificate: Mapping[str, Any]
    owner: Mapping[str, Any]
    request: Mapping[str, Any]


def verify(document: Mapping[str, Any], *, strict: bool = False) -> list[dict[str, Any]]:
    """Re-check every certificate in a JSON document.

    Parameters: ``document`` a bare certificate, or anything that contains some at any depth (a
    landscape result, with or without its details); ``strict``: prove dense certificates in balls
    throughout, even those made in the fast mode.

    Returns one ``{"key", "holds", "reason"}`` per certificate in the order of the document: ``key``
    of the fixed point or the path of the certificate; ``holds`` true or false, or ``None`` for a
    certificate that claims nothing; ``reason`` ``None`` if it holds, else a sentence. An unreadable
    certificate does not hold; nothing in the document makes this function raise.
    """
    details = document.get("details") if isinstance(document, Mapping) else None
    known = details if isinstance(details, Mapping) else {}
    return [_verdict(found, known, strict) for found in _certificates(document)]


def _certificates(document: object) -> Iterator[_Found]:
    """Every certificate of the document in its order; a stack, since files may be nested deeply."""
    empty: Mapping[str, Any] = {}
    stack: list[tuple[str, object, Mapping[str, Any], Mapping[str, Any]]] = [
        ("", document, empty, empty)
    ]
    while stack:
        path, value, owner, request = stack.pop()
        if isinstance(value, Mapping):
            if "verdict" in value or value.get("format") == FORMAT:
                yield _Found(path or "certificate", value, owner, request)
                continue
            inner = value.get("request")
            request = inner if isinstance(inner, Mapping) else request
            children = [(f"{path}.{name}".lstrip("."), child) for name, child in value.items()]
            stack += [(at, child, value, request) for at, child in reversed(children)]
        elif isinstance(value, list):
            children = [(f"{path}[{k}]", child) for k, child in enumerate(value)]
            stack += [(at, child, owner, request) for at, child in reversed(children)]


def _verdict(found: _Found, details: Mapping[str, Any], strict: bool) -> dict[str, Any]:
    key = found.owner.get("key")
    name = key if isinstance(key, str) else found.path
    certificate = found.certificate
    if certificate.get("format") != FORMAT:
        return {
            "key": name,
            "holds": False,
            "reason": f"the format is not {FORMAT!r}, the only one known here.",
        }
    if certificate.get("verdict") == "not certified":
        given = certificate.get("reason")
        reason = given if isinstance(given, str) else "no reason is given."
        return {"key": name, "holds": None, "reason": f"nothing is claimed: {reason}"}
    try:
        claims = read_claims(certificate)
        objection = (
            _in_words(certificate, claims)
            or _beside(found, claims, details.get(name))
            or _proven(certificate, claims, strict)
        )
    except (InputError, NumericalError) as error:
        objection = str(error)
    return {"key": name, "holds": objection is None, "reason": objection}


def _in_words(certificate: Mapping[str, Any], claims: Claims) -> str | None:
    names = ("student_width", "teacher_width")
    widths = [read_count(certificate.get(name), name) for name in names]
    if certificate.get("statement") != statement(claims, *widths):
        return "the statement in words does not say what the numbers say."
    return None


def _proven(certificate: Mapping[str, Any], claims: Claims, strict: bool) -> str | None:
    """Prove the certificate's own claims; the first that fails."""
    method, mode = certificate.get("method"), certificate.get("mode")
    if method == "reduced" and mode == "strict":
        return reduced.recheck(certificate, claims)
    if method == "dense" and mode == "strict":
        return dense.recheck(certificate, claims, "strict")
    if method == "dense" and mode == "fast":
        return dense.recheck(certificate, claims, "strict" if strict else "fast")
    return "the method or its mode is unknown."


def _beside(found: _Found, claims: Claims, detail: object) -> str | None:
    """Compare what stands beside the certificate with what it proves."""
    owner = found.owner
    kind = owner.get("kind", claims.verdict)
    if kind != claims.verdict:
        return f"the fixed point is not called a {claims.verdict}, which the certificate proves."
    if "loss" in owner:
        value = Fraction(read_number(owner["loss"], "the fixed point's loss"))
        low, high = (Fraction(claims.loss[end]) for end in ("lower", "upper"))
        allowed = LOSS_ABSOLUTE + LOSS_RELATIVE * abs(high)
        if not low - allowed <= value <= high + allowed:
            return "the fixed point's loss is outside the certificate's interval."
    for width in ("student_width", "teacher_width"):
        if width in found.request and found.request[width] != found.certificate.get(width):
            return f"the {width} of the request is not that of the certificate."
    if found.request.get("teacher_gram") is not None:
        return "the request's teacher is not orthonormal, which every certificate supposes."
    copies = _perpendicular_copies(found)
    return _beside_stability(owner.get("stability"), claims, copies) or _beside_weights(
        found, detail
    )


def _perpendicular_copies(found: _Found) -> int | None:
    """d - M of the request; None where it names no input dimension."""
    if "input_dimension" not in found.request:
        return None
    dimension = read_count(found.request["input_dimension"], "the request's input_dimension")
    width = read_count(found.certificate.get("teacher_width"), "teacher_width")
    if dimension < width:
        raise InputError("the request's input_dimension is below the teacher's width.")
    return dimension - width


def _beside_stability(
    stability: object, claims: Claims, perpendicular_copies: int | None
) -> str | None:
    """``perpendicular_copies``: d - M where the request says so."""
    if not isinstance(stability, Mapping):
        return None
    span, beyond = claims.span.index, claims.perpendicular.index
    for name, proven in (("index_span", span), ("index_perpendicular", beyond)):
        if name in stability and read_count(stability[name], f"the fixed point's {name}") != proven:
            return f"the fixed point's {name} is not the certificate's."
    if "index" in stability:
        extra = read_count(stability["index"], "the fixed point's index") - span
        if not counts_copies(extra, beyond, perpendicular_copies):
            return "the fixed point's index is not the certificate's."
    stated = (
        ("min_eigenvalue_span", claims.smallest_eigenvalue_span),
        ("min_eigenvalue_perpendicular", claims.smallest_eigenvalue_perpendicular),
    )
    for name, bound in stated:
        value = stability.get(name)
        if value is not None and read_number(value, name) < bound - COPY_TOLERANCE:
            return f"the fixed point's {name} is below the certificate's bound."
    return None


def counts_copies(extra: int, beyond: int, copies: int | None) -> bool:
    """Whether ``extra`` is ``beyond`` once per perpendicular dimension, however many there are."""
    if copies is not None:
        return extra == beyond * copies
    return extra >= 0 and (extra % beyond == 0 if beyond else extra == 0)


def _beside_weights(found: _Found, detail: object) -> str | None:
    """Weights given in the fixed point or its details must be those of the certificate."""
    stored = found.certificate.get("weights")
    for place in (found.owner, detail):
        given = place.get("weights") if isinstance(place, Mapping) else None
        if given is None or stored is None:
            continue
        try:
            both = [np.array(value, dtype=np.float64) for value in (given, stored)]
        except (TypeError, ValueError, OverflowError):
            return "the fixed point's weights are not a matrix of numbers."
        if both[0].shape != both[1].shape or not np.allclose(
            both[0], both[1], rtol=0, atol=COPY_TOLERANCE
        ):
            return "the fixed point's weights are not those of the certificate."
    return None
