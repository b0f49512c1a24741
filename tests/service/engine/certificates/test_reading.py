"""Reading stored numbers: what is accepted, and what a refusal says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.certificates.document import FORMAT
from relu_landscape.engine.certificates.reading import (
    MOST_DIGITS,
    read_integer,
    read_lines,
    read_matrix,
)
from relu_landscape.engine.certificates.verify import verify
from relu_landscape.errors import InputError


@pytest.mark.parametrize("value", [0, 12, 2**53 - 1, "0", "12", str(10**178), "9" * MOST_DIGITS])
def test_integers_are_numbers_or_digits(value: int | str) -> None:
    assert read_integer(value, "copies") == int(value)


@pytest.mark.parametrize(
    "value", ["9" * (MOST_DIGITS + 1), "-1", "1.0", "1e3", "", " 1", "٣", -1, 1.5, True, None, [1]]
)
def test_what_is_no_integer_is_refused_by_name(value: object) -> None:
    """Nor one so long that converting it would take the time of the reader."""
    with pytest.raises(InputError, match="copies"):
        read_integer(value, "copies")


def test_a_matrix_has_rows_and_columns_in_this_order() -> None:
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    np.testing.assert_array_equal(read_matrix(rows, "W", (2, 3)), rows)
    for shape in ((3, 2), (2, 2), (3, 3)):
        sentence = f"W is not a matrix of {shape[0]} rows and {shape[1]} columns"
        with pytest.raises(InputError, match=sentence):
            read_matrix(rows, "W", shape)
    with pytest.raises(InputError, match="2 rows and 3 columns"):
        read_matrix([rows[0], rows[1][:2]], "W", (2, 3))


LINE: dict[str, Any] = {"space": "span", "eigenvalue": 0.5, "multiplicity": 2}


@pytest.mark.parametrize("space", ["outside", "", None, 3, ["span"]])
def test_a_line_belongs_to_one_of_the_two_spaces(space: object) -> None:
    outer = LINE | {"space": "perpendicular", "multiplicity": "3"}
    assert read_lines([LINE, outer], "spectrum") == {
        "span": [(0.5, 2)],
        "perpendicular": [(0.5, 3)],
    }
    with pytest.raises(InputError, match="a line of spectrum has no space"):
        read_lines([LINE, LINE | {"space": space}], "spectrum")


@pytest.mark.parametrize("name", ["format", "verdict"])
def test_what_claims_to_be_a_certificate_is_one_to_be_checked(name: str) -> None:
    """With its verdict cut out it is a certificate that does not hold, not none at all."""
    (answer,) = verify({"a": {"certificate": {name: FORMAT}}})
    assert answer["holds"] is False
