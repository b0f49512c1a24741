"""Event streams over a real socket: names, ids, resuming, heartbeats, ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx2 as httpx
import orjson
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from relu_landscape.analyses import LANDSCAPE
from relu_landscape.errors import StoreUnavailable
from relu_landscape.wire.jobs import Event, Progress
from relu_landscape.wire.landscape import LandscapeFinding
from relu_landscape_api.app import create_app
from relu_landscape_api.drain import Drain
from relu_landscape_api.routers import events as routes
from relu_landscape_api.settings import ApiSettings
from tests.api.conftest import service_of
from tests.api.samples import open_in_memory
from tests.serving import Running

DEADLINE_SECONDS = 20.0


def parse(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Events of a stream, field by field (WHATWG HTML, 9.2.6); comments under ``comment``."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            yield event
            event = {}
        else:
            name, _, value = line.partition(":")
            event[name or "comment"] = value.removeprefix(" ")


@contextmanager
def stream(running: Running, content_id: str, after: str | None = None) -> Iterator[httpx.Response]:
    headers = {} if after is None else {"Last-Event-ID": after}
    url = f"{running.url}/v1/landscapes/{content_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=DEADLINE_SECONDS) as response:
        yield response


def eventually(condition: Callable[[], bool]) -> None:
    """Poll until true; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def held(running: Running) -> str:
    return begun(running)


def begun(running: Running) -> str:
    """A job that runs until the service is told to release it."""
    running.service.holds_jobs = True
    asked = {"K": 2, "width": 2}
    answer = httpx.post(f"{running.url}/v1/landscapes", json=asked)
    assert answer.status_code == 202
    content_id = str(answer.json()["id"])
    job = running.service.jobs[content_id]
    found = LandscapeFinding(key="m1", kind="unclassified", loss=0.5, hits=1)
    running.service.from_thread(lambda: job.report(Progress(phase="sample", fraction=0.25)))
    running.service.from_thread(lambda: job.find(found))
    return content_id


def test_a_stream_tells_everything_and_ends(running: Running, held: str) -> None:
    with stream(running, held) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert "content-encoding" not in response.headers
        events = parse(response.iter_lines())
        assert next(events) == {"comment": "connected", "retry": "2000"}
        seen = [next(events) for _ in range(4)]
        running.service.from_thread(running.service.release)
        seen += list(events)
    names = [event["event"] for event in seen]
    assert names == ["state", "state", "progress", "findings", "state"]
    assert [event["id"] for event in seen] == ["1-0", "2-0", "3-0", "4-0", "5-0"]
    assert Progress.model_validate_json(seen[2]["data"]).fraction == 0.25
    assert LANDSCAPE.findings.model_validate_json(seen[3]["data"]).findings[0].hits == 1
    assert orjson.loads(seen[-1]["data"]) == {"state": "finished", "error": None}
    eventually(lambda: running.service.open_streams == 0)


def test_a_reader_resumes_after_what_it_has(running: Running, held: str) -> None:
    running.service.from_thread(running.service.release)
    with stream(running, held) as response:
        whole = list(parse(response.iter_lines()))[1:]
    for position, event in enumerate(whole[:-1]):
        with stream(running, held, after=event["id"]) as response:
            assert list(parse(response.iter_lines()))[1:] == whole[position + 1 :]
    # Nothing more will come: 204 tells a browser's EventSource not to connect again.
    with stream(running, held, after=whole[-1]["id"]) as response:
        assert response.status_code == 204


@pytest.mark.parametrize(
    "given", ["x", "1", "1-", "-1", "1-0-0", "9" * 30 + "-0", "*", f"{2**64}-0"]
)
def test_an_id_that_no_event_had_is_refused(client: TestClient, given: str) -> None:
    content_id = client.get("/v1/landscape?K=2&width=2").json()["id"]
    answer = client.get(f"/v1/landscapes/{content_id}/events", headers={"Last-Event-ID": given})
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["field"].lower() == "last-event-id"
    assert service_of(client).open_streams == 0


def test_an_id_that_no_event_had_is_refused_while_the_job_runs(running: Running, held: str) -> None:
    """Before the answer begins: the stream itself could only break."""
    with stream(running, held, after=f"0-{2**64}") as response:
        assert response.status_code == 422


