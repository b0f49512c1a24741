"""The notebook of the published tables: its figures are the sources', and it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.clients.live import LiveServer
from tests.clients.test_notebook import executed
from tests.house.repository import ROOT

NOTEBOOK = ROOT / "clients" / "python" / "notebooks" / "published_tables.ipynb"
DATA = ROOT / "tests" / "acceptance" / "data"
DESCENTS = ROOT / "docs" / "mathematics" / "descents.md"
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def _cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _printed(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(each["text"]) for each in outputs if each["output_type"] == "stream")


def _kept() -> str:
    return _printed([output for cell in _cells() for output in cell["outputs"]])


def _constant(name: str) -> Any:
    """What the notebook assigns to this name, which is a display of plain values."""
    for cell in _cells():
        if found := re.search(rf"^{name} = (\{{.*?^\}})", "".join(cell["source"]), re.M | re.S):
            return eval(found[1])
    raise AssertionError(f"no {name}")


def _table(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def test_it_was_executed_and_is_small() -> None:
    outputs = [output for cell in _cells() for output in cell["outputs"]]
    assert all(cell["execution_count"] for cell in _cells())
    assert {each["output_type"] for each in outputs} == {"stream", "display_data"}
    assert all(each.get("name") != "stderr" for each in outputs)
    assert sum("image/png" in each.get("data", {}) for each in outputs) == 3
    assert NOTEBOOK.stat().st_size < 200_000


def test_its_published_figures_are_the_sources() -> None:
    equal = {
        int(width): [
            ("+".join(map(str, each["blocks"])), each["loss"], each["min_eigenvalue"],
             each["count"])
            for each in entry["minima"]
        ]
        for width, entry in _table("well_specified_minima")["by_width"].items()
    }  # fmt: skip
    wider = {
        (case["student_width"], case["teacher_width"]): [
            (each["loss"], each["min_eigenvalue"], each["count"]) for each in case["points"]
        ]
        for case in _table("overparameterised_points")["cases"]
    }
    shares = _table("published_frequencies")
    families = {
        int(width): {int(k1): share for k1, share in row.items()}
        for width, row in shares["families"].items()
    }
    assert _constant("EQUAL") == equal
    assert _constant("WIDER") == wider
    assert _constant("FAMILIES") == families
    names = {
        "gradient_descent": "gradient descent", "two_layer": "two-layer gradient descent",
        "normalised": "normalised gradient descent",
    }  # fmt: skip
    for rule, by_width in _constant("RULES").items():
        published = shares["optimisers"][names[rule]]
        assert by_width == {int(width): published[str(width)] for width in by_width}


def test_the_counts_it_takes_over_are_those_of_the_mathematics() -> None:
    text = DESCENTS.read_text(encoding="utf-8")
    told = {
        (rule, int(width)): (float(share), int(starts))
        for rule, width, starts, share in re.findall(
            r"^(\w+), K = (\d+), M = 17, d = 1000, (\d+) starts: zero loss ([\d.]+)%", text, re.M
        )
    }
    measured = _constant("MEASURED")
    assert set(measured) == set(told)
    for case, (hits, starts) in measured.items():
        assert (f"{100 * hits / starts:.1f}", starts) == (f"{told[case][0]:.1f}", told[case][1])


@pytest.mark.parametrize(("hits", "of"), [(0, 16), (1, 10_000), (53, 400), (200, 200)])
def test_its_intervals_are_wilson_s(hits: int, of: int) -> None:
    names: dict[str, Any] = {}
    source = "".join(_cells()[0]["source"])
    exec(
        "import math\n" + source[source.index("def interval") : source.index("def nearest")], names
    )
    ends = binomtest(hits, of).proportion_ci(0.95, "wilson")
    # The quantile is given to seven digits.
    assert np.allclose(names["interval"](hits, of), (ends.low, ends.high), rtol=1e-6, atol=1e-12)


def test_what_it_kept_agrees_with_the_sources_to_their_digits() -> None:
    """Losses are given to 13 places and eigenvalues to 7 digits: half a unit of the last of them,
    and as much again for what the published points were themselves off."""
    (loss, eigenvalue) = re.findall(
        r"largest difference: loss (\S+), eigenvalue (\S+)", _kept()
    )[0]  # fmt: skip
    assert float(loss) <= 1e-13
    assert float(eigenvalue) <= 1e-8
    published = sum(map(len, _constant("EQUAL").values()))
    assert f" of {published} rows differ by more than two standard errors" in _kept()


def test_it_runs_and_says_the_same(whole: LiveServer, tmp_path: Path) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.count("Client.local()") == 1
    shown = _printed(executed(text.replace("Client.local()", f"Client('{whole.url}')"), tmp_path))
    kept = _kept()
    assert re.sub(_NUMBER, "#", shown) == re.sub(_NUMBER, "#", kept)
    found, expected = (np.array([*map(float, re.findall(_NUMBER, each))]) for each in (shown, kept))
    # The same starts: counts agree. What is printed of a difference is rounding, below 1e-7.
    assert np.allclose(found, expected, rtol=0.0, atol=1e-7)
