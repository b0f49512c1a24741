"""The numbers that stand beside a certificate, each against what the certificate implies.

A check is given the value of one member of the document and says true, false, or ``None`` where the
certificate does not decide it. Both sides are compared: a number that claims less than the
certificate is as wrong as one that claims more, since it stands there as a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from relu_landscape.engine.certificates import beside_blocks, beside_weights
from relu_landscape.engine.certificates.claims import Claims
from relu_landscape.engine.certificates.document import read_count, read_leak, read_number
from relu_landscape.engine.certificates.reading import read_integer, read_lines, read_numbers
from relu_landscape.engine.certificates.stored import Space, Stored
from relu_landscape.errors import InputError

#: Error of a loss computed in doubles: a few units of rounding for each of max(K, M) terms of order
#: one in the dense form (the reduced form has few terms, whatever the width), and of the loss.
LOSS_ROUNDING, LOSS_RELATIVE = Fraction(1, 10**15), Fraction(1, 10**13)

#: Members of a fixed point and of its details that hold others; every other member is one value.
NESTED = ("stability", "structure", "overlaps")
#: Members that name the point or are the certificate itself.
OWN = ("key", "certificate")

_Check = Callable[[Any, "Beside"], bool | None]


@dataclass(frozen=True)
class Beside:
    """What a check may use; ``copies`` is d - M, ``None`` where no input dimension is known."""

    owner: Mapping[str, Any]
    certificate: Mapping[str, Any]
    claims: Claims
    stored: Stored
    copies: int | None

    @property
    def is_attractive(self) -> bool:
        """Whether no eigenvalue is negative, in this input dimension or, unknown, in all."""
        return self.claims.span.index == 0 and (
            self.claims.perpendicular.index == 0 or self.copies == 0
        )

    @property
    def spaces(self) -> tuple[Space, ...]:
        """The blocks that occur."""
        return ("span",) if self.copies == 0 else ("span", "perpendicular")

    @property
    def is_degenerate_in_doubles(self) -> bool:
        """Whether an eigenvalue is so near zero that doubles may call it zero."""
        gap = min(self.claims.span.gap, self.claims.perpendicular.gap)
        return gap <= 2 * self.stored.tolerance


def members(owner: Mapping[str, Any], details: object) -> Iterator[tuple[str, str, Any]]:
    """Every member beside the certificate: path in the document, name of its check, and value."""
    for prefix, place in (("", owner), ("details.", details)):
        if not isinstance(place, Mapping):
            continue
        for name, value in place.items():
            if name in NESTED and isinstance(value, Mapping):
                for inner, each in value.items():
                    yield f"{prefix}{name}.{inner}", f"{name}.{inner}", each
            elif name not in OWN:
                yield f"{prefix}{name}", str(name), value


def compare(beside: Beside, details: object) -> tuple[str | None, list[str]]:
    """The first member that contradicts the certificate, in a sentence; the paths that it covers.

    Raises ``InputError`` where a member cannot be read.
    """
    checks = CHECKS | (
        beside_weights.CHECKS if beside.stored.weights is not None else beside_blocks.CHECKS
    )
    covers: list[str] = []
    for path, name, value in members(beside.owner, details):
        check = checks.get(name)
        answer = check(value, beside) if check is not None else None
        if answer is False:
            return f"the fixed point's {path} is not what the certificate implies.", []
        if answer:
            covers.append(path)
    return None, covers


def _kind(value: object, beside: Beside) -> bool:
    return value == ("minimum" if beside.is_attractive else "saddle")


def _allowed(beside: Beside, loss: Fraction) -> Fraction:
    stored = beside.stored
    terms = 1 if stored.weights is None else max(stored.students, stored.teachers)
    return LOSS_ROUNDING * terms * Fraction(stored.scale) + LOSS_RELATIVE * abs(loss)


def _loss(value: object, beside: Beside) -> bool:
    """Within the proven interval, up to the accuracy that is stated beside it, or its own."""
    loss = Fraction(read_number(value, "the fixed point's loss"))
    error = _allowed(beside, loss)
    if "loss_accuracy" in beside.owner:
        error = min(error, Fraction(_accuracy(beside)))
    low, high = (Fraction(beside.claims.loss[end]) for end in ("lower", "upper"))
    return low - error <= loss <= high + error


def _accuracy(beside: Beside) -> float:
    return read_number(beside.owner["loss_accuracy"], "the fixed point's loss_accuracy")


def _loss_accuracy(value: object, beside: Beside) -> bool | None:
    """No coarser than doubles are; implied where no exact loss of the interval is farther off."""
    stated = Fraction(read_number(value, "the fixed point's loss_accuracy"))
    low, high = (Fraction(beside.claims.loss[end]) for end in ("lower", "upper"))
    if not 0 <= stated <= _allowed(beside, high):
        return False
    loss = Fraction(read_number(beside.owner.get("loss"), "the fixed point's loss"))
    return True if max(loss - low, high - loss) <= stated else None


def _is_global(value: object, beside: Beside) -> bool | None:
    """Never of a saddle, nor of a positive loss where zero is possible; always of the teacher."""
    claims, stored = beside.claims, beside.stored
    if not beside.is_attractive:
        return value is False
    if stored.students >= stored.teachers:
        if Fraction(claims.loss["lower"]) > 0:
            return value is False
        return value is True if claims.spurious is False else None
    return None


def _attractive(value: object, beside: Beside) -> bool:
    return value is beside.is_attractive


def _index_span(value: object, beside: Beside) -> bool:
    return read_count(value, "the fixed point's index_span") == beside.claims.span.index


def _index_perpendicular(value: object, beside: Beside) -> bool:
    name = "the fixed point's index_perpendicular"
    return read_count(value, name) == beside.claims.perpendicular.index


def _index(value: object, beside: Beside) -> bool:
    extra = read_count(value, "the fixed point's index") - beside.claims.span.index
    return counts_copies(extra, beside.claims.perpendicular.index, beside.copies)


def counts_copies(extra: int, beyond: int, copies: int | None) -> bool:
    """Whether ``extra`` is ``beyond`` once per perpendicular dimension, however many there are."""
    if copies is not None:
        return extra == beyond * copies
    return extra >= 0 and (extra % beyond == 0 if beyond else extra == 0)


def _nullity(value: object, beside: Beside) -> bool | None:
    count = read_count(value, "the fixed point's nullity")
    return None if beside.is_degenerate_in_doubles else count == 0


def _smallest_span(value: object, beside: Beside) -> bool:
    number = read_number(value, "the fixed point's min_eigenvalue_span")
    return beside.stored.is_smallest(number, ["span"])


def _smallest_perpendicular(value: object, beside: Beside) -> bool:
    if value is None or beside.copies == 0:
        return value is None and not beside.copies
    number = read_number(value, "the fixed point's min_eigenvalue_perpendicular")
    return beside.stored.is_smallest(number, ["perpendicular"])


def _relaxation_time(value: object, beside: Beside) -> bool | None:
    """One over the smallest eigenvalue of all; none where something does not come to rest."""
    if value is None or not beside.is_attractive:
        undecided = beside.is_attractive and beside.is_degenerate_in_doubles
        return None if undecided else value is None and not beside.is_attractive
    time = read_number(value, "the fixed point's relaxation_time")
    return time > 0 and beside.stored.is_smallest(1 / time, beside.spaces)


def _spectrum(value: object, beside: Beside) -> bool:
    """Every eigenvalue with its multiplicity; perpendicular ones once per such dimension."""
    lines = read_lines(value, "the fixed point's spectrum")
    stored, copies = beside.stored, beside.copies
    if beside.stored.blocks is not None:
        copies = 1  # a family's spectrum lists one perpendicular dimension
    beyond = lines["perpendicular"]
    if copies is None:
        copies, rest = divmod(sum(count for _, count in beyond), stored.sizes["perpendicular"])
        if rest:
            return False
    if not stored.is_spectrum("span", lines["span"]):
        return False
    if copies == 0:
        return not beyond
    if any(count % copies for _, count in beyond):
        return False
    return stored.is_spectrum("perpendicular", [(line, count // copies) for line, count in beyond])


def _eigenvalues(space: Space) -> _Check:
    def check(value: object, beside: Beside) -> bool:
        numbers = read_numbers(value, f"the fixed point's eigenvalues_{space}")
        return beside.stored.is_spectrum(space, [(number, 1) for number in numbers])

    return check


def _copies(value: object, beside: Beside) -> bool | None:
    count = read_count(value, "the fixed point's perpendicular_copies")
    return None if beside.copies is None else count == beside.copies


def _no_continuum(value: object, beside: Beside) -> bool:  # noqa: ARG001 - certified: isolated
    return value is None


def _width(name: str) -> _Check:
    def check(value: object, beside: Beside) -> bool:
        return read_integer(value, f"the fixed point's {name}") == beside.certificate.get(name)

    return check


def _leak(value: object, beside: Beside) -> bool:
    return read_number(value, "the family's leak") == read_leak(beside.certificate)


CHECKS: dict[str, _Check] = {
    "kind": _kind,
    "loss": _loss,
    "loss_accuracy": _loss_accuracy,
    "is_global": _is_global,
    "continuum_dimension": _no_continuum,
    "student_width": _width("student_width"),
    "teacher_width": _width("teacher_width"),
    "leak": _leak,
    "spectrum": _spectrum,
    "stability.attractive": _attractive,
    "stability.index": _index,
    "stability.index_span": _index_span,
    "stability.index_perpendicular": _index_perpendicular,
    "stability.nullity": _nullity,
    "stability.nullity_span": _nullity,
    "stability.min_eigenvalue_span": _smallest_span,
    "stability.min_eigenvalue_perpendicular": _smallest_perpendicular,
    "stability.relaxation_time": _relaxation_time,
    "stability.spectrum": _spectrum,
    "eigenvalues_span": _eigenvalues("span"),
    "eigenvalues_perpendicular": _eigenvalues("perpendicular"),
    "perpendicular_copies": _copies,
}


def copies_of(request: Mapping[str, Any], certificate: Mapping[str, Any]) -> int | None:
    """d - M of the request; None where it names no input dimension. Raises ``InputError``."""
    if "input_dimension" not in request:
        return None
    dimension = read_count(request["input_dimension"], "the request's input_dimension")
    width = read_count(certificate.get("teacher_width"), "teacher_width")
    if dimension < width:
        raise InputError("the request's input_dimension is below the teacher's width.")
    return dimension - width
