"""One JSON file per run of a benchmark: what was measured, on what, with what.

A ``Record`` is filled while a script runs and written at its end into ``benchmarks/runs``, beside
the Markdown that the script prints. ``compare`` reads two of them.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "benchmarks" / "runs"

#: Packages whose version can move a figure.
LIBRARIES = ("relu-landscape", "numpy", "scipy", "python-flint", "cupy-cuda13x")


def cpu_name() -> str:
    """The processor's own name where the system tells it (Linux), else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Short name of the commit, with ``-changed`` where tracked files differ from it."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=-changed"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer.stdout.strip() or "unknown"


def versions() -> dict[str, str]:
    """Of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Row:
    """One figure. ``case`` names what was measured, ``unit`` in what (``s``, ``count``, ...)."""

    case: str
    unit: str
    value: float


@dataclass
class Record:
    """One run of one benchmark."""

    benchmark: str
    options: dict[str, object] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    date: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )
    commit: str = field(default_factory=commit)
    machine: dict[str, object] = field(
        default_factory=lambda: {
            "cpu": cpu_name(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "all"),
            "load_at_start": round(os.getloadavg()[0], 2),
        }
    )
    versions: dict[str, str] = field(default_factory=versions)

    def add(self, case: str, unit: str, value: float) -> None:
        """Keep one figure."""
        self.rows.append(Row(case, unit, float(value)))

    def write(self, folder: Path = RUNS) -> Path:
        """Write the file; its name sorts by benchmark, then by time."""
        folder.mkdir(parents=True, exist_ok=True)
        moment = self.date.partition("+")[0].replace(":", "").replace("-", "")
        path = folder / f"{self.benchmark}-{moment}-{self.commit}.json"
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        # To standard error: standard output is the table, which may go into a file.
        print(f"kept in {path}", file=sys.stderr)
        return path
