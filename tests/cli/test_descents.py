"""``descents``: without a server on the real engine; and with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relu_landscape.wire.descents import Descents
from tests.cli.conftest import Command
from tests.clients.served import Served

WORDS = (
    "descents", 5, 3, "normalised", "--starts", 6, "--input-dimension", 50, "--workers", 1,
)  # fmt: skip


def test_it_is_computed_here(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "d.json"
    found = Descents.model_validate(command.json(*WORDS, "--output", target))
    assert json.loads(target.read_text())["digest"] == found.digest
    text = command(*WORDS).stdout
    assert "by normalised" in text
    assert "ends of 6 descents" in text
    assert "no loss is below 0.3183098" in text
    assert "zero loss: 0.0000" in text
    assert found.id in text


def test_structured_points_have_columns_of_their_own(command: Command) -> None:
    words = ("descents", 3, 3, "orthonormalised", "--starts", 2, "--input-dimension", 20,
             "--workers", 1, "--structured")  # fmt: skip
    text = command(*words).stdout
    assert "found by" in text
    assert "starts, structures" in text
    assert "structured search:" in text
    assert command.json(*words)["request"]["structured"] is True


def test_every_field_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    usual = ("--starts", 4, "--seed", 7, "--input-dimension", 20, "--until", 50, "--init-scale", 2,
             "--flow-tolerance", 0.002, "--server", server.url, "--timeout", 60)  # fmt: skip
    found = command.json(
        "descents", 3, 2, "gradient_descent", "--step", 0.25, "--student-layer", "1,-1,0.5",
        "--teacher-layer", "1,-1", *usual,
    )  # fmt: skip
    expected = {
        "student_width": 3, "teacher_width": 2, "rule": "gradient_descent", "step": 0.25,
        "student_layer": [1.0, -1.0, 0.5], "teacher_layer": [1.0, -1.0], "start_layer": None,
        "init_scale": 2.0, "starts": 4, "seed": 7, "input_dimension": 20, "until": 50.0,
        "flow_tolerance": 0.002,
    }  # fmt: skip
    assert found["request"] == expected
    other = command.json("descents", 3, 2, "two_layer", "--start-layer", 0.5, *usual)
    assert other["request"]["start_layer"] == 0.5
    gram = command.json("descents", 3, 2, "normalised", "--teacher-gram", "1,0.3;0.3,2", *usual)
    assert gram["request"]["teacher_gram"] == [[1.0, 0.3], [0.3, 2.0]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("descents", 3, 3, "sideways"), "sideways"),
        (("descents", 3, 3, "gradient_flow", "--step", 1), "step"),
        (("descents", 3, 3, "gradient_flow", "--student-layer", "1,x"), "numbers with commas"),
        (("descents", 2, 2, "normalised", "--teacher-gram", "1,0;0,x"), "is no matrix such as"),
        (("descents", 2, 2, "two_layer", "--teacher-gram", "1,0;0,2"), "left out for two_layer"),
        (("descents", 3, 3, "normalised", "--output", "t.csv"), "must end in .json"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, words: tuple[object, ...], sentence: str
) -> None:
    assert sentence in command(*words, code=2).stderr
