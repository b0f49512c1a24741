"""The whole service in a process of its own: real store, real workers, real engine."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise

import httpx2 as httpx
import jsonschema
import numpy as np
import pytest

from relu_landscape.wire.landscape import Landscape

#: The store, a worker process and the engine's libraries start on a busy machine.
DEADLINE_SECONDS = 120.0

#: A moment of work: one student, one teacher, few starts, no structured search.
SMALL = {"student_width": 1, "teacher_width": 1, "starts": 20, "structured": False}
#: Minutes of work in chunks of about a second, to be cancelled.
LARGE = {"student_width": 6, "teacher_width": 6, "starts": 500_000, "structured": False}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("data")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "relu_landscape_cli.main", "serve", "--port", "0"],
            env={
                **os.environ,
                "RELU_LANDSCAPE_DATA_DIR": str(folder),
                "RELU_LANDSCAPE_WORKERS": "1",
                "RELU_LANDSCAPE_BACKEND": "numpy",
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], DEADLINE_SECONDS)[0]
        yield process.stdout.readline().rsplit(" ", 1)[1].strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0, (folder / "log").read_text()[-4000:]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=DEADLINE_SECONDS) as client:
        yield client


def waited(http: httpx.Client, request: Mapping[str, object]) -> httpx.Response:
    """Post until the landscape is there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        answer = http.post("/v1/landscapes", json=request, headers={"Prefer": "wait=20"})
        if answer.status_code != 202:
            return answer
        assert time.monotonic() < deadline, answer.text


def test_it_is_ready(http: httpx.Client) -> None:
    answer = http.get("/readyz")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["checks"].values()) == {"ok"}
    info = http.get("/v1/service-info").json()
    assert info["backend"]["name"] == "numpy"
    assert info["workers"] == 1
    assert info["kinds"] == [
        "landscape", "trajectory", "points", "frequencies", "perturbations", "descents",
        "sweep",
    ]  # fmt: skip


def test_from_a_request_to_a_landscape(http: httpx.Client) -> None:
    answer = waited(http, SMALL)
    assert answer.status_code == 200, answer.text
    landscape = Landscape.model_validate(answer.json())
    # One student and one teacher: the teacher itself is the only minimum, at zero loss.
    assert landscape.starts.asked == 20
    [minimum] = [point for point in landscape.fixed_points if point.kind == "minimum"]
    assert minimum.is_global
    assert abs(minimum.loss) < 1e-12
    assert minimum.overlaps.R[0][0] == pytest.approx(1.0, abs=1e-9)

    shapes = http.get("/v1/schema.json").json()
    jsonschema.Draft202012Validator(
        {"$defs": shapes["$defs"], **shapes["analyses"]["landscape"]["result"]}
    ).validate(answer.json())

    content_id = landscape.id
    again = http.get(f"/v1/landscapes/{content_id}")
    assert again.content == answer.content
    tag = {"If-None-Match": again.headers["etag"]}
    assert http.get(f"/v1/landscapes/{content_id}", headers=tag).status_code == 304
    for path in ("/v1/landscapes", "/v1/jobs"):
        assert content_id in [item["id"] for item in http.get(path).json()["items"]]

    path = f"/v1/landscapes/{content_id}/fixed-points/{minimum.key}"
    point = http.get(path).json()
    archive = np.load(io.BytesIO(http.get(path, headers={"Accept": "application/x-npz"}).content))
    assert json.loads(str(archive["document"])) == point
    assert archive["R"].shape == (1, 1)


async def test_many_equal_requests_are_one_job(url: str, http: httpx.Client) -> None:
    before = len(http.get("/v1/landscapes?limit=200").json()["items"])
    request = {**SMALL, "seed": 7}
    async with httpx.AsyncClient(
        base_url=url, timeout=DEADLINE_SECONDS, limits=httpx.Limits(max_connections=200)
    ) as client:
        posts = [client.post("/v1/landscapes", json=request) for _ in range(200)]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    landscape = waited(http, request).json()
    assert landscape["id"] == answers[0].json()["id"]
    items = http.get("/v1/landscapes?limit=200").json()["items"]
    assert len(items) == before + 1
    assert items[0]["attempts"] == 1


