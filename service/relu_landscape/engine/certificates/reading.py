"""Numbers from outside beside a certificate: read with their name, never trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from relu_landscape.engine.certificates.balls import Doubles
from relu_landscape.engine.certificates.document import read_count, read_number, read_object
from relu_landscape.errors import InputError

#: Digits of an integer that are read: the copies of a point at width 64 number some 10^178.
MOST_DIGITS = 1000


def read_integer(value: object, name: str) -> int:
    """A non-negative integer of any size, or its digits. Raises ``InputError``."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:
        return int(value)
    return read_count(value, name)


def read_list(value: object, name: str) -> list[Any]:
    """A JSON array. Raises ``InputError``."""
    if not isinstance(value, list):
        raise InputError(f"{name} is not a list.")
    return value


def read_numbers(value: object, name: str) -> list[float]:
    """An array of finite numbers. Raises ``InputError``."""
    return [read_number(entry, name) for entry in read_list(value, name)]


def read_matrix(value: object, name: str, shape: tuple[int, int]) -> Doubles:
    """A matrix of finite numbers of this shape. Raises ``InputError``."""
    rows = [read_numbers(row, name) for row in read_list(value, name)]
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise InputError(f"{name} is not a matrix of {shape[0]} rows and {shape[1]} columns.")
    return np.array(rows, dtype=np.float64).reshape(shape)


def read_lines(value: object, name: str) -> dict[str, list[tuple[float, int]]]:
    """(eigenvalue, multiplicity) of each line of a spectrum, by space. Raises ``InputError``."""
    lines: dict[str, list[tuple[float, int]]] = {"span": [], "perpendicular": []}
    for entry in read_list(value, name):
        fields: Mapping[str, Any] = read_object(entry, f"a line of {name}")
        space = fields.get("space")
        if not isinstance(space, str) or space not in lines:
            raise InputError(f"a line of {name} has no space.")
        number = read_number(fields.get("eigenvalue"), f"an eigenvalue of {name}")
        count = read_integer(fields.get("multiplicity"), f"a multiplicity of {name}")
        lines[space].append((number, count))
    return lines
