"""Descents found here, for the tests."""

from __future__ import annotations

from typing import Any

import orjson

from relu_landscape.engine.descents import COMPOSITION
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.wire.descents import DescentsBody, DescentsRequest
from tests.service.engine.usual import USUAL

NUMPY = backend_named("numpy")


def solve(chunk_starts: int | None = None, **fields: Any) -> DescentsBody:
    """The answer to a request, in 50 dimensions unless it says otherwise."""
    asked = DescentsRequest.model_validate({"input_dimension": 50, **fields})
    problem = COMPOSITION.problem(asked)
    found = COMPOSITION.compose(
        problem, run=run_here(problem, USUAL), monitor=SilentMonitor(), chunk_starts=chunk_starts
    )
    assert isinstance(found.result, DescentsBody)
    assert found.parts == {}
    return found.result


def as_bytes(found: DescentsBody) -> bytes:
    """All of it as JSON, members sorted."""
    return orjson.dumps(found.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
