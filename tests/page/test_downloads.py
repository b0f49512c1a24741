"""What leaves the page: files, and the lines that reproduce a view."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from relu_landscape.wire.requests import LandscapeRequest
from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page


def saved(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    download = waiting.value
    return download.suggested_filename, Path(download.path()).read_bytes()


def test_landscape_as_json(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    name, content = saved(page, "Landscape, JSON")
    assert name == "landscape-K7-M7-seed0.json"
    assert json.loads(content) == example


def test_point_as_npz_comes_from_the_service(
    watched: Watched, stage: Stage, wide: dict[str, Any]
) -> None:
    page = watched.open(f"?id={stage.finish(wide)}&point=m1")
    name, content = saved(page, "Point m1, NPZ")
    assert name.endswith("-m1.npz")
    point = next(p for p in wide["fixed_points"] if p["key"] == "m1")
    assert np.load(io.BytesIO(content))["R"].tolist() == point["overlaps"]["R"]


def test_example_offers_no_npz_before_the_service_knows_it(watched: Watched) -> None:
    page = watched.open()
    expect(page.get_by_role("button", name="NPZ")).to_be_disabled()


@pytest.mark.parametrize("picture", ["Loss ladder", "Overlaps R", "Overlaps Q", "Spectrum"])
def test_pictures_as_svg(watched: Watched, picture: str) -> None:
    page = watched.open()
    page.wait_for_selector("#point .medium .main-svg")
    name, content = saved(page, f"{picture}, SVG")
    assert name.endswith(".svg")
    root = ElementTree.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 1


def snippet(page: Page, title: str) -> str:
    summary = page.locator("#reproduce summary", has_text=title)
    details = summary.locator("xpath=..")
    if details.get_attribute("open") is None:
        summary.click()
    return str(details.locator("code").text_content())


def test_curl_line_asks_for_this_landscape(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    words = shlex.split(snippet(page, "curl").replace("\\\n", " "))
    assert words[0] == "curl"
    assert f"{watched.url}v1/landscapes" in words
    body = words[words.index("-d") + 1]
    asked = LandscapeRequest.model_validate_json(body)
    assert asked.canonical() == example["request"]


def test_python_lines_ask_for_this_landscape(watched: Watched, example: dict[str, Any]) -> None:
    page = watched.open()
    tree = ast.parse(snippet(page, "Python"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    call = next(
        c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "landscape"
    )
    fields = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    assert LandscapeRequest.model_validate(fields).canonical() == example["request"]


def test_citation_names_digest_and_paper(watched: Watched, example: dict[str, Any]) -> None:
    text = snippet(watched.open(), "Citation")
    assert example["digest"] in text
    assert example["id"] in text
    assert "2604.09412" in text
    assert len(re.findall(r"^@\w+\{", text, re.MULTILINE)) == 2


def test_copying_puts_the_lines_on_the_clipboard(watched: Watched) -> None:
    page = watched.open()
    text = snippet(page, "curl")
    page.get_by_role("button", name="Copy curl").click()
    expect(page.get_by_role("button", name="Copy curl")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
