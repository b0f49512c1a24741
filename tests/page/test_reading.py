"""The page reads nothing that an answer does not have: a renamed member cannot become a blank."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page

#: Answers come wrapped; whatever is read from an object of theirs and is not there is kept.
WATCH_ANSWERS = """
window.misses = new Set();
const wrapped = new WeakMap();
const wrap = (value) => {
  if (value === null || typeof value !== "object") return value;
  if (!wrapped.has(value)) {
    wrapped.set(value, new Proxy(value, {
      get(target, name) {
        const isMissing = typeof name === "string" && !(name in target) && !Array.isArray(target);
        if (isMissing) misses.add(name);
        return wrap(Reflect.get(target, name));
      },
    }));
  }
  return wrapped.get(value);
};
const json = Response.prototype.json;
Response.prototype.json = async function () { return wrap(await json.call(this)); };
const parse = JSON.parse;
JSON.parse = (...given) => wrap(parse(...given));
"""

#: The language itself asks for the first two; an answer with the third is a result, not a job.
ASKED_OF_ALL = {"then", "toJSON", "fixed_points"}


@pytest.fixture
def reading(watched: Watched, context: BrowserContext) -> Watched:
    context.add_init_script(WATCH_ANSWERS)
    return watched


def misses(reading: Watched) -> set[str]:
    found: list[str] = reading.page.evaluate("[...misses]")
    return set(found) - ASKED_OF_ALL


def test_every_view_of_a_landscape(reading: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    page = reading.open(f"?id={stage.finish(wide)}")
    for point in wide["fixed_points"]:
        page.get_by_role("button", name=f"Show {point['key']}", exact=True).click()
        expect(page.locator("#point-title")).to_contain_text(f"{point['key']}:")
    page.locator("#point details.numbers > summary").click()
    expect(page.locator("#recent li")).to_have_count(1)
    assert misses(reading) == set()


def test_a_job_while_it_runs(reading: Watched, stage: Stage) -> None:
    page = reading.open("?student_width=9&teacher_width=8")
    page.get_by_role("button", name="Compute").click()
    stage.wait_for_job().advance(1, 4, 2)
    expect(page.locator("#table tbody tr")).to_have_count(2)
    assert misses(reading) == set()


def test_families(reading: Watched) -> None:
    page = reading.open("?view=families")
    expect(page.locator("#families-view")).to_contain_text("5.5855052474")
    assert misses(reading) == set()


@pytest.mark.parametrize(
    ("view", "button", "picture"),
    [("trajectories", "Follow", "#trajectory-overlaps"),
     ("frequencies", "Count", "#frequencies-ladder"),
     ("rates", None, "#rates-ladder"),
     ("sweeps", "Compute", "#sweep-chart")],
    ids=["trajectories", "frequencies", "rates", "sweeps"],
)  # fmt: skip
def test_views_of_learning(
    reading: Watched, stage: Stage, view: str, button: str | None, picture: str
) -> None:
    stage.service.holds_jobs = False
    page = reading.open(f"?view={view}")
    if button:
        page.locator(f"#{view}-view").get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector(f"{picture} .picture")
    assert misses(reading) == set()


def test_a_missing_member_is_seen(reading: Watched) -> None:
    """A test that the wrapping works, lest silence be taken for praise."""
    page = reading.open()
    page.evaluate("fetch('v1/service-info').then(r => r.json()).then(info => info.limits.wish)")
    assert misses(reading) == {"wish"}
