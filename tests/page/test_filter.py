"""The filter over the table of fixed points: what it finds, what it says, and where it is kept."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Watched
from tests.page.stage import Stage
from tests.page.test_accessibility import (
    is_free_of_sideways_scrolling,
    screens,
    violations,
)

pytestmark = pytest.mark.page


def field(page: Page) -> Locator:
    return page.get_by_label("Filter", exact=True)


def keys(page: Page) -> list[str]:
    return page.locator("#table tbody .pick").all_text_contents()


def wanted(landscape: dict[str, Any], **how: Any) -> list[str]:
    """Keys of the points whose named members are these, by the answer itself."""
    return [
        point["key"]
        for point in landscape["fixed_points"]
        if all(point[name] == value for name, value in how.items())
    ]


def of_blocks(landscape: dict[str, Any], *blocks: int) -> list[str]:
    """Of isolated points: the row of a continuum names no blocks."""
    return [
        point["key"]
        for point in landscape["fixed_points"]
        if point["structure"]["blocks"] == list(blocks) and point["kind"] != "global_continuum"
    ]


def test_rows_are_found_by_key_kind_structure_and_proof(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    page = watched.open(f"?id={stage.finish(wide)}")
    rows = page.locator("#table tbody tr")
    everything = [point["key"] for point in wide["fixed_points"]]
    expect(rows).to_have_count(len(everything))
    saddles = wanted(wide, kind="saddle")
    cases = {
        "m": wanted(wide, kind="minimum"),  # a key's letter, though "minima" begins with it as well
        "s": saddles,
        "S1": ["s1"],  # not s10
        "saddle": saddles,
        "SADD": saddles,
        "global": wanted(wide, kind="global_continuum"),
        "1+7": of_blocks(wide, 1, 7),
        "7+1": of_blocks(wide, 1, 7),
        "5 + 2 + 1": of_blocks(wide, 1, 2, 5),  # as the table writes it, in another order
        "1+2": of_blocks(wide, 1, 2, 5),  # its beginning
        "certified": [key for key in everything if key != "g1"],
        "saddle, 1+7": [key for key in saddles if key in of_blocks(wide, 1, 7)],
        "saddle index 2": [
            point["key"] for point in wide["fixed_points"]
            if point["kind"] == "saddle" and point["stability"]["index"] == 2
        ],
        "  ": everything,
    }  # fmt: skip
    for text, expected in cases.items():
        field(page).fill(text)
        expect(rows).to_have_count(len(expected))
        assert keys(page) == expected, text
        assert expected, text


def test_it_says_how_many_remain_and_shows_all_again(
    watched: Watched, example: dict[str, Any]
) -> None:
    page = watched.open()
    rows, said = page.locator("#table tbody tr"), page.locator("#table-filter [role=status]")
    total = len(example["fixed_points"])
    expect(rows).to_have_count(total)
    again = page.get_by_role("button", name="Show all", exact=True)
    expect(said).to_have_text("")
    expect(again).to_be_hidden()
    field(page).fill("saddle")
    expect(said).to_have_text(f"{len(wanted(example, kind='saddle'))} of {total} points")
    field(page).fill("nonsense")
    expect(rows).to_have_count(0)
    expect(said).to_have_text(f"None of {total} points matches.")
    again.click()
    expect(rows).to_have_count(total)
    expect(field(page)).to_be_focused()
    expect(said).to_have_text("")


def test_it_is_used_by_keyboard_alone(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    rows = page.locator("#table tbody tr")
    field(page).focus()
    page.keyboard.type("m3")
    expect(rows).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show all", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#table")).to_be_focused()  # what scrolls
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#point-title")).to_contain_text("m3:")
    # The choice redraws the table: the filter is as it was.
    expect(rows).to_have_count(1)
    expect(field(page)).to_have_value("m3")
    field(page).press("Escape")
    expect(rows).to_have_count(len(example["fixed_points"]))
    expect(field(page)).to_be_focused()


def test_the_address_keeps_it(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    known = stage.finish(wide)
    page = watched.open(f"?id={known}&filter=7%2B1&point=s2")
    rows = page.locator("#table tbody tr")
    expect(field(page)).to_have_value("7+1")
    expect(rows).to_have_count(len(of_blocks(wide, 1, 7)))
    expect(page.locator("#address-note")).to_be_hidden()
    expect(page.locator("#point-title")).to_contain_text("s2:")  # whose row is not among them
    field(page).fill("s1")
    page.wait_for_url("**filter=s1**")
    assert "point=s2" in page.url
    page.reload()
    expect(rows).to_have_count(1)
    # Each letter is no step of its own for Back; choosing a point is one.
    page.get_by_role("button", name="Show s1", exact=True).click()
    expect(page.locator("#point-title")).to_contain_text("s1:")
    page.go_back()
    expect(page.locator("#point-title")).to_contain_text("s2:")
    expect(field(page)).to_have_value("s1")
    field(page).fill("")
    page.wait_for_url(lambda url: "filter" not in url)
    expect(rows).to_have_count(len(wide["fixed_points"]))


def test_another_landscape_begins_without_it(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    """A row that a filter of before hid would not be missed."""
    stage.finish(wide)
    page = watched.open("?filter=saddle")
    rows = page.locator("#table tbody tr")
    expect(field(page)).to_have_value("saddle")
    page.locator("#recent li").first.get_by_role("button").first.click()
    expect(rows).to_have_count(len(wide["fixed_points"]))
    expect(field(page)).to_have_value("")
    assert "filter" not in page.url


def test_nothing_is_hidden_while_a_job_runs(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    request = wide["request"]
    widths = f"student_width={request['student_width']}&teacher_width={request['teacher_width']}"
    page = watched.open(f"?{widths}&filter=nonsense")
    page.get_by_role("button", name="Compute").click()
    job = stage.wait_for_job()
    job.advance(1, 4, 2)
    expect(page.locator("#table tbody tr")).to_have_count(2)
    expect(page.locator("#table-filter")).to_be_hidden()
    job.finish()
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))
    expect(field(page)).to_have_value("")


@screens(("narrow", "dark"), ("phone", "light"))
def test_it_fits_a_small_screen(watched: Watched) -> None:
    page = watched.open("?filter=saddle")
    page.wait_for_selector("#point .overlaps .picture")
    expect(page.get_by_role("button", name="Show all", exact=True)).to_be_visible()
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)
    box, screen = field(page).bounding_box(), page.viewport_size
    assert box is not None
    assert screen is not None
    assert 0 <= box["x"] < box["x"] + box["width"] <= screen["width"]
