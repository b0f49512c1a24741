"""Trajectories: one start by gradient flow, by the equations of SGD and by SGD."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from relu_landscape.errors import Busy
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    TrajectoryFinding,
)
from tests.page.answers import recorded
from tests.page.conftest import Watched
from tests.page.drawn import lines, marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page

ANSWERS = {name: each["result"] for name, each in recorded("trajectories").items()}


def asked(watched: Watched, stage: Stage, search: str = "&start=3") -> Page:
    """The form of an address, pressed, with every answer there at once."""
    stage.service.holds_jobs = False
    page = watched.open(f"?view=trajectories{search}")
    page.get_by_role("button", name="Follow", exact=True).click()
    page.wait_for_selector("#trajectory-overlaps .picture")
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_enabled()
    return page


def posted(stage: Stage) -> dict[str, TrajectoryRequest]:
    found = [each for each in stage.posted if isinstance(each, TrajectoryRequest)]
    return {each.method: each for each in found}


def test_one_form_asks_for_all_three_methods(watched: Watched, stage: Stage) -> None:
    asked(watched, stage, "&start=3&learning_rate=0.2&runs=5&until=40")
    requests = posted(stage)
    assert set(requests) == {"flow", "ode", "sgd"}
    assert {each.start for each in requests.values()} == {3}
    assert {each.until for each in requests.values()} == {40.0}
    assert [requests[name].learning_rate for name in ("flow", "ode", "sgd")] == [None, 0.2, 0.2]
    assert requests["sgd"].runs == 5


def test_a_rule_is_asked_for_by_the_methods_that_it_has(watched: Watched, stage: Stage) -> None:
    page = asked(watched, stage, "&rule=two_layer&start=3")
    assert set(posted(stage)) == {"flow", "sgd"}
    assert {each.rule for each in posted(stage).values()} == {"two_layer"}
    expect(page.get_by_label("equations of SGD")).to_be_hidden()
    expect(page.locator("#trajectories-view .legend")).to_contain_text("SGD, both layers")
    stage.posted.clear()
    page = asked(watched, stage, "&rule=gradient_descent&sgd=true")
    assert set(posted(stage)) == {"flow"}
    expect(page.get_by_label("learning rate γ")).to_be_hidden()


def test_ends_under_a_constraint_are_no_points_of_the_landscape(
    watched: Watched, stage: Stage
) -> None:
    page = asked(watched, stage, "&rule=normalised&start=3")
    assert set(posted(stage)) == {"flow", "ode", "sgd"}
    ends = page.get_by_role("region", name="Table of ends")
    expect(ends).to_contain_text("flow, normalised students")
    expect(ends).to_contain_text("of this rule alone")
    expect(ends.locator("tbody").get_by_role("button")).to_have_count(0)
    assert [mark for mark in marks(page, "#trajectory-loss") if mark["key"]] == []


def test_a_second_layer_is_drawn_where_there_is_one(watched: Watched, stage: Stage) -> None:
    layer = [[0.5 + student + step / 20 for student in range(7)] for step in range(21)]

    def with_layer(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "second_layer": layer})

    page = asked(watched, stage)
    expect(page.locator("#trajectory-layer")).to_be_hidden()
    watched.page.route("**/runs/*", with_layer)
    page = asked(watched, stage, "&rule=two_layer&start=3")
    page.wait_for_selector("#trajectory-layer .picture")
    times = ANSWERS["flow"]["times"]
    drawn = lines(page, "#trajectory-layer", "weight-2")
    assert drawn == [[time, row[1]] for time, row in zip(times, layer, strict=True)]
    expect(page.locator("#run-title + *  ~ .note")).to_contain_text("weight in the second layer")


def test_a_leak_and_second_layers_are_asked_for(watched: Watched, stage: Stage) -> None:
    """And left out where there are none, so that the question is the one it was."""
    asked(watched, stage, "&start=3&leak=-0.5&student_layer=1,-1,1,1,1,1,1&teacher_layer=")
    found = posted(stage)
    assert {each.leak for each in found.values()} == {-0.5}
    assert {each.student_layer for each in found.values()} == {(1.0, -1.0, *[1.0] * 5)}
    assert {each.teacher_layer for each in found.values()} == {None}
    stage.posted.clear()
    asked(watched, stage)
    for each in posted(stage).values():
        assert not {"leak", "student_layer", "teacher_layer"} & each.model_fields_set


def test_losses_and_the_band_of_runs_are_those_of_the_answers(
    watched: Watched, stage: Stage
) -> None:
    page = asked(watched, stage)
    for name, answer in ANSWERS.items():
        drawn = lines(page, "#trajectory-loss", f"loss-{name}")
        assert drawn == [list(pair) for pair in zip(answer["times"], answer["loss"]["mean"],
                                                    strict=True)]  # fmt: skip
    quantiles = ANSWERS["sgd"]["loss"]["quantiles"]
    assert lines(page, "#trajectory-loss", "spread") == [
        list(each)
        for each in zip(ANSWERS["sgd"]["times"], quantiles["0.05"], quantiles["0.95"], strict=True)
    ]


def test_a_logarithmic_axis_leaves_time_zero_out_and_is_kept_in_the_address(
    watched: Watched, stage: Stage
) -> None:
    page = asked(watched, stage)
    page.locator("select[name=time-axis]").select_option("logarithmic")
    page.locator("select[name=loss-axis]").select_option("logarithmic")
    drawn = lines(page, "#trajectory-loss", "loss-flow")
    assert drawn[0] is None
    assert [each[0] for each in drawn[1:] if each] == ANSWERS["flow"]["times"][1:]
    assert "loss_axis=logarithmic" in page.url
    assert "time_axis=logarithmic" in page.url
    page.reload()
    page.wait_for_selector("#trajectory-loss .picture")
    expect(page.locator("select[name=loss-axis]")).to_have_value("logarithmic")


def test_an_address_shows_the_same_and_asks_for_nothing(watched: Watched, stage: Stage) -> None:
    page = asked(watched, stage)
    before = lines(page, "#trajectory-loss", "loss-sgd")
    count = len(stage.posted)
    watched.page.goto("about:blank")
    page.go_back()
    page.wait_for_selector("#trajectory-overlaps .picture")
    assert lines(page, "#trajectory-loss", "loss-sgd") == before
    expect(page.get_by_label("number of the start")).to_have_value("3")
    assert len(stage.posted) == count


def test_an_end_opens_its_level_in_the_ladder(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    """SGD's runs end beneath two minima of the stored example, which has the same widths."""
    page = asked(watched, stage)
    ends = page.get_by_role("region", name="Table of ends")
    by_loss = {round(point["loss"], 9): point["key"] for point in example["fixed_points"]}
    for attractor in ANSWERS["sgd"]["attractors"]:
        key = by_loss[round(attractor["loss"], 9)]
        expect(ends.get_by_role("button", name=f"{key} of the ladder").last).to_be_visible()
    ends.get_by_role("button", name="m2 of the ladder").click()
    expect(page.locator("#point-title")).to_contain_text("m2:")
    page.go_back()
    page.wait_for_selector("#trajectory-loss .picture")
    expect(page.get_by_role("heading", name="Where they end")).to_be_visible()


