"""A real GPU: whether it computes what it should, and how fast.

    make gpu-check                     (or, without an installation: python3 -m benchmarks.gpu)

Needs Python, CuPy, NumPy, SciPy and this tree (a C compiler too, for the native kernel beside it):
no network, no server, no installation. Takes less than six minutes on an H100 and writes
build/gpu-check.json and build/gpu-check.md, the table of docs/benchmarks-gpu.md. Fails where the
device computes other bits than the native kernel, or anything is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if "relu_landscape" not in sys.modules:
    sys.path[:0] = [str(ROOT), str(ROOT / "service")]
try:
    import array_api_compat  # noqa: F401
except ImportError:  # SciPy brings a copy along: the first in 1.18, the second before
    import importlib

    for place in ("scipy._external.array_api_compat", "scipy._lib.array_api_compat"):
        with contextlib.suppress(ImportError):
            sys.modules["array_api_compat"] = importlib.import_module(place)
            break

from benchmarks._gpu_cases import (  # noqa: E402
    K17,
    Case,
    Rate,
    ends_of,
    fma_of_gradient,
    follow_chunk,
    gram_matrix,
    kernel_of,
    kernel_rate,
    native_or_none,
    on_device,
)  # fmt: skip
from benchmarks._gpu_peak import pairs_of, peak_of  # noqa: E402
from relu_landscape.engine.cuda.beside import Assisted  # noqa: E402
from relu_landscape.engine.lanes import bits  # noqa: E402
from relu_landscape.engine.lanes.native import KernelError  # noqa: E402
from relu_landscape.jobs.pool.threads import ONE_THREAD  # noqa: E402

#: Correctness against NumPy: K, M, d, general teacher, starts.
AGAINST_NUMPY = (
    Case(8, 8, 8, 400), Case(17, 17, 1000, 160), Case(18, 17, 17, 96), Case(12, 12, 20, 160, True),
    Case(32, 32, 32, 64), Case(64, 64, 64, 16), Case(8, 8, 8, 400, is_single=True),
    Case(17, 17, 1000, 160, is_single=True),
)  # fmt: skip
#: Bits against the native kernel.
AGAINST_NATIVE = (
    Case(2, 2, 2, 64), Case(8, 8, 8, 256), Case(17, 17, 1000, 256), Case(18, 17, 17, 128),
    Case(12, 17, 30, 128, True), Case(32, 32, 64, 64), Case(64, 64, 64, 16),
    Case(64, 64, 1000, 8), Case(8, 8, 8, 256, is_single=True),
    Case(17, 17, 1000, 256, is_single=True), Case(9, 8, 8, 256, is_single=True),
    Case(12, 17, 30, 128, True, is_single=True), Case(64, 64, 64, 16, is_single=True),
)  # fmt: skip
#: Rate of the kernel alone.
RATES = (
    Case(8, 8, 8, 200_000), Case(17, 17, 17, 60_000), K17.of(60_000), Case(18, 17, 17, 30_000),
    Case(17, 17, 17, 30_000, True), Case(32, 32, 32, 12_000), Case(40, 40, 40, 6_000),
    Case(64, 64, 64, 1_500), K17.of(60_000, is_single=True),
    Case(32, 32, 32, 12_000, is_single=True),
)  # fmt: skip
#: The pair formula alone.
PAIRS = (K17, Case(32, 32, 32, 0))
WHOLE = (
    *(K17.of(count) for count in (1_000, 10_000, 100_000, 1_000_000)),
    *(K17.of(count, is_single=True) for count in (100_000, 1_000_000)),
)
#: Largest difference of polished points, the kernel's against arrays (both polish to 1e-11).
SAME_POINT = 1e-4
LARGEST_SHARE = 0.003
#: Published shares of 0 to 4 anti-aligned students at K = M = 17, d = 1000 (arXiv:2604.09412).
PUBLISHED = (13.09, 27.52, 29.05, 18.94, 7.55)


@dataclass
class Check:
    """What was found, as it goes: printed, and kept for the two files."""

    small: bool
    folder: Path
    began: float = field(default_factory=time.time)
    lines: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def say(self, line: str = "") -> None:
        """A line of the Markdown file, and of the terminal."""
        print(line, flush=True)
        self.lines.append(line)

    def table(self, title: str, columns: str, rows: Iterator[list[Any]]) -> None:
        """A table whose rows appear as they are found."""
        self.say(f"\n## {title}\n\n| {columns} |\n|{'---|' * (columns.count('|') + 1)}")

        def fill() -> None:
            for row in rows:
                self.found.setdefault(title, []).append(row)
                self.say("| " + " | ".join(_shown(value) for value in row) + " |")

        self.part(title, fill)

    def part(self, title: str, work: Callable[[], None]) -> None:
        """One part of the check. Whatever goes wrong in it is a fault, and the others follow; what
        was found so far is written, whenever this process may be ended."""
        try:
            work()
        except Exception as error:
            self.faults.append(f"{title}: {type(error).__name__}: {error}")
            traceback.print_exc()
        self.write(is_over=False)

    def must(self, holds: bool, sentence: str) -> str:
        """``yes``, or a fault."""
        if not holds:
            self.faults.append(sentence)
        return "yes" if holds else "NO"

    def write(self, *, is_over: bool = True) -> None:
        """The two files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seconds = time.time() - self.began
        if is_over:
            verdict = f"FAULTS: {self.faults}" if self.faults else "everything as it should be."
            self.say(f"\n{seconds:.0f} s in all; {verdict}")
        text = "\n".join(self.lines) + "\n"
        (self.folder / "gpu-check.md").write_text(text, encoding="utf-8")
        document = {"seconds": seconds, "is_over": is_over, "faults": self.faults, **self.found}
        (self.folder / "gpu-check.json").write_text(
            json.dumps(document, indent=1), encoding="utf-8"
        )


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def machine(check: Check, kernel: Any) -> None:
    """Who was measured."""
    cupy = kernel.cupy
    version = cupy.cuda.runtime.driverGetVersion()
    check.found["machine"] = {
        "device": kernel.device, "kernel": vars(kernel.info), "cupy": cupy.__version__,
        "driver_cuda": version, "multiprocessors": kernel.lanes, "cores": os.cpu_count(),
        "python": platform.python_version(),
    }  # fmt: skip
    today = datetime.now(UTC).strftime("%d %B %Y")
    check.say(
        f"{today}: {kernel.device}, {kernel.lanes} multiprocessors, {kernel.info.instructions}, "
        f"CuPy {cupy.__version__}, {kernel.info.compiler}, CUDA driver {version}; "
        f"{os.cpu_count()} host cores, Python {platform.python_version()}."
    )


