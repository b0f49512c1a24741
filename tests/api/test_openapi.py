"""The OpenAPI document: typed to the leaves, its examples are accepted, generators take it."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from relu_landscape.jobs.testing import InMemoryService
from relu_landscape.wire.base import field_names
from relu_landscape.wire.landscape import LandscapeFinding
from relu_landscape.wire.requests import LandscapeRequest
from tests.api.conftest import service_of

JSON = "application/json"


EVERY_STATUS = {
    "LandscapeStatus", "TrajectoryStatus", "FrequenciesStatus", "PerturbationsStatus",
    "DescentsStatus", "PointsStatus", "SweepStatus",
}  # fmt: skip


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/openapi.json").json()
    return answer


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def named(schema: dict[str, Any]) -> set[str]:
    """Names of the components that a schema is made of; empty where it is anything else."""
    parts = schema.get("anyOf", [schema])
    return {part["$ref"].removeprefix("#/components/schemas/") for part in parts if "$ref" in part}


def test_every_answer_is_typed(document: dict[str, Any]) -> None:
    answers = {
        (method, path, status): named(response["content"][JSON]["schema"])
        for method, path, operation in operations(document)
        for status, response in operation["responses"].items()
        if JSON in response.get("content", {})
    }
    assert answers.pop(("get", "/v1/schema.json", "200")) == set()  # itself a schema
    landscape, status = {"Landscape"}, {"LandscapeStatus"}
    trajectory, its_status = {"Trajectory"}, {"TrajectoryStatus"}
    assert answers == {
        ("post", "/v1/landscapes", "200"): landscape,
        ("post", "/v1/landscapes", "202"): status,
        ("get", "/v1/landscape", "200"): landscape,
        ("get", "/v1/landscape", "202"): status,
        ("get", "/v1/landscapes", "200"): {"LandscapeStatusPage", "RowsPage"},
        ("get", "/v1/landscapes/{id}", "200"): landscape | status,
        ("delete", "/v1/landscapes/{id}", "200"): status,
        ("delete", "/v1/landscapes/{id}", "202"): status,
        ("get", "/v1/landscapes/{id}/fixed-points", "200"): {"Rows"},
        ("get", "/v1/landscapes/{id}/fixed-points/{key}", "200"): {"FixedPointInFull"},
        ("get", "/v1/trajectories/{id}/runs", "200"): {"Rows"},
        ("post", "/v1/trajectories", "200"): trajectory,
        ("post", "/v1/trajectories", "202"): its_status,
        ("get", "/v1/trajectories", "200"): {"TrajectoryStatusPage", "RowsPage"},
        ("get", "/v1/trajectories/{id}", "200"): trajectory | its_status,
        ("delete", "/v1/trajectories/{id}", "200"): its_status,
        ("delete", "/v1/trajectories/{id}", "202"): its_status,
        ("get", "/v1/trajectories/{id}/runs/{key}", "200"): {"RunInFull"},
        ("post", "/v1/frequencies", "200"): {"Frequencies"},
        ("post", "/v1/frequencies", "202"): {"FrequenciesStatus"},
        ("get", "/v1/frequencies", "200"): {"FrequenciesStatusPage", "RowsPage"},
        ("get", "/v1/frequencies/{id}", "200"): {"Frequencies", "FrequenciesStatus"},
        ("delete", "/v1/frequencies/{id}", "200"): {"FrequenciesStatus"},
        ("delete", "/v1/frequencies/{id}", "202"): {"FrequenciesStatus"},
        ("post", "/v1/descents", "200"): {"Descents"},
        ("post", "/v1/descents", "202"): {"DescentsStatus"},
        ("get", "/v1/descents", "200"): {"DescentsStatusPage", "RowsPage"},
        ("get", "/v1/descents/{id}", "200"): {"Descents", "DescentsStatus"},
        ("delete", "/v1/descents/{id}", "200"): {"DescentsStatus"},
        ("delete", "/v1/descents/{id}", "202"): {"DescentsStatus"},
        ("post", "/v1/perturbations", "200"): {"Perturbations"},
        ("post", "/v1/perturbations", "202"): {"PerturbationsStatus"},
        ("get", "/v1/perturbations", "200"): {"PerturbationsStatusPage", "RowsPage"},
        ("get", "/v1/perturbations/{id}", "200"): {"Perturbations", "PerturbationsStatus"},
        ("delete", "/v1/perturbations/{id}", "200"): {"PerturbationsStatus"},
        ("delete", "/v1/perturbations/{id}", "202"): {"PerturbationsStatus"},
        ("post", "/v1/points", "200"): {"Points"},
        ("post", "/v1/points", "202"): {"PointsStatus"},
        ("get", "/v1/points", "200"): {"PointsStatusPage", "RowsPage"},
        ("get", "/v1/points/{id}", "200"): {"Points", "PointsStatus"},
        ("delete", "/v1/points/{id}", "200"): {"PointsStatus"},
        ("delete", "/v1/points/{id}", "202"): {"PointsStatus"},
        ("post", "/v1/sweeps", "200"): {"Sweep"},
        ("post", "/v1/sweeps", "202"): {"SweepStatus"},
        ("get", "/v1/sweeps", "200"): {"SweepStatusPage", "RowsPage"},
        ("get", "/v1/sweeps/{id}", "200"): {"Sweep", "SweepStatus"},
        ("delete", "/v1/sweeps/{id}", "200"): {"SweepStatus"},
        ("delete", "/v1/sweeps/{id}", "202"): {"SweepStatus"},
        ("get", "/v1/jobs", "200"): {"JobPage", "RowsPage"},
        ("get", "/v1/jobs/{id}", "200"): EVERY_STATUS,
        ("patch", "/v1/jobs/{id}", "200"): EVERY_STATUS,
        ("put", "/v1/jobs/{id}/pin", "200"): EVERY_STATUS,
        ("delete", "/v1/jobs/{id}/pin", "200"): EVERY_STATUS,
        ("get", "/v1/families", "200"): {"Family"},
        ("get", "/v1/families/continuation", "200"): {"Continuation"},
        ("get", "/v1/families/leaks", "200"): {"Leaks"},
        ("get", "/v1/learning-rates", "200"): {"LearningRates"},
        ("get", "/v1/structures", "200"): {"StructureChoices"},
        ("get", "/v1/estimate", "200"): {"Estimate"},
        ("get", "/v1/atlas", "200"): {"Atlas"},
        ("get", "/ogc", "200"): {"OgcObject"},
        ("get", "/ogc/conformance", "200"): {"OgcObject"},
        ("get", "/ogc/processes", "200"): {"OgcObject"},
        ("get", "/ogc/processes/{id}", "200"): {"OgcObject"},
        ("post", "/ogc/processes/{id}/execution", "201"): {"OgcObject"},
        ("get", "/ogc/jobs", "200"): {"OgcObject"},
        ("get", "/ogc/jobs/{id}", "200"): {"OgcObject"},
        ("delete", "/ogc/jobs/{id}", "200"): {"OgcObject"},
        ("get", "/ogc/jobs/{id}/results", "200"): {"OgcObject"},
        ("get", "/v1/me", "200"): {"Me"},
        ("get", "/v1/audit", "200"): {"AuditPage"},
        ("get", "/v1/service-info", "200"): {"ApiInfo"},
        ("get", "/readyz", "200"): {"Readiness"},
        ("get", "/livez", "200"): {"Alive"},
    }


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                content = response["content"]
                assert list(content) == ["application/problem+json"], (method, path, status)
                assert named(content["application/problem+json"]["schema"]) == {"Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_event_is_typed(document: dict[str, Any]) -> None:
    responses = document["paths"]["/v1/landscapes/{id}/events"]["get"]["responses"]
    events = responses["200"]["content"]["text/event-stream"]["itemSchema"]["oneOf"]
    assert {
        event["properties"]["event"]["const"]: named(event["properties"]["data"]["contentSchema"])
        for event in events
    } == {
        "state": {"StateEvent"},
        "progress": {"Progress"},
        "findings": {"LandscapeFindings"},
        "waiting": {"WaitingEvent"},
        "problem": {"StreamProblem"},
    }


def test_a_field_has_one_name(document: dict[str, Any]) -> None:
    shape = document["components"]["schemas"]["LandscapeRequest"]
    assert list(shape["properties"]) == list(LandscapeRequest.model_fields)
    assert shape["additionalProperties"] is False
    assert shape["properties"]["student_width"]["maximum"] == 64  # this service's own
    for short, name in field_names(LandscapeRequest).items():
        if short != name:  # accepted all the same, and said where people read
            words = shape["properties"][name]["description"].partition("short forms: ")[2]
            assert short in re.findall(r"\w+", words)


def test_the_example_of_a_body_is_accepted(client: TestClient, document: dict[str, Any]) -> None:
    seen = 0
    job = client.get("/v1/landscape?K=2&width=2").json()["id"]
    for method, path, operation in operations(document):
        if "requestBody" in operation:
            example = operation["requestBody"]["content"][JSON]["example"]
            name = "landscape" if path.startswith("/ogc/processes") else job
            answer = client.request(method, path.replace("{id}", name), json=example)
            assert answer.status_code in (200, 201, 202)
            seen += 1
    assert seen == 9


def test_the_examples_of_a_query_are_accepted(client: TestClient, document: dict[str, Any]) -> None:
    """Everything that the interactive page fills in by itself, sent together."""
    seen = 0
    for method, path, operation in operations(document):
        parameters = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
        if not parameters or "{" in path:
            continue
        query = {}
        for each in parameters:
            media = each.get("content", {}).get(JSON)
            if media is not None:
                query[each["name"]] = json.dumps(media["example"])
            elif "example" in each or each["required"]:
                query[each["name"]] = each["example"]
            elif "default" in each["schema"]:
                query[each["name"]] = json.dumps(each["schema"]["default"]).strip('"')
        answer = client.request(method, path, params=query)
        assert answer.status_code in (200, 202), (path, query, answer.text)
        seen += 1
    assert seen == 19


@pytest.fixture(scope="module")
def generate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``generate(document)``: the folder of a client that a common generator makes of it."""

    def run(document: dict[str, Any]) -> Path:
        folder = tmp_path_factory.mktemp("generated")
        (folder / "openapi.json").write_text(json.dumps(document))
        (folder / "config.yml").write_text(
            "post_hooks: []\npackage_name_override: generated_client\n"
        )
        ended = subprocess.run(
            [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
             "--path", "openapi.json", "--config", "config.yml"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = ended.stdout + ended.stderr
        assert ended.returncode == 0, said
        assert "WARNING" not in said.upper(), said
        return folder

    return run


def test_a_generated_client_reads_every_answer(
    client: TestClient,
    document: dict[str, Any],
    generate: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(generate(document))
    models = importlib.import_module("generated_client.models")
    assert set(document["components"]["schemas"]) <= set(dir(models))
    for name, answer in answers(client, service_of(client)):
        assert getattr(models, name).from_dict(answer).to_dict() == answer


def answers(client: TestClient, service: InMemoryService) -> Iterator[tuple[str, dict[str, Any]]]:
    """One answer of each kind, under the name of its shape."""
    service.holds_jobs = True
    running = client.post("/v1/landscapes", json={"K": 2, "width": 3}).json()
    job = service.jobs[running["id"]]
    found = LandscapeFinding(key="m1", kind="unclassified", loss=0.5, hits=1)
    service.from_thread(lambda: job.find(found))
    path = f"/v1/landscapes/{job.id}"
    yield "LandscapeStatus", client.get(path).json()
    yield "LandscapeStatusPage", client.get("/v1/landscapes").json()
    yield "JobPage", client.get("/v1/jobs").json()
    yield "RowsPage", client.get("/v1/jobs?fields=id,state,request.seed").json()
    change = {"tags": ["a"], "note": "b"}
    yield "LandscapeStatus", client.patch(f"/v1/jobs/{job.id}", json=change).json()
    service.from_thread(service.release)
    yield "Landscape", client.get(path).json()
    yield "Rows", client.get(f"{path}/fixed-points").json()
    yield "FixedPointInFull", client.get(f"{path}/fixed-points/m1").json()
    family = {"K": "7", "width": "7", "structure": "global"}
    yield "Family", client.get("/v1/families", params=family).json()
    widths = {"structure": "1+*", "from_width": "2", "to_width": "9"}
    yield "Continuation", client.get("/v1/families/continuation", params=widths).json()
    leaks = {"K": "6", "width": "6", "structure": "1+5", "from_leak": "0", "to_leak": "-0.5"}
    yield "Leaks", client.get("/v1/families/leaks", params=leaks).json()
    rated = {"K": "8", "width": "8", "structure": "one-anti-aligned"}
    yield "LearningRates", client.get("/v1/learning-rates", params=rated).json()
    yield "StructureChoices", client.get("/v1/structures?K=7&width=8").json()
    yield "Atlas", client.get("/v1/atlas").json()
    yield "OgcObject", client.get("/ogc/processes/landscape").json()
    yield "OgcObject", client.get(f"/ogc/jobs/{job.id}").json()
    yield "Me", client.get("/v1/me").json()
    yield "AuditPage", client.get("/v1/audit").json()
    yield "ApiInfo", client.get("/v1/service-info").json()
    yield "Readiness", client.get("/readyz").json()
    yield "Problem", client.get("/v1/landscape?K=0").json()
