"""OGC API - Processes: in the standard's words, and through a client that knows nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from owslib.ogcapi.processes import Processes
from starlette.testclient import TestClient

from relu_landscape.analyses import ANALYSES
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_api.app import create_app
from tests.api.conftest import service_of
from tests.api.ogc_schemas import check
from tests.api.test_another_kind import REGISTRY, both_kinds
from tests.serving import Running

EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
ASKED = {"student_width": 3, "teacher_width": 2, "starts": 10}
LANDSCAPE = "/ogc/processes/landscape/execution"


def linked(answer: dict[str, Any], rel: str) -> str:
    """The one address under this relation, or the end of it."""
    (found,) = (each["href"] for each in answer["links"] if each["rel"].endswith(rel))
    return str(found)


def executed(client: TestClient, inputs: dict[str, Any], **others: Any) -> dict[str, Any]:
    answer = client.post(LANDSCAPE, json={"inputs": inputs, **others})
    assert answer.status_code == 201, answer.text
    check("statusInfo", answer.json())
    found: dict[str, Any] = answer.json()
    return found


# ---- a client that knows the standard alone ----


def test_owslib_finds_describes_executes_and_watches(running: Running) -> None:
    client = Processes(f"{running.url}/ogc")
    assert client.conformance()["conformsTo"][0].endswith("ogcapi-processes-1/1.0/conf/core")
    assert [each["id"] for each in client.processes()] == [each.kind for each in ANALYSES.analyses]
    landscape = client.process("landscape")
    required = {name for name, each in landscape["inputs"].items() if each["minOccurs"]}
    assert required == {"student_width", "teacher_width"}
    running.service.holds_jobs = True
    info = client.execute("landscape", ASKED, {"result": {}}, async_=True)
    assert info["status"] == "running"
    assert client.response_headers["Preference-Applied"] == "respond-async"
    path = client.response_headers["Location"].removeprefix(client.url)
    assert client._request(path=path)["jobID"] == info["jobID"]
    running.in_loop(running.service.release)
    info = client._request(path=path)
    assert (info["status"], info["progress"]) == ("successful", 100)
    # It asks for a document of outputs unless it is told otherwise.
    results = client._request(path=linked(info, "results").removeprefix(client.url))
    check("results", results)
    assert results["result"]["value"]["id"] == info["jobID"]
    assert [each["jobID"] for each in client._request(path="jobs")["jobs"]] == [info["jobID"]]
    with pytest.raises(RuntimeError, match="no-such-process"):
        client.process("waterfall")


# ---- what the standard demands ----


def test_everything_is_linked_from_the_landing_page(client: TestClient) -> None:
    page = client.get("/ogc")
    check("landingPage", page.json())
    assert client.get("/ogc/").json() == page.json()
    assert client.get(linked(page.json(), "service-desc")).json()["openapi"].startswith("3.1")
    for rel, name in (
        ("conformance", "confClasses"), ("/processes", "processList"), ("job-list", "jobList"),
    ):  # fmt: skip
        answer = client.get(linked(page.json(), rel))
        check(name, answer.json())
        assert linked(answer.json(), "self") == str(answer.url)


def test_every_kind_is_a_process_whose_inputs_are_in_the_dialect_of_the_standard(
    client: TestClient,
) -> None:
    processes = client.get("/ogc/processes").json()["processes"]
    assert [each["id"] for each in processes] == [each.kind for each in ANALYSES.analyses]
    for each, analysis in zip(processes, ANALYSES.analyses, strict=True):
        process = client.get(linked(each, "self")).json()
        check("process", process)
        assert list(process["inputs"]) == list(analysis.request.model_json_schema()["properties"])
        reference = process["outputs"]["result"]["schema"]["$ref"]
        document, _, name = reference.partition("#/$defs/")
        assert name in client.get(document).json()["$defs"]


def test_bounds_and_nothing_are_said_as_the_standard_says_them(client: TestClient) -> None:
    inputs = client.get("/ogc/processes/landscape").json()["inputs"]
    assert inputs["student_width"]["schema"]["maximum"] == 64  # this service's own
    rates = inputs["learning_rates"]["schema"]["items"]
    assert (rates["minimum"], rates["exclusiveMinimum"], rates["maximum"]) == (0.0, True, 100.0)
    assert inputs["structures"]["schema"]["nullable"] is True
    assert inputs["structures"]["schema"]["items"]["maxLength"] == 200
    grid = client.get("/ogc/processes/sweep").json()["inputs"]["grid"]["schema"]
    assert grid["properties"]["teacher_width"]["nullable"] is True  # without a reference


def test_no_more_processes_than_asked_for(client: TestClient) -> None:
    assert len(client.get("/ogc/processes?limit=2").json()["processes"]) == 2
    for wrong in ("limit=0", "limit=x", "page=2"):
        assert client.get(f"/ogc/processes?{wrong}").status_code == 422


def test_a_job_is_the_same_job_as_under_v1(client: TestClient) -> None:
    service_of(client).holds_jobs = True
    info = executed(client, ASKED)
    assert info["jobID"] == client.post("/v1/landscapes", json=ASKED).json()["id"]
    assert (info["processID"], info["type"]) == ("landscape", "process")
    service_of(client).from_thread(service_of(client).release)
    info = client.get(linked(info, "monitor")).json()
    check("statusInfo", info)
    assert info["status"] == "successful"
    results = client.get(linked(info, "results"))
    assert results.content == client.get(f"/v1/landscapes/{info['jobID']}").content
    assert client.get(
        linked(info, "results"), headers={"If-None-Match": results.headers["etag"]}
    ).status_code == 304  # fmt: skip


def test_location_leads_to_results_in_the_form_that_was_asked_for(client: TestClient) -> None:
    for form in ("raw", "document"):
        answer = client.post(LANDSCAPE, json={"inputs": ASKED, "response": form})
        info = client.get(answer.headers["location"]).json()
        results = client.get(linked(info, "results")).json()
        if form == "document":
            check("results", results)
            results = results["result"]["value"]
        assert results["id"] == info["jobID"]


def test_inputs_come_as_they_are_in_an_envelope_or_by_reference(client: TestClient) -> None:
    gram = [[1.0, 0.25], [0.25, 1.0]]
    text = json.dumps(gram)
    packed = base64.b64encode(text.encode()).decode()
    ids = {
        executed(client, {**ASKED, "teacher_gram": given})["jobID"]
        for given in (
            gram,
            {"value": gram, "mediaType": "application/json"},
            {"href": f"data:application/json,{text}", "type": "application/json"},
            {"href": f"data:application/json;base64,{packed}"},
        )
    }
    asked = LandscapeRequest(**ASKED, teacher_gram=gram)
    assert ids == {service_of(client).identify(asked)}


@pytest.mark.parametrize(
    ("href", "why"),
    [
        ("http://169.254.169.254/latest", "this is none"),
        ("file:///etc/passwd", "this is none"),
        ("data:application/json,[1", "at character"),
        ("data:application/json;base64,!!", ""),
        ("data:application/json,%ff", ""),
    ],
)
def test_no_other_reference_is_followed(client: TestClient, href: str, why: str) -> None:
    inputs = {**ASKED, "teacher_gram": {"href": href}}
    answer = client.post(LANDSCAPE, json={"inputs": inputs})
    assert answer.status_code == 422
    check("exception", answer.json())
    (fault,) = answer.json()["errors"]
    assert (fault["field"], fault["value"]) == ("teacher_gram", href)
    assert "data: addresses of JSON" in fault["message"]
    assert why in fault["message"]
    assert client.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {**ASKED, "starts": -1}}, "starts"),
        ({"inputs": {**ASKED, "width": 3}}, "student_width"),  # twice
        ({"inputs": {**ASKED, "colour": "red"}}, "colour"),
        ({"inputs": ASKED, "outputs": {"picture": {}}}, "outputs"),
        ({"inputs": ASKED, "response": "loud"}, "response"),
        ({"inputs": ASKED, "subscriber": {"successUri": "http://x/"}}, "subscriber"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, body: Any, field: str) -> None:
    answer = client.post(LANDSCAPE, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    check("exception", answer.json())
    assert answer.json()["errors"][0]["field"].partition(".")[0] == field


def test_what_is_not_there_has_the_types_of_the_standard(client: TestClient) -> None:
    service_of(client).holds_jobs = True
    running = executed(client, ASKED)["jobID"]
    for method, path, word in (
        ("GET", "/ogc/processes/waterfall", "no-such-process"),
        ("POST", "/ogc/processes/waterfall/execution", "no-such-process"),
        ("GET", "/ogc/jobs/nothing", "no-such-job"),
        ("DELETE", f"/ogc/jobs/{'0' * 64}", "no-such-job"),
        ("GET", f"/ogc/jobs/{'0' * 64}/results", "no-such-job"),
        ("GET", f"/ogc/jobs/{running}/results", "result-not-ready"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["type"]) == (404, f"{EXCEPTION}{word}"), path
        assert answer.headers["content-type"] == "application/problem+json"
        check("exception", answer.json())


def test_progress_goes_by_phases_and_a_failure_says_why(client: TestClient) -> None:
    service = service_of(client)
    service.holds_jobs = True
    info = executed(client, ASKED)
    phases = ANALYSES.analysis("landscape").phases
    job, seen = service.jobs[info["jobID"]], []
    for phase, fraction in ((phases[0], 0.5), (phases[1], 0.0), (phases[-1], 1.0)):
        service.from_thread(partial(job.report, Progress(phase=phase, fraction=fraction)))
        now = client.get(linked(info, "self")).json()
        assert now["message"] == phase
        seen.append(now["progress"])
    n = len(phases)
    assert seen == [int(100 * 0.5 / n), int(100 * 1.0 / n), 100]
    service.from_thread(lambda: job.fail("It fell."))
    now = client.get(linked(info, "self")).json()
    check("statusInfo", now)
    assert (now["status"], now["message"]) == ("failed", "It fell.")
    answer = client.get(f"/ogc/jobs/{info['jobID']}/results")
    assert answer.status_code == 409
    assert answer.json()["detail"].endswith("failed: It fell.")


def test_the_checks_can_fail() -> None:
    for name, wrong in (
        ("statusInfo", {"jobID": "1", "type": "process", "status": "queued"}),
        ("inputDescription", {"schema": {"exclusiveMinimum": 0}}),
        ("inputDescription", {"schema": {"anyOf": [{"type": "null"}]}}),
        ("results", {"result": 1}),
    ):
        with pytest.raises(jsonschema.ValidationError):
            check(name, wrong)


def test_the_application_may_know_other_kinds(
    make_settings: Callable[..., Any], serve_app: Callable[[FastAPI], Running]
) -> None:
    app = create_app(make_settings(), registry=REGISTRY, service_factory=both_kinds)
    client = Processes(f"{serve_app(app).url}/ogc")
    assert [each["id"] for each in client.processes()] == ["landscape", "descent"]
    info = client.execute("descent", {"steps": 3}, response="raw")
    results = client._request(path=linked(info, "results").removeprefix(client.url))
    assert [step["loss"] for step in results["steps"]] == [1.0, 0.5, 0.25]
