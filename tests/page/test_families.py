"""Families along real width."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from relu_landscape.wire.families import ContinuationQuery
from tests.page.answers import recorded
from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page

ANSWERS = recorded("continuations")


def opened(watched: Watched, search: str = "?view=families") -> Page:
    page = watched.open(search)
    page.wait_for_selector("#families-plot .picture")
    expect(page.locator("#families-view")).not_to_have_attribute("aria-busy", "true")
    return page


def test_losses_and_stability_are_drawn(watched: Watched) -> None:
    page = opened(watched, "?view=families&families=one-anti-aligned&from=4&to=100")
    answer = ANSWERS["one-anti-aligned"]
    drawn = marks(page, "#families-plot")[: len(answer["points"])]
    assert [[mark["x"], mark["y"]] for mark in drawn] == [
        [point["width"], point["loss"]] for point in answer["points"]
    ]
    of = {
        True: lines(page, "#families-plot", "stable"),
        False: lines(page, "#families-plot", "unstable"),
    }
    for point in answer["points"][1:-1]:
        assert [point["width"], point["loss"]] in of[point["is_stable"]]


def test_smallest_eigenvalue_is_that_of_all_components(watched: Watched) -> None:
    page = opened(watched, "?view=families&families=all-anti-aligned&from=4&to=100")
    points = ANSWERS["all-anti-aligned"]["points"]
    drawn = marks(page, "#families-eigenvalues")[: len(points)]
    assert [mark["y"] for mark in drawn] == [min(point["smallest"].values()) for point in points]


def test_stability_changes_are_listed_to_ten_digits(watched: Watched) -> None:
    page = opened(watched)
    table = page.get_by_role("region", name="Table of stability changes")
    # Where one anti-aligned student stops being a minimum: an independent root of the reduced
    # equations, 5.5855052474 (see docs/mathematics/families.md).
    expect(table).to_contain_text("5.5855052474")
    for name in ("one-anti-aligned", "two-anti-aligned", "all-anti-aligned"):
        for change in ANSWERS[name]["changes"]:
            expect(table).to_contain_text(f"{change['width']:.10f}")


def test_other_families_and_ranges_can_be_asked_for(watched: Watched) -> None:
    page = opened(watched)
    for box in page.locator(".chip input").all():
        box.uncheck()
    page.get_by_label("other, separated by ;").fill("1+*")
    page.get_by_label("from width").fill("5")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#families-view .legend")).to_have_text("1+*")
    assert "families=1%2B*&from=5" in page.url
    page.reload()
    expect(page.get_by_label("other, separated by ;")).to_have_value("1+*")
    expect(page.get_by_label("from width")).to_have_value("5")


def test_a_family_that_fails_does_not_hide_the_others(watched: Watched) -> None:
    watched.expected.append("422")
    page = opened(watched, "?view=families&families=one-anti-aligned;nonsense")
    expect(page.locator("#families-view .problem")).to_contain_text("nonsense")
    expect(page.locator("#families-view .legend")).to_have_text("one anti-aligned student")


def test_mistakes_are_named(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_label("to width").fill("4")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#families-view .problem")).to_contain_text("Two different widths")


def test_families_as_files(watched: Watched) -> None:
    page = opened(watched)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Families, JSON").click()
    content = json.loads(Path(waiting.value.path()).read_text())
    assert content["one-anti-aligned"] == ANSWERS["one-anti-aligned"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Families", exact=True).click()
    assert waiting.value.suggested_filename == "families-4-100-families.svg"


def test_views_are_switched_without_losing_either(watched: Watched) -> None:
    page = watched.open()
    page.wait_for_selector("#ladder .picture")
    page.get_by_role("link", name="Families").click()
    page.wait_for_selector("#families-plot .picture")
    page.get_by_role("link", name="Landscape", exact=True).click()
    expect(page.locator("#ladder .picture").first).to_be_visible()
    expect(page.get_by_role("link", name="Landscape", exact=True)).to_have_attribute(
        "aria-current", "page"
    )


def test_units_that_leak_are_asked_for(watched: Watched, stage: Stage) -> None:
    page = opened(watched, "?view=families&families=one-anti-aligned&from=4&to=100")
    form = page.locator("#families-view form")
    expect(form.get_by_label("leak")).to_have_value("0")
    asked = stage.service.called[-1][1]
    assert isinstance(asked, ContinuationQuery)
    assert asked.leak == 0.0
    form.get_by_label("leak").fill("-0.5")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#families-view")).not_to_have_attribute("aria-busy", "true")
    asked = stage.service.called[-1][1]
    assert isinstance(asked, ContinuationQuery)
    assert (asked.structure, asked.leak) == ("one-anti-aligned", -0.5)
    assert "slope=-0.5" in page.url
    reproduce = page.locator("#families-view .reproduce")
    expect(reproduce).to_contain_text("leak=-0.5'")
    expect(reproduce).to_contain_text("points=80, leak=-0.5)")
    page.reload()
    page.wait_for_selector("#families-plot .picture")
    expect(form.get_by_label("leak")).to_have_value("-0.5")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Families, JSON").click()
    assert waiting.value.suggested_filename == "families-4-100-leak-0.5.json"
    form.get_by_label("leak").fill("0.95")
    page.get_by_role("button", name="Follow").click()
    problem = page.locator("#families-view .problem:visible")
    expect(problem).to_contain_text("A leak is a number from -0.9 to 0.9.")
    form.get_by_label("leak").fill("0")
    page.get_by_role("button", name="Follow").click()
    expect(problem).to_be_hidden()
    assert "slope" not in page.url
    expect(reproduce).not_to_contain_text("leak")


def test_a_leak_of_the_address_is_that_of_the_view(watched: Watched, stage: Stage) -> None:
    opened(watched, "?view=families&families=one-anti-aligned&slope=0.3&leak=0.5")
    asked = [query for name, query in stage.service.called if name == "continuation"]
    assert [query.model_dump()["leak"] for query in asked] == [0.3]
