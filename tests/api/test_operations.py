"""Probes, figures, versions."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from relu_landscape.analyses import ANALYSES
from relu_landscape.errors import StoreUnavailable
from relu_landscape.schema import published
from relu_landscape.wire.service import ApiInfo
from tests.api.conftest import MakeClient, service_of


def test_alive_whatever_the_store_does(client: TestClient) -> None:
    service_of(client).error = StoreUnavailable("The store does not answer.")
    assert client.get("/livez").json() == {"alive": True}


def test_ready(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {"store": "ok", "pool": "ok", "coordinator": "ok"},
        "warnings": [],
    }


def test_not_ready_says_why(client: TestClient) -> None:
    service_of(client).faults = {"pool": "no workers"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"] == "pool: no workers"
    assert problem["checks"] == {"store": "ok", "pool": "no workers", "coordinator": "ok"}
    assert problem["warnings"] == []


def test_not_ready_without_a_store(client: TestClient) -> None:
    service_of(client).error = StoreUnavailable("The store does not answer.")
    assert client.get("/readyz").status_code == 503


def sample(client: TestClient, metric: str, /, **labels: str) -> float | None:
    text = client.get("/metrics").text
    for family in text_string_to_metric_families(text):
        for item in family.samples:
            if item.name == metric and labels.items() <= item.labels.items():
                return float(item.value)
    return None


def test_requests_are_counted_by_template(make_client: MakeClient) -> None:
    client = make_client()
    content_id = client.get("/v1/landscape?K=2&width=2").json()["id"]
    for _ in range(3):
        client.get(f"/v1/landscapes/{content_id}")
    client.get("/nothing/at/all")
    client.request("BREW", "/v1/landscapes")
    client.head("/livez")
    total = "relu_landscape_http_requests_total"
    route = "/v1/landscapes/{id}"
    assert sample(client, total, method="GET", route=route, status="200") == 3
    assert sample(client, total, method="GET", route="unmatched", status="404") == 1
    assert sample(client, total, method="OTHER", route="/v1/landscapes", status="405") == 1
    assert sample(client, total, method="HEAD", route="/livez", status="200") == 1
    count = "relu_landscape_http_request_seconds_count"
    assert sample(client, count, method="GET", route=route) == 3
    assert content_id not in client.get("/metrics").text


def test_jobs_are_counted_by_state(client: TestClient) -> None:
    client.get("/v1/landscape?K=2&width=2")
    assert sample(client, "relu_landscape_jobs", state="finished") == 1
    assert sample(client, "relu_landscape_jobs", state="queued") == 0
    assert sample(client, "relu_landscape_worker_threads") == 0
    assert sample(client, "relu_landscape_store_up") == 1


def test_an_answer_from_memory_is_counted(client: TestClient) -> None:
    client.get("/v1/landscape?K=2&width=2")
    before = sample(client, "relu_landscape_results_at_hand_total")
    assert before is not None
    client.get("/v1/landscape?K=2&width=2")
    assert sample(client, "relu_landscape_results_at_hand_total") == before + 1


def test_what_the_service_does_not_say_is_no_figure(client: TestClient) -> None:
    assert sample(client, "relu_landscape_store_memory_bytes") is None
    assert sample(client, "relu_landscape_chunks_computed_total") is None


def test_figures_without_a_store(client: TestClient) -> None:
    service_of(client).error = StoreUnavailable("The store does not answer.")
    assert sample(client, "relu_landscape_store_up") == 0
    assert sample(client, "relu_landscape_jobs", state="finished") is None


def test_service_info(client: TestClient) -> None:
    answer = client.get("/v1/service-info")
    assert answer.status_code == 200
    info = ApiInfo.model_validate(answer.json())
    assert info.kinds == [
        "landscape",
        "trajectory",
        "points",
        "frequencies",
        "perturbations",
        "descents",
        "sweep",
    ]
    # What the service limits, and what this side does.
    assert (info.limits.largest_width, info.limits.body_limit_bytes) == (64, 1_048_576)
    assert info.limits.rate_limit is None


@pytest.mark.parametrize("path", ["/v1/schema.json", "/openapi.json"])
def test_a_description_is_transferred_once(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_every_shape_is_published(client: TestClient) -> None:
    assert client.get("/v1/schema.json").json() == published(ANALYSES)
