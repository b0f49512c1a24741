"""Rounding goes outwards where nearest would not, and bounds are no looser than they are said."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import (
    above,
    below,
    decimals,
    digits,
    exact_number,
    precision,
    spectral_norm,
    upper_sqrt,
)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("tail", [1, -1])
def test_a_number_between_two_doubles_is_enclosed(sign: int, tail: int) -> None:
    """1 - 2^-60 is nearest to the double 1: as a lower bound that would be false."""
    with precision(128):
        value = sign * (arb(1) + tail * arb(2) ** -60)
        low, high = below(value), above(value)
    exact = sign * (1 + tail * Fraction(2) ** -60)
    assert Fraction(low) < exact < Fraction(high)


def test_the_spectral_norm_is_as_loose_as_stated_where_all_eigenvalues_are_equal() -> None:
    """|F^16|_F^(1/16) of a multiple of the identity: n^(1/32) too large, no more and no less."""
    bound = float(spectral_norm(arb_mat((3.0 * np.eye(20)).tolist())))
    assert bound == pytest.approx(3.0 * 20 ** (1 / 32), rel=1e-12)


def test_decimals_stop_at_sixty_places_however_narrow_the_interval() -> None:
    with precision(600):
        low = exact_number("0.1")
        text = decimals(low, low + arb(10) ** -100)
    assert [len(text[end]) for end in ("lower", "upper")] == [62, 62]
    assert Fraction(text["upper"]) - Fraction(text["lower"]) <= Fraction(2, 10**60)


@pytest.mark.parametrize(
    ("value", "significant", "wanted"),
    [("123456789.6", 3, "123456790"), ("123456789.6", 10, "123456789.6"),
     ("-0.00456", 2, "-0.0046")],
)  # fmt: skip
def test_digits_of_a_large_number_are_whole(value: str, significant: int, wanted: str) -> None:
    """Digits before the point are all written; fewer would be another number."""
    with precision(192):
        assert digits(exact_number(value), significant) == wanted


def test_the_root_of_nothing_is_nothing() -> None:
    assert float(upper_sqrt(arb(0))) == 0.0
    assert float(upper_sqrt(arb(-1))) == 0.0
    assert float(upper_sqrt(arb(4))) == 2.0
