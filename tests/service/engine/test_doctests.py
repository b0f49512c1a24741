"""The examples in the engine's docstrings run, and say what they print."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from relu_landscape import engine

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(engine.__path__, f"{engine.__name__}.")
    if not module.name.endswith("._lanes")  # plain C, no module
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0


def test_there_are_examples() -> None:
    attempted = sum(
        doctest.testmod(importlib.import_module(f"{engine.__name__}.{name}")).attempted
        for name in ("model.population", "points.attraction", "exact")
    )
    assert attempted >= 7
