"""A trajectory over HTTP: real store, real workers, real routes."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.trajectories import Trajectory, TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    RunInFull,
)
from tests.tally.test_over_http import waited

ASKED = {
    "student_width": 2, "teacher_width": 2, "method": "sgd", "learning_rate": 0.5,
    "input_dimension": 40, "until": 8, "runs": 5, "points": 5,
}  # fmt: skip


def test_it_is_computed_by_the_workers(http: httpx.Client) -> None:
    first = http.post("/v1/trajectories", json=ASKED)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    # In chunks of two runs there, of thirty-two here: the same digest.
    here = solve_locally(TrajectoryRequest.model_validate(ASKED), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    assert Trajectory.model_validate(found).steps == [0, 160, 320, 480, 640]
    again = http.post("/v1/trajectories", json=ASKED)
    assert (again.status_code, again.json()["digest"]) == (200, found["digest"])


def test_its_runs_are_read(http: httpx.Client) -> None:
    job = http.post("/v1/trajectories", json=ASKED, headers={"Prefer": "wait=60"}).json()
    path = f"/v1/trajectories/{job['id']}"
    waited(http, path, {"finished"})
    run = RunInFull.model_validate(http.get(f"{path}/runs/r4").json())
    assert (run.key, len(run.R)) == ("r4", 5)
    archive = http.get(f"{path}/runs/r4", headers={"Accept": "application/x-npz"})
    with np.load(io.BytesIO(archive.content)) as arrays:
        assert arrays["Q"].tolist() == run.Q
    assert http.get(f"{path}/runs/r6").status_code == 404


def test_its_events_name_its_phases(http: httpx.Client) -> None:
    job = http.post("/v1/trajectories", json={**ASKED, "seed": 9}).json()
    with http.stream("GET", f"/v1/trajectories/{job['id']}/events") as stream:
        text = "".join(stream.iter_text())
    said: list[Any] = [json.loads(line) for line in re.findall(r"^data: (.*)$", text, re.M)]
    assert {each["phase"] for each in said if "phase" in each} <= {"simulate", "attractors"}
    assert said[-1] == {"state": "finished"}


def test_it_is_cancelled(http: httpx.Client) -> None:
    long = {**ASKED, "learning_rate": 1e-3, "until": 10_000, "points": 2}
    job = http.post("/v1/trajectories", json=long).json()
    assert http.delete(f"/v1/trajectories/{job['id']}").status_code in (200, 202)
    end = waited(http, f"/v1/trajectories/{job['id']}", {"cancelled"})
    assert end["state"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"learning_rate": None}, "learning_rate"),
        ({"weights": [[1.0, 0.0]]}, "weights"),
        ({"Q": [[1.0, 0.0], [0.0, 1.0]], "R": [[9.0, 0.0], [0.0, 0.0]]}, None),
    ],
)
def test_what_makes_no_sense_is_refused(
    http: httpx.Client, change: dict[str, Any], field: str | None
) -> None:
    refused = http.post("/v1/trajectories", json={**ASKED, **change})
    assert refused.status_code == 422, refused.text
    if field is not None:
        assert refused.json()["errors"][0]["field"] == field
    else:
        assert "No weights have these overlaps" in refused.text
