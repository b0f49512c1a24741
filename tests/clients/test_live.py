"""The real client against a real server process, over a real socket that breaks."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina

from relu_landscape import ALGORITHM
from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_client import (
    AsyncClient,
    Client,
    Landscape,
    LandscapeCancelled,
    NotAuthorised,
    NotFound,
    RequestRefused,
    Status,
    TimedOut,
)
from tests.clients.live import Cutter, LiveServer, serving

#: Small enough for a second, large enough for several chunks.
QUESTION: dict[str, Any] = {
    "student_width": 3, "teacher_width": 3, "starts": 40, "structured": False,
}  # fmt: skip
#: So many starts keep two workers busy for as long as any test looks.
ENDLESS: dict[str, Any] = {
    "student_width": 16, "teacher_width": 16, "starts": 200_000, "structured": False,
}  # fmt: skip


@pytest.fixture
def client(live: LiveServer) -> Iterator[Client]:
    # Real waits: the servers here need real time.
    with stamina.set_testing(False), Client(live.url, cache=False) as made:
        yield made


def _plain(url: str, key: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def test_a_landscape_is_what_the_server_says(client: Client, live: LiveServer) -> None:
    seen: list[Status] = []
    landscape = client.landscape(**QUESTION, progress=seen.append)
    assert landscape.document == _plain(f"{live.url}/v1/landscapes/{landscape.id}")
    assert landscape.starts["converged"] == 40
    assert landscape.minima[0].is_global
    # A student of the teacher's width that reached zero loss is the teacher, up to order.
    assert np.sort(landscape.minima[0].R.sum(axis=0)) == pytest.approx(1.0, abs=1e-9)
    assert seen[-1].state == "finished"
    assert client.landscape(**QUESTION) == landscape


def test_without_the_server_it_is_the_same(client: Client) -> None:
    """What the command line computes by itself: the same bytes, but for who computed them."""
    solution = solve_locally(
        LandscapeRequest.model_validate(QUESTION), workers=1, backend="numpy", chunk_starts=40
    )
    here, there = solution.result, dict(client.landscape(**QUESTION).document)
    assert here | {"provenance": {}} == there | {"provenance": {}}


def test_a_fixed_point_in_full(client: Client) -> None:
    landscape = client.landscape(**QUESTION)
    point = client.fixed_point(landscape, "m1")
    assert point.details is not None
    weights, teacher = point.details.weights, point.details.teacher
    assert weights @ teacher.T == pytest.approx(point.R, abs=1e-12)
    assert point.details.eigenvalues_span == pytest.approx(point.spectrum.expanded(), abs=1e-9)
    with pytest.raises(NotFound, match="m99"):
        client.fixed_point(landscape, "m99")


def test_a_line_that_is_cut_again_and_again(live: LiveServer) -> None:
    """Cut when the request is taken, in the middle of the events, and in the result."""
    # Long enough for events to be on their way after the first cut.
    question = QUESTION | {"seed": 1, "starts": 2400}
    marks = (b"HTTP/1.1 202", b"event: progress", b"\r\netag:")
    with (
        stamina.set_testing(False),
        Cutter(live.port, *marks) as line,
        Client(line.url, cache=False) as client,
    ):
        landscape = client.landscape(**question, timeout_seconds=300)
    assert set(line.cuts) == set(marks)
    assert landscape.document == _plain(f"{live.url}/v1/landscapes/{landscape.id}")


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    """The client waits, hears the rest of the events, and gets the result; with a key, too."""
    settings = {
        "RELU_LANDSCAPE_CHUNK_STARTS": "2",
        "RELU_LANDSCAPE_API_KEY": "open-sesame",
        # So long the job of the one that was killed is left alone by the next.
        "RELU_LANDSCAPE_LEASE_SECONDS": "2",
    }
    with serving(tmp_path, **settings) as server:
        running = threading.Event()
        found: list[Landscape] = []

        def watch(status: Status) -> None:
            if status.progress.tasks_done:
                running.set()

        def ask() -> None:
            with Client(server.url, "open-sesame", cache=False, patience_seconds=300) as client:
                found.append(client.landscape(**QUESTION, seed=2, progress=watch))

        with stamina.set_testing(False):
            with Client(server.url, cache=False) as nobody, pytest.raises(NotAuthorised):
                nobody.service_info()
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            assert running.wait(300)
            server.kill()
            server.start()
            asking.join(300)
        assert len(found) == 1
        url = f"{server.url}/v1/landscapes/{found[0].id}"
        assert found[0].document == _plain(url, "open-sesame")


def test_families(client: Client) -> None:
    family = client.family(10**6, 10**6, "one-anti-aligned")
    assert (family.kind, family.anti_aligned) == ("minimum", 1)
    along = client.continuation("one-anti-aligned", 5, 7, points=3)
    assert [bool(each) for each in along.is_stable][::2] == [False, True]
    assert 5 < along.changes[0].width < 7
    with pytest.raises(RequestRefused, match="nonsense"):
        client.family(5, 5, "nonsense")


def test_many_at_once(live: LiveServer) -> None:
    async def ask() -> list[Landscape]:
        async with AsyncClient(live.url, cache=False) as client:
            submitted = await asyncio.gather(
                *(client.submit(width, 2, starts=8, structured=False) for width in (1, 2, 3))
            )
            return await client.gather(submitted)

    with stamina.set_testing(False):
        landscapes = asyncio.run(ask())
    assert [each.student_width for each in landscapes] == [1, 2, 3]


def test_cancelled_is_said_and_time_is_kept(client: Client) -> None:
    submitted = client.submit(**ENDLESS)
    assert submitted.id in [each.id for each in client.list()]
    assert submitted.id in [each.id for each in client.jobs()]
    with pytest.raises(TimedOut):
        client.result(submitted, timeout_seconds=0.5)
    assert client.cancel(submitted).state in ("cancelling", "cancelled")
    with pytest.raises(LandscapeCancelled):
        client.result(submitted, timeout_seconds=300)


def test_the_server_s_words_arrive(client: Client) -> None:
    with pytest.raises(RequestRefused, match="student_width") as caught:
        client.submit(0, 3)
    assert caught.value.errors[0]["field"] == "student_width"
    assert caught.value.request_id
    with pytest.raises(RequestRefused, match="mood"):
        client.submit(3, 3, mood="cheerful")  # type: ignore[call-arg]
    with pytest.raises(NotFound):
        client.status("ab" * 32)


def test_the_cache_knows_the_server(live: LiveServer, tmp_path: Path) -> None:
    with stamina.set_testing(False), Client(live.url, cache=tmp_path) as client:
        first = client.landscape(**QUESTION)
        backend_class = client.service_info()["backend"]["backend_class"]
        assert client._served_by == f"{ALGORITHM}/{backend_class}"
    # Nobody answers at this address: what comes now comes from the folder.
    with Client("http://127.0.0.1:1", cache=tmp_path, patience_seconds=0) as offline:
        assert offline.result(first.id) == first