def test_levels_are_reached_by_keyboard(watched: Watched, stage: Stage) -> None:
    page = asked(watched, stage)
    names = [mark["key"] for mark in marks(page, "#trajectory-loss") if mark["key"]]
    assert names == ["m1", "m2", "m3", "m4"]
    page.locator("#trajectory-loss .canvas").focus()
    for _ in range(len(names) + 2):  # the levels are the last marks along the time
        page.keyboard.press("ArrowLeft")
        if "m1:" in str(page.locator("#trajectory-loss .tip").text_content()):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#point-title")).to_contain_text("m1:")


def test_overlaps_and_norms_of_the_chosen_run(watched: Watched, stage: Stage) -> None:
    page = asked(watched, stage)
    page.locator("#trajectories-view select[name=run]").select_option("sgd r2")
    run = recorded("trajectories")["sgd"]["parts"]["r2"]
    # Pictures were there before, of the run shown first.
    expect(page.locator("#trajectory-overlaps")).to_have_attribute("data-run", "sgd r2")
    expect(page.locator("#trajectory-overlaps figure")).to_have_count(14)
    drawn = lines(page, "#trajectory-norms", "norm-3")
    assert drawn == [
        [time, norms[2]] for time, norms in zip(run["times"], run["norms"], strict=True)
    ]
    panel = "#trajectory-overlaps figure:first-child"
    main = run["matched_teacher"][-1][0]
    expect(page.locator(panel)).to_contain_text(f"nearest teacher {main + 1}")
    assert lines(page, panel, "main") == [
        [time, R[0][main]] for time, R in zip(run["overlap_times"], run["R"], strict=True)
    ]


def test_a_kick_moves_every_student_by_about_its_length(
    watched: Watched, stage: Stage, example: dict[str, Any]
) -> None:
    """Weights of the stored example are its overlaps R, as the teacher is orthonormal."""
    page = asked(watched, stage, "&from=point&point=m2&size=0.05&seed=4")
    weights = posted(stage)["flow"].weights
    assert weights is not None
    assert {each.weights for each in posted(stage).values()} == {weights}
    point = next(each for each in example["fixed_points"] if each["key"] == "m2")
    moved = [
        sum((x - (row[j] if j < 7 else 0.0)) ** 2 for j, x in enumerate(kick))
        for row, kick in zip(point["overlaps"]["R"], weights, strict=True)
    ]
    # The mean of 7 x 14 squared normals of variance size^2 / 14: within five of its deviations.
    mean = sum(moved) / 7 / 0.05**2
    assert abs(mean - 1.0) < 5 * math.sqrt(2 / 98)
    page.reload()
    page.wait_for_selector("#trajectory-loss .picture")
    expect(page.locator("#trajectories-view select[name=point]")).to_have_value("m2")