def test_a_reader_who_leaves_is_forgotten(running: Running, held: str) -> None:
    with stream(running, held) as response:
        events = parse(response.iter_lines())  # kept: httpx hangs up when it is collected
        next(events)
        eventually(lambda: running.service.open_streams == 1)
        assert "relu_landscape_event_streams_open 1.0" in metrics(running)
    eventually(lambda: running.service.open_streams == 0)
    eventually(lambda: "relu_landscape_event_streams_open 0.0" in metrics(running))


def metrics(running: Running) -> str:
    return httpx.get(f"{running.url}/metrics").text


def test_a_silent_stream_has_a_heartbeat(
    running: Running, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    with stream(running, held) as response:
        events = parse(response.iter_lines())
        seen = [next(events) for _ in range(7)]
    assert {"comment": "ping"} in seen[5:]


def test_a_store_that_vanishes_ends_the_stream_with_a_problem(running: Running, held: str) -> None:
    with stream(running, held) as response:
        events = parse(response.iter_lines())
        for _ in range(5):
            next(events)

        def vanish() -> None:
            running.service.error = StoreUnavailable("The store does not answer.")
            running.service.wake()

        running.service.from_thread(vanish)
        [last] = list(events)
    assert last["event"] == "problem"
    assert orjson.loads(last["data"]) == {
        "title": "The store does not answer",
        "status": 503,
        "detail": "The store does not answer.",
    }
    assert "id" not in last  # the reader resumes after the last real event


def test_the_end_of_the_process_ends_streams_and_waits(
    serve_app: Callable[[FastAPI], Running], make_settings: Callable[..., ApiSettings]
) -> None:
    running = serve_app(create_app(make_settings(), service_factory=open_in_memory))
    with stream(running, begun(running)) as response:
        events = parse(response.iter_lines())
        for _ in range(5):
            next(events)
        running.service.from_thread(running.app.state.drain.begin)
        assert list(events) == []
    began = time.monotonic()
    answer = httpx.get(f"{running.url}/v1/landscape?K=2&width=2", timeout=DEADLINE_SECONDS)
    assert answer.status_code == 202
    assert time.monotonic() - began < 10  # and not the 60 s that it would wait otherwise
    ready = httpx.get(f"{running.url}/readyz")
    assert ready.status_code == 503
    assert ready.json()["detail"] == "The service is stopping."


class Line:
    """A service that knows of one job where it stands, as often as it is asked."""

    def __init__(self, places: list[int | None]) -> None:
        self.places, self.asked, self.over = places, 0, asyncio.Event()

    async def status(self, job: str) -> Any:
        assert job == "waits"
        place = self.places[min(self.asked, len(self.places) - 1)]
        self.asked += 1
        if self.asked == 2:
            raise StoreUnavailable("It does not answer.")
        if self.asked > len(self.places):
            self.over.set()
        return SimpleNamespace(waiting_before=place, state="queued")

    async def events(self) -> AsyncGenerator[Event]:
        yield Event(id="1-0", name="state", data={"state": "queued", "error": None})
        await self.over.wait()
        yield Event(id="2-0", name="state", data={"state": "running", "error": None})
        self.asked_then = self.asked
        await asyncio.sleep(0.2)
        yield Event(id="3-0", name="state", data={"state": "finished", "error": None})


@pytest.mark.asyncio
async def test_whoever_waits_is_told_where_in_the_line_when_that_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream said `queued`, and nothing more until the job began."""
    monkeypatch.setattr(routes, "_FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(routes, "_LAST_LOOK_SECONDS", 0.02)
    line = Line([4, None, 4, 2, 2, 0])
    told = routes._with_place(line.events(), Drain(), cast(Any, line), "waits")
    heard = [(each.event, orjson.loads(each.raw_data or ""), each.id) async for each in told]
    assert heard == [
        ("state", {"state": "queued", "error": None}, "1-0"),
        ("waiting", {"waiting_before": 4}, None),
        ("waiting", {"waiting_before": 2}, None),
        ("waiting", {"waiting_before": 0}, None),
        ("state", {"state": "running", "error": None}, "2-0"),
        ("state", {"state": "finished", "error": None}, "3-0"),
    ]
    assert line.asked <= line.asked_then + 1, "whoever has begun has no place to be looked up"


@pytest.mark.asyncio
async def test_a_reader_who_leaves_a_line_leaves_nothing_behind() -> None:
    line = Line([4])
    events = line.events()
    async with aclosing(routes._with_place(events, Drain(), cast(Any, line), "waits")) as told:
        assert (await anext(told)).event == "state"
    await events.aclose()
    assert len(asyncio.all_tasks()) == 1
