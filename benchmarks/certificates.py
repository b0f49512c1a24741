"""Seconds per certificate: dense (fast and strict) and reduced, as the table in the documentation.

    python -m benchmarks.certificates [--repeats N]     (from the repository root)

prints Markdown and keeps the figures in benchmarks/runs. Every number is the median processor time
of one call, points found beforehand: with OPENBLAS_NUM_THREADS=1, as the service's workers set it,
that is the wall-clock time of an otherwise idle core, whatever else the machine is doing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import flint
import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.certificates import certify, certify_reduced, verify
from tests.service.engine.certificates.points import anti_aligned
from tests.service.engine.certificates.test_reduced import wide_family

DENSE_WIDTHS = [6, 10, 17, 20, 40]
REDUCED_WIDTHS = [100, 10**4, 10**6, 10**9]


def median_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Median processor seconds of one call after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def dense_rows(repeats: int, record: Record) -> list[str]:
    """One line per width: fast, strict, and re-checking either."""
    rows = []
    for width in DENSE_WIDTHS:
        W = anti_aligned(width, 1)
        cells = []
        for mode in ("fast", "strict"):
            if width > 20 and mode == "strict":
                cells += ["", ""]  # minutes: the reduced method is the tool there
                continue
            found = certify(W, mode=mode, teacher_width=width)
            if found["verdict"] != "minimum":
                raise SystemExit(f"width {width} was not certified: {found['reason']}")

            def make(W: Any = W, mode: Any = mode, width: int = width) -> Any:
                return certify(W, mode=mode, teacher_width=width)

            def check(found: Any = found) -> Any:
                return verify(found)

            for name, call in (("certify", make), ("verify", check)):
                seconds = median_seconds(call, repeats)
                record.add(f"dense {mode}, width {width}: {name}", "s", seconds)
                cells.append(f"{seconds:.4f}")
        rows.append(f"| {width} | " + " | ".join(cells) + " |")
    return rows


def reduced_rows(repeats: int, record: Record) -> list[str]:
    """One line per width: Newton and proof together, and re-checking."""
    rows = []
    for width in REDUCED_WIDTHS:
        x, y = wide_family()[width]
        blocks: list[tuple[int, int | None]] = [(1, 0), (width - 1, 1)]

        def make(width: int = width, blocks: Any = blocks, x: Any = x, y: Any = y) -> Any:
            return certify_reduced([1, width - 1], blocks, x, y)

        found = make()
        if found["verdict"] != "minimum":
            raise SystemExit(f"width {width} was not certified: {found['reason']}")

        def check(found: Any = found) -> Any:
            return verify(found)

        cells = []
        for name, call in (("certify", make), ("verify", check)):
            seconds = median_seconds(call, repeats)
            record.add(f"reduced, width {width}: {name}", "s", seconds)
            cells.append(f"{seconds:.4f}")
        rows.append(f"| {width:,} | " + " | ".join(cells) + " |")
    return rows


def main() -> None:
    """Print the page and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    record = Record("certificates", {"repeats": repeats})
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    print("# Seconds per certificate\n")
    print(
        f"Made on {today} by `OPENBLAS_NUM_THREADS={threads} python -m benchmarks.certificates "
        f"--repeats {repeats}`\n({os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, python-flint {flint.__version__}).\n"
        f"Medians of the processor time of single calls; load average {os.getloadavg()[0]:.1f} at "
        f"the start.\nThe point is the minimum with one anti-aligned student, K = M.\n"
    )
    print("## Dense method\n")
    print("| width | fast: certify | fast: verify | strict: certify | strict: verify |")
    print("|---|---|---|---|---|")
    print("\n".join(dense_rows(repeats, record)))
    print("\n## Reduced method\n")
    print("Certifying includes the refinement by Newton's method.\n")
    print("| width | certify | verify |")
    print("|---|---|---|")
    print("\n".join(reduced_rows(repeats, record)))
    record.write()


if __name__ == "__main__":
    main()
