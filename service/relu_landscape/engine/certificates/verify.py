"""Re-checking certificates from their JSON alone: no solver, no trust in who wrote the file.

A certificate holds if every statement in it can be proven again from the stored point. Statements
that were merely weakened (a smaller eigenvalue bound, a wider loss interval) still hold; whatever
claims more than can be proven is rejected. Where a certificate sits in a result, every number
beside it that it implies is compared too, from both sides (``beside``): with the certificate the
numbers that people read are vouched for, and what is not is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relu_landscape.engine.certificates import dense, reduced
from relu_landscape.engine.certificates.beside import Beside, compare, copies_of, members
from relu_landscape.engine.certificates.claims import SPURIOUS_RULE, Claims
from relu_landscape.engine.certificates.document import (
    FORMAT,
    MEMBERS,
    read_claims,
    read_count,
    read_leak,
    statement,
)
from relu_landscape.engine.certificates.stored import Stored
from relu_landscape.errors import InputError, NumericalError


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

    Returns one ``{"key", "holds", "reason", "covers", "not_covered"}`` per certificate in the order
    of the document: ``key`` of the fixed point or the path of the certificate; ``holds`` true or
    false, or ``None`` for a certificate that claims nothing; ``reason`` ``None`` if it holds, else
    a sentence that names the member; ``covers`` the members of the fixed point that were compared
    and are implied, ``not_covered`` those on which the certificate is silent (hits, names, ...),
    all of them where it does not hold. An unreadable certificate does not hold; nothing in the
    document makes this function raise.
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
                belongs = path == "certificate" or path.endswith(".certificate")
                yield _Found(path or "certificate", value, owner if belongs else empty, request)
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
    certificate, detail = found.certificate, details.get(name)

    def answer(
        reason: str | None, *, holds: bool | None = False, covers: list[str] | None = None
    ) -> dict[str, Any]:
        every = [path for path, _, _ in members(found.owner, detail)]
        left = [path for path in every if path not in (covers or [])]
        return {
            "key": name,
            "holds": holds,
            "reason": reason,
            "covers": covers or [],
            "not_covered": left,
        }

    if certificate.get("format") != FORMAT:
        return answer(f"the format is not {FORMAT!r}, the only one known here.")
    if certificate.get("verdict") == "not certified":
        given = certificate.get("reason")
        reason = given if isinstance(given, str) else "no reason is given."
        return answer(f"nothing is claimed: {reason}", holds=None)
    try:
        claims = read_claims(certificate)
        stored = _in_words(certificate, claims) or _proven(certificate, claims, strict)
        if isinstance(stored, str):
            return answer(stored)
        objection = _asked(found)
        copies = copies_of(found.request, certificate)
        beside = Beside(found.owner, certificate, claims, stored, copies)
        contradiction, covers = compare(beside, detail)
    except (InputError, NumericalError) as error:
        return answer(str(error))
    objection = objection or contradiction
    if objection is not None:
        return answer(objection)
    return answer(None, holds=True, covers=["certificate", *covers])


def _asked(found: _Found) -> str | None:
    """Whether the request asked for what the certificate is about."""
    for width in ("student_width", "teacher_width"):
        if width in found.request and found.request[width] != found.certificate.get(width):
            return f"the {width} of the request is not that of the certificate."
    # A family's answer names its own widths and leak, and may stand without its request.
    named = found.request or (found.owner if "student_width" in found.owner else {})
    if named and read_leak(named) != read_leak(found.certificate):
        return "the leak of the request is not that of the certificate."
    if found.request.get("teacher_gram") is not None:
        return "the request's teacher is not orthonormal, which every certificate supposes."
    return None


def _in_words(certificate: Mapping[str, Any], claims: Claims) -> str | None:
    names = ("student_width", "teacher_width")
    named = {name: read_count(certificate.get(name), name) for name in names}
    problem = {**named, "leak": read_leak(certificate)}
    if certificate.get("statement") != statement(claims, problem):
        return "the statement in words does not say what the numbers say."
    if certificate.get("spurious_rule", SPURIOUS_RULE) != SPURIOUS_RULE:
        return "the spurious_rule is not the one that is proven by."
    return _unproven(certificate)


def _unproven(certificate: Mapping[str, Any]) -> str | None:
    """What stands in the certificate as if it were proven too, and is not looked at."""
    other = "weights" if certificate.get("method") == "reduced" else "structured_point"
    for name in ("reason", other):
        if certificate.get(name) is not None:
            return f"the {name} has no place in a certificate of this method that claims something."
    unknown = sorted(map(repr, certificate.keys() - MEMBERS))
    return f"the format knows no member {unknown[0][:100]}." if unknown else None


def _proven(certificate: Mapping[str, Any], claims: Claims, strict: bool) -> Stored | str:
    """Prove the certificate's own claims; the stored point, or the first claim that fails."""
    method, mode = certificate.get("method"), certificate.get("mode")
    if method == "reduced" and mode == "strict":
        return reduced.recheck(certificate, claims)
    if method == "dense" and mode == "strict":
        return dense.recheck(certificate, claims, "strict")
    if method == "dense" and mode == "fast":
        return dense.recheck(certificate, claims, "strict" if strict else "fast")
    return "the method or its mode is unknown."
