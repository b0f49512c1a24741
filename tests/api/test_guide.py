"""The guide: served where it is built, with its scripts from files alone; a sentence where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from relu_landscape_api.routers import pages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a guide may be built."""
    guide = tmp_path / "guide"
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(pages, "GUIDE", guide)
    monkeypatch.setattr(pages, "_guide", StaticFiles(directory=guide, check_dir=False))
    return guide


@pytest.mark.parametrize("path", ["/guide", "/guide/"])
def test_without_a_guide_the_page_says_how_to_come_by_it(
    client: TestClient, folder: Path, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "make guide" in answer.text
    assert client.get("/guide/docs/index.html").status_code == 404


@pytest.mark.parametrize(("path", "target"), [
    ("/guide", "guide/docs/index.html"), ("/guide/", "docs/index.html"),
])  # fmt: skip
def test_with_a_guide_it_leads_to_the_first_page(
    client: TestClient, folder: Path, path: str, target: str
) -> None:
    """By a relative address, which holds behind a proxy's prefix too."""
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "index.html").write_text("<!doctype html><title>guide</title>")
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, target)
    page = client.get(path)
    assert page.text == "<!doctype html><title>guide</title>"
    policy = page.headers["content-security-policy"]
    assert policy == pages.GUIDE_POLICY
    assert "script-src 'self';" in policy
    assert "style-src 'self' 'unsafe-inline';" in policy


@pytest.mark.parametrize("path", ["../secret.txt", "%2e%2e/secret.txt", "%00", "docs", "none.js"])
def test_nothing_else_is_served(client: TestClient, folder: Path, path: str) -> None:
    (folder / "docs").mkdir(parents=True)
    answer = client.get(f"/guide/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")