def test_kicks_are_normal_and_depend_on_the_seed_alone(watched: Watched) -> None:
    page = watched.open("?view=trajectories")
    found: list[list[float]] = page.evaluate(
        """import('./explorer/js/learning/kick.js').then(({ normal }) =>
             [0, 0, 1].map((seed) => { const draw = normal(seed);
               return Array.from({ length: 20000 }, draw); }))"""
    )
    assert found[0] == found[1]
    assert found[0] != found[2]
    for sample in found[1:]:
        n = len(sample)
        mean = sum(sample) / n
        variance = sum(x * x for x in sample) / n
        fourth = sum(x**4 for x in sample) / n
        # Five standard deviations of each moment of n normal numbers.
        assert abs(mean) < 5 / math.sqrt(n)
        assert abs(variance - 1) < 5 * math.sqrt(2 / n)
        assert abs(fourth - 3) < 5 * math.sqrt(96 / n)


def test_progress_is_shown_and_can_be_stopped(watched: Watched, stage: Stage) -> None:
    page = watched.open("?view=trajectories&ode=false&sgd=false")
    page.get_by_role("button", name="Follow", exact=True).click()
    job = stage.wait_for_job()
    panel = page.get_by_role("region", name="Progress: gradient flow")
    job.tell(
        Progress(phase="integrate", tasks_done=1, tasks=4, fraction=0.25),
        TrajectoryFinding(time=12.5, loss=0.25),
    )
    expect(panel).to_contain_text("gradient flow: integrating")
    expect(panel).to_contain_text("time 12.5, loss 0.25")
    panel.get_by_role("button", name="Stop").click()
    expect(panel).to_contain_text("Stopping")
    job.stopped()
    expect(page.locator("#trajectories-view .problem:visible")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_enabled()


@pytest.mark.parametrize(("field", "text", "sentence"), [
    ("seed", "1.5", "seed: 1.5 is no whole number."),
    ("learning rate γ", "0", "learning_rate = 0"),
])  # fmt: skip
def test_mistakes_are_named(
    watched: Watched, stage: Stage, field: str, text: str, sentence: str
) -> None:
    """By the page where it is no number, by the service where it is out of bounds."""
    watched.expected.append("422")
    stage.service.holds_jobs = False
    page = watched.open("?view=trajectories")
    page.locator("#trajectories-view").get_by_label(field).fill(text)
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.locator("#trajectories-view .problem:visible")).to_contain_text(sentence)


def test_a_service_that_refuses_is_quoted(watched: Watched, stage: Stage) -> None:
    watched.expected.append("503")
    page = watched.open("?view=trajectories")
    stage.breaks(Busy("1000 jobs are waiting; try again later.", 7))
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.locator("#trajectories-view .problem:visible")).to_contain_text("1000 jobs")
    stage.breaks(None)


def test_what_of_an_address_cannot_be_done_is_said(watched: Watched) -> None:
    watched.expected.append("404")
    page = watched.open(f"?view=trajectories&wish=1&start=x&jobs=flow:{'0' * 64}")
    note = page.locator("#trajectories-view .address-note")
    expect(note).to_contain_text("The page knows no wish.")
    expect(note).to_contain_text("x is no whole number")
    problem = page.locator("#trajectories-view .problem:visible")
    expect(problem).to_contain_text("does not hold what the address names")


def test_trajectories_as_files(watched: Watched, stage: Stage) -> None:
    page = asked(watched, stage)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Trajectories, JSON").click()
    content = json.loads(Path(waiting.value.path()).read_text())
    assert content["sgd"]["loss"] == ANSWERS["sgd"]["loss"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Loss", exact=True).click()
    assert waiting.value.suggested_filename == "trajectory-K7-M7-seed0-start3-loss.svg"


def test_where_a_key_is_wanted_its_place_is_named(watched: Watched, stage: Stage) -> None:
    """The field for the key stands in another view."""
    watched.expected.append("401")
    problem = {"title": "A key is needed", "detail": "No key came with the request."}
    watched.page.route("**/v1/trajectories", lambda route: route.fulfill(status=401, json=problem))
    page = watched.open("?view=trajectories&ode=false&sgd=false")
    page.get_by_role("button", name="Follow", exact=True).click()
    said = page.locator("#trajectories-view .problem:visible")
    expect(said).to_contain_text("No key came with the request. The view Landscape has the field")
    page.get_by_role("link", name="Landscape", exact=True).click()
    expect(page.locator("#key")).to_be_visible()
    assert stage.posted == []


def test_points_to_kick_are_those_of_the_landscape_shown(watched: Watched) -> None:
    """They can be chosen even where the view was there before the landscape."""
    page = watched.open("?view=trajectories")
    expect(page.locator("#trajectories-view .address-note")).to_be_hidden()
    view = page.locator("#trajectories-view")
    view.locator("select[name=from]").select_option("point")
    options = view.locator("select[name=point] option")
    expect(options).to_have_count(11)
    expect(view.locator("input[name=student_width]")).to_be_hidden()
