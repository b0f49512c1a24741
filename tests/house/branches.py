"""Which branches of our packages the tests take: a plugin of pytest around slipcover.

``pytest -p tests.house.branches --branches build/coverage.json`` writes slipcover's JSON and prints
how many branches were taken and which were not, with and without xdist. Without the option nothing
is measured.

A branch is a way out of an ``if``, ``for``, ``while`` or ``match``, from its line to the next that
runs, or to the end of the function. Those are coverage.py's, but for ``while True``, which has one
way here and none there, and ``match``, which has a way for each case and not two. Processes that a
test starts are not measured.

It is not coverage.py because that, in a release of Python without ``sys.monitoring``, is called
back at every line: tests of arithmetic take half as long again with it. Slipcover puts probes into
the code when a module is imported; one that was reached before costs as much as an empty call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from slipcover import FileMatcher, Slipcover, merge_coverage
from slipcover.importer import SlipcoverMetaPathFinder

from tests.house.ci_report import branch_coverage
from tests.house.repository import PACKAGES

#: The member of a worker's output that holds what it took, as JSON.
OUTPUT = "branches"


class Finder(SlipcoverMetaPathFinder):  # type: ignore[misc] # it has no types
    """Puts probes into modules of ``packages``, and leaves every other import alone.

    Slipcover's own finder asks all others about every module, which pytest's for ``importlib``
    mode does not bear.
    """

    def __init__(self, slipcover: Slipcover, folders: Sequence[str], packages: frozenset[str]):
        super().__init__(slipcover, FileMatcher(sources=folders))
        self._packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._packages:
            return None
        found: ModuleSpec | None = super().find_spec(fullname, path, target)
        return found


class Branches:
    """Measures one process; where workers do the testing, this one adds up what they took."""

    def __init__(self, report: Path, packages: frozenset[str]) -> None:
        early = sorted(name for name in sys.modules if name.partition(".")[0] in packages)
        if early:
            raise pytest.UsageError(
                f"--branches: imported before it could be measured: {', '.join(early)}. "
                "Name -p tests.house.branches on the command line, before every other plugin."
            )
        self._report = report
        self._folders = [
            folder
            for package in sorted(packages)
            if (spec := PathFinder.find_spec(package)) is not None
            for folder in spec.submodule_search_locations or ()
        ]
        # Immediate: no function is exchanged for another while a test runs.
        self._slipcover = Slipcover(branch=True, immediate=True)
        sys.meta_path.insert(0, Finder(self._slipcover, self._folders, packages))
        self._of_workers: dict[str, str | None] = {}

    @pytest.hookimpl(optionalhook=True)  # mutants are tried without xdist
    def pytest_configure_node(self, node: Any) -> None:
        self._of_workers[node.gateway.id] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        self._of_workers[node.gateway.id] = output.get(OUTPUT)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = json.dumps(self._slipcover.get_coverage())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Adds up, writes and prints; a worker has no terminal, and comes to no summary."""
        # Named only now, so that modules which nobody imported are compiled once, and here.
        self._slipcover.source = self._folders
        found = self._slipcover.get_coverage()
        for taken in self._of_workers.values():
            if taken is not None:
                merge_coverage(found, json.loads(taken))
        self._report.parent.mkdir(parents=True, exist_ok=True)
        self._report.write_text(json.dumps(found))
        terminalreporter.section("branches not taken")
        for line in table(found):
            terminalreporter.write_line(line)
        for worker, taken in self._of_workers.items():
            if taken is None:
                terminalreporter.write_line(
                    f"worker {worker} ended without saying which branches it took: "
                    "what nobody else took counts as not taken"
                )


def table(found: dict[str, Any]) -> list[str]:
    """A line for each file with branches that were not taken, and one on all files."""
    lines = []
    for path, file in sorted(found["files"].items()):
        missing = [f"{line}->{to or 'exit'}" for line, to in file["missing_branches"]]
        if missing:
            taken = len(file["executed_branches"])
            lines.append(f"{path}: {taken} of {taken + len(missing)}, not {', '.join(missing)}")
    return [*lines, branch_coverage(found["summary"])]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("branches")
    group.addoption(
        "--branches", type=Path, metavar="FILE", help="measure branches of our packages into FILE"
    )
    group.addoption(
        "--branches-of", action="append", metavar="PACKAGE", help="of these instead of our own"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any ``conftest.py``, and so before any of our packages; in each worker as well."""
    options = early_config.known_args_namespace
    if options.branches is not None:
        branches = Branches(options.branches, frozenset(options.branches_of or PACKAGES))
        early_config.pluginmanager.register(branches, "branches-taken")
