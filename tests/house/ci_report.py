"""What continuous integration reads off a test run: skipped tests and branch coverage.

``python -m tests.house.ci_report tests.xml coverage.json`` exits with 1 when a test of the store,
the native kernel, the page or the client was skipped for want of something that could have been
installed.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.house.gates import NO_GPU, NOT_ASKED

#: Modules whose tests continuous integration never goes without.
NEVER_SKIPPED = (
    "tests.service.jobs", "tests.service.engine.lanes", "tests.page", "tests.clients", "tests.api",
    "tests.cli", "tests.house.test_wheels",
)  # fmt: skip
ACCEPTED = (NOT_ASKED, NO_GPU)


class Skip(NamedTuple):
    """One skipped test, with the reason that it gave."""

    test: str
    reason: str


def skipped(report: ElementTree.Element) -> list[Skip]:
    """The skipped tests of a JUnit report, whole modules skipped at collection included."""
    found = []
    for case in report.iter("testcase"):
        element = case.find("skipped")
        # pytest writes an expected failure as a skip of type pytest.xfail: that test did run.
        if element is not None and element.get("type") != "pytest.xfail":
            name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
            # A module skipped at collection has "Skipped: " and its place before the reason.
            text = (element.text or "").partition("Skipped: ")[2].strip("')\n ")
            found.append(Skip(name, text or element.get("message", "")))
    return found


def unacceptable(skips: list[Skip]) -> list[Skip]:
    """The skips that continuous integration must not have."""
    return [
        skip
        for skip in skips
        if skip.test.startswith(tuple(f"{module}." for module in NEVER_SKIPPED))
        and not skip.reason.startswith(ACCEPTED)
    ]


def branch_coverage(summary: dict[str, int]) -> str:
    """A line on the branches, from the ``summary`` of slipcover's JSON report."""
    covered = summary["covered_branches"]
    branches = covered + summary["missing_branches"]
    share = 100 * covered / branches if branches else 100.0
    return f"branch coverage: {share:.1f} % ({covered} of {branches} branches)"


def main(tests_xml: str, coverage_json: str) -> int:
    """Print both; the exit status."""
    skips = skipped(ElementTree.parse(tests_xml).getroot())
    for reason, count in Counter(skip.reason for skip in skips).most_common():
        print(f"skipped {count}: {reason}")
    print(branch_coverage(json.loads(Path(coverage_json).read_text())["summary"]))
    refused = unacceptable(skips)
    for skip in refused:
        print(f"must not be skipped here: {skip.test} ({skip.reason})", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
