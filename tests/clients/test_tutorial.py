"""The tutorial and the other pages with Python: every block runs, and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import stamina

from tests.clients.live import LiveServer
from tests.house.repository import ROOT
from tools.guide import executing

mpl.use("Agg")

PAGES = sorted(
    [ROOT / "docs" / "index.md", *(ROOT / "docs/tutorial").glob("*.md"),
     *(ROOT / "docs/how-to").glob("*.md")]
)  # fmt: skip
_NUMBER = r"\d[\d.]*(?:e-?\d+)?"


def _numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(_NUMBER, text)]


def test_there_are_pages_with_code() -> None:
    counted = {path: len(executing.blocks(path.read_text())) for path in PAGES}
    assert len(counted) >= 12
    assert counted[ROOT / "docs/tutorial/one-unit.md"] == 3
    for path in PAGES:  # none escapes the pattern
        assert path.read_text().count("```python\n") == counted[path]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_page_runs_and_says_what_it_says(
    path: Path, whole: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and counts exactly; a digit may differ in what another processor rounds otherwise."""
    from matplotlib import pyplot

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = executing.blocks(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    with stamina.set_testing(False):
        for block, said in executing.executed(found, path.name, names, whole.url):
            if block.said is not None:
                assert re.sub(_NUMBER, "#", said) == re.sub(_NUMBER, "#", block.said)
                # Printed with four digits or more; the last of them may be rounded otherwise.
                assert np.allclose(_numbers(said), _numbers(block.said), rtol=1e-3, atol=0.0)
            if block.picture is not None:
                assert (path.parent / block.picture).exists(), block.picture
                assert pyplot.gcf().axes, "nothing was drawn"
            pyplot.close("all")
    if "client" in names:
        names["client"].close()


def test_a_block_takes_what_follows_it_and_nothing_else() -> None:
    page = (
        "```python\na\n```\n\n```text\n1\n```\n\n![x](x.png)\n\n```python\nb\n```\n\nWords.\n\n"
        "```text\nother\n```\n"
    )
    first, second = executing.blocks(page)
    assert (first.code, first.said, first.picture) == ("a\n", "1\n", "x.png")
    assert (second.code, second.said, second.picture) == ("b\n", None, None)
    code = "Client.local(workers=2); await AsyncClient.local(); local()"
    assert executing.asking(code, "http://a") == (
        'Client("http://a", timeout_seconds=120); AsyncClient("http://a", timeout_seconds=120); '
        "local()"
    )
    assert executing.asking(code, None) == code
