"""The notebook of networks trained with PyTorch: what it kept is what it says, and it runs.

PyTorch is no dependency. All that needs it is the training itself, whose weights the notebook
keeps; everything else is executed here, and the weights are judged by NumPy.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clients.live import LiveServer
from tests.clients.test_notebook import executed
from tests.house.repository import ROOT

NOTEBOOK = ROOT / "clients" / "python" / "notebooks" / "trained_with_pytorch.ipynb"
WEIGHTS = NOTEBOOK.with_suffix(".npz")


def _cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _printed(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(each["text"]) for each in outputs if each["output_type"] == "stream")


def _kept() -> str:
    return _printed([output for cell in _cells() for output in cell["outputs"]])


def _numbers(text: str) -> list[float]:
    return [float(each.replace(",", "")) for each in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_it_was_executed_with_pytorch_and_is_small() -> None:
    assert all(cell["execution_count"] for cell in _cells())
    assert "TRAIN = True" in "".join(_cells()[0]["source"])
    assert not any(
        output["output_type"] == "error" for cell in _cells() for output in cell["outputs"]
    )
    assert NOTEBOOK.stat().st_size < 20_000
    assert WEIGHTS.stat().st_size < 20_000


@pytest.mark.parametrize("n", [2_000, 50_000])
def test_the_weights_that_it_kept_are_trained_on_its_inputs(n: int) -> None:
    """By the notebook's own inputs and gradient: near a minimum of this sample, not of another."""
    names: dict[str, Any] = {}
    for cell in _cells()[:2]:
        exec("".join(cell["source"]), names)
    with np.load(WEIGHTS) as archive:
        W = archive[str(n)]
    assert (W.shape, W.dtype) == ((8, 50), np.float32)
    left = float(np.linalg.norm(names["gradient"](W, names["inputs"](n))))
    assert f"n = {n:6,}: gradient left {left:.1e}" in _kept()
    begun = names["first_weights"](names["RUNS"][n][0])
    assert left < 1e-2 * np.linalg.norm(names["gradient"](begun, names["inputs"](n)))
    # Another sample of as many inputs has its minimum elsewhere, by the noise of its gradient.
    assert left < 0.1 * np.linalg.norm(names["gradient"](W, names["inputs"](n + 1)))


def test_all_but_the_training_runs_and_says_the_same(whole: LiveServer, tmp_path: Path) -> None:
    shutil.copy(WEIGHTS, tmp_path)
    text = NOTEBOOK.read_text(encoding="utf-8")
    for old, new in (("http://localhost:8000", whole.url), ("TRAIN = True", "TRAIN = False")):
        assert old in text
        text = text.replace(old, new, 1)
    shown = _printed(executed(text, tmp_path))
    assert re.sub(r"[\d.,e-]+", "#", shown) == re.sub(r"[\d.,e-]+", "#", _kept())
    # Another kernel's flow arrives at the end of another step; all else agrees to what is shown.
    assert np.allclose(_numbers(shown), _numbers(_kept()), rtol=2e-2, atol=0.0)
