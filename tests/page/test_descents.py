"""The same starts by several rules of learning; answers have the shape of ``/v1/descents``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.test_accessibility import is_free_of_sideways_scrolling, violations

pytestmark = pytest.mark.page

STARTS = 20


def attraction(hits: int) -> dict[str, Any]:
    share = hits / STARTS
    bounds = [max(0.0, share - 0.2), min(1.0, share + 0.2)]
    return {"hits": hits, "probability": share, "interval_95": bounds, "attributed": None}


def end(key: str, kind: str, loss: float, hits: int, structure: str | None) -> dict[str, Any]:
    named = None if structure is None else {"name": structure}
    return {"key": key, "kind": kind, "loss": loss, "structure": named,
            "attraction": attraction(hits)}  # fmt: skip


#: Ends by rule: one that two rules share, to rounding, and one that is of one alone.
ENDS: dict[str, list[dict[str, Any]]] = {
    "gradient_flow": [
        end("g1", "global", 0.0, 15, None),
        end("e1", "minimum", 0.0226, 5, "1+5"),
    ],
    "normalised": [end("g1", "global", 0.0, 20, None)],
    "orthonormalised": [
        end("g1", "global", 0.0, 10, None),
        end("e1", "minimum", 0.3, 8, "6"),
    ],
    "two_layer": [
        end("g1", "global", 0.0, 16, None),
        end("e1", "minimum", 0.0226 + 1e-13, 4, "1+5"),
    ],
}
OTHERS = {"orthonormalised": [{"outcome": "still descending", "attraction": attraction(2),
                               "lowest_loss": 0.1, "highest_loss": 0.2}]}  # fmt: skip


def answer(request: dict[str, Any]) -> dict[str, Any]:
    rule = request["rule"]
    return {"id": rule.ljust(64, "0"), "request": request, "ends": ENDS[rule],
            "others": OTHERS.get(rule, [])}  # fmt: skip


#: A curve of each rule, and of one that left its way before the last time.
TIMES = [0.0, 50.0, 100.0]
CURVES: dict[str, list[float | None]] = {
    "gradient_flow": [2.0, 0.4, 0.0226],
    "normalised": [2.2, 0.3, 0.01],
    "orthonormalised": [2.4, 0.5, 0.3],
    "two_layer": [2.0, 0.6, None],
}


def curve(request: dict[str, Any]) -> dict[str, Any]:
    rule = request.get("rule", "gradient_flow")
    values = CURVES[rule]
    loss = {
        "mean": values,
        "quantiles": dict.fromkeys(("0.05", "0.95"), values),
        "running": [1] * 3,
    }
    return {"id": rule.ljust(64, "0"), "request": request, "times": TIMES, "loss": loss,
            "runs": [{"key": "r1"}], "attractors": []}  # fmt: skip


@pytest.fixture
def followed(watched: Watched) -> list[dict[str, Any]]:
    """Requests for trajectories, each answered at once; known ids are answered too."""
    requests: list[dict[str, Any]] = []

    def respond(route: Route) -> None:
        if route.request.method == "POST":
            requests.append(json.loads(route.request.post_data or "{}"))
            return route.fulfill(json=curve(requests[-1]))
        rule = route.request.url.rpartition("/")[2].rstrip("0")
        return route.fulfill(json=curve({"rule": rule, "start": 0}))

    watched.page.route("**/v1/trajectories**", respond)
    return requests


@pytest.fixture
def asked(watched: Watched, followed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Requests for descents, each answered at once; known ids are answered too."""
    requests: list[dict[str, Any]] = []
    assert followed == []

    def respond(route: Route) -> None:
        if route.request.method == "POST":
            requests.append(json.loads(route.request.post_data or "{}"))
            return route.fulfill(json=answer(requests[-1]))
        rule = route.request.url.rpartition("/")[2].rstrip("0")
        known = {"student_width": 6, "teacher_width": 6, "seed": 0, "rule": rule}
        return route.fulfill(json=answer(known))

    watched.page.route("**/v1/descents**", respond)
    return requests


def compared(watched: Watched, search: str = "") -> Page:
    page = watched.open(f"?view=descents{search}")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("#descents-ladder .picture")
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_enabled()
    return page


