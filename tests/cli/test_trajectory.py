"""``trajectory``: without a server on the real engine; and with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relu_landscape.wire.trajectories import Trajectory
from tests.cli.conftest import Command
from tests.clients.served import Served

WORDS = (
    "trajectory", 2, 2, "--method", "sgd", "--learning-rate", 0.5, "--input-dimension", 40,
    "--until", 8, "--points", 5, "--runs", 3, "--seed", 2, "--workers", 1,
)  # fmt: skip


def test_it_is_computed_here(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "t.json"
    found = Trajectory.model_validate(command.json(*WORDS, "--output", target))
    assert found.steps == [0, 160, 320, 480, 640]
    assert (found.request.runs, found.request.seed) == (3, 2)
    assert json.loads(target.read_text())["digest"] == found.digest
    text = command(*WORDS).stdout
    assert "3 runs to time 8" in text
    assert found.id in text
    assert "reached the last time" in text


def test_logarithmic_times(command: Command) -> None:
    found = command.json("trajectory", 2, 2, "--first-time", 0.5, "--until", 8, "--points", 5)
    assert found["times"] == pytest.approx([0.0, 0.5, 1.2599, 3.1748, 8.0], abs=1e-4)


def test_every_field_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    found = command.json(
        "trajectory", 3, 2, "--method", "sgd", "--learning-rate", 0.25, "--batch-size", 2,
        "--label-noise", 0.5, "--input-dimension", 20, "--seed", 7, "--start", 4,
        "--init-scale", 0.5, "--until", 3, "--points", 4, "--first-time", 0.5, "--runs", 2,
        "--own-starts", "--no-attractors", "--flow-tolerance", 0.002, "--leak", -0.5,
        "--student-layer", "1,-1,0.5", "--teacher-layer", "1,-2",
        "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    expected = {
        "student_width": 3, "teacher_width": 2, "method": "sgd", "learning_rate": 0.25,
        "batch_size": 2, "label_noise": 0.5, "input_dimension": 20, "seed": 7, "start": 4,
        "init_scale": 0.5, "until": 3.0, "points": 4, "first_time": 0.5,
        "spacing": "logarithmic", "runs": 2, "own_starts": True, "attractors": False,
        "flow_tolerance": 0.002, "leak": -0.5, "student_layer": [1.0, -1.0, 0.5],
        "teacher_layer": [1.0, -2.0],
    }  # fmt: skip
    assert {name: found["request"][name] for name in expected} == expected


def test_the_fields_of_a_rule_reach_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    found = command.json(
        "trajectory", 3, 2, "--rule", "two_layer", "--step", 0.05, "--start-layer", 0.5,
        "--until", 3, "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    expected = {"rule": "two_layer", "step": 0.05, "start_layer": 0.5}
    assert {name: found["request"][name] for name in expected} == expected


def test_a_rule_is_followed_here(command: Command) -> None:
    words = ("trajectory", 3, 3, "--rule", "orthonormalised", "--until", 8, "--workers", 1)
    text = command(*words).stdout
    assert "<Trajectory (flow, orthonormalised) of 3 students and 3 teachers" in text
    assert "reached the last time" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("trajectory", 2, 2, "--rule", "sideways"), "sideways"),
        (("trajectory", 2, 2, "--step", 0.1), "step = 0.1"),
        (
            ("trajectory", 2, 2, "--method", "ode", "--learning-rate", 0.1, "--rule", "two_layer"),
            "no equation of the second one",
        ),
        (("trajectory", 2, 2, "--method", "sgd"), "learning_rate = None"),
        (("trajectory", 2, 2, "--runs", 3), "runs = 3"),
        (("trajectory", 2, 2, "--student-layer", "1"), "student_layer = [1.0]"),
        (("trajectory", 2, 2, "--teacher-layer", "1;1"), "numbers with commas"),
        (("trajectory", 2, 2, "--output", "t.csv"), "must end in .json"),
        (("trajectory", 2, 2, "--output", "nowhere/t.json"), "there is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, words: tuple[object, ...], sentence: str
) -> None:
    assert sentence in command(*words, code=2).stderr
