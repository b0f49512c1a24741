"""Sizes, and nothing in a tracked file that belongs to one developer's machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.repository import PACKAGES, ROOT, tracked_files

#: Where the codebases that this one learns from sit: no file longer, no function body either.
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

#: Absolute paths that exist on one developer's machine; system folders (/tmp, /dev, /usr) are
#: fine. Built from parts, so that this file does not match itself.
PERSONAL = re.compile(
    r"(?<![\w.:~}/-])/(?:" + "|".join(["home", "Users", "root", "work", "workspace", "mnt"]) + r")/"
)
#: The image makes this folder itself.
OWN_FOLDERS = ("/home/landscape",)


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Functions whose body, docstring apart, spans more lines than it may."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if body:
            length = (node.end_lineno or 0) - body[0].lineno + 1
            if length > LONGEST_FUNCTION:
                yield node.name, length


def test_functions_are_short() -> None:
    ours = [
        path for path in python_files() if any(path.is_relative_to(p) for p in PACKAGES.values())
    ]
    found = {path: list(long_functions(path.read_text())) for path in ours}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_long_function_is_seen_and_its_docstring_forgiven() -> None:
    lines = "    x = 1\n" * LONGEST_FUNCTION
    docstring = '    """' + "word\n" * 90 + '"""\n'
    assert list(long_functions(f"def f():\n{docstring}{lines}")) == []
    assert list(long_functions(f"def f():\n{docstring}{lines}    y = 2\n")) == [("f", 61)]


def personal_paths(text: str) -> list[str]:
    for folder in OWN_FOLDERS:
        text = text.replace(folder, "")
    return PERSONAL.findall(text)


def test_no_path_of_somebodys_machine() -> None:
    found = {}
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture, an array
            continue
        if personal_paths(text):
            found[path.relative_to(ROOT)] = personal_paths(text)
    assert found == {}


@pytest.mark.parametrize(("text", "is_personal"), [
    ("open('" + "/ho" + "me/ada/x.json')", True),
    ("see " + "/wo" + "rk/data", True),
    ("https://example.org" + "/ho" + "me/x", False),
    ("service" + "/wo" + "rk/data", False),
    ("/tmp/x and /dev/null", False),
])  # fmt: skip
def test_what_counts_as_somebodys_machine(text: str, is_personal: bool) -> None:
    assert bool(personal_paths(text)) is is_personal
