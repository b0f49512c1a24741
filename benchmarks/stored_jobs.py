"""Bytes that whole jobs take in the store at their largest, against what is said beforehand.

    OMP_NUM_THREADS=1 python -m benchmarks.stored_jobs [--cases 8,8,1000,2000,saddles ...]

(from the repository root; about five minutes on two cores.) Each case (student width, teacher
width, d, starts, options as in ``benchmarks.expectation``) is one job of a service with a store
of its own, which remembers nothing of the job before. Just before its result is stored a job has
most of its checkpoints, and just after it result and parts instead, with state and events at both
times; the larger of the two is what it takes at its largest. Bytes are those of the store's
memory, its own housekeeping included. Answers that other jobs may use (``p:memo``) are kept
beside jobs, 4,096 in all whoever left them, and are not counted. Prints a table in Markdown and
keeps the figures in benchmarks/runs, from which ``benchmarks.expectation fit`` makes the model.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks._record import Record
from benchmarks.expectation import request_of
from relu_landscape.engine.landscape import COMPOSITION, expectation
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.settings import Settings

CASES = (
    "4,4,1000,100", "4,4,1000,1000", "4,4,1000,10000", "6,6,1000,100", "6,6,1000,1000",
    "6,6,1000,10000", "8,8,8,4000", "8,8,1000,100", "8,8,1000,1000", "8,8,1000,10000",
    "10,10,1000,2000,saddles", "10,10,1000,100", "12,12,1000,100", "12,12,1000,1000",
    "12,12,1000,10000", "14,14,14,300", "14,14,1000,3000", "17,17,1000,100", "17,17,1000,1000",
    "17,17,1000,10000", "20,20,1000,100", "20,20,1000,1000", "20,20,1000,4000",
    "5,4,1000,1000", "9,8,1000,1000", "9,8,1000,500,saddles", "13,12,1000,400", "18,17,1000,1000",
    "8,5,1000,1000", "12,8,8,500", "20,10,10,300", "20,17,1000,1000",
    "4,6,1000,1000", "6,8,8,2000", "12,17,17,1000", "10,20,1000,500", "6,8,1000,500,saddles",
    "8,8,1000,1000,saddles", "17,17,1000,200,saddles", "6,6,1000,500,widen", "12,12,1000,300,widen",
    "9,8,1000,300,widen", "8,8,1000,1000,fast", "12,12,1000,300,fast", "17,17,1000,300,strict",
    "8,8,1000,200,saddles,strict", "14,14,14,300,saddles,fast", "32,32,32,100", "40,40,1000,50",
)  # fmt: skip
#: What belongs to a job.
_PARTS = ("job", "chunks", "result", "details", "events")


class Weights:
    """Bytes of each job before and after its result is stored, by its id."""

    def __init__(self) -> None:
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}

    @staticmethod
    def _of(client: Any, keys: Any, job: str) -> int:
        names = [keys.of(part, job) for part in _PARTS]
        return sum(client.memory_usage(name, samples=0) or 0 for name in names)

    @contextmanager
    def weighing(self) -> Iterator[None]:
        """Meanwhile every job is weighed, and leaves nothing for others."""
        finish = ClaimingStore.finish

        def weighed(store: Any, claim: Any, *arguments: Any) -> None:
            self.before[claim.job] = self._of(store._client, store._keys, claim.job)
            finish(store, claim, *arguments)
            self.after[claim.job] = self._of(store._client, store._keys, claim.job)
            for name in store._client.scan_iter("*:memo*"):
                store._client.delete(name)

        with patch.object(ClaimingStore, "finish", weighed):
            yield


async def weigh(cases: Sequence[str], record: Record) -> dict[str, float]:
    """What each case takes at its largest."""
    weights, largest = Weights(), {}
    with tempfile.TemporaryDirectory(prefix="rl-") as folder, weights.weighing():
        settings = Settings(data_dir=Path(folder), workers=1)
        async with AnalysisService.open(settings) as service:
            for case in cases:
                status = await service.submit(request_of(case))
                while not status.is_over:
                    status = await service.wait(status.id, 60.0)
                before, after = weights.before[status.id], weights.after[status.id]
                largest[case] = float(max(before, after))
                record.add(f"{case}: stored", "bytes", largest[case])
                print(f"{case}: {before} {after}", flush=True)
    return largest


def table(largest: dict[str, float]) -> None:
    """Measured beside said, in Markdown, and how far off."""
    print("\n| K, M, d, starts, options | at its largest, kB | expected, kB | factor |")
    print("|---|---|---|---|")
    factors = []
    for case, measured in largest.items():
        said = expectation.expected(COMPOSITION.problem(request_of(case))).stored_bytes
        factors.append(said / measured)
        print(f"| {case.replace(',', ', ')} | {measured / 1e3:.0f} | {said / 1e3:.0f} "
              f"| {factors[-1]:.2f} |")  # fmt: skip
    off = np.exp(np.sort(np.abs(np.log(factors))))
    print(f"\nNine of ten are within a factor of {off[int(0.9 * (len(off) - 1))]:.2f}, "
          f"all within {off[-1]:.2f}; the middle one is {np.median(factors):.2f}.")  # fmt: skip


def main() -> None:
    """Measure, keep, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    asked = parser.parse_args()
    record = Record("stored", vars(asked))
    largest = asyncio.run(weigh(asked.cases, record))
    record.write()
    table(largest)


if __name__ == "__main__":
    main()
