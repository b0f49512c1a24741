"""Write the polynomial of the arc cosine that the native kernel evaluates.

    python tools/arcsine_polynomial.py > service/relu_landscape/engine/lanes/arcsine.h

``acos c = sqrt(1 - c^2) Q(c)``, and Q is smooth on [0, 1]: its nearest singularity is c = -1. It is
interpolated at the Chebyshev points of [0, 1] with 60 digits and written in powers of 2 c - 1. The
coefficients fall about like 3^-j, so the last step of Horner's rule makes nearly all of the
rounding.
"""

from __future__ import annotations

import sys

from mpmath import acos, cos, mp, mpf, nstr, pi, polyval, sqrt

#: The smallest degrees whose errors (9e-18 and 3e-9) are below the rounding of the result, 1e-16 in
#: double and 6e-8 in single precision.
DEGREE, SINGLE_DEGREE = 21, 10
#: Closer to 1 than this Q is taken from its series.
NEAR_ONE = mpf(10) ** -25


def quotient(c: mpf) -> mpf:
    """Q(c) = acos(c) / sqrt(1 - c^2)."""
    gap = 1 - c
    if gap < NEAR_ONE:
        return 1 + gap / 3 + 2 * gap * gap / 15
    return acos(c) / sqrt(gap * (1 + c))


def chebyshev(degree: int) -> list[mpf]:
    """Coefficients of the interpolant of Q in T_0 ... T_degree of 2 c - 1."""
    count = degree + 1
    angles = [pi * (mpf(k) + mpf(1) / 2) / count for k in range(count)]
    values = [quotient((cos(angle) + 1) / 2) for angle in angles]
    found = []
    for j in range(count):
        total = sum(v * cos(j * angle) for v, angle in zip(values, angles, strict=True))
        found.append((1 if j == 0 else 2) * total / count)
    return found


def powers(coefficients: list[mpf]) -> list[mpf]:
    """The same polynomial in powers of its argument, lowest first."""
    count = len(coefficients)
    before, current = [mpf(1)], [mpf(0), mpf(1)]
    result = [mpf(0)] * count
    result[0] = coefficients[0]
    for j in range(1, count):
        for i, value in enumerate(current):
            result[i] += coefficients[j] * value
        following = [mpf(0), *(2 * value for value in current)]
        for i, value in enumerate(before):
            following[i] -= value
        before, current = current, following
    return result


def table(degree: int, suffix: str) -> list[str]:
    """Lines of the header with the polynomial of a degree."""
    polynomial = powers(chebyshev(degree))
    grid = [mpf(k) / 500 for k in range(501)]
    error = max(abs(polyval(polynomial[::-1], 2 * c - 1) - quotient(c)) for c in grid)
    return [
        f"#define ARCSINE_DEGREE {degree} /* largest error {nstr(error, 3)} before rounding */",
        "TABLE ARCSINE[ARCSINE_DEGREE + 1] = {",
        *(f"    {float(value)!r}{suffix}," for value in polynomial),
        "};",
    ]


def main() -> None:
    """Write the header to standard output."""
    mp.dps = 60
    lines = [
        "/* acos(c) / sqrt(1 - c^2) on [0, 1] in powers of 2 c - 1, lowest first. Made by",
        " * tools/arcsine_polynomial.py. */",
        "#ifdef SINGLE",
        *table(SINGLE_DEGREE, "f"),
        "#else",
        *table(DEGREE, ""),
        "#endif",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
