"""``learning-rates``: without a server on the real engine, and with one."""

from __future__ import annotations

from typing import Any

import pytest

from relu_landscape.engine.noise.learning_rates import critical_learning_rate


def test_a_minimum_is_told(command: Any) -> None:
    found = command.json("learning-rates", "one-anti-aligned", 8, "--points", 3)
    assert found["critical_rate"] == pytest.approx(0.4106, abs=5e-5)
    assert len(found["curve"]) == 3
    text = command("learning-rates", "global", 6).stdout
    assert f"{critical_learning_rate(6):.6f}"[:7] in text


def test_a_saddle_is_refused_in_a_sentence(command: Any) -> None:
    said = command("learning-rates", "one-anti-aligned", 4, code=2).stderr
    assert "saddle" in said
    assert "Traceback" not in said


def test_a_leak_is_taken(command: Any) -> None:
    found = command.json("learning-rates", "1+3", 4, "--leak", -0.5, "--points", 1)
    assert found["loss"] == pytest.approx(0.0554680077364, abs=1e-12)
    quiet = command.json("learning-rates", "4", 4, "--leak", -0.5, "--points", 1)
    assert quiet["critical_rate"] == pytest.approx(critical_learning_rate(4, -0.5), rel=1e-9)
    named = command.json("learning-rates", "global", 4, "--leak", -0.5, "--points", 1)
    assert named["critical_rate"] == quiet["critical_rate"]
