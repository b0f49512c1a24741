"""``frequencies``: without a server on the real engine; and with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relu_landscape.wire.frequencies import Frequencies
from tests.cli.conftest import Command
from tests.clients.served import Served

WORDS = (
    "frequencies", 3, 5, "--learning-rate", 0.3, "--learning-rate", 3, "--input-dimension", 20,
    "--until", 10, "--checks", 3, "--starts", 16, "--seed", 6, "--sampled", "--workers", 1,
)  # fmt: skip


def test_it_is_computed_here(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "f.json"
    found = Frequencies.model_validate(command.json(*WORDS, "--output", target))
    assert [rate.learning_rate for rate in found.rates] == [0.3, 3.0]
    assert json.loads(target.read_text())["digest"] == found.digest
    text = command(*WORDS).stdout
    assert "16 starts, 2 learning rates" in text
    assert "learning rate 0.3" in text
    assert "ran away" in text
    assert "16 starts end elsewhere than by gradient flow" in text
    assert found.id in text


def test_every_field_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    found = command.json(
        "frequencies", 3, 3, "--relative-learning-rate", 0.25, "--batch-size", 2,
        "--label-noise", 0.5, "--input-dimension", 20, "--seed", 7, "--starts", 4,
        "--init-scale", 0.5, "--until", 3, "--checks", 4, "--first-check", 0.5, "--sampled",
        "--flow-tolerance", 0.002, "--leak", -0.5, "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    expected = {
        "student_width": 3, "teacher_width": 3, "relative_learning_rates": [0.25],
        "batch_size": 2, "label_noise": 0.5, "input_dimension": 20, "seed": 7, "starts": 4,
        "init_scale": 0.5, "until": 3.0, "checks": 4, "first_check": 0.5, "structured": False,
        "flow_tolerance": 0.002, "learning_rates": None, "leak": -0.5,
    }  # fmt: skip
    assert {name: found["request"][name] for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("frequencies", 2, 2), "learning_rates = None"),
        (("frequencies", 2, 2, "--learning-rate", 1, "--leak", 1), "leak"),
        (("frequencies", 3, 2, "--relative-learning-rate", 0.5), "relative_learning_rates"),
        (("frequencies", 2, 2, "--learning-rate", 1, "--output", "t.csv"), "must end in .json"),
        (("frequencies", 2, 2, "--learning-rate", 1, "-o", "nowhere/t.json"), "there is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, words: tuple[object, ...], sentence: str
) -> None:
    assert sentence in command(*words, code=2).stderr
