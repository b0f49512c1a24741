"""Frequencies found here, for the tests."""

from __future__ import annotations

from typing import Any

import orjson

from relu_landscape.engine.frequencies import COMPOSITION
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import Composed, Monitor, Runner, SilentMonitor, run_here
from relu_landscape.wire.frequencies import FrequenciesBody, FrequenciesRequest, RateFrequencies
from tests.service.engine.usual import USUAL

NUMPY = backend_named("numpy")


def request(**fields: Any) -> FrequenciesRequest:
    """A request; two students and two teachers unless it says otherwise."""
    return FrequenciesRequest.model_validate({"student_width": 2, "teacher_width": 2, **fields})


def solve(
    asked: FrequenciesRequest,
    *,
    run: Runner | None = None,
    monitor: Monitor | None = None,
    chunk_starts: int | None = None,
) -> Composed:
    """Compose the answer to a request; by default here, without a word."""
    problem = COMPOSITION.problem(asked)
    return COMPOSITION.compose(
        problem,
        run=run or run_here(problem, USUAL),
        monitor=monitor or SilentMonitor(),
        chunk_starts=chunk_starts,
    )


def body(found: Composed) -> FrequenciesBody:
    """The answer itself."""
    assert isinstance(found.result, FrequenciesBody)
    return found.result


def only(found: Composed) -> RateFrequencies:
    """The one learning rate of an answer."""
    (rate,) = body(found).rates
    return rate


def as_bytes(found: Composed) -> bytes:
    """All of it as JSON, members sorted."""
    return orjson.dumps(found.result.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