def compile_all(check: Check, kernel: Any) -> None:
    """Every shape that comes, by several threads: one after the other they take minutes."""
    wanted = {
        (replace(case, starts=0, is_single=False), single)
        for several, largest in ((AGAINST_NATIVE, 16), (AGAINST_NUMPY, 8), (RATES, 40))
        for case in _smaller(several, largest, check.small)
        for single in {False, case.is_single}
    }
    began = time.time()
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as threads:
        made = [
            threads.submit(kernel.module, case.teacher, case.students, case.coordinates, single)
            for case, single in wanted
        ]
        for each in made:
            each.result()
    check.say(f"\n{len(made)} programs compiled in {time.time() - began:.0f} s.")


def against_native(check: Check, kernel: Any, native: Any) -> Iterator[list[Any]]:
    """Forces, paths and polish, bit by bit, and twice the same."""
    for sample in bits.SAMPLES:
        holds = bits.are_right(kernel, sample)
        shape = (sample.students, sample.teachers, sample.coordinates)
        yield [f"digest of {shape}", bits.PATHS, check.must(holds, f"digest of {shape}"), "-", "-"]
    if native is None:
        return
    for case in _smaller(AGAINST_NATIVE, 16, check.small):
        began = time.time()
        mine = case.followed(kernel)
        seconds = time.time() - began
        twice = case.followed(kernel) == mine
        same = check.must(mine == case.followed(native), f"bits at {case}")
        again = check.must(twice, f"the same bytes twice at {case}")
        yield [str(case), case.starts, same, again, seconds]


