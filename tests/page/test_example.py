"""The first visit: a finished example at once, and everything that can be done with it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from relu_landscape.jobs.testing.memory import BACKEND
from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page

#: Asked of the page: from the start of the navigation to the first drawn picture.
FIRST_PICTURE_MILLISECONDS = 1000.0
#: Other work on the same machine can only delay it, so the best of a few visits is the page's own.
VISITS = 5


def first_picture(watched: Watched) -> tuple[float, float]:
    """Milliseconds to the first picture: by the clock, and of the page's own processor time."""
    metrics = watched.page.context.new_cdp_session(watched.page)
    metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
    watched.open()
    milliseconds: float = watched.page.evaluate(
        """() => new Promise((resolve) => new PerformanceObserver((list) =>
             list.getEntriesByName("first-picture").forEach((mark) => resolve(mark.startTime)))
             .observe({ type: "mark", buffered: true }))"""
    )
    counters = metrics.send("Performance.getMetrics")["metrics"]
    busy = next(entry["value"] for entry in counters if entry["name"] == "TaskDuration")
    return milliseconds, 1000 * busy


def marks(watched: Watched, view: str) -> int:
    """How many marks plotly has drawn."""
    watched.page.wait_for_selector(f"#{view} .main-svg .point")
    return watched.page.locator(f"#{view} .scatterlayer .point").count()


def test_first_visit_shows_a_finished_example_within_a_second(watched: Watched) -> None:
    visits = [first_picture(watched) for _ in range(VISITS)]
    assert min(processor for _, processor in visits) < FIRST_PICTURE_MILLISECONDS
    # Where more processes want to run than there are cores, the clock measures those; what the
    # page itself needs was compared above.
    if os.getloadavg()[0] < (os.cpu_count() or 1):
        assert min(clock for clock, _ in visits) < FIRST_PICTURE_MILLISECONDS


def test_ladder_holds_every_fixed_point(watched: Watched, example: dict[str, Any]) -> None:
    watched.open()
    assert marks(watched, "ladder") == len(example["fixed_points"])
    drawn: list[list[float]] = watched.page.evaluate(
        "document.querySelector('#ladder').data.filter(t => t.mode === 'markers').map(t => t.y)"
    )
    losses = sorted(loss for trace in drawn for loss in trace)
    assert losses == sorted(point["loss"] for point in example["fixed_points"])


def test_size_and_interval_are_the_attraction(watched: Watched, example: dict[str, Any]) -> None:
    watched.open()
    marks(watched, "ladder")
    traces = watched.page.evaluate(
        """document.querySelector('#ladder').data.filter(t => t.mode === 'markers').map(t =>
           ({keys: t.customdata, x: t.x, size: t.marker.size,
             up: t.error_x.array, down: t.error_x.arrayminus}))"""
    )
    drawn = {
        key: (x, size, x - down, x + up)
        for trace in traces
        for key, x, size, up, down in zip(
            trace["keys"], trace["x"], trace["size"], trace["up"], trace["down"], strict=True
        )
    }
    minima = [point for point in example["fixed_points"] if point["attraction"]]
    for point in minima:
        x, _, low, high = drawn[point["key"]]
        attraction = point["attraction"]
        # Percent of doubles: rounding of a few units in the last place.
        assert x == pytest.approx(100 * attraction["probability"], rel=1e-12, abs=1e-12)
        assert low == pytest.approx(100 * attraction["interval_95"][0], rel=1e-9, abs=1e-9)
        assert high == pytest.approx(100 * attraction["interval_95"][1], rel=1e-9, abs=1e-9)
    by_probability = sorted(minima, key=lambda point: point["attraction"]["probability"])
    sizes = [drawn[point["key"]][1] for point in by_probability]
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
    watched.open(f"?id={joined['id']}")
    marks(watched, "graph")
    branches, saddles, leaves = watched.page.evaluate(
        """document.querySelector('#graph').data.map(t => ({keys: t.customdata, x: t.x, y: t.y,
           names: t.text}))"""
    )
    losses = {point["key"]: point["loss"] for point in joined["fixed_points"]}
    for trace in (saddles, leaves):
        assert trace["y"] == [losses[key] for key in trace["keys"]]
    graph = joined["disconnectivity"]
    low, high = (leaf["key"] for leaf in graph["leaves"])
    # The second pathway joins two copies of one minimum, above the first: a third leaf there.
    assert sorted(leaves["names"]) == sorted([low, high, f"{low}\u2032"])
    assert sorted(saddles["keys"]) == sorted(
        [graph["nodes"][0]["saddle"], graph["copies"][0]["saddle"]]
    )
    for x, loss in zip(leaves["x"], leaves["y"], strict=True):
        assert (x, loss) in set(zip(branches["x"], branches["y"], strict=True))


def test_continuum_of_minima_is_one_leaf(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    continuum, minimum = (leaf["key"] for leaf in wide["disconnectivity"]["leaves"])
    watched.open(f"?id={stage.finish(wide)}")
    marks(watched, "graph")
    names = watched.page.evaluate("document.querySelector('#graph').data.at(-1).text")
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
        page.wait_for_selector("#point .overlaps .main-svg >> nth=3", state="attached")
        shown = page.evaluate(
            "[...document.querySelectorAll('#point .square')].map(e => e.data[0].z)"
        )
        assert shown == [point["overlaps"]["R"], point["overlaps"]["Q"]]
        spectrum = page.evaluate(
            """document.querySelector('#point .medium').data.filter(t => t.mode === 'markers')
               .flatMap(t => t.x.map((x, i) => [x, t.y[i]])).sort((a, b) => a[0] - b[0])"""
        )
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
    expect(section).to_contain_text(certificate["statement"])
    terms = dict(
        zip(section.locator("dt").all_text_contents(), section.locator("dd").all_text_contents(),
            strict=True)
    )  # fmt: skip
    shown = float(terms["smallest eigenvalue, teacher's span, at least"])
    # Published for this minimum (arXiv:2006.01005): 0.01405901; four digits, rounded down.
    assert shown == 0.01405
    assert shown <= certificate["smallest_eigenvalue_span"]
    mantissa, power = terms["radius of the ball"].split(" \u00d7 10")
    digits = str.maketrans(
        "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "-0123456789"
    )
    radius = float(f"{mantissa}e{power.translate(digits)}")
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
    page.wait_for_selector("#point .overlaps .main-svg")
    page.wait_for_function("document.querySelector('#point .square').layout?.shapes?.length")
    lines = page.evaluate(
        """document.querySelector('#point .square').layout.shapes.filter(s => s.type === 'line')
           .map(s => [s.x0, s.x1, s.y0, s.y1])"""
    )
    # After the first student (horizontal) and after the first teacher (vertical).
    assert lines == [[-0.5, 6.5, 0.5, 0.5], [0.5, 0.5, -0.5, 6.5]]


def test_clicking_a_mark_chooses_it(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    marks(watched, "ladder")
    key = next(p["key"] for p in example["fixed_points"] if p["is_global"])
    centre = page.evaluate(
        """(key) => {
          const plot = document.querySelector('#ladder');
          const trace = plot.data.find(t => t.mode === 'markers' && t.customdata.includes(key));
          const at = trace.customdata.indexOf(key);
          const box = plot.getBoundingClientRect();
          const { xaxis, yaxis } = plot._fullLayout;
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[at]),
                  box.top + yaxis._offset + yaxis.d2p(trace.y[at])];
        }""",
        key,
    )
    page.mouse.move(*centre)
    page.wait_for_selector("#ladder .hoverlayer .hovertext")
    page.mouse.click(*centre)
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
