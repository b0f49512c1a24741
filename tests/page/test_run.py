"""Computing a landscape from the page: progress, findings, stopping, failing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from relu_landscape.errors import StoreUnavailable
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.landscape import PHASES
from tests.page.conftest import Watched
from tests.page.contract import CONTRACT
from tests.page.stage import Stage

pytestmark = pytest.mark.page

#: Student and teacher of the recorded landscape that the service gives when asked.
WIDE = (9, 8)
WIDE_TITLE = "9 student units, 8 teacher units"
KEY = "open sesame"


@pytest.fixture
def asked(example: dict[str, Any], wide: dict[str, Any]) -> dict[str, Any]:
    """The wide landscape as the answer to what ``ask`` asks for: the form's widths are changed,
    all else stays as the example has it."""
    students, teachers = WIDE
    widths = {"student_width": students, "teacher_width": teachers}
    return {**wide, "request": {**example["request"], **widths}}


def ask(page: Page, students: int, teachers: int) -> None:
    page.locator("#student_width").fill(str(students))
    page.locator("#teacher_width").fill(str(teachers))
    page.get_by_role("button", name="Compute").click()


def test_precision_is_chosen_among_the_further_options(watched: Watched, stage: Stage) -> None:
    """In the form's own list of options, and by an address."""
    page = watched.open()
    page.locator("details.more > summary").click()
    expect(page.locator("#precision")).to_have_value("float64")
    page.locator("#precision").select_option("float32")
    ask(page, *WIDE)
    stage.wait_for_job()
    assert stage.posted[-1].canonical()["precision"] == "float32"
    page = watched.open(f"?student_width={WIDE[0]}&teacher_width={WIDE[1]}&precision=float32")
    expect(page.locator("#precision")).to_have_value("float32")


def test_progress_findings_and_result_arrive(
    watched: Watched, stage: Stage, wide: dict[str, Any], asked: dict[str, Any]
) -> None:
    page = watched.open()
    ask(page, *WIDE)
    job = stage.wait_for_job()
    assert stage.posted[-1].canonical() == asked["request"]
    expect(page.locator("#progress")).to_be_visible()
    job.advance(1, 4, 1)
    expect(page.locator("#progress")).to_contain_text("1 of 4 chunks")
    expect(page.locator("#progress")).to_contain_text("1 fixed point so far")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    job.advance(3, 4, 2)
    expect(page.locator("#progress")).to_contain_text("1 s left")
    expect(page.locator("#table tbody tr")).to_have_count(2)
    page.wait_for_selector("#ladder .mark-point")
    job.tell(Progress(phase="sample", seconds_left=12.3, seconds_left_range=[8.0, 20.0]))
    expect(page.locator("#progress")).to_contain_text("8 s to 20 s left")
    job.finish()
    expect(page.locator("#headline h1")).to_have_text(WIDE_TITLE)
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))
    assert f"id={job.id}" in page.url


def test_whoever_waits_sees_where_in_the_line(watched: Watched) -> None:
    page = watched.open()
    told = page.evaluate(
        """async () => {
          const { ProgressPanel } = await import("/explorer/js/progress.js");
          const panel = new ProgressPanel(document.createElement("div"), () => {});
          const text = (news) => { panel.update(news); return panel.text.textContent; };
          const told = [3, 1, 0].map((waiting_before) => text({ waiting_before }));
          return [...told, text({ state: "running", waiting_before: 1 })];
        }"""
    )
    soon = "The first figures come in a moment."
    assert told == ["3 computations before it", "1 computation before it", soon, soon]


def test_known_landscape_needs_no_waiting(
    watched: Watched, stage: Stage, asked: dict[str, Any]
) -> None:
    stage.finish(asked)
    page = watched.open()
    ask(page, *WIDE)
    expect(page.locator("#headline h1")).to_have_text(WIDE_TITLE)
    expect(page.locator("#headline")).to_contain_text("computed in")
    assert stage.service.computations == 1


