"""The notebook of SGD and other rules: what it kept is what it says, and it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from tests.clients.live import LiveServer
from tests.clients.test_notebook import executed
from tests.house.repository import ROOT

NOTEBOOK = ROOT / "clients" / "python" / "notebooks" / "sgd_and_other_rules.ipynb"


def _outputs() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    return [output for cell in code for output in cell["outputs"]]


def _printed(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(each["text"]) for each in outputs if each["output_type"] == "stream")


def _numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"[+-]?\d+(?:\.\d+)?", text)]


def test_it_was_executed_and_is_small() -> None:
    outputs = _outputs()
    assert {each["output_type"] for each in outputs} == {"stream", "display_data"}
    assert all(each.get("name") != "stderr" for each in outputs)
    assert sum("image/png" in each.get("data", {}) for each in outputs) == 5
    assert NOTEBOOK.stat().st_size < 200_000


def test_its_critical_learning_rates_are_the_engine_s_and_those_of_the_mathematics() -> None:
    """At eight students: of the global minimum and of the one with one anti-aligned student."""
    kept = _printed(_outputs())
    (closed,) = re.findall(r"closed form, global minimum: (.*)", kept)
    (found,) = re.findall(r"^m1 \(8\), loss 0\.000000: (.*)", kept, re.MULTILINE)
    (spurious,) = re.findall(r"^m2 \(1\+7\), loss 0\.021508: (.*)", kept, re.MULTILINE)
    assert closed == found == f"{critical_learning_rate(8):.6f}" == "0.439750"
    assert round(float(spurious), 4) == 0.4106


def test_it_runs_and_says_the_same(whole: LiveServer, tmp_path: Path) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.count("Client.local()") == 1
    kept = _printed(_outputs())
    shown = _printed(executed(text.replace("Client.local()", f"Client('{whole.url}')"), tmp_path))
    assert re.sub(r"[+-]?[\d.]+", "#", shown) == re.sub(r"[+-]?[\d.]+", "#", kept)
    # A server is asked for the same starts and inputs: counts agree, and losses to the last digit
    # but one that is shown.
    assert np.allclose(_numbers(shown), _numbers(kept), rtol=2e-3, atol=1e-4)
