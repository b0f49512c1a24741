"""``perturb``: without a server on the real engine; and with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relu_landscape.wire.perturbations import Perturbations
from tests.cli.conftest import Command
from tests.clients.served import Served

WORDS = (
    "perturb", 6, 6, "one-anti-aligned", "--size", 0.0001, "--size", 0.8, "--kicks", 8,
    "--input-dimension", 50, "--certify", "fast", "--workers", 1,
)  # fmt: skip


def test_it_is_computed_here(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "p.json"
    found = Perturbations.model_validate(command.json(*WORDS, "--output", target))
    assert [each.size for each in found.sizes] == [0.0001, 0.8]
    assert [each.proved for each in found.sizes] == [8, 0]
    assert json.loads(target.read_text())["digest"] == found.digest
    text = command(*WORDS).stdout
    assert "8 kicks of each of 2 sizes" in text
    assert "kicks of m2, 1+5, loss 0.02508058" in text
    assert "proved to return: within" in text
    assert f"m1 {8 - found.sizes[1].returned.hits}" in text
    assert found.id in text


def test_every_field_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    found = command.json(
        "perturb", 5, 5, "1+4", "--branch", 2, "--size", 0.1, "--size", 0.3, "--kicks", 4,
        "--seed", 7, "--input-dimension", 20, "--flow-tolerance", 0.002, "--certify", "strict",
        "--leak", -0.5, "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    expected = {
        "student_width": 5, "teacher_width": 5, "structure": "1+4", "branch": 2,
        "sizes": [0.1, 0.3], "kicks": 4, "seed": 7, "input_dimension": 20,
        "flow_tolerance": 0.002, "certify": "strict", "weights": None, "leak": -0.5,
    }  # fmt: skip
    assert found["request"] == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("perturb", 3, 3, "1+7"), "1+7"),
        (("perturb", 6, 6, "one-anti-aligned", "--leak", 0.95), "leak"),
        (("perturb", 3, 3, "global", "--size", 2, "--size", 1), "sizes"),
        (("perturb", 3, 3, "global", "--output", "t.csv"), "must end in .json"),
        (("perturb", 3, 3, "global", "-o", "nowhere/t.json"), "there is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, words: tuple[object, ...], sentence: str
) -> None:
    assert sentence in command(*words, code=2).stderr
