"""What the tests are said to have taken is what they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house.repository import ROOT

# Behind each line that branches stands how far on its ways lead, with a star if a test takes it.
TOY = '''\
"""A toy."""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nothing_that_exists


def both(x):
    """Says which."""
    if x:  #: 1* 2*
        return "in"
    return "past"


def one(x):
    if x > 2:  #: 1 2*
        return 2
    elif x > 1:  #: 1* 3
        return 1
    else:
        return 0


def unused(x):
    for _ in x:  #: 1 exit
        pass


def loops(x):
    for each in x:  #: 1* 4
        if each:  #: 1* -1*
            break
    else:
        raise ValueError
    while x:  #: 1* 2*
        x = x[1:]
    while True:  #: 1*
        return [each for each in x if each] or (1 if x else 2)


async def numbers():
    for each in range(3):  #: 1* exit*
        await asyncio.sleep(0)
        yield each


async def added():
    total = 0
    async for each in numbers():  #: 1* 4*
        if each == 5:  #: 1 2*
            total -= 1
        total += each
    return total


def generated():
    while (yield 1):  #: 1* exit
        yield 2


class InThread:
    place = []

    def run(self):
        if not self.place:  #: 1* exit
            self.place.append(1)


def named(x):
    match x:  #: 2* 4 exit*
        case 1:
            return "one"
        case [2, *_]:
            return "two"


def other(x):
    match x:  #: 2 4*
        case 1:
            return "one"
        case _:
            return "more"


def fails(x):
    if x:  #: 1* exit
        raise ValueError(x)
'''

TESTS = """\
import asyncio, importlib, inspect, pickle, threading, traceback
import toy
from toy import deep


def test_both():
    assert (toy.both(1), toy.both(0), toy.one(2)) == ("in", "past", 1)
    assert toy.loops([0, 1]) == 2


def test_waiting():
    assert asyncio.run(toy.added()) == 3
    assert next(toy.generated()) == 1
    generated = toy.generated()
    assert (next(generated), generated.send(1)) == (1, 2)


def test_threads():
    thread = threading.Thread(target=toy.InThread().run)
    thread.start()
    thread.join()
    assert toy.InThread.place == [1]


def test_matching():
    assert (toy.named(1), toy.named(3), toy.other(3)) == ("one", None, "more")


def test_the_module_is_as_it_was():
    assert toy.__doc__ == "A toy." and toy.both.__doc__ == "Says which."
    assert pickle.loads(pickle.dumps(toy.both)) is toy.both
    assert inspect.getsource(toy.fails) == '''def fails(x):
    if x:
        raise ValueError(x)
'''.replace("if x:", "if x:  #: 1* exit")
    try:
        toy.fails(1)
    except ValueError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert last.line == "raise ValueError(x)"
    # A second import goes on with what the first one took.
    assert importlib.reload(toy).both(1) == "in"
    assert deep.asked() == "past"
"""

DEEP = """\
def asked(x=0):
    return "in" if x else "past"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the toy, a module of it that nobody imports, and tests of it."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/__init__.py").write_text(TOY)
    (tmp_path / "toy/deep.py").write_text(DEEP)
    (tmp_path / "toy/alone.py").write_text("def alone(x):\n    if x:\n        return 1\n")
    (tmp_path / "test_toy.py").write_text(TESTS)
    # As early as a test's own imports can be.
    (tmp_path / "conftest.py").write_text("import toy\n")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
         "-p", "tests.house.branches", "--branches-of", "toy", *options],
        cwd=project, text=True, capture_output=True, check=False,
        env=environment | {"PYTHONPATH": f"{ROOT}{os.pathsep}{project}"},
    )  # fmt: skip


def report(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "build/coverage.json").read_text())
    return found


def expected() -> dict[str, list[list[int]]]:
    """What the toy says of itself."""
    found: dict[str, list[list[int]]] = {"executed_branches": [], "missing_branches": []}
    for number, line in enumerate(TOY.splitlines(), start=1):
        for way in line.partition("#:")[2].split():
            to = 0 if way.startswith("exit") else number + int(way.rstrip("*"))
            kind = "executed_branches" if way.endswith("*") else "missing_branches"
            found[kind].append([number, to])
    return {kind: sorted(branches) for kind, branches in found.items()}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_what_was_taken_is_said(project: Path, workers: list[str]) -> None:
    done = run(project, "--branches", "build/coverage.json", *workers)
    assert done.returncode == 0, done.stdout + done.stderr
    found = report(project)
    toy = found["files"]["toy/__init__.py"]
    assert {kind: toy[kind] for kind in expected()} == expected()
    taken, missing = map(len, expected().values())
    assert (taken, missing) == (21, 11)
    assert "toy/alone.py: 0 of 2, not 2->exit, 2->3\n" in done.stdout
    assert "toy/deep.py" not in done.stdout
    assert "branch coverage: 61.8 % (21 of 34 branches)" in done.stdout
    assert "ended without saying" not in done.stdout


def test_a_killed_worker_is_named_and_the_others_are_counted(project: Path) -> None:
    (project / "test_toy.py").write_text(
        "import os\nimport toy\n"
        "def test_killed():\n    toy.one(9)\n    os.kill(os.getpid(), 9)\n"
        "def test_both():\n    toy.both(1)\n"
    )
    done = run(project, "--branches", "build/coverage.json", "-n", "1")
    assert done.returncode == 1
    assert "worker gw0 ended without saying which branches it took" in done.stdout
    # Of the worker that took its place.
    assert "branch coverage: 2.9 % (1 of 34 branches)" in done.stdout


def test_nothing_is_measured_unasked(project: Path) -> None:
    (project / "test_toy.py").write_text(
        "import toy\ndef test_toy():\n"
        "    assert type(toy.__loader__).__name__ == 'SourceFileLoader'\n"
    )
    done = run(project)
    assert done.returncode == 0, done.stdout
    assert "branch" not in done.stdout


def test_a_package_that_was_imported_before_is_refused(project: Path) -> None:
    (project / "early.py").write_text("import toy.deep\n")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{project}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "early", "-p", "tests.house.branches",
         "--branches-of", "toy", "--branches", "build/coverage.json"],
        cwd=project, text=True, capture_output=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--branches: imported before it could be measured: toy, toy.deep" in done.stderr
    assert not (project / "build").exists()
