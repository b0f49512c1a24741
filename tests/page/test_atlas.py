"""The map of widths: what it shows is what the atlas says, by eye, keyboard and screen reader."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

import relu_landscape_client
from relu_landscape_client import Atlas
from tests.page.conftest import Watched
from tests.page.test_accessibility import (
    is_free_of_sideways_scrolling,
    screens,
    violations,
)

pytestmark = pytest.mark.page


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return relu_landscape_client.atlas()


def opened(watched: Watched, search: str = "") -> Page:
    watched.page.goto(watched.url + "atlas" + search)
    watched.page.wait_for_selector("#map a")
    return watched.page


def squares(page: Page) -> dict[str, Any]:
    """What each square shows, and the number behind it, by its place."""
    found: dict[str, Any] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#map a')].map("
        "a => [a.dataset.place, [a.textContent, a.dataset.value]]))"
    )
    return found


def test_every_square_has_its_number(watched: Watched, atlas: Atlas) -> None:
    page = opened(watched)
    shown = squares(page)
    assert set(shown) == {f"{cell.student_width},{cell.teacher_width}" for cell in atlas}
    for cell in atlas:
        text, value = shown[f"{cell.student_width},{cell.teacher_width}"]
        if cell.student_width < cell.teacher_width:  # out of reach, whatever was counted
            assert (text, value) == ("–", "")
        else:
            assert float(value) == cell.zero_loss_probability
            assert text.endswith("%")
            assert (text == "100%") is (cell.zero_loss_probability == 1.0)
    page.get_by_label("number of spurious minima").check()
    for place, (text, value) in squares(page).items():
        students, teachers = map(int, place.split(","))
        assert text == value == str(atlas[students, teachers].spurious_minima)
    page.get_by_label("lowest spurious loss").check()
    for place, (text, value) in squares(page).items():
        students, teachers = map(int, place.split(","))
        lowest = atlas[students, teachers].lowest_spurious_loss
        assert (text == "–") is (lowest is None)
        assert lowest is None or float(value) == lowest
    assert page.url.endswith("?by=lowest")


def test_an_address_says_the_colour(watched: Watched) -> None:
    page = opened(watched, "?by=spurious")
    expect(page.get_by_label("number of spurious minima")).to_be_checked()
    assert squares(page)["1,1"] == ["0", "0"]
    page = opened(watched, "?by=nonsense")
    expect(page.get_by_label("probability of zero loss")).to_be_checked()


def test_more_has_more_colour(watched: Watched) -> None:
    """The largest value has the accent, what has none has no colour of its own."""
    page = opened(watched)
    colours = page.evaluate(
        "['1,1', '1,2'].map(place => document.querySelector(`[data-place='${place}']`)"
        ".style.backgroundColor)"
    )
    assert colours == ["rgb(27, 94, 125)", ""]  # --accent of the light theme
    page.locator("#theme").click()
    again = page.evaluate("document.querySelector(`[data-place='1,1']`).style.backgroundColor")
    assert again == "rgb(127, 196, 224)"  # and of the dark one


def test_a_square_opens_the_explorer_with_its_widths(watched: Watched) -> None:
    page = opened(watched)
    page.locator("[data-place='3,2']").click()
    page.wait_for_url("**/?student_width=3&teacher_width=2")
    page.wait_for_selector("#headline h1:visible")
    expect(page.locator("input[name='student_width'][type='number']")).to_have_value("3")
    expect(page.locator("input[name='teacher_width'][type='number']")).to_have_value("2")


def test_the_explorer_leads_here(watched: Watched) -> None:
    page = watched.open()
    page.get_by_role("link", name="Atlas", exact=True).click()
    page.wait_for_selector("#map a")
    expect(page.locator("nav [aria-current='page']")).to_have_text("Atlas")


def test_keyboard(watched: Watched) -> None:
    """The map is one stop of the Tab key; arrows move in it, and it says where it is."""
    page = opened(watched)
    assert page.locator("#map a[tabindex='0']").count() == 1
    page.locator("[data-place='1,1']").focus()
    for key, place in (
        ("ArrowRight", "2,1"), ("ArrowDown", "2,2"), ("ArrowUp", "2,1"), ("ArrowUp", "2,1"),
        ("ArrowDown", "2,2"), ("Home", "1,2"), ("ArrowLeft", "1,2"),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.place") == place, key
        assert page.locator("#map a[tabindex='0']").count() == 1
    expect(page.locator("#atlas-told")).to_contain_text("1 student unit, 2 teacher units")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?student_width=1&teacher_width=2")


def test_the_table_has_a_row_for_each_square(watched: Watched, atlas: Atlas) -> None:
    page = opened(watched)
    rows = page.locator("#table tbody tr").all_inner_texts()
    widths = [tuple(map(int, row.split("\t")[:2])) for row in rows]
    assert widths == [(cell.student_width, cell.teacher_width) for cell in atlas]
    expect(page.locator("#origin")).to_contain_text(atlas.licence)
    expect(page.locator("#origin")).to_contain_text(atlas.origin["command"])


def test_a_service_that_asks_for_a_key(watched: Watched) -> None:
    watched.expected += ["401"]
    watched.page.route(
        "**/v1/atlas",
        lambda route: route.fulfill(
            status=401, content_type="application/problem+json", body='{"detail": "no key"}'
        ),
    )
    watched.page.goto(watched.url + "atlas")
    expect(watched.page.get_by_role("alert")).to_contain_text("asks for a key")
    expect(watched.page.locator("#atlas-card")).to_be_hidden()


@screens(("narrow", "light"), ("phone", "dark"), ("desktop", "light"), ("wide", "dark"))
def test_accessibility(watched: Watched) -> None:
    page = opened(watched)
    assert is_free_of_sideways_scrolling(page)
    for layer in ("probability of zero loss", "number of spurious minima", "lowest spurious loss"):
        page.get_by_label(layer).check()
        assert violations(page) == []
