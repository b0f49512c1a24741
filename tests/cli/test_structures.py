"""``structures``: here and by a server."""

from __future__ import annotations

from typing import Any


def test_structures_are_listed_in_words(command: Any) -> None:
    found = command.json("structures", 8, 7)
    assert (found["student_width"], found["teacher_width"]) == (8, 7)
    assert "1+6 extra 1" in [each["name"] for each in found["items"]]
    families = {
        each["name"]: each["families"] for each in command.json("structures", 7, 7)["items"]
    }
    assert "one-anti-aligned" in families["1+6"]
    text = command("structures", 7, 7).stdout
    assert "1 teacher with 1 student; 6 teachers alike with 1 student each" in text
    assert "Blocks of equivalent teachers" in text


def test_a_server_is_asked(command: Any, url: str) -> None:
    assert [
        each["name"] for each in command.json("structures", 2, 2, "--server", url)["items"]
    ] == ["2"]


def test_what_cannot_be_asked_is_refused(command: Any) -> None:
    assert "student_width" in command("structures", 0, 3, code=2).stderr
