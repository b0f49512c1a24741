"""``sweep``: without a server on the real engine, with one, and refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from relu_landscape.wire.sweeps import Sweep, SweepRequest
from relu_landscape_cli.sweep import axes_of
from tests.cli.conftest import Command
from tests.clients.served import Served


def test_it_is_computed_here_and_goes_on_from_what_is_kept(
    command: Command, tmp_path: Path
) -> None:
    words = ("sweep", "K=1:2", "--student-width", 1, "--starts", 5, "--workers", 1, "--kept",
             tmp_path / "kept")  # fmt: skip
    found = Sweep.model_validate(command.json(*words, "--output", tmp_path / "t.csv"))
    assert [row.teacher_width for row in found.rows] == [1, 2]
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [row["landscape"] for row in rows] == [row.landscape for row in found.rows]
    assert len(list((tmp_path / "kept").iterdir())) == 2
    text = command(*words, "--output", tmp_path / "t.json").stdout
    assert "2 teacher_width: 2 landscapes" in text
    assert "0.0885119366" in text
    assert json.loads((tmp_path / "t.json").read_text())["digest"] == found.digest


def test_every_option_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    command.json(
        "sweep", "teacher_width=2,3", "init_scale=0.5,1", "precision=float32", "--student-width", 2,
        "--starts", 7, "--seed", 3, "--input-dimension", 20, "--flow-tolerance", 0.002,
        "--sampled", "--structure", "1+1", "--saddles", "--widen", "--certify", "fast",
        "--learning-rates", "0.1,0.05", "--again", 2, "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    [asked] = server.service.submitted
    assert isinstance(asked, SweepRequest)
    assert asked.grid.axes == {
        "teacher_width": (2, 3), "init_scale": (0.5, 1.0), "precision": ("float32",),
    }  # fmt: skip
    base = asked.common
    assert (base.student_width, base.starts, base.seed, base.input_dimension) == (2, 7, 3, 20)
    assert (base.flow_tolerance, base.structured, base.structures) == (0.002, False, ("1+1",))
    assert (base.saddles, base.widen, base.certify, asked.again) == (True, True, "fast", 2)
    assert base.learning_rates == (0.05, 0.1)


def test_axes_are_ranges_or_lists() -> None:
    assert axes_of(["seed=3:5", "extra_students=-1:1", "teacher_decay=0,0.5"]) == {
        "seed": [3, 4, 5], "extra_students": [-1, 0, 1], "teacher_decay": [0, 0.5],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep", "K"), "write an axis as name=2:6"),
        (("sweep", "K=5:2"), "a range runs upwards"),
        (("sweep", "K=2", "K=3"), "given twice"),
        (("sweep", "K=2"), "student_width = None"),
        (("sweep", "colour=2"), "colour"),
        (("sweep", "K=2", "--output", "t.xls"), "must end in one of .json, .csv, .parquet"),
        (("sweep", "K=2", "--output", "nowhere/t.csv"), "there is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, words: tuple[object, ...], sentence: str
) -> None:
    assert sentence in command(*words, code=2).stderr
