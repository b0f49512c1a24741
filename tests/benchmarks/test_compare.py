"""Runs of benchmarks: what is kept, and how two are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks._record import Record
from tests.house.repository import ROOT


def run(folder: Path, name: str, rows: dict[str, float], **machine: object) -> str:
    """A file as a benchmark writes it, with figures and a machine of our own."""
    record = Record(
        "toy",
        {"repeats": 3},
        commit=name,
        machine={"cpu": "x", "cores": 2, "blas_threads": "1", "load_at_start": 0.1} | machine,
        versions={"numpy": "2.4"},
    )
    for case, seconds in rows.items():
        record.add(case, "s", seconds)
    return str(record.write(folder))


def test_a_run_says_what_it_was_measured_on(tmp_path: Path) -> None:
    record = Record("toy", {"repeats": 3})
    record.add("a thing", "s", 0.25)
    kept: dict[str, Any] = json.loads(record.write(tmp_path).read_text())
    assert kept["benchmark"] == "toy"
    assert kept["rows"] == [{"case": "a thing", "unit": "s", "value": 0.25}]
    assert kept["machine"].keys() >= {"cpu", "cores", "blas_threads", "load_at_start"}
    assert kept["versions"].keys() >= {"python", "numpy", "scipy"}
    assert kept["commit"]
    assert kept["date"].endswith("+00:00")


def test_figures_are_paired_and_divided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = run(tmp_path, "old", {"a": 2.0, "zero": 0.0, "gone": 1.0})
    new = run(tmp_path, "new", {"a": 0.5, "zero": 0.0, "come": 3.0})
    assert compare.main([old, new]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| case | unit | old | new | new / old |",
        "|---|---|---|---|---|",
        "| a | s | 2 | 0.5 | 0.25 |",
        "| zero | s | 0 | 0 | 1.00 |",
        "| gone | s | 1 |  |  |",
        "| come | s |  | 3 |  |",
    ]


def test_what_makes_runs_hard_to_compare_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = run(tmp_path, "old", {"a": 1.0}, cpu="y")
    new = run(tmp_path, "new", {"a": 1.0}, load_at_start=4.5)
    assert compare.main([old, new]) == 0
    printed = capsys.readouterr().out
    assert "- cpu differs: y and x" in printed
    assert "- the new run began on a busy machine, load average 4.5" in printed
    assert "numpy" not in printed


def test_two_benchmarks_are_not_compared(tmp_path: Path) -> None:
    old = run(tmp_path, "old", {"a": 1.0})
    other = tmp_path / "other.json"
    other.write_text(Path(old).read_text().replace('"toy"', '"another"'))
    assert compare.main([old, str(other)]) == 2


def test_a_file_that_is_no_run_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    answer = subprocess.run(
        [sys.executable, ROOT / "benchmarks/compare.py", path, path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"{path} is not a run of a benchmark")
    assert "Traceback" not in answer.stderr


def test_runs_that_are_kept_can_be_read() -> None:
    for path in (ROOT / "benchmarks/runs").glob("*.json"):
        assert compare.figures(compare.read(str(path)))