def test_a_stream_of_a_finished_landscape_is_replayed_once(http: httpx.Client) -> None:
    content_id = waited(http, SMALL).json()["id"]
    path = f"/v1/landscapes/{content_id}/events"
    lines = http.get(path).text.splitlines()
    states = [
        json.loads(data.removeprefix("data: "))["state"]
        for name, data in pairwise(lines)
        if name == "event: state"
    ]
    assert states[-1] == "finished"
    last = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")][-1]
    assert http.get(path, headers={"Last-Event-ID": last}).status_code == 204


def test_a_long_job_is_followed_and_cancelled(http: httpx.Client) -> None:
    accepted = http.post("/v1/landscapes", json=LARGE)
    assert accepted.status_code == 202
    path = accepted.headers["location"]
    with http.stream("GET", f"{path}/events") as stream:
        lines = stream.iter_lines()
        assert any('"state":"running"' in line for line in lines)
    stopping = http.delete(path)
    assert stopping.status_code in (200, 202)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (state := http.get(path, headers={"Prefer": "wait=20"}).json())["state"] != "cancelled":
        assert time.monotonic() < deadline, state
    refused = http.get(f"{path}/fixed-points/m1")
    assert refused.status_code == 404


def test_what_the_store_cannot_know(http: httpx.Client) -> None:
    assert http.get("/v1/landscapes/" + "0" * 64).status_code == 404
    assert http.delete("/v1/landscapes/" + "0" * 64).status_code == 404
    assert http.get("/v1/landscapes/" + "0" * 64 + "/events").status_code == 404
    assert http.get("/v1/landscapes?cursor=nonsense").status_code == 422


def test_the_examples_of_the_documentation_are_answered(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    body = document["paths"]["/v1/landscapes"]["post"]["requestBody"]["content"]
    assert waited(http, body["application/json"]["example"]).status_code == 200
    for path in ("/v1/families", "/v1/families/continuation"):
        parameters = document["paths"][path]["get"]["parameters"]
        query = {each["name"]: each["example"] for each in parameters if "example" in each}
        assert http.get(path, params=query).status_code == 200


def test_families(http: httpx.Client) -> None:
    query = {"K": "7", "width": "7", "structure": "global"}
    family = http.get("/v1/families", params=query)
    assert family.status_code == 200, family.text
    assert family.json()["loss"] == pytest.approx(0.0, abs=1e-14)
    query = {"structure": "one-anti-aligned", "from_width": "5", "to_width": "7", "points": "3"}
    path = http.get("/v1/families/continuation", params=query)
    assert path.status_code == 200, path.text
    # Safran and Shamir (arXiv:1712.08968) report spurious minima from width 6 on, none at 5: the
    # family becomes a minimum between the two.
    assert [round(point["width"], 9) for point in path.json()["points"]][::2] == [5.0, 7.0]
    assert [5 < change["width"] < 6 for change in path.json()["changes"]].count(True) >= 1
    refused = http.get("/v1/families", params={"K": "7", "width": "7", "structure": "1+1"})
    assert refused.status_code == 422, refused.text


def test_a_teacher_that_cannot_be_is_refused(http: httpx.Client) -> None:
    singular = {**SMALL, "teacher_width": 2, "teacher_gram": [[1.0, 1.0], [1.0, 1.0]]}
    answer = waited(http, singular)
    assert 400 <= answer.status_code < 500, answer.text
    assert "teacher_gram" in answer.json()["detail"]


def test_figures(http: httpx.Client) -> None:
    waited(http, SMALL)
    text = http.get("/metrics").text
    assert re.search(r'^relu_landscape_jobs\{state="finished"\} [1-9]', text, re.MULTILINE)
    assert "relu_landscape_store_up 1.0" in text
