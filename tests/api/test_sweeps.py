"""A sweep over HTTP: real store, real workers, real engine, and the same table as computed here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.sweeps import Sweep, SweepRequest
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.serving import serving
from tests.tally.test_over_http import DEADLINE_SECONDS, waited

ASKED = {
    "base": {"starts": 20, "structured": False},
    "grid": {"K": [2], "width": [1, 2], "teacher_correlation": [0.0, 0.5]},
}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        settings = ApiSettings.load(data_dir=Path(name), workers=1, jobs_at_once=1)
        with (
            serving(create_app(settings)) as running,
            httpx.Client(base_url=running.url, timeout=DEADLINE_SECONDS) as client,
        ):
            yield client


def test_it_is_the_table_that_is_computed_here_and_its_cells_are_landscapes(
    http: httpx.Client,
) -> None:
    first = http.post("/v1/sweeps", json=ASKED)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    here = solve_locally(SweepRequest.model_validate(ASKED), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    table = Sweep.model_validate(found)
    widths = [(row.student_width, row.values["teacher_correlation"]) for row in table.rows]
    assert widths == [(1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5)]
    for row in table.rows:
        landscape = http.get(f"/v1/landscapes/{row.landscape}").json()
        assert landscape["digest"] == row.digest
    # An orthonormal teacher is the one of somebody who never heard of correlations.
    alone = {"K": 2, "width": 2, "starts": 20, "structured": False}
    known = http.post("/v1/landscapes", json=alone)
    assert (known.status_code, known.json()["id"]) == (200, table.rows[2].landscape)
    again = http.post("/v1/sweeps", json=ASKED)
    assert (again.status_code, again.json()["digest"]) == (200, table.digest)


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({"base": {}, "grid": {}}, "grid", "at least one axis"),
        ({"base": {"width": 2}, "grid": {"K": [2, 2]}}, "grid.teacher_width", "values that differ"),
        ({"base": {"width": 2}, "grid": {"seed": [1]}}, "teacher_width", "given once"),
        ({"base": {"K": 2}, "grid": {"K": [2], "width": [2]}}, "base.teacher_width", "left out"),
        (
            {"base": {"K": 2}, "grid": {"width": [2], "extra_students": [1]}},
            "student_width",
            "once",
        ),
        ({"base": {"K": 65}, "grid": {"width": [2]}}, "teacher_width", "at most 64 here"),
        ({"base": {"K": 2}, "grid": {"width": [65]}}, "student_width", "at most 64 here"),
        (
            {"base": {"K": 2, "width": 2}, "grid": {"seed": [*range(100)], "starts": [*range(41)]}},
            "grid",
            "at most 4,096",
        ),
        (
            {
                "base": {"K": 1, "width": 1, "teacher_gram": [[1.0]]},
                "grid": {"teacher_decay": [0.5]},
            },
            "base.teacher_gram",
            "left out where the grid makes the teacher",
        ),
    ],
)
def test_what_makes_no_grid_is_refused(
    client: TestClient, body: Any, field: str, sentence: str
) -> None:
    answer = client.post("/v1/sweeps", json=body)
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["errors"]
    assert fault["field"] == field
    assert sentence in fault["message"]


@pytest.mark.parametrize("field", [{"colour": 1}, {"starts": 1.5}, {"starts": -1}, {"K": True}])
def test_the_base_takes_what_a_landscape_takes(client: TestClient, field: dict[str, Any]) -> None:
    body = {"base": {"teacher_width": 2, **field}, "grid": {"width": [2]}}
    answer = client.post("/v1/sweeps", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("base")


def test_whole_numbers_may_be_written_with_a_point(client: TestClient) -> None:
    """As everywhere else: JSON has no integers, and JSON schema takes 2.0 for one."""
    whole = {
        "base": {"K": 2, "starts": 7},
        "grid": {"width": [2], "seed": [3], "extra_students": None},
    }
    points = {"base": {"K": 2.0, "starts": 7.0}, "grid": {"width": [2.0], "seed": [3.0]}}
    ids = [client.post("/v1/sweeps", json=body).json()["id"] for body in (whole, points)]
    assert ids[0] == ids[1]


def test_a_sweep_that_no_cell_can_be_says_why(http: httpx.Client) -> None:
    body = {"base": {"K": 3, "width": 2}, "grid": {"teacher_correlation": [-0.75, 1.0]}}
    answer = http.post("/v1/sweeps", json=body)
    assert answer.status_code == 422, answer.text
    assert "above -1 / 2 and below 1 for 3 teacher units" in answer.json()["detail"]


def test_a_list_shows_no_long_matrix(client: TestClient) -> None:
    identity = [[float(i == j) * 2.0 for j in range(9)] for i in range(9)]
    body = {"base": {"K": 9, "teacher_gram": identity}, "grid": {"width": [1]}}
    job = client.post("/v1/sweeps", json=body).json()
    [item] = client.get("/v1/sweeps").json()["items"]
    assert (item["id"], item["left_out"]) == (job["id"], ["base.teacher_gram"])
    assert item["request"]["base"]["teacher_gram"] is None
