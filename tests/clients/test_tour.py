"""The README's five-minute tour, run against a real server: what a reader types must work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import stamina

from tests.clients.live import LiveServer
from tests.house.repository import ROOT
from tools.guide import executing

mpl.use("Agg")
README = ROOT / "clients" / "python" / "README.md"


def blocks() -> list[str]:
    """The Python code of the README, in order."""
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files and cache of the tour stay in a folder of the test."""
    from matplotlib import pyplot

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    pyplot.close("all")


@pytest.mark.usefixtures("_elsewhere")
def test_every_block_runs_in_order(
    whole: LiveServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names: dict[str, Any] = {}
    found = blocks()
    assert len(found) == 11
    with stamina.set_testing(False):
        for number, block in enumerate(found, start=1):
            code = executing.asking(block, whole.url)
            exec(compile(code, f"README block {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "6 student units, 6 teacher units" in said
    assert "student_width = 0" in said
    # Three published minima of width 6 and of small index are found by the structured search.
    assert names["landscape"].minima[0].is_global
    assert len(names["landscape"].spurious) >= 1
    assert names["joined"].disconnectivity is not None
    assert names["table"].shape[0] == len(names["landscape"].minima)
    assert (tmp_path / "landscape.json").exists()
    names["client"].close()
