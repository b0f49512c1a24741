"""A tally over HTTP: real store, real workers, real routes, and one entry in a registry."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from relu_landscape.schema import published
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.serving import serving
from tests.tally.registry import REGISTRY
from tests.tally.wire import Tally

#: Generous: the workers start on a machine that may be busy with others.
DEADLINE_SECONDS = 180.0


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        settings = ApiSettings.load(data_dir=Path(name), workers=1, backend="numpy")
        with (
            serving(create_app(settings, registry=REGISTRY)) as running,
            httpx.Client(base_url=running.url, timeout=DEADLINE_SECONDS) as client,
        ):
            yield client


def waited(http: httpx.Client, address: str, states: set[str]) -> Any:
    """The answer at an address once its state is one of these, or it has none any more."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = http.get(address, headers={"Prefer": "wait=5"}).json()
        if found.get("state", "finished") in states:
            return found
        assert time.monotonic() < deadline, found


def test_it_is_computed_in_chunks_by_the_workers(http: httpx.Client) -> None:
    first = http.post("/v1/tallies", json={"numbers": 95})
    assert first.status_code == 202, first.text
    assert first.json()["kind"] == "tally"
    found = Tally.model_validate(waited(http, first.headers["location"], {"finished"}))
    assert found.sum == sum(range(95))
    assert found.request.numbers == 95
    again = http.post("/v1/tallies", json={"numbers": 95})
    assert (again.status_code, again.json()["digest"]) == (200, found.digest)
    short = http.get("/v1/tally?numbers=95")
    assert short.json()["id"] == found.id


def test_its_events_name_its_phase_and_its_findings(http: httpx.Client) -> None:
    job = http.post("/v1/tallies", json={"numbers": 31}).json()
    with http.stream("GET", f"/v1/tallies/{job['id']}/events") as stream:
        text = "".join(stream.iter_text())
    names = re.findall(r"^event: (\w+)$", text, re.MULTILINE)
    data = [json.loads(line) for line in re.findall(r"^data: (.*)$", text, re.MULTILINE)]
    said = list(zip(names, data, strict=True))
    assert said[-1] == ("state", {"state": "finished"})
    assert {each["phase"] for name, each in said if name == "progress"} == {"adding"}
    sums = [each["findings"][0]["so_far"] for name, each in said if name == "findings"]
    assert sums  # they are rationed, so the last sum need not be among them
    assert all(0 < each <= sum(range(31)) for each in sums)


def test_it_is_cancelled(http: httpx.Client) -> None:
    job = http.post("/v1/tallies", json={"numbers": 1000, "seconds": 0.2}).json()
    stopping = http.delete(f"/v1/tallies/{job['id']}")
    assert stopping.status_code in (200, 202)
    assert waited(http, f"/v1/tallies/{job['id']}", {"cancelled"})["state"] == "cancelled"


def test_it_is_listed_beside_landscapes_and_not_among_them(http: httpx.Client) -> None:
    tally = http.post("/v1/tallies", json={"numbers": 12}).json()["id"]
    landscape = http.post(
        "/v1/landscapes",
        json={"student_width": 1, "teacher_width": 1, "starts": 2, "structured": False},
    ).json()["id"]
    ids = {
        plural: {item["id"] for item in http.get(f"/v1/{plural}?limit=100").json()["items"]}
        for plural in ("tallies", "landscapes", "jobs")
    }
    assert tally in ids["tallies"] - ids["landscapes"]
    assert landscape in ids["landscapes"] - ids["tallies"]
    assert {tally, landscape} <= ids["jobs"]
    assert http.get(f"/v1/landscapes/{tally}").status_code == 404
    waited(http, f"/v1/landscapes/{landscape}", {"finished"})


def test_what_is_wrong_with_it_is_said(http: httpx.Client) -> None:
    refused = http.post("/v1/tallies", json={"numbers": 0, "colour": "red"})
    assert refused.status_code == 422
    assert {fault["field"] for fault in refused.json()["errors"]} == {"numbers", "colour"}


def test_its_shapes_are_published(http: httpx.Client) -> None:
    document = http.get("/v1/schema.json").json()
    assert document == published(REGISTRY)
    assert document["analyses"]["tally"]["phases"] == ["adding"]
    assert "/v1/tallies/{id}/events" in http.get("/openapi.json").json()["paths"]
