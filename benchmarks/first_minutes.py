"""From nothing to a first picture: a fresh clone, ``make serve``, the README's first question.

    python -m benchmarks.first_minutes [--source .] > table.md

Needs Chromium and a package index. The last commit of ``--source`` is cloned into an empty folder,
with a data folder that is empty as well; ``make serve`` sets up the virtual environment from the
lock (pip's and uv's caches are used if they are there, which the table says) and starts the service
on a free port. Then, at once and in this order: the README's first curl, and the page in a fresh
profile of the browser until its first picture. The picture is measured from the start of the clone,
the curl from the moment at which the service says that it is ready.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks._record import ROOT, Record
from benchmarks.page import visit

_READY = re.compile(r"is ready: (http://\S+)")
_CURL = re.compile(r"^curl '?localhost:8000(/[^'\s]+)'?$", re.M)
#: No machine takes so long; what does is stuck.
PATIENCE_SECONDS = 1200


def first_question(readme: str) -> str:
    """Path and query of the first curl of the README."""
    found = _CURL.search(readme)
    if found is None:
        raise SystemExit("the README has no curl of localhost:8000")
    return found[1]


@contextmanager
def served(folder: Path, data: Path) -> Iterator[str]:
    """``make serve`` in a clone, until the block ends; its address, once it is ready."""
    kept = {name: value for name, value in os.environ.items()
            if not re.match("RELU_LANDSCAPE_|PYTHONPATH|VIRTUAL_ENV|MAKE", name)}  # fmt: skip
    process = subprocess.Popen(
        ["make", "serve", "PORT=0"], cwd=folder, env=kept | {"RELU_LANDSCAPE_DATA_DIR": str(data)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = next((found[1] for line in process.stdout if (found := _READY.search(line))), "")
        if not address:
            raise SystemExit("make serve did not come up")
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def first_picture(address: str) -> None:
    """Open the page in a fresh profile and wait for its first picture."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        visit(browser, f"{address}/")
        browser.close()


def measured(source: Path) -> dict[str, float]:
    """Seconds of each step, in order, and their totals."""
    with tempfile.TemporaryDirectory(prefix="first-minutes-") as name:
        folder, data = Path(name) / "clone", Path(name) / "data"
        begun = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(source), str(folder)], check=True)
        cloned = time.perf_counter()
        question = first_question((folder / "README.md").read_text(encoding="utf-8"))
        with served(folder, data) as address:
            ready = time.perf_counter()
            subprocess.run(["curl", "--fail", "--silent", "--show-error", "--output", os.devnull,
                            f"{address}{question}"], check=True)  # fmt: skip
            answered = time.perf_counter()
            first_picture(address)
            seen = time.perf_counter()
    return {
        "clone": cloned - begun,
        "make serve, until ready": ready - cloned,
        "the README's first curl, from ready": answered - ready,
        "the page's first picture, with the browser's start": seen - answered,
        "clone to first picture, without the curl": seen - begun - (answered - ready),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, default=ROOT)
    options = parser.parse_args()
    record = Record("first_minutes", options={"source": "a clone"})
    load = os.getloadavg()[0]
    figures = measured(options.source.resolve())
    print(f"{os.cpu_count()} cores, load {load:.1f} before and {os.getloadavg()[0]:.1f} after.\n")
    print("| step | seconds |\n|---|---|")
    for step, seconds in figures.items():
        print(f"| {step} | {seconds:.1f} |")
        record.add(step, "s", seconds)
    record.write()


if __name__ == "__main__":
    main()
