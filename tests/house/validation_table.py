"""Writes docs/validation.md from the JUnit report of the acceptance tests.

``python -m tests.house.validation_table report.xml docs/validation.md``. Each line comes from a
test's ``validation_row(quantity, published, found)``; seconds and peak memory are the test's own.
Below stands what ``rules_table`` says of descents by other rules.
"""

from __future__ import annotations

import json
import platform
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from tests.house import rules_table

HEAD = """# Validation

Published results against those of this program, written by `make validation`; every line of the
first table belongs to a test with the marker `acceptance`, which fails when the two disagree.
Published figures are those of Huang, Loureiro and Sarao Mannelli, arXiv:2604.09412, unless the line
names another source. Seconds are wall-clock time; memory is the peak of the testing process,
without worker processes.

The native kernel computes. `RELU_LANDSCAPE_TEST_KERNEL=numpy make validation` has arrays compute in
its place; on 28 November 2026 all tests passed with either.

Measured on {machine}, Python {python}.

| case | quantity | published | found | agrees | seconds | peak MiB |
|---|---|---|---|---|---|---|
"""


def rows(report: ElementTree.Element) -> Iterator[str]:
    """Table lines of the tests that recorded any; seconds and memory on a test's first line."""
    for case in report.iter("testcase"):
        properties = [(item.get("name"), item.get("value", "")) for item in case.iter("property")]
        named = {name: value for name, value in properties if name != "row"}
        failed = case.find("failure") is not None or case.find("error") is not None
        cost = [f"{float(case.get('time', 'nan')):.1f}", named.get("peak_mib", "")]
        name = case.get("name", "").removeprefix("test_").replace("_", " ")
        for index, (_, value) in enumerate(item for item in properties if item[0] == "row"):
            cells = [name if index == 0 else "", *json.loads(value), "no" if failed else "yes"]
            yield _line([*cells, *(cost if index == 0 else ["", ""])])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main(report: str, document: str) -> int:
    """Write the document; 1 where no test recorded anything."""
    lines = list(rows(ElementTree.parse(report).getroot()))
    if not lines:
        print(f"{report} holds no validation rows", file=sys.stderr)
        return 1
    head = HEAD.format(machine=platform.machine(), python=platform.python_version())
    rules = rules_table.section(rules_table.FOUND.read_text(encoding="utf-8"))
    Path(document).write_text(head + "".join(lines) + rules, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