def test_four_rules_are_asked_about_the_same_starts(
    watched: Watched, asked: list[dict[str, Any]]
) -> None:
    compared(watched, f"&starts={STARTS}&seed=3")
    assert {each["rule"] for each in asked} == set(ENDS)
    assert {(each["starts"], each["seed"]) for each in asked} == {(STARTS, 3)}


def test_shares_stand_in_one_table_by_end(watched: Watched, asked: list[dict[str, Any]]) -> None:
    page = compared(watched)
    rows = page.get_by_role("region", name="Table of rules").locator("tbody tr")
    texts = rows.all_text_contents()
    names = ("zero loss", "minimum 1 + 5", "minimum 6", "still descending")
    assert len(texts) == len(names)
    assert all(text.startswith(name) for text, name in zip(texts, names, strict=True))
    assert all(part in texts[1] for part in ("25.0%", "20.0%"))
    assert texts[1].count("never") == 2
    assert len(marks(page, "#descents-ladder")) == sum(map(len, ENDS.values()))
    assert len(asked) == len(ENDS)


def test_an_address_shows_the_same_and_asks_for_nothing(
    watched: Watched, asked: list[dict[str, Any]]
) -> None:
    page = compared(watched)
    before = marks(page, "#descents-ladder")
    asked.clear()
    page.reload()
    page.wait_for_selector("#descents-ladder .picture")
    expect(page.locator("#descents-ladder .mark-point")).to_have_count(len(before))
    assert marks(page, "#descents-ladder") == before
    assert asked == []


