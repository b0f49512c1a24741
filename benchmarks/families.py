"""Seconds against width of the symmetric side: searches, spectra, families.

    python -m benchmarks.families [--widths 6 10 20] > table.md     (from the repository root)

Prints tables in Markdown and keeps the figures in benchmarks/runs. CPU seconds are of this process
alone (one thread per BLAS call is best set with OPENBLAS_NUM_THREADS=1); wall seconds suffer from
whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks._record import Record
from relu_landscape.engine.families.family import branches, family
from relu_landscape.engine.families.naming import critical_points
from relu_landscape.engine.families.points import Point
from relu_landscape.engine.families.search import SearchResult, search
from relu_landscape.engine.families.spectrum import spectrum
from relu_landscape.engine.families.structures import Structure, default_structures
from relu_landscape.engine.lanes.native import Kernel, KernelError, load

WIDTHS = (6, 8, 10, 12, 20, 40, 60, 100)
LARGE = (10**3, 10**6, 10**9)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall seconds, CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def kernels() -> dict[str, Kernel | None]:
    """What drives the starts: arrays, and the native kernel where it was compiled."""
    try:
        return {"arrays": None, "native": load()}
    except KernelError:
        return {"arrays": None}


def searched(structures: list[Structure], kernel: Kernel | None) -> list[SearchResult]:
    return [search(structure, kernel=kernel) for structure in structures]


def distinct(results: list[SearchResult]) -> int:
    return len({round(p.loss, 10) for result in results for p in result.minima})


def table_of_searches(widths: list[int], record: Record) -> None:
    print("| width | one and two blocks: structures | (1, p, q): structures | starts driven by |"
          " one and two blocks, CPU s | (1, p, q), CPU s | minima |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for width in widths:
        structures = default_structures(width, width)
        few = [s for s in structures if len(s.sizes) < 3]
        three = [s for s in structures if len(s.sizes) == 3]
        for name, kernel in kernels().items():
            first, _, cpu = timed(partial(searched, few, kernel))
            second, _, cpu3 = timed(partial(searched, three, kernel))
            record.add(f"search in one and two blocks, width {width}, {name}", "CPU s", cpu)
            record.add(f"search in three blocks, width {width}, {name}", "CPU s", cpu3)
            record.add(f"minima, width {width}, {name}", "count", distinct(first + second))
            print(f"| {width} | {len(few)} | {len(three)} | {name} | {cpu:.2f} | {cpu3:.2f} "
                  f"| {distinct(first + second)} |", flush=True)  # fmt: skip


def table_of_families(record: Record) -> None:
    print("\n| family | width | first request, s | another width after it, s | again, s |"
          " spectrum alone, s |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for name in ("one-anti-aligned", "1+*", "2+*"):
        for width in LARGE:
            branches.cache_clear()
            critical_points.cache_clear()
            _, first, _ = timed(partial(family, width, width, name))
            # the branches of the narrow structure are known now; this width is new
            _, other, _ = timed(partial(family, width - 1, width - 1, name))
            found, again, _ = timed(partial(family, width, width, name))
            point = Point.from_wire(found.point)
            _, alone, _ = timed(partial(spectrum, point))
            case = f"{name}, width {width}"
            record.add(f"{case}: first request", "s", first)
            record.add(f"{case}: another width after it", "s", other)
            record.add(f"{case}: again", "s", again)
            record.add(f"{case}: spectrum alone", "s", alone)
            print(f"| `{name}` | {width} | {first:.3f} | {other:.3f} | {again:.3f} | {alone:.4f} |",
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="*", default=list(WIDTHS))
    widths = parser.parse_args().widths
    record = Record("families", {"widths": widths})
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f} at the start\n")  # fmt: skip
    if widths:
        table_of_searches(widths, record)
    table_of_families(record)
    record.write()


if __name__ == "__main__":
    main()
