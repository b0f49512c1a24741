"""What leaves the page: files, and the lines that reproduce a view."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import shlex
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_api.routers.pages import EXPLORER
from tests.page.conftest import Watched
from tests.page.stage import Stage

pytestmark = pytest.mark.page

SVG = "{http://www.w3.org/2000/svg}"


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


@pytest.mark.parametrize(
    "picture", ["Loss ladder", "Disconnectivity graph", "Overlaps R", "Spectrum"]
)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_as_svg_for_a_paper(watched: Watched, picture: str) -> None:
    """Light whatever the page is, as wide as a column, with the typeface inside."""
    page = watched.open()
    page.wait_for_selector("#point .medium .picture")
    name, content = saved(page, picture)
    assert name.endswith(".svg")
    root = ElementTree.fromstring(content)
    assert root.tag == f"{SVG}svg"
    assert root.get("width") == "8.6cm"
    assert len(list(root.iter(f"{SVG}text"))) > 3
    style = "".join(str(each.text) for each in root.iter(f"{SVG}style"))
    font = base64.b64decode(style.partition("base64,")[2].partition(")")[0])
    assert font == (EXPLORER / "vendor/inter/inter-latin-wght-normal.woff2").read_bytes()
    # The grey of words and numbers in the light theme, and nothing of the dark one.
    inks = {each.get("fill") for each in root.iter(f"{SVG}text")}
    assert "#52626c" in inks
    assert "#a6b4bc" not in inks


def test_a_ladder_one_column_wide_keeps_its_numbers(watched: Watched) -> None:
    """The word for the saddles' lane moves aside for the zero beside it."""
    page = watched.open()
    page.wait_for_selector("#point .medium .picture")
    root = ElementTree.fromstring(saved(page, "Loss ladder")[1])
    axis = next(each for each in root.iter(f"{SVG}g") if each.get("class") == "x-axis")
    ticks = [each.text for each in axis.iter(f"{SVG}text") if each.get("class") == "tick"]
    assert ticks == ["saddles", "0", "20", "40", "60", "80", "100"]


def test_pictures_two_columns_wide_as_png(watched: Watched) -> None:
    page = watched.open()
    page.get_by_label("Pictures", exact=True).locator("select[name=width]").select_option(
        "two columns"
    )
    page.get_by_label("Pictures", exact=True).locator("select[name=format]").select_option("PNG")
    name, content = saved(page, "Loss ladder")
    assert name == "landscape-K7-M7-seed0-ladder.png"
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    # 17.8 cm at 600 dots per inch.
    assert int.from_bytes(content[16:20], "big") == round(17.8 / 2.54 * 600)


def test_pictures_as_pdf_have_the_size_of_a_column(watched: Watched) -> None:
    """One page of 8.6 cm, every object where the table says, and the pixels of the PNG."""
    page = watched.open()
    page.get_by_label("Pictures", exact=True).locator("select[name=format]").select_option("PDF")
    name, content = saved(page, "Loss ladder")
    assert name == "landscape-K7-M7-seed0-ladder.pdf"
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    # Whole pixels at 600 dots an inch, in points.
    assert float(box[1]) == pytest.approx(72 * round(8.6 / 2.54 * 600) / 600, abs=1e-3)
    start = int(content.rpartition(b"startxref\n")[2].split()[0])
    entries = re.findall(rb"(\d{10}) 00000 n ", content[start:])
    for number, place in enumerate(entries, start=1):
        assert content[int(place) :].startswith(b"%d 0 obj\n" % number)
    picture = content[int(entries[3]) :]
    size = re.search(rb"/Width (\d+) /Height (\d+)", picture)
    length = re.search(rb"/Length (\d+)", picture)
    assert size is not None
    assert length is not None
    first = picture.index(b"stream\n") + len(b"stream\n")
    pixels = np.frombuffer(zlib.decompress(picture[first : first + int(length[1])]), np.uint8)
    width, height = int(size[1]), int(size[2])
    found = pixels.reshape(height, width, 3)
    page.get_by_label("Pictures", exact=True).locator("select[name=format]").select_option("PNG")
    png = saved(page, "Loss ladder")[1]
    wanted: dict[str, int] = page.evaluate(SUMS, base64.b64encode(png).decode())
    assert wanted == {"width": width, "height": height, "sum": int(found.sum(dtype=np.int64))}
    assert (found[0, 0] == 255).all()


#: Size of a PNG file, and the sum of red, green and blue over all its pixels.
SUMS = """async (text) => {
  const image = new Image();
  image.src = `data:image/png;base64,${text}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const drawing = canvas.getContext("2d");
  drawing.drawImage(image, 0, 0);
  const { data } = drawing.getImageData(0, 0, image.width, image.height);
  let sum = 0;
  data.forEach((value, at) => { if (at % 4 < 3) sum += value; });
  return { width: image.width, height: image.height, sum };
}"""


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
