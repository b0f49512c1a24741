"""Submit, follow, fetch: on a line that holds, and on ones that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from relu_landscape.jobs.identity import Wanted, utc_now
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape_client import (
    LandscapeCancelled,
    LandscapeFailed,
    NotAuthorised,
    NotFound,
    ProtocolError,
    RequestRefused,
    Status,
    TimedOut,
    _flows,
)
from tests.clients.faulty import name_of, problem
from tests.clients.samples import ASKED, ID, OTHER_ID, SAID_AT_FIRST, SCRIPT, status
from tests.clients.served import Served, application

Run = Callable[..., Any]

#: Everything that a job says from its beginning to its end.
EVENTS = SAID_AT_FIRST + len(SCRIPT)
STREAM = "GET /v1/landscapes/ID/events"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed while a client waits here."""
    monkeypatch.setattr(_flows, "FIRST_PAUSE_SECONDS", 0.0)


def in_place_of(name: str, make: Callable[[], httpx2.Response]) -> Any:
    """What ``Line.instead`` does to spoil one call."""
    return lambda request: make() if name_of(request) == name else None


def stream_of(content: Any) -> Callable[[], httpx2.Response]:
    """Makes an event stream that says this and ends."""
    kind = {"Content-Type": "text/event-stream; charset=utf-8"}
    return lambda: httpx2.Response(200, headers=kind, content=content)


def no_streams() -> httpx2.Response:
    return problem(404, "Not found", "There are no streams here.")


def test_a_landscape_is_submitted_followed_and_fetched(run: Run, server: Served) -> None:
    seen: list[Status] = []
    landscape = run("landscape", **ASKED, progress=seen.append)
    assert landscape.id == ID
    assert [point.key for point in landscape.minima] == ["m1", "m2"]
    assert server.line.asked == [
        "GET /v1/service-info",
        "POST /v1/landscapes",
        "GET /v1/landscapes/ID",
        "GET /v1/landscapes/ID/events",
        "GET /v1/landscapes/ID",
    ]
    assert server.line.bodies == [ASKED]
    assert {each.kind for each in seen} == {"landscape"}
    assert [each.state for each in seen] == ["running"] * 3 + ["queued"] + ["running"] * 5 + [
        "finished"
    ]
    assert max(each.progress.tasks_done for each in seen) == 3
    assert [finding.key for finding in seen[-2].findings] == ["p1", "p2"]


def test_a_known_landscape_takes_one_call(run: Run, server: Served) -> None:
    server.finish_at_once()
    assert run("landscape", **ASKED, cache=False).id == ID
    assert server.line.asked == ["POST /v1/landscapes"]


@pytest.mark.parametrize("events", range(EVENTS))
def test_a_broken_stream_resumes_behind_the_last_event(
    run: Run, server: Served, events: int
) -> None:
    server.line.break_after = [events]
    seen: list[Status] = []
    landscape = run("landscape", **ASKED, progress=seen.append)
    assert landscape.id == ID
    assert server.line.last_event_ids == [None, f"{events}-0" if events else None]
    # Nothing is missed.
    heard = [each.progress.tasks_done for each in seen if each.progress.tasks_done]
    assert sorted(set(heard)) == [1, 3]
    assert server.line.asked.count("POST /v1/landscapes") == 1


def test_every_stream_breaking_after_one_event_still_arrives(run: Run, server: Served) -> None:
    server.line.break_after = [1] * (EVENTS - 1)
    assert run("landscape", **ASKED).id == ID
    assert server.line.last_event_ids == [None, *(f"{n}-0" for n in range(1, EVENTS))]


def test_streams_that_never_say_anything_give_way_to_asking(run: Run, server: Served) -> None:
    server.line.break_after = [0] * 99
    server.looks = 6
    assert run("landscape", **ASKED).id == ID
    assert len(server.line.last_event_ids) == _flows.STREAM_FAILURES


@pytest.mark.parametrize(
    "answer",
    [
        no_streams,
        # A proxy that answers 200 with HTML once made the client read it line by line.
        lambda: httpx2.Response(200, html="<p>Welcome</p>"),
    ],
    ids=["none", "a page"],
)
def test_without_streams_the_status_is_asked(run: Run, server: Served, answer: Any) -> None:
    server.line.instead = in_place_of(STREAM, answer)
    server.looks = 5
    assert run("landscape", **ASKED).id == ID


