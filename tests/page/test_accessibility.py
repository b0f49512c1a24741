"""axe-core finds no violation, in any view, on any screen, in either theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()

SCREENS = {
    "narrow": {"width": 320, "height": 700},
    "phone": {"width": 390, "height": 844},
    "tablet": {"width": 820, "height": 1180},
    "desktop": {"width": 1440, "height": 1000},
    "wide": {"width": 2560, "height": 1300},
}


def violations(page: Page) -> list[str]:
    """Every violation, however small; axe is evaluated, not loaded, so the policy stays on."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    result: dict[str, Any] = page.evaluate(
        "axe.run(document, { resultTypes: ['violations'] })", None
    )
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:160]}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


def is_free_of_sideways_scrolling(page: Page) -> bool:
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


def screens(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    """Pairs of screen and theme; every one of either occurs in some test of this file."""
    return pytest.mark.parametrize(
        ("viewport", "theme"),
        [(SCREENS[screen], theme) for screen, theme in pairs],
        ids=["-".join(pair) for pair in pairs],
    )


@screens(("narrow", "light"), ("phone", "light"), ("phone", "dark"), ("tablet", "light"),
         ("desktop", "light"), ("wide", "dark"))  # fmt: skip
def test_example(watched: Watched) -> None:
    page = watched.open()
    page.wait_for_selector("#point .overlaps .picture")
    for summary in page.locator("#reproduce summary, #point summary, #searched summary").all():
        if not summary.evaluate("element => element.parentElement.open"):
            summary.click()
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)


@screens(("narrow", "dark"), ("phone", "light"), ("desktop", "dark"))
def test_running_job(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    request = wide["request"]
    widths = f"student_width={request['student_width']}&teacher_width={request['teacher_width']}"
    page = watched.open(f"?{widths}")
    page.get_by_role("button", name="Compute").click()
    job = stage.wait_for_job()
    job.advance(1, 4, 1)
    expect(page.locator("#table tbody tr")).to_have_count(1)
    page.wait_for_selector("#ladder .picture")
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)


@screens(("narrow", "dark"), ("phone", "light"), ("desktop", "dark"))
def test_families(watched: Watched) -> None:
    page = watched.open("?view=families")
    page.wait_for_selector("#families-plot .picture")
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)


#: Each view of learning with what has to be pressed, and the picture that is there then.
LEARNING = {
    "trajectories": ("Follow", "#trajectory-overlaps"),
    "frequencies": ("Count", "#frequencies-ladder"),
    "rates": (None, "#rates-ladder"),
    "sweeps": ("Compute", "#sweep-chart"),
}


@screens(("narrow", "dark"), ("phone", "light"), ("tablet", "light"), ("wide", "dark"))
def test_views_of_learning(watched: Watched, stage: Stage) -> None:
    stage.service.holds_jobs = False
    for view, (button, picture) in LEARNING.items():
        page = watched.open(f"?view={view}")
        place = page.locator(f"#{view}-view")
        for summary in place.locator("summary").all():
            summary.click()
        if button:
            place.get_by_role("button", name=button, exact=True).click()
        page.wait_for_selector(f"{picture} .picture")
        assert violations(page) == []
        assert is_free_of_sideways_scrolling(page)


@screens(("narrow", "light"), ("desktop", "dark"))
def test_comparison_and_glossary(
    watched: Watched, stage: Stage, example: dict[str, Any], wide: dict[str, Any]
) -> None:
    page = watched.open(f"?compare={stage.finish(example)},{stage.finish(wide)}")
    page.wait_for_selector("#comparison-ladder .picture")
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)
    page.locator("#open-glossary").click()
    expect(page.locator("#glossary")).to_be_visible()
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)


def test_axe_itself_works_here(url: str, context: BrowserContext) -> None:
    """A test that axe-core sees a fault, lest silence be taken for praise."""
    page = context.new_page()
    page.goto(url)
    page.evaluate("document.body.append(document.createElement('select'))")
    assert any("select-name" in found for found in violations(page))
