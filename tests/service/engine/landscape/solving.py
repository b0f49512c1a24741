"""Landscapes solved here, for the tests."""

from __future__ import annotations

from typing import Any

import orjson

from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.model.arrays import Backend, backend_named
from relu_landscape.engine.tasks import Composed, Monitor, Runner, SilentMonitor, run_here
from relu_landscape.wire.landscape import FixedPointDetails, LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.usual import USUAL

NUMPY = backend_named("numpy")


def solve(
    request: LandscapeRequest,
    *,
    run: Runner | None = None,
    monitor: Monitor | None = None,
    chunk_starts: int | None = None,
    backend: Backend = USUAL,
) -> Composed:
    """Compose the landscape of a request; by default here, without a word."""
    problem = COMPOSITION.problem(request)
    return COMPOSITION.compose(
        problem,
        run=run or run_here(problem, backend),
        monitor=monitor or SilentMonitor(),
        chunk_starts=chunk_starts,
    )


def body(found: Composed) -> LandscapeBody:
    """The landscape itself."""
    assert isinstance(found.result, LandscapeBody)
    return found.result


def details(found: Composed) -> dict[str, FixedPointDetails]:
    """What is fetched by key."""
    parts = {}
    for key, part in found.parts.items():
        assert isinstance(part, FixedPointDetails)
        parts[key] = part
    return parts


def as_bytes(found: Composed) -> bytes:
    """All of it as JSON, members sorted."""
    document: dict[str, Any] = {
        "landscape": found.result.model_dump(mode="json"),
        "details": {key: part.model_dump(mode="json") for key, part in found.parts.items()},
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
