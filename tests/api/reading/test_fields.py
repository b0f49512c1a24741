"""What a field accepts, said in words for any schema that a kind of analysis may declare."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from relu_landscape.wire.base import Wire
from relu_landscape_api.reading.fields import bounds_of


class Inner(Wire):
    """An object within a request."""

    a: int


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (int, "an integer"),
        (float | None, "a number"),
        (str, "a string"),
        (bool, "true or false"),
        (Literal["a", "b"], "one of a, b"),
        (list[int], "an array of integers"),
        (tuple[tuple[float, ...], ...], "an array of arrays of numbers"),
        (list[Inner], "an array of objects"),
        (Inner, "an object"),
        (dict[str, int], "an object"),
    ],
)
def test_bounds_in_words(declared: Any, words: str) -> None:
    assert bounds_of(TypeAdapter(declared).json_schema()) == words


def test_bounds_of_numbers_and_lengths() -> None:
    class Request(Wire):
        """Fields with bounds."""

        count: int = Field(ge=1, le=10_000)
        names: list[str] = Field(max_length=3)
        word: str = Field(max_length=5)
        inner: Inner

    properties = Request.model_json_schema()["properties"]
    assert {name: bounds_of(schema) for name, schema in properties.items()} == {
        "count": "an integer from 1 to 10,000",
        "names": "an array of strings, at most 3",
        "word": "a string of at most 5 characters",
        "inner": "an object",
    }
