"""A kind of analysis that is declared here answers over HTTP, without a line of its own there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

import jsonschema
import pytest
from fastapi import FastAPI
from pydantic import ConfigDict, Field
from starlette.testclient import TestClient

from relu_landscape.analyses import ANALYSES, LANDSCAPE, Analysis, Parts, Registry, ShortCall
from relu_landscape.engine.tasks import Composed
from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.testing import InMemoryService, perfect_copy
from relu_landscape.settings import Settings
from relu_landscape.wire.base import Wire
from relu_landscape.wire.jobs import Progress, Sealed
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.api.conftest import service_of


class DescentRequest(AnalysisRequest):
    """One descent, from where to where."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"steps": 3}]})

    kind: ClassVar[str] = "descent"

    steps: int = Field(ge=1, le=1000, strict=True, description="steps to take")
    rate: float = Field(0.5, gt=0, description="length of a step")
    origin: tuple[int, ...] = Field((0,), description="where it begins")


class DescentFinding(Wire):
    """How low it is by now."""

    loss: float


class Step(Wire):
    """One step."""

    key: str
    loss: float


class StepDetails(Wire):
    """Where a step led."""

    place: list[float]


class StepInFull(Step, StepDetails):
    """One step with where it led."""


class DescentBody(Wire):
    """Every step."""

    steps: list[Step]


class Descent(DescentBody, Sealed):
    """A finished descent."""

    request: DescentRequest


class SlopeQuery(Wire):
    """Where to look."""

    at: float


class Slope(Wire):
    """How steep it is there."""

    slope: float


DESCENT = Analysis(
    noun="descent",
    plural="descents",
    summary="A descent, step by step",
    request=DescentRequest,
    finding=DescentFinding,
    result=Descent,
    phases=("down",),
    composition="somewhere:COMPOSITION",
    parts=Parts(
        path="steps", collection="steps", noun="step", details=StepDetails, full=StepInFull
    ),
)
REGISTRY = Registry(
    analyses=(LANDSCAPE, DESCENT),
    calls=(
        ShortCall(
            name="slope",
            path="/v1/slopes",
            summary="The slope at a place",
            description="The slope at a place.",
            query=SlopeQuery,
            result=Slope,
            function="somewhere:slope",
        ),
    ),
)


def compute(request: AnalysisRequest) -> Composed:
    """What a job of either kind is said to have found."""
    if not isinstance(request, DescentRequest):
        return perfect_copy(request)
    steps = [Step(key=f"d{n}", loss=request.rate**n) for n in range(request.steps)]
    details = {step.key: StepDetails(place=[step.loss, 0.0]) for step in steps}
    return Composed(result=DescentBody(steps=steps), parts=details)


@asynccontextmanager
async def both_kinds(settings: Settings) -> AsyncIterator[InMemoryService]:
    async with InMemoryService.open(settings, registry=REGISTRY, answer=compute) as service:
        service.answers_to_calls["slope"] = lambda query: Slope(slope=2 * query.at)
        yield service


@pytest.fixture
def client(make_settings: Callable[..., ApiSettings]) -> Iterator[TestClient]:
    """An application that knows landscapes and descents."""
    app = create_app(make_settings(), registry=REGISTRY, service_factory=both_kinds)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def running(client: TestClient) -> str:
    """The path of a descent that goes on until it is released or cancelled."""
    service_of(client).holds_jobs = True
    answer = client.post("/v1/descents", json={"steps": 3})
    assert answer.status_code == 202
    assert answer.json()["kind"] == "descent"
    return str(answer.headers["location"])


def test_it_is_asked_for_and_read(client: TestClient) -> None:
    answer = client.post("/v1/descents", json={"steps": 3})
    assert answer.status_code == 200
    found = Descent.model_validate(answer.json())
    assert [step.loss for step in found.steps] == [1.0, 0.5, 0.25]
    path = f"/v1/descents/{found.id}"
    assert answer.headers["content-location"] == path
    assert client.get(path).content == answer.content
    assert client.get("/v1/descent?steps=3&origin=[0]").json()["id"] == found.id
    step = client.get(f"{path}/steps/d1").json()
    assert StepInFull.model_validate(step).place == [0.5, 0.0]
    assert client.get(f"{path}/steps/d7").json()["detail"] == (
        f"The descent {found.id} has no step 'd7'."
    )


def test_what_is_wrong_with_it_is_named(client: TestClient) -> None:
    body = {"steps": 0, "origin": "x", "width": 2}
    faults = client.post("/v1/descents", json=body).json()["errors"]
    assert {fault["field"]: fault["message"].partition(": ")[2] for fault in faults} == {
        "steps": "an integer from 1 to 1,000.",
        "origin": "an array of integers.",
        "width": "there is no such field; the fields are steps, rate, origin.",
    }


