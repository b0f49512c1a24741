"""What jobs say of the time they still need, beside the time that they then took.

    OMP_NUM_THREADS=1 python -m benchmarks.remaining [--cases 17,17,1000,4000 ...]

(from the repository root; some five minutes on two cores.) Each case (student width, teacher width,
d, starts, options as in ``benchmarks.expectation``) is one job, alone, of a service with a store of
its own that remembers nothing. Every event of its progress that has a range counts once. Prints a
table in Markdown and keeps the figures in benchmarks/runs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._record import Record
from benchmarks.expectation import request_of
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.settings import Settings

CASES = (
    "8,8,1000,20000", "12,12,1000,8000", "17,17,1000,4000", "17,17,17,4000", "18,17,1000,600",
    "9,8,1000,4000,saddles", "24,24,24,1500", "40,40,1000,200", "17,17,1000,1000,fast",
    "12,17,17,4000", "10,10,1000,2000,saddles", "14,14,1000,2000,widen",
)  # fmt: skip


async def said_by(service: AnalysisService, case: str) -> list[tuple[float, float, float, float]]:
    """Of each event: the time left that it says, its range, and the time that was left."""
    status = await service.submit(request_of(case))
    said = []
    async for event in service.events(status.id, None):
        between = event.data.get("seconds_left_range")
        if event.name == "progress" and isinstance(between, list):
            left = event.data["seconds_left"]
            numbers = [float(str(each)) for each in (left, *between)]
            said.append((numbers[0], numbers[1], numbers[2], time.monotonic()))
    over = time.monotonic()
    return [(left, low, high, over - at) for left, low, high, at in said]


async def measure(cases: Sequence[str], record: Record) -> None:
    """Run the cases, print a line for each."""
    print("| K, M, d, starts, options | s | events | within the range | above it | below it "
          "| left / said, median |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    every = []
    with tempfile.TemporaryDirectory(prefix="rl-") as folder:
        async with AnalysisService.open(Settings(data_dir=Path(folder), workers=2)) as service:
            for case in cases:
                said = await said_by(service, case)
                if not said:
                    continue
                left, low, high, took = np.array(said).T
                every += said
                share = [np.mean((low <= took) & (took <= high)), np.mean(took > high),
                         np.mean(took < low)]  # fmt: skip
                told = " | ".join(f"{100 * each:.0f} %" for each in share)
                ratio = np.median(took / np.maximum(left, 1e-3))
                print(f"| {case.replace(',', ', ')} | {took.max():.1f} | {len(said)} | {told} "
                      f"| {ratio:.2f} |", flush=True)  # fmt: skip
                record.add(f"{case}: within", "share", float(share[0]))
    _, low, high, took = np.array(every).T
    within = float(np.mean((low <= took) & (took <= high)))
    record.add("all: within", "share", within)
    print(f"\nOf {len(every)} events {100 * within:.0f} % are within their range.")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    asked = parser.parse_args()
    record = Record("remaining", vars(asked))
    asyncio.run(measure(asked.cases, record))
    record.write()


if __name__ == "__main__":
    main()
