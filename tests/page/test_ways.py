"""Finding one's way: what is pressed shows what it did; addresses say what they cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from relu_landscape.errors import StoreUnavailable
from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page

PHONE = {"width": 360, "height": 640}
WIDE = "?student_width=9&teacher_width=8"


def is_in_view(page: Page, selector: str) -> bool:
    """Whether the top of an element is on the screen."""
    inside: bool = page.locator(selector).evaluate(
        """element => { const { top, height } = element.getBoundingClientRect();
             return height > 0 && top >= 0 && top < innerHeight; }"""
    )
    return inside


def unfold(page: Page) -> None:
    toggle = page.locator("#panel-toggle")
    if toggle.is_visible() and toggle.get_attribute("aria-expanded") != "true":
        toggle.click()


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 620}], ids=["phone", "low"])
def test_compute_and_its_complaint_are_in_view(watched: Watched) -> None:
    """With every option unfolded the form is higher than the screen."""
    page = watched.open(WIDE)
    unfold(page)
    page.locator("details.more > summary").click()
    page.evaluate("scrollTo(0, 0)")
    page.locator("#student_width").scroll_into_view_if_needed()
    assert is_in_view(page, "#run")
    page.locator("#student_width").fill("0")
    page.locator("#run").click()
    expect(page.locator("#form-problem")).to_contain_text("from 1 to 64")
    assert is_in_view(page, "#form-problem")
    assert is_in_view(page, "#run")


@pytest.mark.parametrize("changes", [{"api_key": "open sesame"}], ids=["with-key"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 620}], ids=["phone", "low"])
def test_a_wrong_key_is_said_in_view(watched: Watched) -> None:
    """Where the form is folded away, it is unfolded for the question."""
    watched.expected.append("401")
    page = watched.open()
    field = page.get_by_label("API key")
    expect(field).to_be_in_viewport()
    expect(page.locator("#form-problem")).to_be_in_viewport()
    said = str(page.locator("#form-problem").text_content())
    field.fill("open barley")
    field.press("Enter")
    expect(field).to_be_visible()
    expect(page.locator("#form-problem")).to_be_in_viewport()
    assert said


@pytest.mark.parametrize("viewport", [PHONE], ids=["phone"])
def test_who_is_told_to_press_compute_sees_it(watched: Watched) -> None:
    """An address that is not computed yet said so above a form that was folded away."""
    page = watched.open(WIDE)
    expect(page.locator("#headline")).to_contain_text("Press Compute")
    expect(page.locator("#run")).to_be_visible()
    assert is_in_view(page, "#run")


@pytest.mark.parametrize("viewport", [PHONE], ids=["phone"])
def test_a_phone_goes_on_to_the_progress(watched: Watched, stage: Stage) -> None:
    page = watched.open(WIDE)
    unfold(page)
    page.locator("#run").click()
    stage.wait_for_job()
    expect(page.locator("#request")).to_be_hidden()
    expect(page.locator("#progress")).to_be_in_viewport()


def test_a_silent_service_is_named_and_compute_comes_back(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    watched.expected.append("503")
    page = watched.open(WIDE)
    page.locator("#run").click()
    job = stage.wait_for_job()
    job.advance(1, 4, 1)
    expect(page.locator("#progress")).to_contain_text("1 of 4 chunks")
    expect(page.locator("#run")).to_be_disabled()
    stage.breaks(StoreUnavailable("The store does not answer."))
    expect(page.locator("#progress .problem")).to_contain_text("The store does not answer.")
    expect(page.locator("#form-problem")).to_be_visible()
    expect(page.locator("#run")).to_be_enabled()
    stage.breaks(None)
    expect(page.locator("#progress .problem")).to_be_hidden()
    expect(page.locator("#form-problem")).to_be_hidden()
    job.finish()
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))


def test_a_service_that_is_gone_is_named(watched: Watched, stage: Stage) -> None:
    """The line is cut: no answer at all, not one that refuses."""
    watched.expected.append("net::ERR")
    page = watched.open(WIDE)
    page.locator("#run").click()
    stage.wait_for_job()
    expect(page.locator("#progress")).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator("#progress .problem")).to_contain_text("does not answer")
    expect(page.locator("#run")).to_be_enabled()
    page.locator("#run").click()
    expect(page.locator("#form-problem")).to_contain_text("does not answer")
    page.context.set_offline(False)
    page.locator("#run").click()
    expect(page.locator("#form-problem")).to_be_hidden()
    expect(page.locator("#progress .problem")).to_be_hidden()


@pytest.mark.parametrize("where", ["ladder", "graph", "table"])
def test_choosing_brings_the_card_and_back_returns(watched: Watched, where: str) -> None:
    page = watched.open("?point=m2")
    page.wait_for_selector("#graph .mark-point")
    marks = {"ladder": "#ladder .mark-point[data-key=m1] circle",
             "graph": "#graph .mark-point[data-key=m1] circle >> nth=0",
             "table": "#table .pick >> nth=0"}  # fmt: skip
    page.evaluate("addEventListener('pointerdown', () => (window.pressedAt = scrollY), true)")
    page.locator(marks[where]).click()
    expect(page.locator("#point-title")).to_contain_text("m1:")
    expect(page.locator("#point-title")).to_be_in_viewport()
    page.go_back()
    expect(page.locator("#point-title")).to_contain_text("m2:")
    assert page.evaluate("scrollY") == page.evaluate("pressedAt")


def test_no_row_of_the_table_is_hidden(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    page = watched.open(f"?id={stage.finish(wide)}")
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))
    heights = page.locator("#table").evaluate("e => [e.scrollHeight, e.clientHeight]")
    assert heights[0] == heights[1]


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("?student_width=abc", "student_width=abc is no whole number."),
        ("?student_width=7&teacher_width=7.5", "teacher_width=7.5 is no whole number."),
        ("?student_width=7&starts=-1", "starts=-1 is not between 0 and 1000000."),
        ("?certify=maybe", "certify=maybe is none of none, fast, strict."),
        ("?saddles=perhaps", "saddles=perhaps is neither true nor false."),
        ("?student_with=7", "The page knows no student_with."),
        ("?teacher_gram=[[1]]", "teacher_gram cannot be given by an address."),
        ("?view=everything", "There is no view everything."),
        ("?point=m77", "This landscape has no point m77."),
    ],
)
def test_addresses_say_what_cannot_be_done(watched: Watched, search: str, words: str) -> None:
    page = watched.open(search)
    expect(page.locator("#address-note")).to_contain_text(words)


def test_an_address_that_can_be_followed_has_no_note(watched: Watched) -> None:
    page = watched.open("?point=s1")
    expect(page.locator("#point-title")).to_contain_text("s1:")
    expect(page.locator("#address-note")).to_be_hidden()


def test_known_landscapes_are_filtered(
    watched: Watched, stage: Stage, example: dict[str, Any], wide: dict[str, Any]
) -> None:
    stage.finish(wide)
    stage.finish({**example, "request": {**example["request"], "seed": 12}})
    page = watched.open()
    entries = page.locator("#recent li")
    expect(entries).to_have_count(2)
    expect(entries.first).to_contain_text("seed 12")
    expect(entries.first).to_contain_text("20")  # the year
    box = page.get_by_label("Filter the known landscapes")
    for text, count in [("seed=12", 1), ("K = 9", 1), ("K=9 seed=12", 0), ("7", 1), ("saddles", 2)]:
        box.fill(text)
        expect(entries).to_have_count(count)
    box.fill("nonsense")
    expect(page.locator("#recent")).to_contain_text("None of those listed so far matches.")


def test_every_term_opens_its_entry(watched: Watched) -> None:
    page = watched.open("?point=m2")
    terms = page.locator(".term")
    seen = set()
    for place in range(terms.count()):
        button = terms.nth(place)
        name = str(button.get_attribute("data-term"))
        if name in seen or not button.is_visible():
            continue
        seen.add(name)
        button.click()
        expect(page.locator("#glossary .at dt")).to_have_text(name)
        page.keyboard.press("Escape")
        expect(page.locator("#glossary")).to_be_hidden()
    # Facts of the point and of its certificate, the table's heads and the legends.
    assert len(seen) > 20
    bare = page.locator("#point dt, #table thead th").filter(has_not=page.locator(".term"))
    assert bare.all_text_contents() == []


def test_the_glossary_is_reached_by_keyboard(watched: Watched) -> None:
    page = watched.open()
    page.get_by_role("button", name="Glossary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#glossary")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Glossary")).to_be_focused()