def test_unknown_events_and_broken_data_change_nothing(run: Run, server: Served) -> None:
    server.line.prelude = [
        b'event: weather\ndata: {"sun": true}\n\n'
        b"event: progress\ndata: {}\n\n"
        b"event: progress\ndata: no JSON\n\n"
        b"event: findings\ndata: [1]\n\n"
        b'event: findings\ndata: {"findings": [{"key": "p0"}]}\n\n'
        b'event: state\ndata: {"mood": "cheerful"}\n\n'
    ]
    assert run("landscape", **ASKED).id == ID


def test_events_of_an_earlier_attempt_are_not_believed(run: Run, server: Served) -> None:
    """A stream that still holds ``cancelled`` from an earlier attempt: the status decides."""
    server.line.prelude = [b'event: state\ndata: {"state": "cancelled"}\nid: 1-0\n\n']
    server.line.break_after = [0]
    assert run("landscape", **ASKED).id == ID
    assert server.line.last_event_ids == [None, "1-0"]


def test_a_job_that_fails_says_why(run: Run, server: Served) -> None:
    server.script = (*SCRIPT[:2], lambda job: job.fail("chunk 7 killed its worker three times"))
    with pytest.raises(LandscapeFailed, match="chunk 7 killed its worker") as caught:
        run("landscape", **ASKED)
    assert caught.value.id == ID


def test_a_job_that_is_cancelled_says_so(run: Run, server: Served) -> None:
    server.script = (*SCRIPT[:2], lambda job: job.become("cancelled"))
    with pytest.raises(LandscapeCancelled, match="cancelled") as caught:
        run("landscape", **ASKED)
    assert caught.value.id == ID


def test_a_finished_state_without_a_result_is_no_endless_loop(run: Run, server: Served) -> None:
    answer = httpx2.Response(200, json=status("finished"))
    server.line.instead = in_place_of("GET /v1/landscapes/ID", lambda: answer)
    with pytest.raises(ProtocolError, match="did not come"):
        run("landscape", **ASKED)


