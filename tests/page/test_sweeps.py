"""Sweeps: the form, the table, its order, its chart and its files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.sweeps import SweepFinding, SweepRequest
from tests.page.answers import recorded
from tests.page.conftest import Watched
from tests.page.drawn import marks
from tests.page.stage import Stage

pytestmark = pytest.mark.page

ANSWER = recorded("sweep")


def computed(watched: Watched, stage: Stage, search: str = "") -> Page:
    stage.service.holds_jobs = False
    page = watched.open(f"?view=sweeps{search}")
    press(page)
    page.wait_for_selector("#sweep-chart .picture")
    return page


def press(page: Page) -> None:
    page.locator("#sweeps-view").get_by_role("button", name="Compute").click()


def test_lists_are_axes_and_single_values_are_common(watched: Watched, stage: Stage) -> None:
    page = watched.open("?view=sweeps")
    page.locator("#sweeps-view").get_by_label("teachers M").fill("2, 4..5")
    page.locator("#sweeps-view").get_by_label("their numbers").fill("0..1")
    page.locator("#sweeps-view").get_by_label("starts", exact=True).fill("30")
    page.locator("#sweeps-view").get_by_label("find saddles").check()
    press(page)
    job = stage.wait_for_job()
    request = stage.posted[-1]
    assert isinstance(request, SweepRequest)
    assert request.grid.axes == {"teacher_width": (2, 4, 5), "extra_students": (0, 1)}
    assert request.common.starts == 30
    assert request.common.saddles is True
    job.tell(
        Progress(phase="cells", tasks_done=2, tasks=6, fraction=1 / 3),
        SweepFinding(cell=0, values={"teacher_width": 2, "extra_students": 0},
                     zero_loss_probability=1.0, spurious_minima=0, error=None),
    )  # fmt: skip
    panel = page.get_by_role("region", name="Progress: sweep")
    expect(panel).to_contain_text("2 of 6 chunks")
    expect(panel).to_contain_text("the last cells: 2/0")


def column(page: Page, heading: str) -> list[str]:
    table = page.get_by_role("region", name="Table of cells")
    headings = [text.rstrip(" ↑↓") for text in table.locator("thead th").all_text_contents()]
    at = headings.index(heading)
    found: list[str] = table.locator("tbody tr").evaluate_all(
        "(rows, at) => rows.map((row) => row.children[at]?.textContent ?? '')", at
    )
    return found


def test_columns_are_sorted_with_empty_cells_last(watched: Watched, stage: Stage) -> None:
    page = computed(watched, stage)
    table = page.get_by_role("region", name="Table of cells")
    assert column(page, "teachers M") == [str(r["values"]["teacher_width"]) for r in ANSWER["rows"]]
    button = page.get_by_role("button", name="lowest spurious loss")
    losses = [row["lowest_spurious_loss"] for row in ANSWER["rows"]]
    known = sorted(loss for loss in losses if loss is not None)
    for direction, wanted in (("ascending", known), ("descending", known[::-1])):
        button.click()
        cell = table.locator("th", has=button)
        expect(cell).to_have_attribute("aria-sort", direction)
        shown = column(page, "lowest spurious loss")
        numbers = [float(text) for text in shown[: len(known)]]
        assert numbers == pytest.approx(wanted, rel=1e-6)  # seven digits are shown
        assert button.evaluate("element => element === document.activeElement")
    assert "sort=-lowest_spurious_loss" in page.url
    page.reload()
    expect(table.locator("th", has=button)).to_have_attribute("aria-sort", "descending")


def test_a_cell_that_failed_says_why(watched: Watched, stage: Stage) -> None:
    page = computed(watched, stage)
    row = next(row for row in ANSWER["rows"] if row["error"])
    table = page.get_by_role("region", name="Table of cells")
    expect(table.locator("tr", has_text=row["error"])).to_have_count(1)


def test_a_cell_opens_its_landscape(watched: Watched, stage: Stage, wide: dict[str, Any]) -> None:
    row = next(row for row in ANSWER["rows"] if row["landscape"])
    known = stage.finish(wide)
    job = stage.service.jobs[known]
    page = computed(watched, stage)
    stage.service.from_thread(lambda: stage.service.jobs.update({row["landscape"]: job}))
    name = f"K={row['student_width']}, M={row['teacher_width']}"
    link = page.get_by_role("region", name="Table of cells").get_by_role("link", name=name)
    assert link.first.get_attribute("href") == f"?id={row['landscape']}"
    link.first.click()
    expect(page.locator("#headline h1")).to_have_text("9 student units, 8 teacher units")
    page.go_back()
    expect(page.get_by_role("region", name="Table of cells")).to_be_visible()


def test_the_chart_follows_an_axis(watched: Watched, stage: Stage) -> None:
    page = computed(watched, stage)
    page.locator("#sweeps-view select[name=along]").select_option("extra_students")
    page.locator("#sweeps-view select[name=value]").select_option("lowest_spurious_loss")
    drawn = {int(mark["key"]): (mark["x"], mark["y"]) for mark in marks(page, "#sweep-chart")}
    assert drawn == {
        row["cell"]: (row["values"]["extra_students"], row["lowest_spurious_loss"])
        for row in ANSWER["rows"]
        if row["lowest_spurious_loss"] is not None
    }
    assert "along=extra_students" in page.url


def test_the_table_as_csv_has_every_number(watched: Watched, stage: Stage) -> None:
    page = computed(watched, stage)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Table, CSV").click()
    text = Path(waiting.value.path()).read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(ANSWER["rows"])
    for read, row in zip(rows, ANSWER["rows"], strict=True):
        assert read["landscape"] == (row["landscape"] or "")
        assert read["error"] == (row["error"] or "")
        for name in ("zero_loss_probability", "lowest_spurious_loss", "missing_mass"):
            assert (float(read[name]) if read[name] else None) == row[name]


@pytest.mark.parametrize(("text", "sentence"), [
    ("2, x", "teachers M: x is no whole number."),
    ("5..2", "teachers M: 5..2 is no range"),
])  # fmt: skip
def test_lists_that_are_none_are_named(watched: Watched, text: str, sentence: str) -> None:
    page = watched.open("?view=sweeps")
    page.locator("#sweeps-view").get_by_label("teachers M").fill(text)
    press(page)
    expect(page.locator("#sweeps-view .problem:visible")).to_contain_text(sentence)
