"""What a first visit to the page costs: bytes, the time to its first picture, and long tasks.

    python -m benchmarks.page [--visits 9] [--address http://127.0.0.1:8000] > table.md

Needs Chromium. Every visit is one of a fresh browser profile, so nothing is cached, over the
loopback interface: bytes are the page's own, the times those of this machine without a network. A
long task is one of the main thread that takes 50 ms or more (W3C Long Tasks); what is counted of it
is the part beyond. The processor time is that of the page's main thread alone, which other work on
the machine does not lengthen. Then each view is opened by its own address, for what it carries and
for what axe-core says of it on a narrow and a wide screen, light and dark. ``--address`` measures a
service that runs already, one of another version for example.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks._record import Record
from benchmarks.serving import process

#: As W3C defines a long task, in milliseconds.
LONG = 50.0
#: Every view of the page by its address, and what is there once it is drawn.
VIEWS = {
    "landscape": "#ladder .picture",
    "families": ".families-form",
    "trajectories": "#trajectories-view form",
    "frequencies": "#frequencies-view form",
    "rates": "#rates-view form",
    "sweeps": "#sweeps-view form",
}
AXE = Path(__file__).parents[1] / "tests" / "page" / "vendor" / "axe-core" / "axe.min.js"
#: The kinds of file, by what the browser says it asked for.
KINDS = {"Document": "HTML", "Script": "scripts", "Stylesheet": "style sheets", "Font": "typeface"}
WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({ type: "longtask", buffered: true });
"""
FIRST_PICTURE = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  list.getEntriesByName("first-picture").forEach((mark) => resolve(mark.startTime)))
  .observe({ type: "mark", buffered: true }))"""


@dataclass
class Visit:
    """One visit: bytes of each kind as they came and unpacked, and times in milliseconds."""

    carried: Counter[str] = field(default_factory=Counter)
    unpacked: Counter[str] = field(default_factory=Counter)
    first_picture: float = 0.0
    processor: float = 0.0
    long_tasks: list[float] = field(default_factory=list)

    @property
    def blocked(self) -> float:
        """How long the main thread was taken beyond what nobody notices."""
        return sum(each - LONG for each in self.long_tasks)


def violations(browser: Browser, address: str, view: str) -> int:
    """What axe-core objects to in a view, over two screens and both themes."""
    found = 0
    for width, theme in product((360, 2560), ("light", "dark")):
        context = browser.new_context(
            viewport={"width": width, "height": 1000},
            color_scheme=theme,  # type: ignore[arg-type]
        )
        page = context.new_page()
        page.goto(f"{address}?view={view}")
        page.wait_for_selector(VIEWS[view])
        page.evaluate(AXE.read_text())
        found += page.evaluate("axe.run(document).then(({ violations }) => violations.length)")
        context.close()
    return found


def report_views(browser: Browser, address: str, record: Record) -> None:
    """Print and keep what each view carries, and what axe-core says of it."""
    print("\n| first visit at | bytes carried | violations (axe-core) |")
    print("|---|---|---|")
    for view in VIEWS:
        carried = visit(browser, f"{address}?view={view}", VIEWS[view]).carried.total()
        wrong = violations(browser, address, view)
        print(f"| {view} | {carried:,} | {wrong} |")
        record.add(f"{view}, carried", "bytes", carried)
        record.add(f"{view}, violations", "count", wrong)


def visit(browser: Browser, address: str, drawn: str | None = None) -> Visit:
    """Open the page in a fresh profile and wait until nothing more comes; ``drawn`` is what to wait
    for where no ladder is drawn."""
    found = Visit()
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.add_init_script(WATCH)
    page = context.new_page()
    network = context.new_cdp_session(page)
    kinds: dict[str, str] = {}

    def answered(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = KINDS.get(event["type"], "data")

    def received(event: dict[str, Any]) -> None:
        found.unpacked[kinds.get(event["requestId"], "data")] += event["dataLength"]

    def finished(event: dict[str, Any]) -> None:
        found.carried[kinds.get(event["requestId"], "data")] += int(event["encodedDataLength"])

    network.on("Network.responseReceived", answered)
    network.on("Network.dataReceived", received)
    network.on("Network.loadingFinished", finished)
    network.send("Network.enable")
    network.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    if drawn is None:
        found.first_picture = page.evaluate(FIRST_PICTURE)
    else:
        page.wait_for_selector(drawn)
    counters = network.send("Performance.getMetrics")["metrics"]
    found.processor = 1000 * next(c["value"] for c in counters if c["name"] == "TaskDuration")
    page.wait_for_load_state("networkidle")
    found.long_tasks = page.evaluate("window.longTasks")
    context.close()
    return found


def report(visits: list[Visit], record: Record) -> None:
    """Print and keep what was found."""
    last = visits[-1]
    print("| files | bytes carried | unpacked |")
    print("|---|---|---|")
    for kind in (*KINDS.values(), "data"):
        print(f"| {kind} | {last.carried[kind]:,} | {last.unpacked[kind]:,} |")
        record.add(f"{kind}, carried", "bytes", last.carried[kind])
    carried, unpacked = last.carried.total(), last.unpacked.total()
    print(f"| all | {carried:,} | {unpacked:,} |")
    record.add("all, carried", "bytes", carried)
    record.add("all, unpacked", "bytes", unpacked)
    figures = {
        "first picture": [each.first_picture for each in visits],
        "processor time until then": [each.processor for each in visits],
        "main thread blocked": [each.blocked for each in visits],
        "longest task": [max(each.long_tasks, default=0.0) for each in visits],
    }
    print("\n| of a visit | median ms | least ms | most ms |")
    print("|---|---|---|---|")
    for name, values in figures.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.0f} | {min(values):.0f} | {max(values):.0f} |")
        record.add(name, "ms", middle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visits", type=int, default=9)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--address", help="of a service that runs already")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    record = Record("page", options=vars(options))
    address = options.address or f"http://127.0.0.1:{options.port}"
    with ExitStack() as stack:
        if options.address is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            environment = {"RELU_LANDSCAPE_DATA_DIR": folder, "RELU_LANDSCAPE_LOG_LEVEL": "warning",
                           "RELU_LANDSCAPE_PORT": str(options.port)}  # fmt: skip
            serve = [sys.executable, "-m", "relu_landscape_api"]
            stack.enter_context(process(serve, environment, f"{address}/livez"))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        report([visit(browser, f"{address}/") for _ in range(options.visits)], record)
        report_views(browser, f"{address}/", record)
        browser.close()
    record.write()


if __name__ == "__main__":
    main()
