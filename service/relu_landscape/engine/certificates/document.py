"""A certificate as JSON types: how it is written, and how one that came from outside is read.

Doubles are JSON numbers in their shortest form that reads back to the same double. Integers beyond
2^53 are strings of digits, ends of loss intervals are decimal strings that enclose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from relu_landscape.engine.certificates.claims import SPURIOUS_RULE, Claims
from relu_landscape.engine.certificates.spectrum import Spectrum
from relu_landscape.engine.exact import integer
from relu_landscape.errors import InputError

#: Names the meaning of the fields; raised when an old verifier would misread a new certificate.
FORMAT = "relu-landscape certificate 2"


def _spectrum(spectrum: Spectrum) -> dict[str, Any]:
    return {
        "index": integer(spectrum.index),
        "gap": spectrum.gap,
        "lowest": spectrum.lowest,
    }


def leak_member(leak: float) -> dict[str, Any]:
    """The slope of the units below zero, as it stands in a certificate: nothing for ReLU.

    Raises ``InputError`` unless it is between -1 and 1: every other slope is one of these with the
    roles of x and -x exchanged, or no kink at all.
    """
    if not -1.0 < leak < 1.0:
        raise InputError(f"leak = {leak!r} is not accepted: between -1 and 1.")
    return {"leak": leak} if leak != 0.0 else {}


def statement(claims: Claims, method: Mapping[str, Any]) -> str:
    """What the numbers say, in one sentence; ``method`` holds the widths, and the leak if any."""
    student_width, teacher_width = method["student_width"], method["teacher_width"]
    leak = method.get("leak", 0.0)
    where = f"within {claims.radius:.2g} of the stored weights lies exactly one critical point"
    if claims.verdict == "minimum":
        words = {True: "spurious strict local", False: "strict global", None: "strict local"}
        kind = f"a {words[claims.spurious]} minimum in every input dimension d >= {teacher_width}"
        extra = f"; gradient flow from within {claims.attribution_radius:.2g} of it ends there"
    else:
        span, beyond = claims.span.index, claims.perpendicular.index
        kind = f"a saddle of index {span} + {beyond} (d - {teacher_width}) in input dimension d"
        extra = ""
    units = f", of units max(x, {leak!r} x)" if leak != 0.0 else ""
    return (
        f"For a student of width {student_width} and an orthonormal teacher of width "
        f"{teacher_width}{units}: {where}, {kind}, with loss between {claims.loss['lower']} and "
        f"{claims.loss['upper']}{extra}."
    )


def _shell(method: Mapping[str, Any], verdict: str, reason: str | None) -> dict[str, Any]:
    return {"format": FORMAT, **method, "verdict": verdict, "reason": reason}


def certified(method: Mapping[str, Any], claims: Claims) -> dict[str, Any]:
    """The certificate of proven claims; ``method`` holds method, mode, bits, widths and point."""
    return {
        **_shell(method, claims.verdict, None),
        "statement": statement(claims, method),
        "index_span": integer(claims.span.index),
        "index_perpendicular": integer(claims.perpendicular.index),
        "radius": claims.radius,
        "attribution_radius": claims.attribution_radius,
        "smallest_eigenvalue_span": claims.smallest_eigenvalue_span,
        "smallest_eigenvalue_perpendicular": claims.smallest_eigenvalue_perpendicular,
        "loss": dict(claims.loss),
        "spurious": claims.spurious,
        "spurious_rule": SPURIOUS_RULE,
        "lipschitz": claims.lipschitz,
        "gradient_norm": claims.gradient_norm,
        "stored_point": {
            "span": _spectrum(claims.span),
            "perpendicular": _spectrum(claims.perpendicular),
        },
    }


def refused(method: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The certificate that claims nothing; ``reason`` is a sentence."""
    return {
        **_shell(method, "not certified", reason),
        "statement": None,
        "index_span": None,
        "index_perpendicular": None,
        "radius": None,
        "attribution_radius": None,
        "smallest_eigenvalue_span": None,
        "smallest_eigenvalue_perpendicular": None,
        "loss": None,
        "spurious": None,
        "spurious_rule": SPURIOUS_RULE,
        "lipschitz": None,
        "gradient_norm": None,
        "stored_point": None,
    }


