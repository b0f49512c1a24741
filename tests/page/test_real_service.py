"""The page against the service as it is started for people: a process, its store, its workers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.clients.live import LiveServer
from tests.page.conftest import Watched, watch

pytestmark = pytest.mark.page

#: A landscape of width 2 takes a second or two; machines that run several test suites are slow.
PATIENCE_MILLISECONDS = 120_000.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = LiveServer(tmp_path_factory.mktemp("page"))
    server.start()
    yield f"{server.url}/"
    server.stop()


@pytest.fixture
def real(context: BrowserContext, address: str) -> Iterator[Watched]:
    watched = watch(context, address)
    yield watched
    watched.verify()


def test_computes_shows_and_downloads_a_landscape(real: Watched) -> None:
    page = real.open()
    expect(page.locator("#headline h1")).to_have_text("7 student units, 7 teacher units")
    page.locator("#student_width").fill("3")
    page.locator("#teacher_width").fill("2")
    page.locator("#starts").fill("40")
    page.get_by_role("button", name="Compute").click()
    title = page.locator("#headline h1")
    expect(title).to_have_text("3 student units, 2 teacher units", timeout=PATIENCE_MILLISECONDS)
    reproduce = page.locator("#reproduce")
    expect(reproduce).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page.locator("#headline")).to_contain_text("computed in")
    expect(page.locator("#table")).to_contain_text("continuum of global minima")
    button = page.get_by_role("button", name="NPZ")
    with page.expect_download() as waiting:
        button.click()
    archive = np.load(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert archive["R"].shape == (3, 2)
    # The address alone brings it back, from the store.
    page.reload()
    expect(title).to_have_text("3 student units, 2 teacher units")
    expect(page.locator("#recent")).to_contain_text("K=3, M=2")


def test_follows_families(real: Watched) -> None:
    page = real.open("?view=families&families=one-anti-aligned&from=5&to=20")
    page.wait_for_selector("#families-plot .picture", timeout=PATIENCE_MILLISECONDS)
    expect(page.locator("#families-view")).to_contain_text("5.5855052474")


def test_refusals_come_in_the_services_words(real: Watched) -> None:
    real.expected.append("422")  # the browser itself reports it
    page = real.open()
    page.locator("details.more > summary").click()
    page.locator("#structures").fill("1+99")
    page.get_by_role("button", name="Compute").click()
    problem = page.locator("#form-problem")
    expect(problem).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(problem).to_contain_text("1+99")


def test_interface_documentation(real: Watched) -> None:
    page = real.page
    page.goto(real.url + "docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page.locator("#swagger")).to_contain_text("/v1/landscapes/{id}/events")


def test_follows_a_start_by_all_three_methods(real: Watched) -> None:
    """One student and one teacher: there is no other end than the teacher itself."""
    fields = "student_width=1&teacher_width=1&until=60&runs=2&input_dimension=50"
    page = real.open(f"?view=trajectories&{fields}")
    page.get_by_role("button", name="Follow", exact=True).click()
    ends = page.get_by_role("region", name="Table of ends").locator("tbody tr")
    expect(ends).to_have_count(3, timeout=PATIENCE_MILLISECONDS)
    for row, runs in zip(ends.all_text_contents(), (1, 1, 2), strict=True):
        assert f"{runs} of {runs}" in row
        assert "global minimum" in row
    expect(page.locator("#trajectory-overlaps figure")).to_have_count(2)