def against_numpy(check: Check, kernel: Any, native: Any) -> Iterator[list[Any]]:
    """Ends of whole descents, with the processor beside the device as in the service."""
    kernel = kernel if native is None else Assisted(kernel, native)
    for case in _smaller(AGAINST_NUMPY, 8, check.small):
        mine, theirs = ends_of(case, kernel), ends_of(case, None)
        other, farthest = 0, 0.0
        for start, end in mine.items():
            distance = abs(end.W - theirs[start].W).max()
            if end.outcome is not theirs[start].outcome or distance > SAME_POINT:
                other += 1
            elif end.outcome.name == "FIXED_POINT":
                farthest = max(farthest, float(distance))
        holds = other <= max(1, LARGEST_SHARE * case.starts)
        yield [str(case), case.starts, other, farthest, check.must(holds, f"ends at {case}")]


def short_of_memory(check: Check, kernel: Any) -> None:
    """A device with little memory does the same in parts."""
    case = Case(8, 8, 8, 400)
    wanted = case.followed(kernel)
    pool = kernel.cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=256 * 1024)
    try:
        same = check.must(case.followed(kernel) == wanted, "bits where memory is short")
    finally:
        pool.set_limit(size=0)
    check.say(f"\nWith 256 kB of device memory, {case.starts} starts in parts, same bits: {same}")


def measured_peak(check: Check, kernel: Any) -> None:
    """What the device reaches, and how much of that the formula of a pair does."""
    if check.small:
        return
    peak = check.found["peak"] = peak_of(kernel)
    check.say(f"\nPeak of fused multiplications in double precision: {peak / 1e12:.1f} Tflop/s")
    for case in PAIRS:
        share = 100 * pairs_of(case, kernel) / peak
        check.found.setdefault("pairs alone", []).append([str(case), share])
        check.say(f"Angles of all pairs alone, {case}: {share:.0f}% of it")


def rates(check: Check, kernel: Any) -> Iterator[list[Any]]:
    """The kernel alone: starts, gradients and arithmetic a second."""
    peak = check.found.get("peak")
    for case in _smaller(RATES, 40, check.small):
        rate: Rate = kernel_rate(case, kernel)
        achieved = 2.0 * fma_of_gradient(case) * rate.gradients / rate.flow_seconds
        yield [
            str(case), case.starts, rate.blocks_per_multiprocessor, rate.threads,
            case.starts / rate.flow_seconds, case.starts / rate.polish_seconds,
            case.starts / (rate.flow_seconds + rate.polish_seconds),
            rate.gradients / case.starts, achieved / 1e12,
            f"{100 * achieved / peak:.0f}%" if peak and not case.is_single else "-",
        ]  # fmt: skip