#: Those that say how and where a proof was made.
_METHOD = (
    "method",
    "mode",
    "bits",
    "student_width",
    "teacher_width",
    "leak",
    "weights",
    "structured_point",
)
#: Every member that a certificate can have.
MEMBERS = frozenset(refused({}, "")) | frozenset(_METHOD)


def read_number(value: object, name: str) -> float:
    """A finite JSON number as a double. Raises ``InputError`` that names the field."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{name} is not a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name} is not finite.")
    return number


def read_count(value: object, name: str) -> int:
    """A non-negative integer, or the digits of one. Raises ``InputError`` that names the field."""
    # 40 digits are ample: the number of eigenvalues at width 10^15 has 31.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 40:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**40:
        raise InputError(f"{name} is not a count.")
    return value


def read_decimal(value: object, name: str) -> str:
    """A plain decimal string such as ``-0.0125``. Raises ``InputError`` that names the field."""
    if isinstance(value, str) and len(value) <= 200:
        body = value[1:] if value.startswith("-") else value
        whole, _, part = body.partition(".")
        if (
            whole.isascii()
            and whole.isdigit()
            and (not part or (part.isascii() and part.isdigit()))
        ):
            return value
    raise InputError(f"{name} is not a decimal number as a string.")


def read_object(value: object, name: str) -> Mapping[str, Any]:
    """A JSON object. Raises ``InputError`` that names the field."""
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is not an object.")
    return value


def read_leak(fields: Mapping[str, Any]) -> float:
    """The slope of the units below zero, of a certificate or what it stands in; 0 where none is
    named. Raises ``InputError``."""
    leak = read_number(fields.get("leak", 0.0), "leak")
    leak_member(leak)  # which refuses what is out of range
    return leak


def _read_spectrum(value: object, name: str) -> Spectrum:
    fields = read_object(value, name)
    return Spectrum(
        index=read_count(fields.get("index"), f"{name}.index"),
        gap=read_number(fields.get("gap"), f"{name}.gap"),
        lowest=read_number(fields.get("lowest"), f"{name}.lowest"),
    )


def read_claims(certificate: Mapping[str, Any]) -> Claims:
    """The claims of a certificate from outside.

    Raises ``InputError`` where a field is missing, of the wrong type or contradicts another one.
    """
    stored = read_object(certificate.get("stored_point"), "stored_point")
    span = _read_spectrum(stored.get("span"), "stored_point.span")
    perpendicular = _read_spectrum(stored.get("perpendicular"), "stored_point.perpendicular")
    for name, spectrum in (("index_span", span), ("index_perpendicular", perpendicular)):
        if read_count(certificate.get(name), name) != spectrum.index:
            raise InputError(f"{name} contradicts the index at the stored point.")
    verdict = certificate.get("verdict")
    if verdict not in ("minimum", "saddle"):
        raise InputError("the verdict is none of 'minimum', 'saddle' and 'not certified'.")
    kind: Literal["minimum", "saddle"] = "minimum" if verdict == "minimum" else "saddle"
    loss = read_object(certificate.get("loss"), "loss")
    spurious = certificate.get("spurious")
    if not (spurious is None or isinstance(spurious, bool)):
        raise InputError("spurious is neither true, false nor null.")

    def number(name: str) -> float:
        return read_number(certificate.get(name), name)

    return Claims(
        verdict=kind,
        span=span,
        perpendicular=perpendicular,
        radius=number("radius"),
        attribution_radius=number("attribution_radius"),
        lipschitz=number("lipschitz"),
        gradient_norm=number("gradient_norm"),
        smallest_eigenvalue_span=number("smallest_eigenvalue_span"),
        smallest_eigenvalue_perpendicular=number("smallest_eigenvalue_perpendicular"),
        loss={end: read_decimal(loss.get(end), f"loss.{end}") for end in ("lower", "upper")},
        spurious=spurious,
    )
