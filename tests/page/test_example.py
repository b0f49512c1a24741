"""The first visit: a finished example at once, and everything that can be done with it."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import pytest
from playwright.sync_api import expect

from relu_landscape.jobs.testing.memory import BACKEND
from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page


def test_ladder_holds_every_fixed_point(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    drawn = marks(page, "#ladder")
    assert sorted(mark["y"] for mark in drawn) == sorted(p["loss"] for p in example["fixed_points"])


def test_size_and_interval_are_the_attraction(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    drawn = {mark["key"]: mark for mark in marks(page, "#ladder")}
    minima = [point for point in example["fixed_points"] if point["attraction"]]
    for point in minima:
        mark = drawn[point["key"]]
        attraction = point["attraction"]
        # Percent of doubles: rounding of a few units in the last place.
        for shown, share in zip(
            (mark["x"], mark["low"], mark["high"]),
            (attraction["probability"], *attraction["interval_95"]),
            strict=True,
        ):
            assert shown == pytest.approx(100 * share, rel=1e-12, abs=1e-12)
    by_probability = sorted(minima, key=lambda point: point["attraction"]["probability"])
    sizes = [drawn[point["key"]]["size"] for point in by_probability]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.fixture
def joined(stage: Stage, example: dict[str, Any]) -> dict[str, Any]:
    """The example with pathways of our own making, so that the tree they form is known."""
    low, high = [p for p in example["fixed_points"] if p["kind"] == "minimum"][:2]
    first, second = [p for p in example["fixed_points"] if p["kind"] == "saddle"][:2]
    graph = {
        "leaves": [{"key": p["key"], "loss": p["loss"]} for p in (low, high)],
        "nodes": [
            {"key": "n1", "level": first["loss"], "saddle": first["key"],
             "children": [low["key"], high["key"]], "leaves": [low["key"], high["key"]]}
        ],
        "roots": ["n1"],
        "copies": [{"minimum": low["key"], "saddle": second["key"], "level": second["loss"]}],
    }  # fmt: skip
    landscape = {**example, "disconnectivity": graph}
    return {**landscape, "id": stage.finish(landscape)}


def test_disconnectivity_graph_merges_at_saddle_levels(
    watched: Watched, joined: dict[str, Any]
) -> None:
    page = watched.open(f"?id={joined['id']}")
    drawn = marks(page, "#graph")
    losses = {point["key"]: point["loss"] for point in joined["fixed_points"]}
    assert all(mark["y"] == losses[mark["key"]] for mark in drawn)
    saddles = [mark for mark in drawn if mark["key"].startswith("s")]
    leaves = [mark for mark in drawn if mark not in saddles]
    graph = joined["disconnectivity"]
    low, high = (leaf["key"] for leaf in graph["leaves"])
    # The second pathway joins two copies of one minimum, above the first: a third leaf there.
    assert sorted(leaf["name"] for leaf in leaves) == sorted([low, high, f"{low}\u2032"])
    assert sorted(mark["key"] for mark in saddles) == sorted(
        [graph["nodes"][0]["saddle"], graph["copies"][0]["saddle"]]
    )
    branches = lines(page, "#graph", "branches")
    for leaf in leaves:
        assert [leaf["x"], leaf["y"]] in branches
    expect(page.locator("#graph-note")).to_contain_text(f"{low}\u2032 is a copy of {low}")


def test_continuum_of_minima_is_one_leaf(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    continuum, minimum = (leaf["key"] for leaf in wide["disconnectivity"]["leaves"])
    page = watched.open(f"?id={stage.finish(wide)}")
    drawn = marks(page, "#graph")
    names = [mark["name"] for mark in drawn if not mark["key"].startswith("s")]
    # The minimum has two copies that a saddle joins; the set of global minima is itself.
    assert sorted(names) == sorted([continuum, minimum, f"{minimum}\u2032"])


def test_graph_says_why_it_is_missing(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    request = {**example["request"], "saddles": False}
    bare = {**example, "request": request, "disconnectivity": None}
    page = watched.open(f"?id={stage.finish(bare)}")
    expect(page.locator("#graph-empty")).to_contain_text("Saddles were not asked for")
    expect(page.locator("#graph")).to_be_hidden()


def test_choosing_a_point_shows_it_in_full(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    for point in example["fixed_points"]:
        page.get_by_role("button", name=f"Show {point['key']}", exact=True).click()
        expect(page.locator("#point-title")).to_contain_text(f"{point['key']}:")
        page.wait_for_selector("#point .overlaps .picture >> nth=1", state="attached")
        shown = page.evaluate(
            """[...document.querySelectorAll('#point .square')].map(matrix =>
               [...matrix.querySelectorAll('.cell')].map(cell => Number(cell.dataset.value)))"""
        )
        assert shown == [[*chain.from_iterable(point["overlaps"][name])] for name in ("R", "Q")]
        spectrum = [[mark["x"], mark["y"]] for mark in marks(page, "#point .medium")]
        wanted = sorted(
            [line["eigenvalue"], int(line["multiplicity"])]
            for line in point["stability"]["spectrum"]
        )
        assert sorted(spectrum) == wanted
        assert f"point={point['key']}" in page.url


def test_certificate_is_told_in_words_with_bounds_rounded_to_the_safe_side(
    watched: Watched, example: dict[str, Any]
) -> None:
    point = next(p for p in example["fixed_points"] if p["structure"]["name"] == "1+6")
    certificate = point["certificate"]
    page = watched.open(f"?point={point['key']}")
    section = page.locator("#point section", has_text="Certificate")
    expect(section).to_contain_text("Certified minimum")
    # The service's words, with their powers of ten and signs as people write them.
    statement = re.sub(r"(\d)e-0*(\d+)", "\\1 \u00d7 10\u2212\\2", certificate["statement"])
    expect(section).to_contain_text(statement.replace(">=", "\u2265"))
    # No number is broken at the end of a line, however many digits are proven.
    assert section.locator(".digits").count() > 0
    for digits in section.locator(".digits").all():
        assert digits.evaluate("element => element.getClientRects().length") == 1
    terms = dict(
        zip(section.locator("dt").all_text_contents(), section.locator("dd").all_text_contents(),
            strict=True)
    )  # fmt: skip
    shown = float(terms["smallest eigenvalue, teacher's span, at least"])
    # Published for this minimum (arXiv:2006.01005): 0.01405901; four digits, rounded down.
    assert shown == 0.01405
    assert shown <= certificate["smallest_eigenvalue_span"]
    mantissa, power = terms["radius of the ball"].split(" \u00d7 10")
    radius = float(f"{mantissa}e{power}".replace("\u2212", "-"))
    assert certificate["radius"] <= radius < 1.001 * certificate["radius"]


def test_refused_certificate_says_why(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    point = next(p for p in wide["fixed_points"] if p["kind"] == "global_continuum")
    page = watched.open(f"?id={stage.finish(wide)}&point={point['key']}")
    section = page.locator("#point section", has_text="Certificate")
    expect(section).to_contain_text("Not certified")
    expect(section).to_contain_text(point["certificate"]["reason"])


def test_pathways_are_told_in_words(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    """One sentence for each relation of the ends."""
    ends = {"same copy": "m1", "student order": "m1", "relabelled": "m1", "same continuum": "g1"}
    saddles = [p["key"] for p in wide["fixed_points"] if p["kind"] == "saddle"]
    pathways = [
        {"saddle": saddle, "minima": [key, key], "relation": relation, "barriers": [0.5, 0.5]}
        for saddle, (relation, key) in zip(saddles, ends.items(), strict=False)
    ]
    pathways.append(
        {"saddle": saddles[4], "minima": ["g1", "m1"], "relation": "different",
         "barriers": [0.5, 0.25]}
    )  # fmt: skip
    page = watched.open(f"?id={stage.finish({**wide, 'pathways': pathways})}&point={saddles[0]}")
    told = []
    for pathway in pathways:
        page.get_by_role("button", name=f"Show {pathway['saddle']}", exact=True).click()
        line = page.locator("#point .facts li")
        expect(line).to_contain_text(f"{pathway['saddle']} ")
        told.append(str(line.text_content()).partition(" ")[2])
    assert told == [
        "joins m1 with itself, barrier 0.5",
        "joins two copies of m1 that differ by the order of the students, barrier 0.5",
        "joins two relabelled copies of m1, barrier 0.5",
        "leads to the continuum g1 on both sides, barrier 0.5",
        "joins g1 and m1, barriers 0.5 and 0.25",
    ]


def test_how_a_point_was_found_is_told(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    points = [dict(point) for point in example["fixed_points"]]
    points[0]["found_by"] = ["pathway", "sampled", "structured"]
    page = watched.open(f"?id={stage.finish({**example, 'fixed_points': points})}&point=m1")
    expect(page.locator("#table tbody tr").first).to_contain_text("starts, symmetry, pathway")
    expect(page.locator("#point .facts").first).to_contain_text("starts, symmetry, pathway")


def test_block_lines_separate_the_blocks(watched: Watched, example: dict[str, Any]) -> None:
    point = next(p for p in example["fixed_points"] if p["structure"]["name"] == "1+6")
    page = watched.open(f"?point={point['key']}")
    page.wait_for_selector("#point .overlaps .picture")
    drawn = page.evaluate(
        """[...document.querySelector('#point .square').querySelectorAll('.block-line')]
           .map(line => ({ ...line.dataset }))"""
    )
    # After the first student (horizontal) and after the first teacher (vertical).
    assert drawn == [{"row": "0.5"}, {"column": "0.5"}]


def test_clicking_a_mark_chooses_it(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    key = next(p["key"] for p in example["fixed_points"] if p["is_global"])
    mark = page.locator(f"#ladder .mark-point[data-key={key}] circle")
    mark.hover()
    expect(page.locator("#ladder .tip")).to_contain_text(f"{key}: global minimum")
    mark.click()
    expect(page.locator("#point-title")).to_contain_text(f"{key}:")


def test_keyboard_alone_reaches_the_points(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    pick = page.get_by_role("button", name="Show m1", exact=True)
    for _ in range(10):
        page.keyboard.press("Tab")
        if pick.evaluate("element => element === document.activeElement"):
            break
    expect(pick).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#point-title")).to_contain_text("m1:")
    # Redrawing the table must not lose the place of somebody who cannot click.
    expect(pick).to_be_focused()


def test_steps_through_the_points_and_keeps_the_focus(watched: Watched) -> None:
    page = watched.open("?point=m1")
    after = page.get_by_role("button", name="Next fixed point")
    expect(page.get_by_role("button", name="Previous fixed point")).to_be_disabled()
    after.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#point-title")).to_contain_text("m2:")
    expect(after).to_be_focused()


def test_theme_follows_the_system_and_the_button(watched: Watched) -> None:
    page = watched.open()
    button = page.get_by_role("button", name="Dark theme")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_address_restores_the_view(watched: Watched) -> None:
    page = watched.open()
    page.get_by_role("button", name="Show s1", exact=True).click()
    page.goto(page.url)
    expect(page.locator("#point-title")).to_contain_text("s1:")


def test_servers_own_copy_replaces_the_stored_example(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    stage.finish(example)
    page = watched.open()
    # The service in memory names its own device; the stored example names another.
    expect(page.locator("#headline")).to_contain_text(BACKEND.device)
    expect(page.get_by_role("button", name="NPZ")).to_be_enabled()


def test_what_one_more_student_does_is_told(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    """Where the flow ends, at zero loss, elsewhere or nowhere; and where no student helps."""
    zero = {"kind": "global_continuum", "loss": 0.0, "structure": "zero loss", "is_global": True,
            "reason": None}  # fmt: skip
    ends = [
        zero,
        {**zero, "kind": "minimum", "loss": 0.0125, "structure": "1x0+7", "is_global": False},
        {**dict.fromkeys(zero), "is_global": False, "reason": "It is too wide."},
    ]
    split = {"eigenvalue_span": -0.1, "eigenvalue_perpendicular": -0.05, "index": 2}
    splits = [{**split, "saddle_line": place > 0} for place in range(7)]
    points = [dict(point) for point in example["fixed_points"]]
    for point, end in zip(points, [*ends, None], strict=False):
        best = end and {"value": -0.05, "cosines": [1.0] * 7, "norm": 0.1, "gain": 0.0025,
                        "loss": 0.01, "leads_to": end}  # fmt: skip
        point["widening"] = {"best": best, "guaranteed_gain": 0.0, "residual": 0.0,
                             "lower_bound": -0.06, "splits": splits, "split_way": None}  # fmt: skip
    page = watched.open(f"?id={stage.finish({**example, 'fixed_points': points})}&point=m1")
    gain, lines = "the best lowers the loss by 0.0025", "6 of 7 make a line of saddles"
    for point, told in zip(
        points,
        [
            f"{gain}; the flow then ends at zero loss; split in two, {lines}",
            f"{gain}; the flow then ends at 1x0 + 7, loss 0.0125; split in two, {lines}",
            f"{gain}; split in two, {lines}",
            "none lowers the loss",
        ],
        strict=False,
    ):
        page.get_by_role("button", name=f"Show {point['key']}", exact=True).click()
        expect(page.locator("#point-title")).to_contain_text(f"{point['key']}:")
        expect(page.locator("#point .facts").first).to_contain_text(told)
