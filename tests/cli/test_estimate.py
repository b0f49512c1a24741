"""``estimate``: without a server by the real model, and with one."""

from __future__ import annotations

from typing import Any


def test_a_landscape_is_judged(command: Any) -> None:
    found = command.json("estimate", 17, 17, "--starts", 10_000)
    assert set(found["seconds"]) == {"sample", "classify", "structures"}
    assert sum(found["seconds"].values()) == found["core_seconds"] > 1.0
    assert not found["is_extrapolated"]
    text = command("estimate", 17, 17, "--saddles").stdout
    assert "pathways" in text
    assert "factor of 1.5" in text


def test_what_is_beyond_the_measured_says_so(command: Any) -> None:
    assert "orders of magnitude" in command("estimate", 64, 64).stdout


def test_a_server_is_asked(command: Any, url: str) -> None:
    assert command.json("estimate", 2, 2, "--server", url)["core_seconds"] == 2.0


def test_what_cannot_be_asked_is_refused(command: Any) -> None:
    said = command("estimate", 0, 3, code=2).stderr
    assert "student_width" in said
    assert "Traceback" not in said
