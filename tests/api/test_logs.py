"""Logging: one JSON object a line, at the level that was asked for, and seldom the same twice."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

#: In a process of its own, since it replaces the root's handlers.
PROGRAM = """
import logging, sys
from relu_landscape_api.logs import Seldom, configure_logging, quieten
configure_logging(sys.argv[1])
library = logging.getLogger("library.part")
library.setLevel("INFO")  # as some libraries do when they are imported
library.info("what a library says")
logging.getLogger("ours").warning("a count", extra={"count": 2**70})
logging.getLogger("ours").warning("\\udc80 in a name")
complaint = Seldom("ours")
for _ in range(3):
    complaint.warning("again")
quieten("library")
library.warning("too late")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("ours").exception("a fault")
"""


def lines(level: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return [orjson.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(("level", "first"), [("info", "what a library says"), ("warning", None)])
def test_the_level_holds_for_libraries_with_their_own(level: str, first: str | None) -> None:
    messages = [line["message"] for line in lines(level)]
    own = ["a count", "? in a name", "again", "a fault"]
    assert messages == ([first, *own] if first else own)


def test_each_line_is_an_object_whatever_was_logged() -> None:
    count, surrogate, again, fault = lines("warning")
    assert count["count"] == str(2**70)
    assert surrogate["level"] == "WARNING"
    assert again["logger"] == "ours"
    assert "ZeroDivisionError" in str(fault["traceback"])