def test_one_start_is_followed_along_every_rule(
    watched: Watched, asked: list[dict[str, Any]], followed: list[dict[str, Any]]
) -> None:
    """Colours are those of the ladder; a curve ends where its run did."""
    page = compared(watched, "&start=4&seed=3&until=60&init_scale=0.5")
    page.wait_for_selector("#descents-curves .picture")
    assert {each.get("rule", "gradient_flow") for each in followed} == set(CURVES)
    for each in followed:
        shared = {name: each[name] for name in ("start", "seed", "until", "init_scale")}
        assert shared == {"start": 4, "seed": 3, "until": 60, "init_scale": 0.5}
    for rule, values in CURVES.items():
        expected = [None if y is None else [x, y] for x, y in zip(TIMES, values, strict=True)]
        assert lines(page, "#descents-curves", f"loss-{rule}") == expected
    expect(page.locator("#descents-view")).to_contain_text("of start number 4")
    legends = page.locator("#descents-view .legend")
    classes = [
        [mark.get_attribute("class") for mark in legend.locator("i").all()]
        for legend in legends.all()
    ]
    assert len(classes) == 2
    assert classes[0] == classes[1]
    assert len(set(classes[0])) == len(CURVES)
    for name in ("Shares by rule", "Curves by rule", "Curves, JSON"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    assert len(asked) == len(ENDS)


def test_curves_are_kept_in_the_address_and_can_be_left_out(
    watched: Watched, asked: list[dict[str, Any]], followed: list[dict[str, Any]]
) -> None:
    page = compared(watched)
    page.wait_for_selector("#descents-curves .picture")
    before = lines(page, "#descents-curves", "loss-normalised")
    followed.clear()
    page.reload()
    page.wait_for_selector("#descents-curves .picture")
    assert lines(page, "#descents-curves", "loss-normalised") == before
    assert followed == []
    page = compared(watched, "&curve=false")
    expect(page.get_by_role("heading", name="One start along each rule")).to_be_hidden()
    assert followed == []
    assert len(asked) == 2 * len(ENDS)


def test_a_teacher_is_given_by_its_gram_matrix(
    watched: Watched, asked: list[dict[str, Any]], followed: list[dict[str, Any]]
) -> None:
    search = "&student_width=2&teacher_width=2&teacher_gram=1,%200.3;%200.3,%202"
    compared(watched, search)
    for each in [*asked, *followed]:
        assert each["teacher_gram"] == [[1, 0.3], [0.3, 2]]
    asked.clear()
    page = watched.open("?view=descents")
    page.locator("#descents-view").get_by_text("More options").click()
    page.get_by_label("Gram matrix of the teacher").fill("1, x")
    page.get_by_role("button", name="Compare", exact=True).click()
    problem = page.locator("#descents-view .problem:visible")
    expect(problem).to_contain_text("Gram matrix of the teacher: x is no number")
    assert asked == []


def searching(request: dict[str, Any]) -> dict[str, Any]:
    """With the structured search: a saddle that no start came to, and what was covered."""
    if not request.get("structured"):
        return answer(request)
    saddle = end("e9", "saddle", 0.4, 0, "2+4") | {"found_by": ["structures"]}
    pattern = {"pattern": "all", "unknowns": 2, "starts": 8, "points": 1, "set_aside": {}}
    left = 3 if request["rule"] == "normalised" else 0
    covered = {"explanation": "", "patterns": [pattern] * 2, "not_searched": left}
    found = answer(request)
    return {**found, "ends": [*found["ends"], saddle], "searched": covered}


def test_the_search_by_symmetry_is_asked_for(
    watched: Watched, asked: list[dict[str, Any]], followed: list[dict[str, Any]]
) -> None:
    page = compared(watched)
    assert all("structured" not in each for each in asked)
    searches = page.locator("#descents-view .searches")
    expect(searches).to_be_empty()
    asked.clear()
    followed.clear()

    def respond(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(json.loads(route.request.post_data or "{}"))
            return route.fulfill(json=searching(asked[-1]))
        rule = route.request.url.rpartition("/")[2].rstrip("0")
        known = {"student_width": 6, "teacher_width": 6, "seed": 0, "rule": rule}
        return route.fulfill(json=searching(known | {"structured": True}))

    watched.page.route("**/v1/descents**", respond)
    page.locator("#descents-view").get_by_text("More options").click()
    page.get_by_label("also search by symmetry").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(searches).to_contain_text("gradient flow: 2 patterns searched; 1 end that no start")
    expect(searches).to_contain_text("normalised students: 2 patterns searched, 3 left out")
    assert [each["structured"] for each in asked] == [True] * len(ENDS)
    assert all("structured" not in each for each in followed)  # a curve has no such question
    row = page.get_by_role("region", name="Table of rules").locator("tr", has_text="saddle 2 + 4")
    expect(row).to_contain_text("0.0%")
    expect(row).not_to_contain_text("never")
    assert "structured=true" in page.url
    asked.clear()
    page.reload()
    expect(searches).to_contain_text("1 end that no start came to")
    expect(page.get_by_label("also search by symmetry")).to_be_checked()
    assert asked == []


@pytest.mark.parametrize("viewport", [{"width": 320, "height": 700}], ids=["narrow"])
@pytest.mark.parametrize("theme", ["dark"])
def test_the_search_by_symmetry_fits_a_phone(watched: Watched, asked: list[dict[str, Any]]) -> None:
    watched.page.route(
        "**/v1/descents**",
        lambda route: route.fulfill(json=searching(json.loads(route.request.post_data or "{}"))),
    )
    page = compared(watched, "&structured=true")
    expect(page.locator("#descents-view .searches")).to_contain_text("patterns searched")
    page.locator("#descents-view").get_by_text("More options").click()
    expect(page.get_by_label("also search by symmetry")).to_be_checked()
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)
    assert asked == []


@pytest.mark.parametrize("viewport", [{"width": 320, "height": 700}], ids=["narrow"])
@pytest.mark.parametrize("theme", ["dark"])
def test_accessible(watched: Watched, asked: list[dict[str, Any]]) -> None:
    page = compared(watched)
    assert violations(page) == []
    assert is_free_of_sideways_scrolling(page)
    assert len(asked) == len(ENDS)


def test_what_is_refused_is_said(watched: Watched) -> None:
    watched.expected.append("422")
    problem = {"title": "The request is not valid", "detail": "input_dimension: at least 6."}
    for kind in ("descents", "trajectories"):
        watched.page.route(f"**/v1/{kind}**", lambda route: route.fulfill(status=422, json=problem))
    page = watched.open("?view=descents")
    page.get_by_role("button", name="Compare", exact=True).click()
    complaint = page.locator("#descents-view .problem:visible")
    expect(complaint).to_contain_text("at least 6")
    # Ends and curves were refused for one reason, which is said once for each rule.
    assert str(complaint.text_content()).count("at least 6") == len(ENDS)
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_enabled()
