"""HEAD wherever GET is, OPTIONS everywhere, and 405 with all methods of the path."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

METHODS = {
    "/": "GET, HEAD, OPTIONS",
    "/livez": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/explorer/index.html": "GET, HEAD, OPTIONS",
    "/atlas": "GET, HEAD, OPTIONS",
    "/guide": "GET, HEAD, OPTIONS",
    "/guide/docs/index.html": "GET, HEAD, OPTIONS",
    "/v1/atlas": "GET, HEAD, OPTIONS",
    "/v1/me": "GET, HEAD, OPTIONS",
    "/v1/audit": "GET, HEAD, OPTIONS",
    "/v1/service-info": "GET, HEAD, OPTIONS",
    "/v1/schema.json": "GET, HEAD, OPTIONS",
    "/v1/jobs": "GET, HEAD, OPTIONS",
    "/v1/jobs/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS, PATCH",
    "/v1/jobs/" + "0" * 64 + "/pin": "DELETE, OPTIONS, PUT",
    "/ogc": "GET, HEAD, OPTIONS",
    "/ogc/": "GET, HEAD, OPTIONS",
    "/ogc/conformance": "GET, HEAD, OPTIONS",
    "/ogc/processes": "GET, HEAD, OPTIONS",
    "/ogc/processes/" + "0" * 64: "GET, HEAD, OPTIONS",
    "/ogc/processes/" + "0" * 64 + "/execution": "OPTIONS, POST",
    "/ogc/jobs": "GET, HEAD, OPTIONS",
    "/ogc/jobs/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/ogc/jobs/" + "0" * 64 + "/results": "GET, HEAD, OPTIONS",
    "/v1/landscape": "GET, HEAD, OPTIONS",
    "/v1/landscapes": "GET, HEAD, OPTIONS, POST",
    "/v1/landscapes/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/landscapes/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/landscapes/" + "0" * 64 + "/fixed-points": "GET, HEAD, OPTIONS",
    "/v1/landscapes/" + "0" * 64 + "/fixed-points/m1": "GET, HEAD, OPTIONS",
    "/v1/families": "GET, HEAD, OPTIONS",
    "/v1/families/continuation": "GET, HEAD, OPTIONS",
    "/v1/families/leaks": "GET, HEAD, OPTIONS",
    "/v1/learning-rates": "GET, HEAD, OPTIONS",
    "/v1/structures": "GET, HEAD, OPTIONS",
    "/v1/estimate": "GET, HEAD, OPTIONS",
    "/v1/points": "GET, HEAD, OPTIONS, POST",
    "/v1/points/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/points/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/frequencies": "GET, HEAD, OPTIONS, POST",
    "/v1/frequencies/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/frequencies/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/descents": "GET, HEAD, OPTIONS, POST",
    "/v1/descents/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/descents/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/perturbations": "GET, HEAD, OPTIONS, POST",
    "/v1/perturbations/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/perturbations/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/sweeps": "GET, HEAD, OPTIONS, POST",
    "/v1/sweeps/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/sweeps/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/trajectories": "GET, HEAD, OPTIONS, POST",
    "/v1/trajectories/" + "0" * 64: "DELETE, GET, HEAD, OPTIONS",
    "/v1/trajectories/" + "0" * 64 + "/events": "GET, HEAD, OPTIONS",
    "/v1/trajectories/" + "0" * 64 + "/runs": "GET, HEAD, OPTIONS",
    "/v1/trajectories/" + "0" * 64 + "/runs/m1": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize(("path", "allowed"), METHODS.items())
def test_other_methods_are_refused_with_all_that_are_allowed(
    client: TestClient, path: str, allowed: str
) -> None:
    for method in ("PUT", "PATCH", "TRACE", "POST", "DELETE", "BREW"):
        if method in allowed:
            continue
        answer = client.request(method, path)
        assert answer.status_code == 405, (method, path)
        assert answer.headers["allow"] == allowed
        assert answer.headers["content-type"] == "application/problem+json"
        assert method in answer.json()["detail"]


@pytest.mark.parametrize(("path", "allowed"), METHODS.items())
def test_options(client: TestClient, path: str, allowed: str) -> None:
    answer = client.options(path)
    assert answer.status_code == 204
    assert answer.headers["allow"] == allowed
    assert answer.content == b""


def test_the_table_names_every_path_of_the_schema(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    placeholders = {"{id}": "0" * 64, "{key}": "m1"}
    for template, operations in client.app.openapi()["paths"].items():
        path = template
        for name, value in placeholders.items():
            path = path.replace(name, value)
        documented = {method.upper() for method in operations}
        implied = {"HEAD", "OPTIONS"} if "GET" in documented else {"OPTIONS"}
        assert documented | implied == set(METHODS[path].split(", "))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/livez",
        "/readyz",
        "/openapi.json",
        "/v1/service-info",
        "/v1/me",
        "/v1/audit",
        "/v1/schema.json",
        "/v1/atlas",
        "/v1/jobs",
        "/v1/landscapes",
        "/v1/landscape?K=2&width=2",
        "/v1/landscape?K=0&width=2",
        "/v1/landscapes/" + "0" * 64,
        "/nothing",
    ],
)
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    identity = {"Accept-Encoding": "identity"}
    got = client.get(path, headers=identity)
    head = client.head(path, headers=identity)
    assert head.status_code == got.status_code
    if got.status_code == 200:
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == got.headers["content-length"]


def test_head_of_a_stream_ends(client: TestClient) -> None:
    content_id = client.get("/v1/landscape?K=2&width=2").json()["id"]
    answer = client.head(f"/v1/landscapes/{content_id}/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""