def by_processes(check: Check, processes: int, has_native: bool) -> None:
    """What the service's processes reach together."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=kernel_of, initargs=("cuda",)
    ) as pool:
        list(pool.map(gram_matrix, [2] * processes))  # processes are there
        check.table(f"Whole runs, {processes} processes, K = M = 17, d = 1000 "
                    f"(published: {PUBLISHED})",
                    "starts | precision | seconds | starts/s | % at the five lowest losses",
                    whole(check, pool, processes))  # fmt: skip
        if has_native:
            check.table("Beside the host's cores, starts/s",
                        "case | native, all cores | GPU | ratio | ratio to two cores",
                        on_cores(check, pool, processes))  # fmt: skip


def whole(check: Check, pool: ProcessPoolExecutor, processes: int) -> Iterator[list[Any]]:
    """From drawing starts to counted ends, by as many processes as there are cores."""
    for case in WHOLE if not check.small else (K17.of(40), K17.of(40, is_single=True)):
        count = case.starts
        chunk = max(1, min(16_384, -(-count // processes)))
        began = time.time()
        jobs = [
            pool.submit(follow_chunk, case, first, min(chunk, count - first), "cuda")
            for first in range(0, count, chunk)
        ]
        losses: dict[float, int] = {}
        for job in jobs:
            for loss, hits in job.result().items():
                losses[loss] = losses.get(loss, 0) + hits
        seconds = time.time() - began
        lowest = sorted((loss, hits) for loss, hits in losses.items() if loss >= 0)[:5]
        shares = ", ".join(f"{100 * hits / count:.2f}" for _, hits in lowest)
        yield [count, "float32" if case.is_single else "float64", seconds, count / seconds, shares]


def on_cores(check: Check, pool: ProcessPoolExecutor, processes: int) -> Iterator[list[Any]]:
    """The native kernel on all cores, and on the device by the same processes."""
    for case in _smaller((Case(8, 8, 8, 32_000), K17.of(8_000), Case(32, 32, 32, 1_600)), 32,
                         check.small):  # fmt: skip
        row: list[Any] = [str(case)]
        for backend, factor in (("native", 1), ("cuda", 1 if check.small else 8)):
            count = factor * case.starts
            chunk = max(1, count // (4 * processes if backend == "native" else processes))
            began = time.time()
            jobs = [
                pool.submit(follow_chunk, case, first, min(chunk, count - first), backend)
                for first in range(0, count, chunk)
            ]
            for job in jobs:
                job.result()
            row.append(count / (time.time() - began))
        yield [*row, row[2] / row[1], row[2] / (row[1] / processes * 2)]


def _smaller(cases: tuple[Case, ...], largest: int, is_small: bool) -> list[Case]:
    if not is_small:
        return list(cases)
    few = (case for case in cases if case.students <= min(8, largest))
    return [replace(case, starts=min(3, case.starts)) for case in few]


def main(arguments: list[str] | None = None) -> int:
    """Returns how many faults were found; 2 where there is nothing to check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--small", action="store_true", help="a few starts of each, for a trial")
    parser.add_argument("--processes", type=int, default=min(16, len(os.sched_getaffinity(0))))
    parser.add_argument("--to", type=Path, default=ROOT / "build")
    asked = parser.parse_args(arguments)
    os.environ.update(ONE_THREAD)  # of the processes below
    check = Check(asked.small, asked.to)
    if not (ROOT / "service/relu_landscape/engine/lanes/_lanes.so").exists():
        subprocess.run([sys.executable, str(ROOT / "hatch_build.py")], check=False)
    try:
        kernel, native = on_device(), native_or_none()
    except KernelError as error:
        print(f"There is no GPU to check: {error}", file=sys.stderr)
        return 2
    machine(check, kernel)
    check.part("compiling", lambda: compile_all(check, kernel))
    check.table("Bits", "case | starts | as the native kernel | twice the same | seconds",
                against_native(check, kernel, native))  # fmt: skip
    check.table("Ends of whole descents, against NumPy",
                "case | starts | other ends | farthest polished point | holds",
                against_numpy(check, kernel, native))  # fmt: skip
    check.part("memory", lambda: short_of_memory(check, kernel))
    check.part("peak", lambda: measured_peak(check, kernel))
    check.table("The kernel alone",
                "case | starts | blocks per multiprocessor | threads | flow, starts/s | "
                "polish, starts/s | both | gradients a start | Tflop/s | of the peak",
                rates(check, kernel))  # fmt: skip
    if asked.processes:
        check.part("processes", lambda: by_processes(check, asked.processes, native is not None))
    check.write()
    return len(check.faults)


if __name__ == "__main__":
    sys.exit(main())