class _Heartbeats(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Comments keep a stream from timing out and carry no event to look at the clock by."""

    def __iter__(self) -> Any:
        while True:
            yield b": ping\n\n"

    async def __aiter__(self) -> Any:
        while True:
            yield b": ping\n\n"


def _heartbeats() -> httpx2.Response:
    return httpx2.Response(
        200, headers={"Content-Type": "text/event-stream"}, stream=_Heartbeats()
    )  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [None, stream_of(b": connected\n\n"), no_streams, _heartbeats],
    ids=["a silent stream", "streams that end at once", "no streams", "heartbeats for ever"],
)
def test_time_is_over_when_it_is_over(run: Run, server: Served, answer: Any) -> None:
    """A job that never ends: only the clock can stop this."""
    server.script = ()
    if answer is not None:
        server.line.instead = in_place_of(STREAM, answer)
    with pytest.raises(TimedOut, match=ID):
        run("landscape", **ASKED, timeout_seconds=0.05)


def test_numpy_numbers_are_taken_and_nan_is_not(run: Run, server: Served) -> None:
    import numpy as np

    run("submit", np.int64(2), 2, teacher_gram=np.eye(2), seed=None)
    assert server.line.bodies[-1] == {
        "student_width": 2, "teacher_width": 2, "teacher_gram": [[1.0, 0.0], [0.0, 1.0]],
    }  # fmt: skip
    with pytest.raises(RequestRefused, match="JSON"):
        run("submit", 2, 2, init_scale=float("nan"))
    with pytest.raises(RequestRefused, match="object"):
        run("submit", 2, 2, teacher_gram=object())


def test_a_refused_request_names_the_field(run: Run) -> None:
    with pytest.raises(RequestRefused, match="student_width = 0 is not accepted") as caught:
        run("submit", 0, 2)
    assert caught.value.status == 422
    assert caught.value.request_id
    assert caught.value.errors[0]["value"] == 0
    with pytest.raises(RequestRefused, match="mood"):
        run("submit", 2, 2, mood="cheerful")


def test_many_are_gathered_in_their_order(run: Run, server: Served) -> None:
    server.finish_at_once()
    submitted = [run("submit", width, 2) for width in (3, 1, 2)]
    gathered = run("gather", [*submitted, submitted[0].id])
    assert [each.student_width for each in gathered] == [3, 1, 2, 3]


def test_gathering_keeps_errors_in_their_place_where_asked(run: Run, server: Served) -> None:
    server.finish_at_once()
    run("submit", **ASKED)
    failed, found = run("gather", [OTHER_ID, ID], return_errors=True)
    assert isinstance(failed, LookupError)
    assert found.id == ID
    with pytest.raises(LookupError):
        run("gather", [OTHER_ID, ID])


@pytest.mark.parametrize("method", ["list", "jobs"])
def test_listing_walks_the_pages(run: Run, server: Served, method: str) -> None:
    async def fill() -> list[str]:
        requests = (
            LandscapeRequest(student_width=1, teacher_width=1, seed=seed) for seed in range(250)
        )
        return [(await server.service.submit(each)).id for each in requests]

    newest = server.running.wait_for(fill())[::-1]
    assert [each.id for each in run(method, None)] == newest
    assert [each.id for each in run(method, 130)] == newest[:130]
    assert {each.kind for each in run(method, 1)} == {"landscape"}
    assert run(method, 0) == []


def test_jobs_of_a_kind_that_this_client_does_not_know_are_listed(run: Run, server: Served) -> None:
    unknown = status("running") | {"kind": "weather", "findings": [{"sun": True}]}
    page = httpx2.Response(200, json={"items": [unknown], "next_cursor": None})
    server.line.instead = in_place_of("GET /v1/jobs", lambda: page)
    (job,) = run("jobs")
    assert (job.kind, job.state, job.findings) == ("weather", "running", ())


def test_the_other_calls(run: Run) -> None:
    run("submit", **ASKED)
    assert run("status", ID).state == "running"
    assert run("cancel", ID).state == "cancelling"
    info = run("service_info")
    assert info["backend"]["backend_class"] == "cpu"


def test_jobs_of_every_kind_are_cancelled_by_their_status(run: Run, server: Served) -> None:
    """An id says nothing of its kind: the job was looked for among the landscapes, and not found.
    Where it is kept the server's schema says, so kinds that are still to come can be cancelled."""
    request = TrajectoryRequest(student_width=2, teacher_width=2)
    server.running.wait_for(server.service.submit(request))
    (job,) = run("jobs")
    assert job.kind == "trajectory"
    assert run("cancel", job).state == "cancelling"
    with pytest.raises(NotFound):
        run("cancel", job.id)


def test_a_result_is_pinned_let_go_and_deleted(run: Run, server: Served) -> None:
    server.finish_at_once()
    landscape = run("landscape", **ASKED)
    assert run("pin", landscape.id).pinned
    (job,) = run("jobs")
    assert job.pinned
    assert not run("unpin", job).pinned
    with pytest.raises(NotFound):
        run("pin", "0" * 64)
    assert run("delete", landscape.id) is None
    assert server.service.jobs == {}
    with pytest.raises(NotFound):
        run("delete", landscape.id)


def test_a_fixed_point_in_full(run: Run, server: Served) -> None:
    server.finish_at_once()
    landscape = run("landscape", **ASKED)
    point = run("fixed_point", landscape, "m2")
    assert point.details.weights.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert point.details.eigenvalues_span.tolist() == point.spectrum.expanded().tolist()
    assert landscape.minima["m2"].details is None
    with pytest.raises(LookupError, match="m9"):
        run("fixed_point", ID, "m9")


def test_families(run: Run, server: Served) -> None:
    found = run("family", 10**6, 10**6, "one-anti-aligned", 2, certify=True, leak=-0.5)
    assert (found.student_width, found.branch) == (10**6, 2)
    along = run("continuation", "one-anti-aligned", 5, 7.5, points=3, around_folds=True, leak=0.5)
    assert along.widths.tolist() == [5.0, 6.0, 7.0]
    (_, asked), (_, followed) = server.service.called
    assert asked.model_dump() == {
        "student_width": 10**6, "teacher_width": 10**6, "structure": "one-anti-aligned",
        "branch": 2, "certify": True, "leak": -0.5,
    }  # fmt: skip
    assert followed.model_dump() == {
        "structure": "one-anti-aligned", "from_width": 5.0, "to_width": 7.5, "points": 3,
        "branch": None, "around_folds": True, "leak": 0.5,
    }  # fmt: skip


def test_an_estimate(run: Run, server: Served) -> None:
    found = run("estimate", 2, 2, structures=["1+1", "2"], starts=0)
    assert (found.core_seconds, found.stored_bytes, found.worker_bytes) == (2.0, 1e6, 1.25e8)
    assert (found.factor, found.is_extrapolated) == (1.5, True)
    assert found.seconds == {"sample": 1.5, "structures": 0.5}
    ((name, asked),) = server.service.called
    assert name == "estimate"
    assert isinstance(asked, LandscapeRequest)
    assert (asked.structures, asked.starts, asked.student_width) == (("1+1", "2"), 0, 2)


def test_leaks(run: Run, server: Served) -> None:
    found = run("leaks", 6, 6, "1+5", -0.5, 0.5, points=3, around_folds=True)
    assert found.leaks.tolist() == [-0.5, 0.0, 0.5]
    assert found.losses.tolist() == [1.0, 0.5, 0.0]
    assert found.is_stable.tolist() == [True, False, False]
    assert [change["leak"] for change in found.changes] == [-0.25]
    assert found.ends == {"leak": 0.5, "reason": "A test ends here."}
    ((name, asked),) = server.service.called
    assert name == "leaks"
    assert asked.model_dump() == {
        "student_width": 6, "teacher_width": 6, "structure": "1+5", "from_leak": -0.5,
        "to_leak": 0.5, "points": 3, "branch": None, "around_folds": True,
    }  # fmt: skip


def test_learning_rates(run: Run, server: Served) -> None:
    found = run("learning_rates", 8, 8, "one-anti-aligned", batch_size=4, points=2)
    assert (found.critical_rate, found.slope, found.is_second_order) == (0.75, 0.25, True)
    assert found.rates.tolist() == [0.25, 0.5]
    assert found.losses.tolist() == [0.625, 0.75]
    assert found.first_order.tolist() == [0.5625, 0.625]
    ((name, asked),) = server.service.called
    assert name == "learning_rates"
    assert asked.model_dump() == {
        "student_width": 8, "teacher_width": 8, "structure": "one-anti-aligned", "branch": None,
        "batch_size": 4, "label_noise": 0.0, "points": 2,
    }  # fmt: skip
    run("learning_rates", 4, 4, "1+3", leak=-0.5)
    assert server.service.called[-1][1].model_dump()["leak"] == -0.5


def test_the_key_travels(run: Run, server: Served) -> None:
    run("service_info", api_key="open-sesame")
    sent = server.line.requests[-1].headers
    assert sent["Authorization"] == "Bearer open-sesame"
    assert sent["User-Agent"].startswith("relu-landscape-client/")
    with application(api_key="open-sesame") as guarded:
        locked = Served(guarded)
        assert locked.call("plain", "list", api_key="open-sesame", cache=False) == []
        with pytest.raises(NotAuthorised, match=r"401 .*No key came with this request"):
            locked.call("plain", "list", cache=False)
        with pytest.raises(NotAuthorised, match="does not know that key"):
            locked.call("plain", "list", cache=False, api_key="rlk_01234567_" + "A" * 43)


def test_me(run: Run) -> None:
    assert run("me") == {
        "name": "anonymous", "scope": "admin", "expires_at": None, "limits": [],
    }  # fmt: skip


def test_what_a_key_lacks_is_said(server: Served) -> None:
    with application() as guarded:
        locked = Served(guarded)
        creating = guarded.service.keys.create(Wanted("ada", "read"), utc_now())
        _, key = guarded.wait_for(creating)
        assert locked.call("plain", "me", api_key=key)["name"] == "ada"
        with pytest.raises(NotAuthorised, match=r"403 .*scope 'submit'; the key 'ada' has 'read'"):
            locked.call("plain", "submit", 2, 2, api_key=key)
        guarded.wait_for(guarded.service.keys.revoke("ada", utc_now()))
        guarded.app.state.door.forget()
        with pytest.raises(NotAuthorised, match=f"'ada' .{key[:12]}. was revoked"):
            locked.call("plain", "list", api_key=key)
