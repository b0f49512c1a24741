"""Shares of SGD beside those of gradient flow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from relu_landscape.wire.frequencies import FrequenciesFinding, FrequenciesRequest
from relu_landscape.wire.jobs import Progress
from tests.page.answers import recorded
from tests.page.conftest import Watched
from tests.page.drawn import marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page

ANSWER = recorded("frequencies")


def counted(watched: Watched, stage: Stage, search: str = "") -> Page:
    stage.service.holds_jobs = False
    page = watched.open(f"?view=frequencies{search}")
    page.get_by_role("button", name="Count").click()
    page.wait_for_selector("#frequencies-ladder .picture")
    return page


def test_shares_and_intervals_are_drawn_at_their_losses(watched: Watched, stage: Stage) -> None:
    page = counted(watched, stage)
    drawn = {mark["name"]: mark for mark in marks(page, "#frequencies-ladder")}
    losses = {point["key"]: point["loss"] for point in ANSWER["fixed_points"]}
    rows = [row for row in ANSWER["rates"][0]["reached"] if row["is_fixed_point"]]
    assert len(drawn) == 2 * len(rows)
    for row in rows:
        for how, member in (("flow", "by_flow"), ("SGD", "by_sgd")):
            mark = drawn[f"{row['end']} by {how}"]
            low, high = row[member]["interval_95"]
            assert mark["y"] == losses[row["end"]]
            assert mark["x"] == 100 * row[member]["probability"]
            assert [mark["low"], mark["high"]] == [100 * low, 100 * high]


def test_another_learning_rate_has_its_own_shares_and_is_in_the_address(
    watched: Watched, stage: Stage
) -> None:
    page = counted(watched, stage)
    last = ANSWER["rates"][1]
    chooser = page.locator("#frequencies-view select[name=rate]")
    chooser.select_option(str(last["learning_rate"]))
    table = page.get_by_role("region", name="Table of shares")
    expect(table.locator("tbody tr")).to_have_count(len(last["reached"]))
    for row in last["reached"]:
        share = f"{100 * row['by_sgd']['probability']:.1f}%"
        expect(table.locator("tr", has_text=row["end"]).first).to_contain_text(share)
    assert f"rate={last['learning_rate']}" in page.url
    count = len(stage.posted)
    page.reload()
    expect(chooser).to_have_value(str(last["learning_rate"]))
    assert len(stage.posted) == count


def test_moves_are_counted(watched: Watched, stage: Stage) -> None:
    page = counted(watched, stage)
    rate = ANSWER["rates"][0]
    moves = page.get_by_role("region", name="Table of moves").locator("tbody tr")
    for times, count in enumerate(rate["moved"]):
        expect(moves.nth(times)).to_contain_text(f"{times}{count} (")
    transitions = page.get_by_role("region", name="Table of transitions").locator("tbody tr")
    expect(transitions).to_have_count(len(rate["transitions"]))


def test_an_end_opens_its_place_in_the_landscape(watched: Watched, stage: Stage) -> None:
    page = counted(watched, stage)
    page.get_by_role("button", name="m2 of the landscape shown").first.click()
    expect(page.locator("#point-title")).to_contain_text("m2:")


def test_relative_rates_are_asked_for_as_such(watched: Watched, stage: Stage) -> None:
    page = watched.open("?view=frequencies&relative=true&learning_rates=0.25, 0.5&starts=30")
    page.get_by_role("button", name="Count").click()
    job = stage.wait_for_job()
    request = stage.posted[-1]
    assert isinstance(request, FrequenciesRequest)
    assert request.relative_learning_rates == (0.25, 0.5)
    assert request.learning_rates is None
    job.tell(Progress(phase="simulate", tasks_done=1, tasks=2, fraction=0.5),
             FrequenciesFinding(followed=30, steps=25, of_steps=100))  # fmt: skip
    panel = page.get_by_role("region", name="Progress: frequencies")
    expect(panel).to_contain_text("30 starts followed, 25% of the steps of SGD done")
    job.finish()
    page.wait_for_selector("#frequencies-ladder .picture")


def test_a_leak_is_asked_for(watched: Watched, stage: Stage) -> None:
    """And left out where there is none, so that the question is the one it was. The ends of units
    that leak are no points of the landscape shown, whose units do not."""
    page = counted(watched, stage, "&leak=-0.5")
    request = stage.posted[-1]
    assert isinstance(request, FrequenciesRequest)
    assert request.leak == -0.5
    expect(page.locator("#frequencies-view input[name=leak]")).to_have_value("-0.5")
    rows = page.get_by_role("region", name="Table of shares").locator("tbody")
    expect(rows.get_by_role("button")).to_have_count(0)
    counted(watched, stage)
    assert "leak" not in stage.posted[-1].model_fields_set
    expect(rows.get_by_role("button").first).to_be_visible()


def test_the_services_own_words_say_what_is_wrong(watched: Watched, stage: Stage) -> None:
    watched.expected.append("422")
    stage.service.holds_jobs = False
    page = watched.open("?view=frequencies&relative=true&student_width=6")
    page.get_by_role("button", name="Count").click()
    problem = page.locator("#frequencies-view .problem:visible")
    expect(problem).to_contain_text("relative_learning_rates")
