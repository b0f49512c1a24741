"""Landscapes side by side: the page pairs minima as the Python client does."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from relu_landscape_client import compare
from relu_landscape_client.results import Landscape
from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page


def altered(landscape: dict[str, Any]) -> dict[str, Any]:
    """The same widths under another seed: one minimum gone, one moved, one of a new structure."""
    points = [dict(point) for point in landscape["fixed_points"]]
    minima = [point for point in points if point["kind"] == "minimum"]
    moved, born = minima[1], minima[2]
    moved["overlaps"] = {
        **moved["overlaps"],
        "R": [[value + 0.01 for value in row] for row in moved["overlaps"]["R"]],
    }
    moved["loss"] += 0.001
    born["structure"] = {**born["structure"], "name": "3+4", "anti_aligned": 3}
    return {
        **landscape,
        "request": {**landscape["request"], "seed": 5},
        "fixed_points": [point for point in points if point is not minima[3]],
        "pathways": [],
        "disconnectivity": None,
    }


@pytest.fixture
def held(stage: Stage, example: dict[str, Any], wide: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Three landscapes that the service has, by id."""
    known: dict[str, dict[str, Any]] = {}
    for landscape in (example, wide, altered(example)):
        known[stage.finish(landscape)] = landscape
    return known


def shown(page: Page) -> list[tuple[str, str, list[str]]]:
    """Lines of the table: structure, relation, the key in each landscape."""
    rows = page.locator("#comparison tbody tr")
    rows.first.wait_for()
    found = []
    for row in rows.all():
        cells = row.locator("td").all_text_contents()[1:]
        keys = [cell.partition(":")[0] for cell in cells if ":" in cell or cell == "\u2013"]
        found.append(
            (str(row.locator("th").text_content()), str(row.get_attribute("data-relation")), keys)
        )
    return found  # fmt: skip


def wanted(landscapes: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """The same by the client, in the page's way of writing structures."""
    documents = [Landscape.from_document(each) for each in landscapes]
    return [
        (
            change.structure.replace("+", " + ").replace(" extra", ", extra"),
            change.relation,
            [point.key if point else "\u2013" for point in change.points],
        )
        for change in compare(*documents).changes
    ]


@pytest.mark.parametrize("chosen", [*combinations(range(3), 2), (0, 1, 2), (2, 0)])
def test_minima_are_paired_as_the_client_pairs_them(
    watched: Watched, held: dict[str, dict[str, Any]], chosen: tuple[int, ...]
) -> None:
    ids = [list(held)[place] for place in chosen]
    page = watched.open(f"?compare={','.join(ids)}")
    count = len(chosen)
    assert [(name, relation, keys[:count]) for name, relation, keys in shown(page)] == wanted(
        [held[each] for each in ids]
    )


def test_all_minima_stand_on_one_axis_with_lines_between(
    watched: Watched, held: dict[str, dict[str, Any]]
) -> None:
    first, _, second = held
    page = watched.open(f"?compare={first},{second}")
    drawn = marks(page, "#comparison-ladder")
    assert [(mark["x"], mark["y"]) for mark in drawn] == [
        (place, point["loss"])
        for place, each in enumerate((held[first], held[second]))
        for point in each["fixed_points"]
        if point["kind"] != "saddle"
    ]
    same = [corner for corner in lines(page, "#comparison-ladder", "same") if corner]
    assert len(same) == 2
    assert same[0][1] == same[1][1]


def test_what_is_shown_is_added_and_taken_out(
    watched: Watched, held: dict[str, dict[str, Any]]
) -> None:
    first, second, _ = held
    page = watched.open(f"?id={first}")
    page.get_by_role("button", name="Add to comparison").click()
    expect(page.locator("#comparison")).to_contain_text("7/7 is chosen")
    page.get_by_role("button", name="Compare 9 students, 8 teachers, seed 0").click()
    expect(page.locator("#comparison table")).to_be_visible()
    assert f"compare={first}%2C{second}" in page.url
    page.get_by_role("button", name="End the comparison").click()
    expect(page.locator("#comparison")).to_be_hidden()
    assert "compare" not in page.url
    page.go_back()
    expect(page.locator("#comparison table")).to_be_visible()


def test_a_landscape_that_is_not_held_is_named(
    watched: Watched, held: dict[str, dict[str, Any]]
) -> None:
    watched.expected.append("404")
    page = watched.open(f"?compare={next(iter(held))},{'b' * 64}")
    expect(page.locator("#address-note")).to_contain_text(
        f"{'b' * 12} of the comparison is not held"
    )
