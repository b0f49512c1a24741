"""The guide's pages from code and notebooks say what those say. `make guide` builds the whole."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from relu_landscape_api.settings import ApiSettings
from relu_landscape_cli.main import _COMMANDS
from tests.house.repository import ROOT
from tools.guide import finishing, generated, notebooks, staging


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return generated.pages()


def test_every_call_stands_in_its_page(pages: dict[str, str]) -> None:
    paths = generated.openapi()["paths"]
    calls = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert "POST /v1/landscapes" in calls
    assert set(re.findall(r"^## `(.+)`$", pages["reference/http.md"], re.M)) == calls


def test_every_setting_and_command_stand_in_theirs(pages: dict[str, str]) -> None:
    named = re.findall(r"^`RELU_LANDSCAPE_([A-Z_]+)`$", pages["reference/settings.md"], re.M)
    assert [name.lower() for name in named] == list(ApiSettings.model_fields)
    told = re.findall(r"^## (.+)$", pages["reference/commands.md"], re.M)
    assert set(told) == {"serve", "keys", *_COMMANDS}
    assert pages["reference/commands.md"].count("Usage: relu-landscape ") == len(told)


def test_the_glossary_is_the_page_s(pages: dict[str, str]) -> None:
    """Counted in the page's script by another way than the one that reads it."""
    script = generated.GLOSSARY.read_text(encoding="utf-8")
    held = generated.terms(script)
    between = script.partition("const GLOSSARY = {")[2].partition("\n};")[0]
    assert list(held) == re.findall(r'^  "([^"]+)":', between, re.M)
    assert held["saddle"] == "A fixed point from which some directions lower the loss."
    assert held["index"].endswith("a saddle one or more.")  # not cut where a line is joined
    assert all(f"\n{term}\n: " in pages["glossary.md"] for term in held)
    with pytest.raises(ValueError, match="not where it was"):
        generated.terms("const OTHER = {};")


def test_words_of_a_description_are_no_markup() -> None:
    """Markdown would make an element of <id>, and emphasis of a*b*c."""
    assert generated._words("see <id> and a*b*c\nof `x_y`") == r"see \<id\> and a\*b\*c of `x_y`"


def test_a_notebook_s_answers_stand_under_their_code(tmp_path: Path) -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    cells = [
        {"cell_type": "markdown", "source": ["# Words"]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": [
            {"output_type": "stream", "text": ["1\n"]},
            {"output_type": "display_data", "data": {"image/png": png, "text/plain": "<Figure>"}},
        ]},
    ]  # fmt: skip
    notebook = tmp_path / "some.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    page = notebooks.page_of(notebook, tmp_path)
    assert page == ("# Words\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n![](some-1-1.png)\n")
    assert (tmp_path / "some-1-1.png").read_bytes() == b"\x89PNG"


def test_links_lead_to_pages_or_are_words(tmp_path: Path) -> None:
    """What only the repository has is no link; what it has not is left to fail."""
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "client.md"
    (tmp_path / "docs" / "http-api.md").touch()
    text = (
        "[a](http-api.md#errors) [b](../LICENSE) [c](../clients/python/notebooks/x.ipynb) "
        "[d](nowhere.md) ![e](images/none.png) [f](https://arxiv.org/abs/1)"
    )
    assert staging.linked(text, page, ROOT, tmp_path) == (
        "[a](http-api.md#errors) b [c](../clients/python/notebooks/x.md) "
        "[d](nowhere.md) ![e](images/none.png) [f](https://arxiv.org/abs/1)"
    )


def test_no_script_is_left_in_a_page(tmp_path: Path) -> None:
    """The service's policy lets none run; each is loaded from its file, at the same place."""
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "a.html"
    page.write_text(
        '<script src="x.js"></script><script>let a = 1;</script>'
        '<script type="application/json">{}</script><p>'
    )
    finishing.finish(tmp_path)
    found = re.fullmatch(
        r'<script src="x.js"></script><script src="\.\./(_static/page-[0-9a-f]+\.js)"></script>'
        r'<script type="application/json">\{\}</script><p>', page.read_text(),
    )  # fmt: skip
    assert found is not None
    assert (tmp_path / found[1]).read_text() == "let a = 1;"