def test_it_is_watched(client: TestClient, running: str) -> None:
    service = service_of(client)
    job = service.jobs[running.rsplit("/", 1)[1]]
    service.from_thread(lambda: job.report(Progress(phase="down", fraction=0.5)))
    service.from_thread(lambda: job.find(DescentFinding(loss=0.25)))
    status = DESCENT.status.model_validate(client.get(running).json())
    assert status.progress.phase == "down"
    assert status.findings == [DescentFinding(loss=0.25)]
    service.from_thread(service.release)
    text = client.get(f"{running}/events").text
    assert 'event: findings\ndata: {"findings":[{"loss":0.25}]}' in text
    assert 'data: {"state":"finished","error":null}' in text


def test_it_is_cancelled(client: TestClient, running: str) -> None:
    assert client.delete(running).status_code == 202
    service = service_of(client)
    service.from_thread(service.release)
    assert client.delete(running).json()["state"] == "cancelled"


def test_a_failure_is_told_in_its_own_words(client: TestClient) -> None:
    service_of(client).failure = "It fell."
    problem = client.get("/v1/descent?steps=3").json()
    assert problem["status"] == 409
    assert problem["detail"].startswith("The descent ")
    assert problem["detail"].endswith(" failed: It fell.")


def test_each_list_has_its_kind_and_one_has_all(client: TestClient) -> None:
    descents = [client.get(f"/v1/descent?steps={n}").json()["id"] for n in (1, 2)]
    landscape = client.get("/v1/landscape?K=2&width=2").json()["id"]

    def listed(path: str) -> list[tuple[str, str]]:
        return [(item["kind"], item["id"]) for item in client.get(path).json()["items"]]

    assert listed("/v1/descents") == [("descent", descents[1]), ("descent", descents[0])]
    assert listed("/v1/landscapes") == [("landscape", landscape)]
    assert listed("/v1/jobs") == [*listed("/v1/landscapes"), *listed("/v1/descents")]
    first = client.get("/v1/jobs?limit=2")
    following = first.links["next"]["url"]
    assert following.startswith("/v1/jobs?cursor=")
    assert listed(following) == [("descent", descents[0])]


def test_an_id_under_another_kind_is_not_found(client: TestClient, running: str) -> None:
    wrong = running.replace("descents", "landscapes")
    for path in (wrong, f"{wrong}/events", f"{wrong}/fixed-points/m1"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["detail"].endswith("is no landscape; its kind is descent.")
    assert client.delete(wrong).status_code == 404
    assert client.get(running).json()["state"] == "running"  # untouched


def test_a_short_call_is_answered(client: TestClient) -> None:
    assert client.get("/v1/slopes?at=1.5").json() == {"slope": 3.0}
    assert client.get("/v1/slopes").json()["errors"][0]["field"] == "at"
    assert client.get("/v1/families").status_code == 404


def test_its_shapes_are_published(client: TestClient) -> None:
    document: Any = client.get("/v1/schema.json").json()
    assert list(document["analyses"]) == ["landscape", "descent"]
    assert document["analyses"]["descent"]["phases"] == ["down"]
    client.get("/v1/descent?steps=1")
    client.get("/v1/landscape?K=2&width=2")
    page = jsonschema.Draft202012Validator({"$defs": document["$defs"], **document["jobs"]["page"]})
    page.validate(client.get("/v1/jobs").json())
    page.validate({"items": [], "next_cursor": None})
    assert not page.is_valid({"items": [{"kind": "descent"}], "next_cursor": None})


def test_it_is_in_the_openapi_document(client: TestClient) -> None:
    document: Any = client.get("/openapi.json").json()
    paths = document["paths"]
    own = {path for path in paths if path.startswith(("/v1/descent", "/v1/slopes"))}
    assert own == {
        "/v1/descent",
        "/v1/descents",
        "/v1/descents/{id}",
        "/v1/descents/{id}/events",
        "/v1/descents/{id}/steps",
        "/v1/descents/{id}/steps/{key}",
        "/v1/slopes",
    }
    body = paths["/v1/descents"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"steps": 3}
    assert {"Descent", "DescentStatus", "DescentFindings", "StepInFull", "Slope"} <= set(
        document["components"]["schemas"]
    )
    items = document["components"]["schemas"]["JobPage"]["properties"]["items"]["items"]
    assert [part["$ref"].rsplit("/", 1)[1] for part in items["anyOf"]] == [
        "LandscapeStatus",
        "DescentStatus",
    ]


def test_its_example_is_on_the_page_of_links(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("relu_landscape_api.routers.pages.EXPLORER", tmp_path)
    assert '<a href="/v1/descent?steps=3">an example</a>' in client.get("/").text


async def test_a_service_of_other_kinds_is_refused(
    make_settings: Callable[..., ApiSettings],
) -> None:
    app: FastAPI = create_app(
        make_settings(),
        registry=REGISTRY,
        service_factory=partial(InMemoryService.open, registry=ANALYSES),
    )
    with pytest.raises(ConfigurationError, match="does not compute what the routes offer"):
        async with app.router.lifespan_context(app):
            pass
