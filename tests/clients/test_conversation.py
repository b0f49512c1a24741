"""Submit, follow, fetch: on a server that behaves, and on ones that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from relu_landscape.wire.landscape import Landscape as ServersLandscape
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_client import (
    LandscapeCancelled,
    LandscapeFailed,
    ProtocolError,
    RequestRefused,
    Status,
    TimedOut,
    _flows,
)
from tests.clients import documents
from tests.clients.fake import SCRIPT, FakeServer, problem

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens while a fake server is waited for."""
    monkeypatch.setattr(_flows, "FIRST_PAUSE_SECONDS", 0.0)


def test_the_fake_speaks_the_servers_language() -> None:
    """A fake that drifts from the server's own types would prove nothing."""
    ServersLandscape.model_validate(documents.landscape())
    request = LandscapeRequest.model_validate(documents.request())
    assert request.canonical() == documents.request()


def test_a_landscape_is_submitted_followed_and_fetched(run: Run, server: FakeServer) -> None:
    seen: list[Status] = []
    landscape = run(server, "landscape", 2, 2, starts=10, progress=seen.append)
    assert landscape.id == documents.ID
    assert [point.key for point in landscape.minima] == ["m1", "m2"]
    assert server.asked == [
        "GET /v1/service-info",
        "POST /v1/landscapes",
        "GET /v1/landscapes/ID",
        "GET /v1/landscapes/ID/events",
        "GET /v1/landscapes/ID",
    ]
    assert server.bodies == [{"student_width": 2, "teacher_width": 2, "starts": 10}]
    assert [each.state for each in seen][:2] == ["queued", "running"]
    assert max(each.progress.tasks_done for each in seen) == 3
    assert [finding.key for finding in seen[-2].findings] == ["m1", "m2"]
    assert seen[-1].state == "finished"


def test_a_known_landscape_takes_one_call(run: Run) -> None:
    server = FakeServer(is_known=True)
    assert run(server, "landscape", 2, 2, cache=False).id == documents.ID
    assert server.asked == ["POST /v1/landscapes"]


@pytest.mark.parametrize("events", range(len(SCRIPT)))
def test_a_broken_stream_resumes_behind_the_last_event(run: Run, events: int) -> None:
    server = FakeServer(break_after=[events])
    seen: list[Status] = []
    landscape = run(server, "landscape", 2, 2, progress=seen.append)
    assert landscape.id == documents.ID
    assert server.last_event_ids == [None, f"{events}-0" if events else None]
    # Nothing is heard twice, nothing is missed.
    heard = [each.progress.tasks_done for each in seen if each.progress.tasks_done]
    assert sorted(set(heard)) == [1, 3]
    assert server.asked.count("POST /v1/landscapes") == 1


def test_every_stream_breaking_after_one_event_still_arrives(run: Run) -> None:
    server = FakeServer(break_after=[1] * (len(SCRIPT) - 1))
    assert run(server, "landscape", 2, 2).id == documents.ID
    assert server.last_event_ids == [None, *(f"{n}-0" for n in range(1, len(SCRIPT)))]


def test_streams_that_never_say_anything_give_way_to_asking(run: Run) -> None:
    server = FakeServer(break_after=[0] * 99, polls_to_finish=6)
    assert run(server, "landscape", 2, 2).id == documents.ID
    assert len(server.last_event_ids) == _flows.STREAM_FAILURES


def test_without_streams_the_status_is_asked(run: Run) -> None:
    server = FakeServer(streams=False, polls_to_finish=5)
    assert run(server, "landscape", 2, 2).id == documents.ID


def test_a_page_in_place_of_the_stream_is_not_taken_for_one(run: Run) -> None:
    """A proxy that answers 200 with HTML once made the client read it line by line."""
    server = FakeServer(polls_to_finish=5)
    server._events = lambda request: httpx2.Response(200, html="<p>Welcome</p>")  # type: ignore[method-assign]
    assert run(server, "landscape", 2, 2).id == documents.ID


def test_unknown_events_and_broken_data_change_nothing(run: Run) -> None:
    script = (("weather", {"sun": True}), ("progress", {}), *SCRIPT)
    server = FakeServer(script=script)
    assert run(server, "landscape", 2, 2).id == documents.ID


def test_events_of_an_earlier_attempt_are_not_believed(run: Run) -> None:
    """A stream that still holds ``cancelled`` from an earlier attempt: the status decides."""
    script = (("state", {"state": "cancelled", "error": None}), *SCRIPT)
    server = FakeServer(script=script)
    assert run(server, "landscape", 2, 2).id == documents.ID
    assert server.last_event_ids == [None, "1-0"]


