"""The optional key and the optional rate limit."""

from __future__ import annotations

import logging

import pytest
from starlette.testclient import TestClient

from relu_landscape_api.layers.gate import RateLimiter
from tests.api.conftest import MakeClient

FREE = ("/livez", "/readyz", "/metrics", "/", "/openapi.json")
KEY = "correct horse b\u00e4ttery"


@pytest.fixture
def keyed(make_client: MakeClient) -> TestClient:
    return make_client(api_key=KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}".encode()},
        {"Authorization": KEY.encode()},
        {"Authorization": f"Bearer {KEY}x".encode()},
    ],
)
def test_without_the_key_nothing_under_v1_answers(
    keyed: TestClient, headers: dict[str, str]
) -> None:
    for path in ("/v1/landscapes", "/v1/service-info", "/v1/nothing"):
        answer = keyed.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert KEY not in answer.text
    for path in FREE:
        assert keyed.get(path, headers=headers).status_code == 200


def test_a_key_beyond_ascii_opens(keyed: TestClient) -> None:
    headers = {b"Authorization": f"Bearer {KEY}".encode()}
    assert keyed.get("/v1/landscapes", headers=headers).status_code == 200


def test_guesses_at_the_key_are_limited_too(make_client: MakeClient) -> None:
    client = make_client(api_key="correct-horse", rate_limit="2/hour")
    statuses = [client.get("/v1/landscapes").status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]


def test_the_key_opens(make_client: MakeClient) -> None:
    client = make_client(api_key="correct-horse")
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} correct-horse"}
        assert client.get("/v1/landscapes", headers=headers).status_code == 200
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/v1/landscapes"]["get"]["security"] == [{"key": []}]
    assert "security" not in schema["paths"]["/livez"]["get"]


def test_too_many_requests_are_told_when_to_come_back(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/hour;100/day")
    for _ in range(3):
        assert client.get("/v1/landscapes").status_code == 200
    answer = client.get("/v1/landscapes")
    assert answer.status_code == 429
    assert 3500 <= int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["content-type"] == "application/problem+json"
    for path in FREE:
        assert client.get(path).status_code == 200


async def test_a_limit_that_cannot_be_counted_lets_pass(
    caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    limiter = RateLimiter("1/hour", f"redis://127.0.0.1:{unused_tcp_port}/0", "test")
    with caplog.at_level(logging.WARNING):
        assert await limiter.seconds_to_wait("a") is None
        assert await limiter.seconds_to_wait("a") is None
    assert "rate limit not counted" in caplog.text
