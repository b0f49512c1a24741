"""Integers that may be larger than JSON numbers can hold exactly."""

from __future__ import annotations

#: Integers up to here are exact in every JSON reader (doubles have 53 bits).
LARGEST_EXACT = 2**53


def integer(value: float) -> int | str:
    """An integer as a JSON number, or beyond 2^53 as a string of its digits.

    >>> integer(2**53), integer(2**53 + 1)
    (9007199254740992, '9007199254740993')
    """
    return int(value) if abs(value) <= LARGEST_EXACT else str(int(value))
