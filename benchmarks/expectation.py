"""What a landscape takes, measured, and the model that says it beforehand, fitted.

    OMP_NUM_THREADS=1 python -m benchmarks.expectation measure      # about half an hour
    python -m benchmarks.expectation fit [benchmarks/runs/expectation-....json ...]

(from the repository root). ``measure`` runs the landscapes below one after another in this process
and keeps processor seconds by phase in benchmarks/runs; bytes in the store are those that
``benchmarks.stored_jobs`` measured. ``fit`` takes all files of both, or those named, writes the
coefficients into
``engine/landscape/expectation_fit.py``, and prints a table in Markdown: what was measured, what the
model says, and what a model says that has not seen the line (leave one out).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._record import ROOT, RUNS, Record
from relu_landscape.engine.landscape import COMPOSITION, expectation
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.wire.requests import LandscapeRequest

#: Student width, teacher width, d, starts, and options.
CASES = (
    "3,3,1000,1000", "5,5,5,2000", "7,7,1000,1000", "8,8,8,4000", "8,8,1000,2000,fast",
    "10,10,1000,2000,saddles", "12,12,12,2000", "14,14,1000,1000", "17,17,17,2000",
    "17,17,1000,2000", "17,17,1000,500,fast", "17,17,1000,200,strict", "17,17,1000,200,saddles",
    "20,20,1000,500", "24,24,24,500", "32,32,32,300", "40,40,1000,100",
    "5,4,1000,1000", "9,8,8,1000", "9,8,1000,500,saddles", "13,12,1000,400", "18,17,1000,300",
    "18,17,17,300,fast", "25,24,1000,100",
    "8,5,1000,1000", "12,8,8,500", "20,10,10,300", "20,17,1000,300",
    "3,5,1000,1000", "6,8,8,2000", "8,12,1000,1000,fast", "12,17,17,1000", "10,20,1000,500",
    "20,24,24,300", "6,8,1000,500,saddles", "6,6,1000,500,widen", "8,8,1000,500,widen",
    "12,12,1000,300,widen", "17,17,1000,200,widen", "6,8,1000,300,widen", "9,8,1000,300,widen",
)  # fmt: skip
FITTED = ROOT / "service" / "relu_landscape" / "engine" / "landscape" / "expectation_fit.py"


def request_of(case: str) -> LandscapeRequest:
    """``K,M,d,starts`` and, after them, ``saddles``, ``widen``, ``fast`` or ``strict``."""
    K, M, d, starts, *options = case.split(",")
    certify = next((word for word in options if word in ("fast", "strict")), "none")
    return LandscapeRequest.model_validate(
        {
            "student_width": int(K), "teacher_width": int(M), "input_dimension": int(d),
            "starts": int(starts), "saddles": "saddles" in options, "widen": "widen" in options,
            "certify": certify,
        }
    )  # fmt: skip


class Phased:
    """A monitor and a runner that add up processor seconds by phase."""

    def __init__(self, problem: Any) -> None:
        self._problem = problem
        self._backend = backend_named(choose_backend("numpy").computes)
        self._name = ""
        self.seconds: dict[str, float] = defaultdict(float)

    @property
    def pace(self) -> int:
        return 8  # as workers with the native kernel say

    def phase(self, name: str, tasks: int) -> None:  # noqa: ARG002
        self._name = name

    def advance(self, task: Task[Any, Any]) -> None: ...

    def findings(self, points: Sequence[Any]) -> None: ...

    def check(self) -> None: ...

    def __call__(self, tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            began = time.process_time()
            data = encode_answer(task.run(self._problem, self._backend))
            self.seconds[self._name] += time.process_time() - began
            yield task, decode_answer(task, data)


def measure(cases: Sequence[str]) -> None:
    """Run the cases, print a line for each, keep the figures."""
    record = Record("expectation", {"cases": list(cases)})
    for case in cases:
        problem = COMPOSITION.problem(request_of(case))
        phased = Phased(problem)
        COMPOSITION.compose(problem, run=phased, monitor=phased, chunk_starts=None)
        for name, seconds in phased.seconds.items():
            record.add(f"{case}: {name}", "CPU s", seconds)
        words = ", ".join(f"{name} {spent:.2f}" for name, spent in phased.seconds.items())
        print(f"{case}: {words}", flush=True)
    record.write()


def figures(paths: Sequence[Path]) -> dict[str, dict[str, float]]:
    """By case: seconds by phase of the model, and bytes under ``stored``.

    Measurements of seconds once had bytes as well, of answers before they were compressed.
    """
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path in paths:
        unit = "bytes" if path.name.startswith("stored") else "CPU s"
        for row in json.loads(path.read_text())["rows"]:
            case, _, name = row["case"].partition(": ")
            if row["unit"] == unit:
                found[case][expectation.PART_OF.get(name, name)] += row["value"]
    return found


def regression(kind: str, cases: Sequence[str], values: Sequence[float]) -> list[float]:
    """Coefficients of the logarithm of ``values``; a little ridge keeps rare features near zero."""
    X = np.array(
        [expectation.features(kind, COMPOSITION.problem(request_of(case))) for case in cases]
    )
    y = np.log(values)
    ridge = 1e-3 * np.eye(X.shape[1])
    ridge[0, 0] = 0.0
    return [float(each) for each in np.linalg.solve(X.T @ X + ridge, X.T @ y)]


def fitted(found: dict[str, dict[str, float]], without: str = "") -> dict[str, list[float]]:
    """Coefficients by phase, and of the bytes, from all cases but one."""
    coefficients = {}
    for kind in (*expectation.MODELLED, "stored"):
        cases = [case for case in found if case != without and found[case].get(kind, 0.0) > 0.0]
        if len(cases) > 2:
            coefficients[kind] = regression(kind, cases, [found[case][kind] for case in cases])
    return coefficients


def write(coefficients: dict[str, list[float]], source: str) -> None:
    """The module that the engine reads."""
    lines = [
        '"""Coefficients of ``expectation``; ``benchmarks.expectation fit`` writes them."""',
        "", "# From " + source + ".", "FITTED: dict[str, tuple[float, ...]] = {",
        *(f'    "{kind}": ({", ".join(f"{each:.3f}" for each in row)},),'
          for kind, row in coefficients.items()),
        "}", "",
    ]  # fmt: skip
    FITTED.write_text("\n".join(lines))


def fit(paths: Sequence[Path]) -> None:
    """Fit, write, and print how well."""
    found = figures(paths)
    coefficients = fitted(found)
    write(coefficients, ",\n# ".join(path.name for path in paths))
    compare(found, coefficients, "CPU s", "seconds", 1.0)
    compare(found, coefficients, "kB", "bytes", 1e-3)


def compare(
    found: dict[str, dict[str, float]],
    coefficients: dict[str, list[float]],
    unit: str,
    what: str,
    scale: float,
) -> None:
    """The table of measured and expected seconds, or bytes, ``scale`` of a unit each."""

    def said(by: dict[str, list[float]], case: str) -> float:
        there = expectation.by(by, COMPOSITION.problem(request_of(case)))
        return there.stored_bytes if what == "bytes" else sum(there.seconds.values())

    print(f"\n| K, M, d, starts, options | measured, {unit} | expected | not having seen it |")
    print("|---|---|---|---|")
    factors = []
    for case, values in found.items():
        is_kept = [name for name in values if (name == "stored") == (what == "bytes")]
        if not is_kept:
            continue
        measured = sum(values[name] for name in is_kept)
        seen, blind = said(coefficients, case), said(fitted(found, without=case), case)
        factors.append(measured / blind)
        cells = (f"{scale * each:.3g}" for each in (measured, seen, blind))
        print(f"| {case.replace(',', ', ')} | " + " | ".join(cells) + " |")
    column = np.log(factors)
    within, worst = np.mean(np.abs(column) < np.log(1.5)), np.exp(np.abs(column).max())
    print(f"\nNot having seen the line, {what} are within a factor of 1.5 in "
          f"{100 * within:.0f} % of the lines; the largest factor is {worst:.2f}.")  # fmt: skip


def main() -> None:
    """Measure, or fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure", "fit"))
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    asked = parser.parse_args()
    if asked.what == "measure":
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
        measure(asked.cases)
    else:
        kept = [path for name in ("expectation", "stored") for path in RUNS.glob(f"{name}-*.json")]
        fit(asked.paths or sorted(kept))


if __name__ == "__main__":
    main()
