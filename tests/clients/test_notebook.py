"""The notebook of the published frequencies: its figures are the source's, and it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.live import LiveServer
from tests.house.repository import ROOT

NOTEBOOK = ROOT / "clients" / "python" / "notebooks" / "published_frequencies.ipynb"

#: Executes the notebook in argument 1 into argument 2, in a process of its own: the kernel's
#: machinery has warnings of its own, which are not ours to turn into errors.
EXECUTE = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def _cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return cells


def executed(text: str, folder: Path) -> list[dict[str, Any]]:
    """Outputs of a notebook's text, executed in ``folder`` by a kernel of its own."""
    asked, answered = folder / "asked.ipynb", folder / "answered.ipynb"
    asked.write_text(text, encoding="utf-8")
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"), "JUPYTER_RUNTIME_DIR": str(folder / "run"),
        "IPYTHONDIR": str(folder / "ipython"), "MPLBACKEND": "Agg",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EXECUTE, str(asked), str(answered)],
        env=environment, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stderr[-3000:])
    return [
        output
        for cell in json.loads(answered.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", ())
    ]


def test_it_is_kept_without_answers() -> None:
    """Outputs would grow old, and hide what a reader's own server says."""
    assert all(not cell.get("outputs") for cell in _cells())


def test_its_published_figures_are_the_source_s() -> None:
    """arXiv:2604.09412v2: 10,000 starts, M = 17; gradient flow, percent by k1 for each width."""
    source = {
        "17": {"0": 13.09, "1": 27.52, "2": 29.05, "3": 18.94, "4": 7.55},
        "18": {"0": 59.29, "1": 0.0, "2": 2.1, "3": 10.83, "4": 8.99},
        "19": {"0": 99.63, "1": 0.0, "2": 0.05, "3": 0.31, "4": 0.0},
    }
    names: dict[str, Any] = {}
    (cell,) = [each for each in _cells() if "PUBLISHED = {" in "".join(each["source"])]
    exec("".join(cell["source"]), names)
    published = {
        str(width): {str(k1): share for k1, share in shares.items()}
        for width, shares in names["PUBLISHED"].items()
    }
    assert published == source


def test_it_runs_with_fewer_starts(live: LiveServer, tmp_path: Path) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    for old, new in (("http://localhost:8000", live.url), ("STARTS = 10_000\\n", "STARTS = 4\\n")):
        assert old in text
        text = text.replace(old, new, 1)
    shown = json.dumps(executed(text, tmp_path))
    assert "difference / error" in shown
    assert "19 student units, 17 teacher units" in shown
