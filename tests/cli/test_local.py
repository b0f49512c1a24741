"""A landscape without a service: the same bytes, and clear words when something dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from relu_landscape.analyses import LANDSCAPE, Registry
from relu_landscape.errors import ConfigurationError, JobFailed, NotFound, NumericalError
from relu_landscape.jobs.local import call_locally, solve_locally
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.wire.landscape import FixedPointDetails, Landscape
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.toy_engine import Nothing, Pair


def _request(**more: Any) -> LandscapeRequest:
    return LandscapeRequest.model_validate(
        {"student_width": 2, "teacher_width": 2, "starts": 25} | more
    )


def test_workers_and_chunks_change_nothing(toy: Registry) -> None:
    one, other = (
        solve_locally(
            _request(), workers=workers, backend="numpy", chunk_starts=chunk_starts, registry=toy
        )
        for workers, chunk_starts in ((1, None), (2, 7))
    )
    assert other.result | {"provenance": {}} == one.result | {"provenance": {}}
    assert other.parts == one.parts


def test_the_answer_is_the_service_s(toy: Registry) -> None:
    request = _request(seed=3)
    solution = solve_locally(request, workers=1, backend="numpy", registry=toy)
    Landscape.model_validate(solution.result)
    assert solution.result["id"] == request.content_id(choose_backend("numpy").backend_class)
    assert solution.result["request"] == request.canonical()
    assert solution.result["digest"] == digest(solution.result)
    details = FixedPointDetails.model_validate(solution.parts["m1"])
    assert len(details.weights[0]) == 25
    assert multiprocessing.active_children() == []


def test_progress_and_findings_are_told(toy: Registry) -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    solve_locally(
        _request(), workers=1, backend="numpy", registry=toy,
        watch=lambda kind, data: told.append((kind, dict(data))),
    )  # fmt: skip
    phases = [data["phase"] for kind, data in told if kind == "progress"]
    assert list(dict.fromkeys(phases)) == ["sample", "classify"]
    last = [data for kind, data in told if kind == "progress"][-1]
    assert (last["tasks_done"], last["tasks"], last["fraction"]) == (3, 3, 1.0)
    assert last["starts_done"] == 25


@pytest.mark.parametrize(
    ("misbehaviour", "expected", "words"),
    [
        ("raise", JobFailed, "sample:0 failed: ZeroDivisionError: the toy divides by zero"),
        ("refuse", JobFailed, "the toy refuses this chunk"),
        ("poison", JobFailed, "A process died while the chunk sample:"),
        ("crash-solve", ValueError, "cannot compose"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_left_running(
    toy: Registry, misbehaviour: str, expected: type[Exception], words: str
) -> None:
    with pytest.raises(expected, match=words):
        solve_locally(
            _request(structures=[misbehaviour]), workers=1, backend="numpy", registry=toy
        )  # fmt: skip
    assert multiprocessing.active_children() == []


def test_an_interrupt_ends_the_processes(toy: Registry) -> None:
    """The processes leave Ctrl+C to the parent, which stops handing out and waits for them."""

    def interrupt(kind: str, data: Mapping[str, Any]) -> None:
        if data.get("tasks_done"):
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGINT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_locally(
            _request(starts=1000), workers=2, backend="numpy", registry=toy, watch=interrupt
        )
    assert multiprocessing.active_children() == []


def test_short_calls(toy: Registry) -> None:
    assert call_locally("add", Pair(a=1.0, b=2.5), registry=toy) == {"sum": 3.5}
    with pytest.raises(NumericalError, match="refuses"):
        call_locally("refuse", Nothing(), registry=toy)
    with pytest.raises(NotFound, match="there is: add"):
        call_locally("subtract", Nothing(), registry=toy)


def test_an_engine_that_is_not_there() -> None:
    nowhere = Registry(analyses=(replace(LANDSCAPE, composition="nowhere:COMPOSITION"),), calls=())
    with pytest.raises(ConfigurationError, match="nowhere"):
        solve_locally(_request(), workers=1, registry=nowhere)
