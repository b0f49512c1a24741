"""Precision, rounding outwards and decimals."""

from __future__ import annotations

import math
import threading
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from relu_landscape.engine.certificates import certify
from relu_landscape.engine.certificates.balls import (
    above,
    below,
    decimals,
    digits,
    enclosing_sqrt,
    exact_number,
    fraction,
    precision,
    spectral_norm,
    symmetric,
)


def test_precision_is_restored_after_nesting_and_errors() -> None:
    before = ctx.prec
    with precision(200):
        with precision(77):
            assert ctx.prec == 77
        assert ctx.prec == 200
        with pytest.raises(ZeroDivisionError), precision(99):
            raise ZeroDivisionError
        assert ctx.prec == 200
    assert ctx.prec == before


def test_two_threads_never_mix_their_precisions() -> None:
    """The precision of python-flint belongs to the process: unguarded, threads overwrite it."""
    wrong: list[int] = []
    barrier = threading.Barrier(2)

    def work(bits: int) -> None:
        barrier.wait()
        for _ in range(300):
            with precision(bits):
                value = arb(2).sqrt()
                if ctx.prec != bits or abs(value.rel_accuracy_bits() - bits) > 4:
                    wrong.append(bits)

    threads = [threading.Thread(target=work, args=(bits,)) for bits in (64, 256)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_certify_leaves_the_precision_of_the_process_alone() -> None:
    before = ctx.prec
    certify(np.eye(2), mode="fast", teacher_width=2)
    certify(np.full((2, 2), 0.3), mode="strict", teacher_width=2)
    assert ctx.prec == before


def test_doubles_lie_outside_the_ball() -> None:
    third = arb(1) / 3
    assert Fraction(below(third)) < Fraction(1, 3) < Fraction(above(third))
    assert above(third) - below(third) <= 4 * math.ulp(1 / 3)


def test_square_root_of_a_ball_around_zero_is_no_nan() -> None:
    assert math.isnan(float(symmetric(arb("1e-30")).sqrt()))
    root = enclosing_sqrt(symmetric(arb("1e-30")))
    assert root.contains(arb(0))
    assert 1e-15 <= float(root.upper()) < 1.01e-15


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_spectral_norm_is_an_upper_bound_within_a_tenth(size: int) -> None:
    raw = np.random.default_rng(size).normal(size=(size, size))
    matrix = raw + raw.T
    true = float(np.abs(np.linalg.eigvalsh(matrix)).max())
    bound = float(spectral_norm(arb_mat(matrix.tolist())))
    assert true * (1 - 1e-12) <= bound <= true * size ** (1 / 32) * (1 + 1e-12)


def test_spectral_norm_of_zero() -> None:
    assert float(spectral_norm(arb_mat(3, 3))) == 0.0


@pytest.mark.parametrize(
    ("low", "high"),
    [("0.1", "0.1000000001"), ("-3.5", "2"), ("0", "1e-40"), ("123456.789", "123456.7891")],
)
def test_decimals_enclose_the_interval_and_waste_at_most_one_digit(low: str, high: str) -> None:
    with precision(200):
        ends = [exact_number(low).lower(), exact_number(high).upper()]
        text = decimals(*ends)
        exact = [fraction(end) for end in ends]
    stated = [Fraction(text["lower"]), Fraction(text["upper"])]
    width = exact[1] - exact[0]
    assert stated[0] <= exact[0] <= exact[1] <= stated[1]
    assert stated[1] - stated[0] <= width + width / 2
    assert "e" not in text["lower"] + text["upper"]


def test_decimals_of_a_single_number_stop_at_sixty_places() -> None:
    text = decimals(arb(0.1), arb(0.1))
    assert Fraction(text["lower"]) <= Fraction(0.1) <= Fraction(text["upper"])
    assert len(text["lower"]) == 62


@pytest.mark.parametrize("value", ["0", "1", "-0.00123", "7.5e-20", "123456789.123456789"])
def test_digits_keep_what_was_asked(value: str) -> None:
    with precision(192):
        text = digits(exact_number(value), 40)
    exact = Fraction(value)
    assert abs(Fraction(text) - exact) <= abs(exact) * Fraction(1, 10**38)
