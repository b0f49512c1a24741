"""The examples of docs/http-api.md, run against a server; its tables against the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from relu_landscape.analyses import ANALYSES
from relu_landscape.schema import definitions
from relu_landscape.wire.descents import Descents, DescentsRequest
from relu_landscape.wire.estimates import Estimate
from relu_landscape.wire.frequencies import Frequencies, FrequenciesRequest
from relu_landscape.wire.landscape import PHASES, Landscape
from relu_landscape.wire.located import LocatedEnd, LocatedPoint, Points
from relu_landscape.wire.perturbations import Perturbations, PerturbationsRequest
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.sweeps import Grid, Sweep, SweepRequest
from relu_landscape.wire.trajectories import Trajectory, TrajectoryRequest
from relu_landscape_api.answering.problems import STATUSES
from tests.serving import Running

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def run(script: str, running: Running, folder: Path) -> list[str]:
    """What each line of a shell example prints, ``ID`` kept between lines."""
    known = httpx.get(f"{running.url}/v1/landscape?K=2&width=2&starts=100").json()["id"]
    answers = []
    for line in script.strip().splitlines():
        command = line.replace("localhost:8000", running.url)
        ended = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{command}"],
            env={**os.environ, "ID": known},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answers.append(ended.stdout)
    return answers


SCRIPTS = [text for language, text in BLOCKS if language == "sh"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_answer_what_the_page_says(running: Running, tmp_path: Path) -> None:
    (
        query, post, estimate, trajectory, sweep, reading, events, cancelling, located, reached,
        kicked, descended, families, leaking, atlas, processes, shapes, wrong,
    ) = (run(script, running, tmp_path) for script in SCRIPTS)  # fmt: skip
    for text in (*query, *post, reading[1]):
        Landscape.model_validate_json(text)
    assert Estimate.model_validate_json(estimate[0]).request.saddles
    assert json.loads(post[0])["request"]["student_width"] == 3
    assert Trajectory.model_validate_json(trajectory[0]).request.method == "sgd"
    assert len(Sweep.model_validate_json(sweep[0]).rows) == 6
    assert "weights" in json.loads(reading[2])
    assert np.load(tmp_path / "m1.npz")["weights"].shape == (2, 2)
    assert (tmp_path / "minima.csv").read_text().startswith("key,")
    assert re.findall(r"^event: (\w+)$", events[0], re.MULTILINE)[-1] == "state"
    assert json.loads(cancelling[0])["state"] == "finished"
    assert set(json.loads(cancelling[1])) == {"items", "next_cursor"}
    for text in located:
        assert Points.model_validate_json(text).points[0].end == "m1"
    assert len(Frequencies.model_validate_json(reached[0]).rates) == 2
    assert len(Perturbations.model_validate_json(kicked[0]).sizes) == 2
    assert Descents.model_validate_json(descended[0]).zero_loss.hits == 20
    assert all(isinstance(json.loads(text), dict) for text in (*families, *leaking))
    assert json.loads(atlas[0])["cells"]
    assert json.loads(processes[0])["id"] == "landscape"
    assert json.loads(processes[1])["status"] == "successful"
    assert json.loads(processes[1])["jobID"] in processes[2]
    assert "landscape" in json.loads(shapes[0])["analyses"]
    assert without_id(json.loads(wrong[0])) == without_id(printed_problem())


def printed_problem() -> Any:
    [text] = [text for language, text in BLOCKS if language == "json"]
    return json.loads(text)


def without_id(problem: dict[str, Any]) -> dict[str, Any]:
    assert re.fullmatch(r"[0-9a-f]{32}", problem["request_id"])
    return {name: value for name, value in problem.items() if name != "request_id"}


def test_the_table_of_fields_is_complete() -> None:
    table = PAGE[PAGE.index("| field |") : PAGE.index("In a query string, matrices")]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(LandscapeRequest.model_fields)


def test_the_table_of_a_trajectory_s_fields_is_complete() -> None:
    section = PAGE[PAGE.index("## Asking for a trajectory") : PAGE.index("## Asking for a sweep")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(re.sub(r"\(.*?\)", "", each) for each in columns))
    assert sorted(named) == sorted(TrajectoryRequest.model_fields)


def test_the_table_of_the_fields_of_frequencies_is_complete() -> None:
    section = PAGE[PAGE.index("## Which minima SGD reaches") :]
    section = section[: section.index("| member |")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(columns))
    assert sorted(named) == sorted(FrequenciesRequest.model_fields)


def test_the_table_of_the_fields_of_perturbations_is_complete() -> None:
    section = PAGE[PAGE.index("## How large a kick a fixed point withstands") :]
    section = section[: section.index("| member |")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(columns))
    assert sorted(named) == sorted(PerturbationsRequest.model_fields)


def test_the_table_of_the_fields_of_descents_is_complete() -> None:
    section = PAGE[PAGE.index("## Where other descents end") :]
    section = section[: section.index("| member |")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(columns))
    assert sorted(named) == sorted(DescentsRequest.model_fields)


def test_the_table_of_a_sweep_s_fields_is_complete() -> None:
    section = PAGE[PAGE.index("## Asking for a sweep") : PAGE.index("## Reading it")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`([\w.]+)`", " ".join(re.sub(r"\(.*?\)", "", each) for each in columns))
    fields = [name for name in SweepRequest.model_fields if name != "grid"]
    assert sorted(named) == sorted([*fields, *(f"grid.{name}" for name in Grid.model_fields)])


def test_the_table_of_a_point_s_fields_is_complete() -> None:
    section = PAGE[PAGE.index("## Where given networks stand") : PAGE.index("**As a NumPy archive")]
    columns = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(columns))
    assert sorted(named) == sorted(PointsRequest.model_fields)


def test_every_member_of_a_point_is_one() -> None:
    section = PAGE[PAGE.index("**As a NumPy archive") : PAGE.index("## Which minima SGD reaches")]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    lists = {"points", "fixed_points", "signed_ends"}
    assert named <= {*LocatedPoint.model_fields, *LocatedEnd.model_fields, *lists}


def test_the_phases_are_listed() -> None:
    sentence = PAGE[PAGE.index("Phases of a landscape:") : PAGE.index("Provisional findings")]
    assert tuple(re.findall(r"`([\w ]+)`", sentence)) == PHASES


def test_every_member_of_the_table_is_one() -> None:
    table = PAGE[PAGE.index("| member | means |") : PAGE.index("Phases of a landscape:")]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    known = {
        name for schema in definitions(ANALYSES).values() for name in schema.get("properties", {})
    }
    assert named - {"member"} <= known


def test_the_table_of_statuses_is_complete(client: TestClient) -> None:
    table = PAGE[PAGE.index("| status |") : PAGE.index("Every answer has `X-Request-Id`")]
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    schema = client.get("/openapi.json").json()
    answered = {
        int(status)
        for operations in schema["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if int(status) >= 400
    }
    assert {row.status for row in STATUSES.values()} <= documented
    assert documented == answered | {405}


def test_the_table_of_the_schema_is_complete(client: TestClient) -> None:
    table = PAGE[PAGE.index("| member | what it says |") : PAGE.index("## Errors")]
    rows = re.findall(r"^\| (`.*?`) \|(.*)\|$", table, re.MULTILINE)
    document = client.get("/v1/schema.json").json()
    named = [name for members, _ in rows for name in re.findall(r"`(\w+)`", members)]
    assert named == [name for name in document if not name.startswith("$")]
    says = {members.strip("`"): set(re.findall(r"`(\w+)`", text)) for members, text in rows}
    spoken = {"noun", "plural", "summary", "description", "has_short_form"}
    for member in ("analyses", "calls"):
        for entry in document[member].values():
            assert set(entry) - spoken == says[member]
    assert set(document["service"]) == says["service"]
    assert set(document["jobs"]) <= says["jobs"]


def test_the_table_of_calls_is_complete(client: TestClient) -> None:
    table = PAGE[PAGE.index("| call |") : PAGE.index("HEAD works")]
    paths = set(re.findall(r"(/[\w/{}.-]*)[`?]", table))
    assert set(client.get("/openapi.json").json()["paths"]) <= paths