@pytest.mark.parametrize(
    ("state", "error", "expected"),
    [
        ("failed", "chunk 7 killed its worker three times", LandscapeFailed),
        ("cancelled", None, LandscapeCancelled),
    ],
)
def test_a_job_that_ends_badly_says_so(
    run: Run, state: str, error: str | None, expected: type[Exception]
) -> None:
    server = FakeServer(final=documents.status(state, error=error))
    with pytest.raises(expected, match=error or "cancelled") as caught:
        run(server, "landscape", 2, 2)
    assert caught.value.id == documents.ID  # type: ignore[attr-defined]


def test_a_finished_state_without_a_result_is_no_endless_loop(run: Run) -> None:
    server = FakeServer(final=documents.status("finished"))
    with pytest.raises(ProtocolError, match="did not come"):
        run(server, "landscape", 2, 2)


@pytest.mark.parametrize("streams", [True, False])
def test_time_is_over_when_it_is_over(run: Run, streams: bool) -> None:
    # Streams that end at once and a job that never ends: only the clock can stop this.
    server = FakeServer(script=(), streams=streams)
    server._finish = lambda: None  # type: ignore[method-assign]
    with pytest.raises(TimedOut, match=documents.ID):
        run(server, "landscape", 2, 2, timeout_seconds=0.05)


def test_a_heartbeat_does_not_outlast_the_time_given(run: Run) -> None:
    """Comments keep a stream from timing out and carry no event to look at the clock by."""
    server = FakeServer()

    class Heartbeats(httpx2.SyncByteStream, httpx2.AsyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield b": ping\n\n"

        async def __aiter__(self) -> Any:
            while True:
                yield b": ping\n\n"

    server._events = lambda request: httpx2.Response(  # type: ignore[method-assign]
        200, headers={"Content-Type": "text/event-stream"}, stream=Heartbeats()
    )
    with pytest.raises(TimedOut):
        run(server, "landscape", 2, 2, timeout_seconds=0.05)


def test_numpy_numbers_are_taken_and_nan_is_not(run: Run, server: FakeServer) -> None:
    import numpy as np

    run(server, "submit", np.int64(2), 2, teacher_gram=np.eye(2), seed=None)
    assert server.bodies[-1]["teacher_gram"] == [[1.0, 0.0], [0.0, 1.0]]
    assert "seed" not in server.bodies[-1]
    with pytest.raises(RequestRefused, match="JSON"):
        run(server, "submit", 2, 2, init_scale=float("nan"))
    with pytest.raises(RequestRefused, match="object"):
        run(server, "submit", 2, 2, teacher_gram=object())


def test_a_refused_request_names_the_field(run: Run) -> None:
    refusal = problem(
        422, "Not accepted", "The request is not accepted.", request_id="r-7",
        errors=[{"field": "student_width", "value": 0, "message": "at least 1"}],
    )  # fmt: skip
    with pytest.raises(RequestRefused, match="student_width: at least 1") as caught:
        run(FakeServer(refuse_first=[refusal]), "submit", 0, 2)
    assert caught.value.status == 422
    assert caught.value.request_id == "r-7"
    assert caught.value.errors[0]["value"] == 0


def test_many_are_gathered_in_their_order(run: Run) -> None:
    server = FakeServer(is_known=True)
    ids = [documents.ID, documents.ID]
    assert [each.id for each in run(server, "gather", ids)] == ids


def test_gathering_keeps_errors_in_their_place_where_asked(run: Run) -> None:
    server = FakeServer(is_known=True)
    wanted = [documents.OTHER_ID, documents.ID]
    failed, found = run(server, "gather", wanted, return_errors=True)
    assert isinstance(failed, LookupError)
    assert found.id == documents.ID
    with pytest.raises(LookupError):
        run(server, "gather", wanted)


def test_listing_walks_the_pages(run: Run, server: FakeServer) -> None:
    assert len(run(server, "list", None)) == 250
    assert [each.id for each in run(server, "list", 130)] == [f"{n:064x}" for n in range(130)]
    assert run(server, "list", 0) == []


def test_the_other_calls(run: Run, server: FakeServer) -> None:
    assert run(server, "cancel", documents.ID).state == "cancelling"
    assert run(server, "status", documents.ID).state == "running"
    assert run(server, "fixed_point", documents.ID, "m2").key == "m2"
    assert run(server, "service_info")["algorithm"] == "1"


def test_the_key_travels(run: Run, server: FakeServer) -> None:
    run(server, "service_info", api_key="secret")
    assert server.headers[-1]["Authorization"] == "Bearer secret"
    assert server.headers[-1]["User-Agent"].startswith("relu-landscape-client/")
