"""Ball arithmetic: precision, roots of uncertain numbers, outward rounding to doubles and decimals.

An Arb ball (``flint.arb``) is a midpoint and a radius that together enclose a real number. Balls
are compared by ``<`` and ``>`` alone, which are true only when they hold for every pair of numbers
in the balls; whatever is left unknown counts as refused.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

#: An array of doubles; the docstrings give shapes.
Doubles = NDArray[np.float64]

#: python-flint keeps one working precision for the whole process, so only one thread may compute
#: with balls at a time. Re-entrant: a verifier calls functions that take it themselves.
_PRECISION_LOCK = threading.RLock()

#: Below this sine two vectors count as (anti)parallel: terms of the Hessian that divide by the sine
#: are replaced by a ball of their exact size, at most the sine. 2^-40 costs less than 1e-12 per
#: pair, and above it doubles still carry the terms to full relative accuracy (see ``hessian``).
PARALLEL_SINE = 2.0**-40


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with ``bits`` bits inside the block; the precision of before is restored after it."""
    with _PRECISION_LOCK:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield
        finally:
            ctx.prec = before


def above(x: arb) -> float:
    """A double not below any number of the ball."""
    return math.nextafter(float(x.upper()), math.inf)


def below(x: arb) -> float:
    """A double not above any number of the ball."""
    return math.nextafter(float(x.lower()), -math.inf)


def upper_sqrt(x: arb) -> arb:
    """Upper bound (exact) of the square root of a non-negative quantity enclosed by ``x``."""
    top = x.upper()
    return top.sqrt().upper() if top > 0 else arb(0)


def enclosing_sqrt(x: arb) -> arb:
    """Enclosure of the square root of a non-negative quantity whose ball may reach below zero."""
    return x.sqrt() if x > 0 else arb(0).union(upper_sqrt(x))


def symmetric(radius: arb) -> arb:
    """The ball of all numbers of absolute value at most ``radius``."""
    top = abs(radius).upper()
    return (-top).union(top)


def norm(entries: Iterable[arb]) -> arb:
    """Upper bound (exact) of the Euclidean (Frobenius) norm of the entries."""
    return upper_sqrt(sum((x * x for x in entries), arb(0)))


def spectral_norm(matrix: arb_mat) -> arb:
    """Upper bound of the largest absolute eigenvalue of a symmetric matrix.

    ``|F|_2 = |F^16|_2^(1/16) <= |F^16|_F^(1/16)``: at most ``n^(1/32)`` too large for an n x n
    matrix (10% at n = 20), and no eigenvalue has to be computed.
    """
    scale = norm(matrix.entries())
    if not scale > 0:
        return scale
    power = matrix / scale
    for _ in range(4):
        power = power * power
    return (scale * norm(power.entries()).root(16)).upper()


def scalar_matrix(size: int, value: arb) -> arb_mat:
    """``value`` times the identity, (size, size)."""
    matrix = arb_mat(size, size)
    for k in range(size):
        matrix[k, k] = value
    return matrix


def from_doubles(array: Doubles) -> arb_mat:
    """The matrix of exactly these doubles."""
    rows, columns = array.shape
    return arb_mat(rows, columns, array.ravel().tolist())


def to_doubles(matrix: arb_mat) -> Doubles:
    """Midpoints rounded to doubles, shape (rows, columns)."""
    entries = [float(x.mid()) for x in matrix.entries()]
    return np.array(entries, dtype=np.float64).reshape(matrix.nrows(), matrix.ncols())


def exact_number(text: str | float | int) -> arb:
    """The number a decimal string, double or integer stands for (a string's is a tight ball)."""
    if isinstance(text, str):
        fraction = Fraction(text)
        return arb(fmpq(fraction.numerator, fraction.denominator))
    return arb(text)


def fraction(x: arb) -> Fraction:
    """The exact value of an exact ball (of the midpoint, where there is a radius)."""
    mantissa, exponent = x.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _decimal(scaled: int, places: int) -> str:
    digits = str(abs(scaled)).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{part}" if places else f"{sign}{whole}"


def decimals(lower: arb, upper: arb) -> dict[str, str]:
    """Decimal strings that enclose the interval, ``lower`` rounded down and ``upper`` up.

    They carry one digit more than the width of the interval resolves, and at most 60 places: more
    would say nothing, since 60 places are far beyond every width the balls reach.
    """
    low, high = fraction(lower.lower()), fraction(upper.upper())
    width = high - low
    places = 60
    if width > 0:
        resolved = math.log2(width.denominator) - math.log2(max(width.numerator, 1))
        places = min(60, max(1, math.ceil(resolved * math.log10(2)) + 1))
    unit = 10**places
    return {
        "lower": _decimal(math.floor(low * unit), places),
        "upper": _decimal(math.ceil(high * unit), places),
    }


def digits(x: arb, significant: int) -> str:
    """The midpoint as a decimal string with this many significant digits."""
    value = fraction(x)
    if value == 0:
        return "0"
    magnitude = math.floor(
        (math.log2(abs(value.numerator)) - math.log2(value.denominator)) * math.log10(2)
    )
    places = max(0, significant - magnitude - 1)
    return _decimal(round(value * 10**places), places)
