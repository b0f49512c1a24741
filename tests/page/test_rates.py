"""Largest learning rates of the minima of the landscape shown."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.answers import recorded
from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page

ANSWERS = recorded("rates")


def by_key(example: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The recorded answer of each minimum of the example: the one of its loss."""
    found = {}
    for point in example["fixed_points"]:
        for answer in ANSWERS.values():
            # Losses of one point agree to 1e-12, those of two minima differ by 1e-2.
            if point["kind"] == "minimum" and abs(answer["loss"] - point["loss"]) < 1e-9:
                found[point["key"]] = answer
    return found


def opened(watched: Watched, search: str = "") -> Page:
    page = watched.open(f"?view=rates{search}")
    page.wait_for_selector("#rates-bars .picture")
    expect(page.locator("#rates-view")).not_to_have_attribute("aria-busy", "true")
    return page


def test_every_minimum_has_its_bar(watched: Watched, example: dict[str, Any]) -> None:
    """Two minima share a structure, and are told apart by their losses."""
    page = opened(watched)
    wanted = {key: answer["critical_rate"] for key, answer in by_key(example).items()}
    assert set(wanted) == {"m1", "m2", "m3", "m4"}
    assert {mark["key"]: mark["x"] for mark in marks(page, "#rates-bars")} == wanted


def test_the_slider_lifts_the_losses_to_first_order(
    watched: Watched, example: dict[str, Any]
) -> None:
    page = opened(watched)
    slider = page.locator("#rates-view").get_by_label("learning rate γ")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    slider.blur()
    gamma = float(page.evaluate("new URLSearchParams(location.search).get('gamma')"))
    assert gamma > 0
    lifted = {mark["key"]: mark["y"] for mark in marks(page, "#rates-ladder") if mark["key"]}
    losses = {point["key"]: point["loss"] for point in example["fixed_points"]}
    for key, answer in by_key(example).items():
        # The page's own sum of two doubles; the slope of the global minimum is rounding.
        assert lifted[key] == pytest.approx(losses[key] + gamma * answer["slope"], abs=1e-12)
    page.reload()
    page.wait_for_selector("#rates-bars .picture")
    expect(page.locator("output[for=rates-gamma]")).to_have_text(f"{gamma:g}")


def test_beyond_its_largest_rate_a_minimum_is_gone(
    watched: Watched, example: dict[str, Any]
) -> None:
    gamma = 0.44
    page = opened(watched, f"&gamma={gamma}")
    alive = {key for key, answer in by_key(example).items() if answer["critical_rate"] >= gamma}
    assert alive == {"m1", "m2"}
    assert {mark["key"] for mark in marks(page, "#rates-ladder") if "without" not in mark["name"]} \
        == alive  # fmt: skip
    table = page.get_by_role("region", name="Table of learning rates")
    expect(table.locator("tr", has_text="not there")).to_have_count(2)
    assert [each[0] for each in lines(page, "#rates-bars", "now") if each] == [gamma, gamma]


def test_noise_of_the_labels_is_asked_for(watched: Watched, stage: Stage) -> None:
    page = opened(watched)
    page.locator("#rates-view").get_by_label("noise of the labels").fill("0.5")
    stage.service.called.clear()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#rates-view")).not_to_have_attribute("aria-busy", "true")
    page.wait_for_function("location.search.includes('label_noise=0.5')")
    asked = [query for name, query in stage.service.called if name == "learning_rates"]
    assert asked
    assert {query.label_noise for query in asked} == {0.5}  # type: ignore[attr-defined]


def test_a_minimum_opens_in_its_landscape(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_role("button", name="Show m3 in its landscape").click()
    expect(page.locator("#point-title")).to_contain_text("m3:")


def test_a_landscape_that_says_it_itself_is_not_asked_about(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    """Fixed points may have the figures; then nothing is asked of the service."""
    page = watched.open()
    found: dict[str, Any] = page.evaluate(
        """(landscape) => import('./explorer/js/learning/rates.js').then(({ ownRates, lossAt }) => {
             const points = landscape.fixed_points.map((point) => (point.key !== 'm2' ? point
               : { ...point, learning_rates: { slope: 0.5, critical_rate: 0.25, reasons: [] } }));
             const own = ownRates({ ...landscape, fixed_points: points });
             const point = points.find(({ key }) => key === 'm2');
             const at = [0.1, 0.3].map((gamma) => lossAt(point, own.get('m2'), gamma));
             return { keys: [...own.keys()], at, loss: point.loss }; })""",
        example,
    )
    assert found["keys"] == ["m2"]
    assert found["at"][0] == pytest.approx(found["loss"] + 0.05, rel=1e-12)
    assert found["at"][1] is None


def test_a_landscape_with_a_leak_asks_with_it(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    """And the others without, so that their questions are the ones they were."""
    opened(watched)
    plain = [query for name, query in stage.service.called if name == "learning_rates"]
    assert plain
    assert not any("leak" in query.model_fields_set for query in plain)
    stage.service.called.clear()
    leaking = {**example, "request": {**example["request"], "leak": -0.5}}
    opened(watched, f"&id={stage.finish(leaking)}")
    asked = [query for name, query in stage.service.called if name == "learning_rates"]
    assert asked
    assert {query.leak for query in asked} == {-0.5}  # type: ignore[attr-defined]


def test_why_there_is_nothing_is_said(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    """Answers that are refused are quoted; the landscape of 9 and 8 was not recorded."""
    watched.expected.append("422")
    page = watched.open(f"?view=rates&id={stage.finish(wide)}&wish=1")
    expect(page.locator("#rates-view .problem:visible")).to_contain_text("a minimum that was")
    expect(page.locator("#rates-view .address-note")).to_contain_text("The page knows no wish.")


def test_without_a_landscape_that_is_said(watched: Watched) -> None:
    """The address names one that this service does not hold."""
    watched.expected.append("404")
    page = watched.open(f"?view=rates&id={'0' * 64}")
    expect(page.locator("#rates-view .address-note")).to_contain_text("No landscape is shown yet")
