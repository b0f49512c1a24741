"""Every error is problem+json, through one table."""

from __future__ import annotations

import inspect
import json
import logging

import pytest
from starlette.testclient import TestClient

from relu_landscape import errors
from relu_landscape_api.answering.problems import STATUSES, UNKNOWN_TEXT
from relu_landscape_api.logs import JsonLines
from relu_landscape_api.reading.echo import shown
from tests.api.conftest import service_of

EXCEPTIONS = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if issubclass(item, errors.LandscapeError)
]


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_every_exception_has_a_row(kind: type[Exception]) -> None:
    assert kind in STATUSES
    row = STATUSES[kind]
    assert 400 <= row.status < 600
    assert row.slug
    assert row.title


def make(kind: type[errors.LandscapeError]) -> errors.LandscapeError:
    if kind is errors.RequestError:
        return errors.RequestError("seed", -1, "0 or more")
    if kind is errors.Busy:
        return errors.Busy("Come later.", 9)
    return kind("Something was wrong; do this.")


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_every_exception_answers_as_its_row_says(
    client: TestClient, kind: type[errors.LandscapeError]
) -> None:
    service_of(client).error = make(kind)
    answer = client.get("/v1/landscapes")
    row = STATUSES[kind]
    assert answer.status_code == row.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert problem["type"] == f"urn:relu-landscape:problem:{row.slug}"
    assert problem["title"] == row.title
    assert problem["status"] == row.status
    assert problem["instance"] == "/v1/landscapes"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (row.status == 503)
    if row.status == 500:
        assert problem["detail"] == UNKNOWN_TEXT
    else:
        assert problem["detail"] == str(make(kind))
    assert ("errors" in problem) == (kind is errors.RequestError)


def test_an_unknown_exception_tells_the_log_and_nobody_else(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    service_of(client).error = ZeroDivisionError("password=hunter2")
    answer = client.get("/v1/landscapes", headers={"X-Request-Id": "mine-1"})
    assert answer.status_code == 500
    assert answer.json()["detail"] == UNKNOWN_TEXT
    assert answer.json()["request_id"] == "mine-1"
    assert b"hunter2" not in answer.content
    [record] = [item for item in caplog.records if item.levelno == logging.ERROR]
    line = json.loads(JsonLines().format(record))
    assert line["request_id"] == "mine-1"
    assert "ZeroDivisionError: password=hunter2" in line["traceback"]


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/", "/v1/landscapes/", "/%00", "/\u00e9"])
def test_unknown_paths(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("Nothing is served under this path")


@pytest.mark.parametrize(
    ("value", "echo"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("x", "x"),
        ("\ud800", "?"),
        (10**400, f"1{'0' * 17}...{'0' * 19}"),
        (float("nan"), "nan"),
    ],
)
def test_values_are_echoed_safely(value: object, echo: object) -> None:
    assert shown(value) == echo


def test_long_and_deep_values_are_shortened() -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    for value in ("x" * 10_000, list(range(10_000)), {"a": "b" * 10_000}, deep):
        assert len(shown(value)) < 300


def test_request_ids_are_taken_over_only_if_harmless(client: TestClient) -> None:
    kept = client.get("/livez", headers={"X-Request-Id": "abc.DEF_1-2"})
    assert kept.headers["x-request-id"] == "abc.DEF_1-2"
    for given in (b"", b"a b", b"x" * 65, b"a\tb", b'"><script>', "\u00e9".encode("latin-1")):
        made = client.get("/livez", headers={b"X-Request-Id": given}).headers["x-request-id"]
        assert len(made) == 32
        assert made.isalnum()


def test_every_answer_has_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/livez", "/nothing", "/v1/landscapes"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server-timing" in headers


def test_the_access_log_is_one_json_line_a_request(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="relu_landscape.access")
    client.get("/v1/landscapes?limit=3", headers={"X-Request-Id": "seen"})
    [record] = [item for item in caplog.records if item.name == "relu_landscape.access"]
    line = json.loads(JsonLines().format(record))
    assert line["request_id"] == "seen"
    assert line["method"] == "GET"
    assert line["path"] == "/v1/landscapes"
    assert line["route"] == "/v1/landscapes"
    assert line["status"] == 200
    assert line["bytes"] > 0
    assert line["milliseconds"] >= 0


def test_log_lines_survive_what_json_cannot_hold() -> None:
    record = logging.makeLogRecord({"msg": "\ud800", "big": 10**400})
    line = json.loads(JsonLines().format(record))
    assert line["message"] == "?"