def test_shared_address_of_a_landscape(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    key = wide["fixed_points"][2]["key"]
    page = watched.open(f"?id={stage.finish(wide)}&point={key}")
    expect(page.locator("#headline h1")).to_have_text(WIDE_TITLE)
    expect(page.locator("#point-title")).to_contain_text(f"{key}:")
    expect(page.locator("#student_width")).to_have_value(str(WIDE[0]))


def test_address_of_an_unknown_landscape_fills_the_form(watched: Watched) -> None:
    watched.expected.append("404")  # the browser itself reports it
    page = watched.open(f"?id={'a' * 64}&student_width=9&teacher_width=8&saddles=true")
    expect(page.locator("#headline")).to_contain_text("Not computed here yet")
    expect(page.locator("#student_width")).to_have_value("9")
    expect(page.locator("#saddles")).to_be_checked()


def test_address_with_a_request_waits_for_the_button(watched: Watched, stage: Stage) -> None:
    page = watched.open(f"?student_width={WIDE[0]}&teacher_width={WIDE[1]}&starts=300")
    expect(page.locator("#headline")).to_contain_text("Ready to compute")
    assert stage.posted == []
    page.get_by_role("button", name="Compute").click()
    stage.wait_for_job()
    assert stage.posted[-1].starts_asked == 300


def test_back_button_returns_to_the_example(
    watched: Watched, stage: Stage, asked: dict[str, Any]
) -> None:
    stage.finish(asked)
    page = watched.open()
    ask(page, *WIDE)
    expect(page.locator("#headline h1")).to_have_text(WIDE_TITLE)
    page.go_back()
    expect(page.locator("#headline h1")).to_have_text("7 student units, 7 teacher units")


def test_stopping_waits_until_the_cores_are_free(watched: Watched, stage: Stage) -> None:
    page = watched.open()
    ask(page, *WIDE)
    job = stage.wait_for_job()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#progress")).to_contain_text("Stopping")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    job.stopped()
    expect(page.locator("#headline")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Compute")).to_be_enabled()


def test_failure_is_told_in_the_services_words(watched: Watched, stage: Stage) -> None:
    page = watched.open()
    ask(page, *WIDE)
    sentence = "A chunk ended its worker three times."
    stage.wait_for_job().fail(sentence)
    expect(page.locator("#form-problem")).to_have_text(sentence)


def test_polls_where_streams_are_refused(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    watched.expected.append("429")
    page = watched.open()
    page.route("**/events", lambda route: route.fulfill(status=429))
    ask(page, *WIDE)
    job = stage.wait_for_job()
    job.advance(2, 4, 3)
    expect(page.locator("#progress")).to_contain_text("2 of 4 chunks")
    job.finish()
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))


def test_resumes_a_stream_that_broke(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    watched.expected.append("503")  # answers to polls and reconnections in the meantime
    page = watched.open()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    ask(page, *WIDE)
    job = stage.wait_for_job()
    job.advance(1, 4, 1)
    expect(page.locator("#progress")).to_contain_text("1 of 4 chunks")
    stage.breaks(StoreUnavailable("The store does not answer."))
    stage.breaks(None)
    job.advance(3, 4, 2)
    expect(page.locator("#progress")).to_contain_text("3 of 4 chunks")
    job.finish()
    expect(page.locator("#table tbody tr")).to_have_count(len(wide["fixed_points"]))
    # Up to two states, progress and findings had been heard when the line broke: fewer on a busy
    # machine, where the progress was read from the job's status.
    streams = [each.all_headers() for each in requests if each.url.endswith("/events")]
    first, second = (headers.get("last-event-id") for headers in streams)
    assert first is None
    assert second in {"1-0", "2-0", "3-0", "4-0"}


def test_each_phase_has_its_words(watched: Watched, stage: Stage) -> None:
    page = watched.open()
    ask(page, *WIDE)
    job = stage.wait_for_job()
    seen = set()
    for phase in PHASES:
        job.advance(1, 4, 1, phase=phase)
        title = page.locator("#progress h2")
        expect(title).to_have_text(CONTRACT["phases"][phase])
        seen.add(title.text_content())
    assert len(seen) == len(PHASES)
    job.advance(1, 4, 1, phase="a phase of tomorrow")
    expect(page.locator("#progress h2")).to_have_text("A phase of tomorrow")


def test_shares_so_far_have_no_interval(watched: Watched, stage: Stage) -> None:
    page = watched.open()
    ask(page, 7, 7)
    stage.wait_for_job().advance(1, 2, 2)
    rows = page.locator("#table tbody tr")
    expect(rows).to_have_count(2)
    for row in rows.all():
        expect(row).to_contain_text(CONTRACT["findings"]["unclassified"])
        expect(row).to_contain_text(re.compile(r"\d+\.\d% so far"))
    page.wait_for_selector("#ladder .mark-point")
    expect(page.locator("#ladder .whisker")).to_have_count(0)
    # What has come to zero loss is shown as that; of the other end nothing is known yet.
    expect(page.locator("#ladder-legend")).to_have_text(
        "at zero loss" + CONTRACT["findings"]["unclassified"]
    )
    expect(page.locator("#ladder-card")).not_to_contain_text("interval")


def test_service_that_does_not_answer(watched: Watched, stage: Stage) -> None:
    watched.expected.append("503")
    page = watched.open()
    stage.breaks(StoreUnavailable("The store does not answer."))
    ask(page, *WIDE)
    expect(page.locator("#form-problem")).to_have_text("The store does not answer.")


@pytest.mark.parametrize("changes", [{"api_key": KEY}], ids=["with-key"])
def test_asks_for_the_key_where_one_is_needed(watched: Watched, stage: Stage) -> None:
    watched.expected.append("401")
    page = watched.open()
    field = page.get_by_label("API key")
    expect(field).to_be_visible()
    problem = page.locator("#key-problem")
    expect(problem).to_contain_text("No key came with this request.")
    field.fill("guessed")
    field.press("Enter")
    expect(problem).to_contain_text("This service does not know that key.")
    expect(field).to_be_visible()
    field.fill(KEY)
    field.press("Enter")
    expect(field).to_be_hidden()
    ask(page, *WIDE)
    job = stage.wait_for_job()
    job.finish()
    expect(page.locator("#headline h1")).to_have_text(WIDE_TITLE)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("student_width", "0", "from 1 to 64"),
        ("student_width", "2.5", "a whole number"),
        ("teacher_width", "65", "from 1 to 64"),
        ("starts", "", "from 0 to 1000000"),
        ("init_scale", "0", "from 0.001 to 1000"),
        ("input_dimension", "3", "at least the teacher width, 7"),
    ],
)
def test_mistakes_are_named_before_anything_is_sent(
    watched: Watched, stage: Stage, field: str, value: str, words: str
) -> None:
    page = watched.open()
    expect(page.locator("#student_width")).to_have_attribute("max", "64")
    page.locator("details.more > summary").click()
    page.locator(f"#{field}").fill(value)
    page.get_by_role("button", name="Compute").click()
    expect(page.locator("#form-problem")).to_contain_text(words)
    assert stage.posted == []


def test_sliders_and_boxes_move_together(watched: Watched) -> None:
    page = watched.open()
    page.locator("#student_slider").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#student_width")).to_have_value("10")
    expect(page.locator("#student-formula")).to_contain_text("10")
    expect(page.locator("#width-note")).to_contain_text("continuum of dimension 3")
    page.locator("#teacher_width").fill("12")
    expect(page.locator("#teacher_slider")).to_have_value("12")
    expect(page.locator("#width-note")).to_contain_text("2 students too few")
