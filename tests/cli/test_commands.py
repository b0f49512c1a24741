"""Each command, with tables and with JSON, with a server and without."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relu_landscape.jobs import local
from relu_landscape.jobs.running.attempt import digest
from relu_landscape_client import Landscape
from tests.cli.conftest import Command
from tests.clients import documents
from tests.clients.fake import SCRIPT, FakeServer

Address = Callable[[FakeServer], str]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A landscape in a file."""
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(documents.landscape()))
    return path


def test_solving_with_a_server(command: Command, url: str) -> None:
    text = command("solve", 2, 2, "--starts", 10, "--server", url).stdout
    assert "minima: 2, saddles: 1" in text
    assert "80.00 (60.00–100.00)" in text
    assert "0.0125" in text
    assert documents.ID in text
    assert command.json("solve", 2, 2, "--server", url) == documents.landscape()


def test_every_option_reaches_the_server(command: Command, address_of: Address) -> None:
    server = FakeServer(is_known=True)
    command(
        "solve", 2, 3, "--starts", 7, "--seed", 4, "--input-dimension", 50, "--init-scale", 0.5,
        "--flow-tolerance", 1e-4, "--sampled", "--structure", "1+1", "--structure", "2",
        "--saddles", "--certify", "fast", "--server", address_of(server),
    )  # fmt: skip
    assert server.bodies == [
        {
            "student_width": 2, "teacher_width": 3, "starts": 7, "seed": 4, "input_dimension": 50,
            "init_scale": 0.5, "flow_tolerance": 1e-4, "structured": False,
            "structures": ["1+1", "2"], "saddles": True, "certify": "fast",
        }
    ]  # fmt: skip


@pytest.mark.usefixtures("toy_at_home")
def test_solving_without_a_server(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ("solve", 2, 2, "--starts", 25, "--workers", 1, "--backend", "numpy")
    printed = command.json(*words, "--output", out)
    assert printed["digest"] == digest(printed)
    assert printed["request"]["starts"] == 25
    assert json.loads(out.read_text()) == printed
    assert "minima: 1, saddles: 0" in command(*words).stdout


def test_the_server_may_stand_in_the_environment(
    command: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELU_LANDSCAPE_SERVER", url)
    assert command.json("solve", 2, 2)["id"] == documents.ID
    assert command.json("show", documents.ID)["id"] == documents.ID


def test_watching_prints_a_line_per_status(command: Command, url: str) -> None:
    lines = command("watch", documents.ID, "--server", url, "--json").stdout.splitlines()
    *statuses, last = map(json.loads, lines)
    assert last == documents.landscape()
    assert len(statuses) >= len(SCRIPT)
    assert {each["state"] for each in statuses} == {"running", "finished"}
    assert max(len(each["findings"]) for each in statuses) == 2


def test_watching_ends_with_the_table(command: Command, url: str) -> None:
    assert "minima: 2" in command("watch", documents.ID, "--server", url).stdout


def test_the_list(command: Command, url: str) -> None:
    listed = command.json("show", "--server", url, "--limit", 3)
    assert [each["id"] for each in listed] == [f"{number:064x}" for number in range(3)]
    # An id is there to be copied: never cut, whatever the width.
    assert f"{2:064x}" in command("show", "--server", url).stdout


def test_showing_a_landscape_and_a_point(command: Command, saved: Path) -> None:
    assert "minima: 2" in command("show", saved).stdout
    assert command.json("show", saved, "m2") == documents.fixed_point("m2", "minimum", 0.0125, 2)
    text = command("show", saved, "m2").stdout
    assert "12345678901234567890" in text  # relabelled copies, exactly
    assert "98765432109876543210" in text  # a multiplicity, exactly
    assert "0.9969" in text  # an overlap


@pytest.mark.parametrize("ending", ["json", "npz", "csv"])
def test_exporting(command: Command, url: str, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    assert "3 fixed points" in command("export", documents.ID, path, "--server", url).stdout
    if ending != "csv":
        assert Landscape.load(path).document == documents.landscape()
        return
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["m1", "m2", "s1"]
    assert float(rows[1]["loss"]) == 0.0125
    told = command.json("export", documents.ID, path, "--server", url)
    assert told == {"id": documents.ID, "file": str(path)}


@pytest.mark.usefixtures("toy_at_home")
def test_names_of_files_are_looked_at_before_anything_is_computed(
    command: Command, tmp_path: Path
) -> None:
    for path in (tmp_path / "out.xlsx", tmp_path / "nowhere" / "out.json"):
        error = command("solve", 2, 2, "--starts", 1000000, "-o", path, code=2).stderr
        assert str(path) in error


def _verdicts(*holds: bool | None) -> list[dict[str, Any]]:
    return [{"key": f"m{n}", "holds": each, "reason": None} for n, each in enumerate(holds)]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (_verdicts(True, True), 0),
        (_verdicts(True, None), 0),
        (_verdicts(True, False), 1),
        (_verdicts(None), 1),
        ([], 1),
    ],
)
def test_verifying(
    command: Command, saved: Path, monkeypatch: pytest.MonkeyPatch,
    verdicts: list[dict[str, Any]], code: int,
) -> None:  # fmt: skip
    """What is done with verdicts; the verifier itself has tests of its own."""
    seen: list[Any] = []

    def verify(document: Any, *, strict: bool) -> list[dict[str, Any]]:
        seen.append((document, strict))
        return verdicts

    monkeypatch.setattr(local, "verify_locally", verify)
    assert json.loads(command("verify", saved, "--json", code=code).stdout) == verdicts
    text = command("verify", "-", "--strict", code=code, stdin=saved.read_text())
    assert ("NO" in text.stdout) is any(each["holds"] is False for each in verdicts)
    assert ("no certificate" in text.stderr) is (not verdicts)
    assert seen == [(documents.landscape(), False), (documents.landscape(), True)]


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_files_that_hold_no_document(command: Command, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert str(path) in command("verify", path, code=2).stderr
    assert str(path) in command("show", path, code=2).stderr
