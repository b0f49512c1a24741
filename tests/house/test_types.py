"""Annotations of the engine are checked while the tests run."""

from __future__ import annotations

import pytest
from jaxtyping import TypeCheckError

from relu_landscape.engine.tasks import Task


def test_a_wrong_argument_is_refused_in_the_tests() -> None:
    assert Task("sample", "0").starts == 0
    with pytest.raises(TypeCheckError, match="starts"):
        Task("sample", "0", {}, "many")  # type: ignore[arg-type]
