"""Who did what, and from where: the audit, the log, and proxies that are believed or not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from relu_landscape.errors import StoreUnavailable
from relu_landscape.wire.identity import AuditPage
from relu_landscape_api.app import create_app
from relu_landscape_api.logs import JsonLines
from relu_landscape_api.settings import ApiSettings
from tests.api.conftest import MakeClient, service_of
from tests.api.layers.test_gate import bearer, make_key
from tests.api.samples import open_in_memory
from tests.serving import Running

ASKED = {"student_width": 2, "teacher_width": 2}


def test_who_submitted_and_cancelled_is_remembered(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    ada, root = make_key(client, "ada"), make_key(client, "root", "admin")
    service_of(client).holds_jobs = True
    with caplog.at_level(logging.INFO):
        headers = {**bearer(ada), "X-Request-Id": "first"}
        job = client.post("/v1/landscapes", json=ASKED, headers=headers).json()["id"]
        client.get("/v1/trajectories", headers=headers)
        client.delete(f"/v1/landscapes/{job}", headers=bearer(root))
        client.get("/v1/landscape?K=2&width=2&wait=0", headers=bearer(root))
    answer = client.get("/v1/audit", headers=bearer(root))
    page = AuditPage.model_validate(answer.json())
    assert [(each.who, each.action, each.what, each.kind) for each in page.items] == [
        ("root", "submitted", job, "landscape"),
        ("root", "cancelled", job, "landscape"),
        ("ada", "submitted", job, "landscape"),
    ]
    assert page.items[-1].request_id == "first"
    assert page.items[-1].address == "testclient"
    lines = [
        json.loads(JsonLines().format(record))
        for record in caplog.records
        if record.name == "relu_landscape.audit"
    ]
    assert [(each["who"], each["action"], each["what"]) for each in lines] == [
        (each.who, each.action, each.what) for each in page.items[::-1]
    ]
    asked = {
        record.__dict__["asker"]
        for record in caplog.records
        if record.name == "relu_landscape.access"
    }
    assert asked == {"ada", "root"}
    everything = "".join(JsonLines().format(record) for record in caplog.records)
    for key in (ada, root):
        assert key[13:] not in everything + answer.text


def test_the_audit_has_pages(client: TestClient) -> None:
    for seed in range(3):
        client.post("/v1/landscapes", json={**ASKED, "seed": seed})
    first = client.get("/v1/audit?limit=2")
    rest = client.get(first.links["next"]["url"])
    assert [len(each.json()["items"]) for each in (first, rest)] == [2, 1]
    assert rest.json()["next_cursor"] is None
    assert client.get("/v1/audit?cursor=yesterday").status_code == 422


def test_a_job_is_begun_though_it_cannot_be_remembered(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise StoreUnavailable("The store does not answer.")

    monkeypatch.setattr(service_of(client).trail, "add", refuse)
    with caplog.at_level(logging.INFO):
        assert client.post("/v1/landscapes", json=ASKED).status_code == 200
    said = [each.levelname for each in caplog.records if each.name == "relu_landscape.audit"]
    assert said == ["INFO", "WARNING"]


def last_address(running: Running, forwarded: str | None) -> str | None:
    """What the audit says of where a request came from that says this of itself."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert (
        httpx.post(f"{running.url}/v1/landscapes", json=ASKED, headers=headers).status_code == 200
    )
    newest = httpx.get(f"{running.url}/v1/audit?limit=1").json()["items"][0]
    address: str | None = newest["address"]
    return address


@pytest.fixture
def behind(
    serve_app: Callable[[FastAPI], Running], make_settings: Callable[..., ApiSettings]
) -> Callable[..., Running]:
    def start(**changes: Any) -> Running:
        changes = {"results_at_hand_bytes": 0, **changes}
        return serve_app(create_app(make_settings(**changes), service_factory=open_in_memory))

    return start


def test_nobody_is_believed_who_says_for_whom_it_asks(behind: Callable[..., Running]) -> None:
    """uvicorn believed every process of this machine, which got round the limit by it."""
    running = behind(rate_limit="6/hour")
    assert last_address(running, "203.0.113.9") == "127.0.0.1"
    assert last_address(running, None) == "127.0.0.1"
    statuses = [
        httpx.get(f"{running.url}/v1/jobs", headers={"X-Forwarded-For": f"203.0.113.{place}"})
        for place in range(4)
    ]
    assert [each.status_code for each in statuses] == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        # Whoever asked wrote the first; the proxy that is believed added what it saw.
        ("192.0.2.66, 203.0.113.9", "203.0.113.9"),
        ("192.0.2.66, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        (None, "127.0.0.1"),
    ],
)
def test_a_proxy_that_is_named_is_believed(
    behind: Callable[..., Running], forwarded: str | None, address: str
) -> None:
    running = behind(trusted_proxies="127.0.0.1, 10.0.0.0/8")
    assert last_address(running, forwarded) == address


def test_another_proxy_is_not(behind: Callable[..., Running]) -> None:
    assert last_address(behind(trusted_proxies="10.0.0.0/8"), "203.0.113.9") == "127.0.0.1"


def test_a_service_with_a_key_of_its_store_may_listen_to_others(make_client: MakeClient) -> None:
    client = make_client(host="0.0.0.0")
    assert "without a key" in client.get("/readyz").json()["warnings"][0]
    assert client.get("/v1/jobs").status_code == 401
    key = make_key(client, "ada", "read")
    assert client.get("/readyz").json()["warnings"] == []
    assert client.get("/v1/jobs", headers=bearer(key)).status_code == 200
