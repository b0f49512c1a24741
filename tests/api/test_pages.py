"""The explorer's files: served with the right types, a strict policy, and nothing else."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from relu_landscape_api.routers import pages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An explorer of the test's own."""
    explorer = tmp_path / "explorer"
    (explorer / "js").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(pages, "EXPLORER", explorer)
    monkeypatch.setattr(pages, "_files", StaticFiles(directory=explorer, check_dir=False))
    return explorer


def test_a_page_of_links_without_an_explorer(client: TestClient, folder: Path) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == pages.PAGE_POLICY
    links = {unescape(link) for link in re.findall(r'href="([^"]+)"', answer.text)}
    assert {"/v1/landscapes", "/v1/jobs", "/v1/service-info", "/readyz", "/metrics"} <= links
    assert {"/openapi.json", "/v1/schema.json"} <= links
    assert "/v1/landscape?starts=100&student_width=3&teacher_width=3" in links
    for link in links:
        assert client.get(link).status_code == 200, link
    assert client.get("/docs").status_code == 404


def test_the_explorer(client: TestClient, folder: Path) -> None:
    (folder / "index.html").write_text("<!doctype html><title>explorer</title>")
    (folder / "docs.html").write_text("<!doctype html><title>docs</title>")
    for path in ("/", "/explorer/index.html"):
        answer = client.get(path)
        assert answer.text == "<!doctype html><title>explorer</title>"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == pages.PAGE_POLICY
    assert "<title>docs</title>" in client.get("/docs").text
    for word in ("unsafe-inline", "unsafe-eval", "*", "http:"):
        assert word not in pages.PAGE_POLICY


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("js/a.js", "text/javascript; charset=utf-8"),
        ("js/a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.woff2", "font/woff2"),
        ("a.png", "image/png"),
        ("LICENSE", "application/octet-stream"),
    ],
)
def test_types(client: TestClient, folder: Path, name: str, media_type: str) -> None:
    (folder / name).write_text("content")
    answer = client.get(f"/explorer/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(f"/explorer/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "",
        "js",
        "js/",
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "js/../../secret.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "nothing.js",
        "%00",
        "a%00.js",
        "\u00e9",
        "%ff",
        "x" * 3000,
    ],
)
def test_nothing_else_is_served(client: TestClient, folder: Path, path: str) -> None:
    answer = client.get(f"/explorer/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text.replace("secret.txt", "")
