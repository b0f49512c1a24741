"""``leaks``: without a server on the real engine."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_minimum_vanishes_on_the_way(command: Any) -> None:
    asked = ("leaks", "1+3", 4, "--from", -0.5, "--to", 0, "--points", 3)
    found = command.json(*asked)
    assert [point["leak"] for point in found["points"]] == [-0.5, -0.25, 0.0]
    (change,) = found["changes"]
    assert change["leak"] == pytest.approx(-0.4856252867, abs=1e-9)
    text = command(*asked).stdout
    assert "-0.4856" in text


def test_equal_leaks_are_refused_in_a_sentence(command: Any) -> None:
    said = command("leaks", "1+3", 4, "--from", 0.5, "--to", 0.5, code=2).stderr
    assert "different leaks" in said
    assert "Traceback" not in said
