"""Perturbations found here, for the tests."""

from __future__ import annotations

from typing import Any

import orjson

from relu_landscape.engine.perturbations import COMPOSITION
from relu_landscape.engine.tasks import Monitor, Runner, SilentMonitor, run_here
from relu_landscape.wire.perturbations import PerturbationsBody, PerturbationsRequest
from tests.service.engine.usual import USUAL


def request(**fields: Any) -> PerturbationsRequest:
    """A request; the spurious minimum of width 6 in 50 dimensions unless it says otherwise."""
    usual: dict[str, Any] = {"student_width": 6, "teacher_width": 6, "input_dimension": 50}
    if "weights" not in fields:
        usual["structure"] = "one-anti-aligned"
    return PerturbationsRequest.model_validate({**usual, **fields})


def solve(
    asked: PerturbationsRequest,
    *,
    run: Runner | None = None,
    monitor: Monitor | None = None,
    chunk_starts: int | None = None,
) -> PerturbationsBody:
    """Compose the answer to a request; by default here, without a word."""
    problem = COMPOSITION.problem(asked)
    found = COMPOSITION.compose(
        problem,
        run=run or run_here(problem, USUAL),
        monitor=monitor or SilentMonitor(),
        chunk_starts=chunk_starts,
    )
    assert isinstance(found.result, PerturbationsBody)
    assert found.parts == {}
    return found.result


def as_bytes(found: PerturbationsBody) -> bytes:
    """All of it as JSON, members sorted."""
    return orjson.dumps(found.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
