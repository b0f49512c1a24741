"""Pictures: what their axes say, names that keep clear of each other, zoom and keyboard."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Watched
from tests.page.drawn import box, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page


def numbers(page: Page, axis: str) -> list[str]:
    """What is written along an axis."""
    return page.locator(f"{axis} .tick").all_text_contents()


def overlaps(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share more than the pixel that rounding may give them."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    along = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 1.0 and along > 1.0


@pytest.mark.parametrize(
    "viewport",
    [{"width": 1440, "height": 1000}, {"width": 360, "height": 740}],
    ids=["desktop", "phone"],
)
def test_ladder_names_lie_on_nothing(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    """Twenty-one points, most of them within a few pixels of another."""
    page = watched.open(f"?id={stage.finish(wide)}")
    page.wait_for_selector("#ladder .label")
    boxes: list[dict[str, float]] = page.evaluate(
        """[...document.querySelectorAll('#ladder .label')].map(label => {
             const { left, top, right, bottom } = label.getBoundingClientRect();
             return { left, top, right, bottom }; })"""
    )
    # Letters stand in a box with room above and below, which may touch the line before.
    boxes = [{**each, "top": each["top"] + 2, "bottom": each["bottom"] - 2} for each in boxes]
    assert len(boxes) > 3
    assert not any(overlaps(one, other) for one, other in combinations(boxes, 2))


def test_ladder_goes_to_one_hundred_per_cent_and_no_loss_is_negative(watched: Watched) -> None:
    page = watched.open()
    marks(page, "#ladder")
    assert numbers(page, "#ladder .x-axis") == ["saddles", "0", "20", "40", "60", "80", "100"]
    losses = numbers(page, "#ladder .y-axis")
    assert losses[0] == "0"
    assert not any("\u2212" in text for text in losses)


def test_interval_stands_outside_its_disc(watched: Watched) -> None:
    page = watched.open()
    marks(page, "#ladder")
    disc = box(page, "#ladder .mark-point[data-key=m1] circle")
    whisker = box(page, "#ladder .mark-point[data-key=m1] .whisker")
    assert whisker["top"] >= disc["bottom"]
    assert whisker["left"] < whisker["right"]


def test_a_part_is_enlarged_by_dragging_and_given_back(watched: Watched) -> None:
    page = watched.open()
    count = len(marks(page, "#ladder"))
    place = box(page, "#ladder .canvas")
    low = box(page, "#ladder .mark-point[data-key=m1] circle")
    # A frame around everything but the global minimum at the bottom; what is dragged beyond the
    # axes ends at them.
    page.mouse.move(place["left"] + 10, place["top"] + 5)
    page.mouse.down()
    page.mouse.move(place["right"] - 5, low["top"] - 10, steps=4)
    page.mouse.up()
    expect(page.locator("#ladder .mark-point[data-key=m1]")).to_have_count(0)
    expect(page.locator("#ladder .mark-point")).to_have_count(count - 1)
    page.get_by_role("button", name="Whole picture").click()
    expect(page.locator("#ladder .mark-point")).to_have_count(count)
    expect(page.get_by_role("button", name="Whole picture")).to_be_hidden()


def test_marks_are_reached_and_chosen_by_keyboard(watched: Watched) -> None:
    page = watched.open()
    lowest = min(marks(page, "#ladder"), key=lambda mark: mark["y"])
    page.locator("#ladder .canvas").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#ladder .tip")).to_contain_text(f"{lowest['key']}:")
    page.keyboard.press("ArrowUp")
    key = str(page.locator("#ladder .tip strong").text_content()).partition(":")[0]
    assert key != lowest["key"]
    page.keyboard.press("Enter")
    expect(page.locator("#point-title")).to_contain_text(f"{key}:")


def test_stem_and_copy_are_explained(watched: Watched) -> None:
    page = watched.open()
    note = page.locator("#graph-note")
    expect(note).to_contain_text("A stem that goes on to the top ends there")
    expect(note).to_contain_text("m1\u2032 is a copy of m1")
    expect(page.locator("#graph-legend")).to_have_text(
        re.compile("global minimum.*local minimum.*saddle")
    )


def test_matrices_too_fine_for_elements_are_drawn_as_pixels(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    width = 48
    matrix = [[float(row == column) for column in range(width)] for row in range(width)]
    point = {**example["fixed_points"][0], "overlaps": {"R": matrix, "Q": matrix}}
    request = {**example["request"], "student_width": width, "teacher_width": width}
    known = {**example, "request": request, "fixed_points": [point], "pathways": [],
             "disconnectivity": None, "saddle_lines": []}  # fmt: skip
    page = watched.open(f"?id={stage.finish(known)}")
    pixels = page.locator("#point .square image").first
    expect(pixels).to_be_visible()
    page.locator("#point .square .canvas").first.hover(position={"x": 60, "y": 20})
    expect(page.locator("#point .square .tip").first).to_contain_text("R[")
